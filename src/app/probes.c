/* SPDX-License-Identifier: Apache-2.0 */
#include "app/probes.h"

#include "app/assets.h"
#include "app/planner.h"
#include "base/json_write.h"
#include "base/metrics.h"
#include "db/store.h"
#include "sched/handler_command.h"
#include "sched/scheduler.h"
#include "trail/trail.h"

enum { METRICS_MAX = 16 << 20 };

/* Whether what a command starts can be held, and limits kept, on this machine (rulings section 3, The keeper). */
static void put_commands(struct json_writer *w, struct handler_command *command)
{
    struct keeper_abilities abilities;
    handler_command_abilities(command, &abilities);
    json_key(w, "commands");
    json_begin_object(w);
    json_put_text(w, "trees", abilities.trees ? "cgroup" : "search");
    json_put_text_unless_empty(w, "trees_reason", abilities.no_trees);
    json_put_bool(w, "limits", abilities.limits);
    json_put_text_unless_empty(w, "limits_reason", abilities.no_limits);
    json_end_object(w);
}

/* Events of others are refused while it fails; changes go on, and their events wait in the store. */
static void put_audit(struct json_writer *w, struct trail *trail)
{
    struct trail_figures figures = trail_figures(trail);
    json_key(w, "audit");
    json_begin_object(w);
    json_put_bool(w, "failing", figures.failing);
    json_put_int(w, "queued", figures.queued);
    json_put_int(w, "dropped", figures.dropped);
    json_end_object(w);
}

/* While it is not held nothing new starts; the rest goes on (LCK-09). Why is said in the log: this answer needs no token. */
static void put_lock(struct json_writer *w, struct planner *planner)
{
    struct lease_report report;
    if (!planner_report(planner, &report))
        return;
    json_key(w, "lock");
    json_begin_object(w);
    json_put_text(w, "provider", planner->leases->ops->name);
    json_put_text(w, "state", lease_state_names[report.state]);
    json_put_bool(w, "failing", report.failing);
    json_end_object(w);
}

static void put_cluster(struct json_writer *w, const struct cluster_status *cluster)
{
    json_key(w, "cluster");
    json_begin_object(w);
    json_put_text(w, "role", atomic_load(&cluster->leads) ? "planner" : "member");
    json_put_bool(w, "leader_known", atomic_load(&cluster->leader_known));
    json_put_int(w, "instances", atomic_load(&cluster->live));
    json_put_int(w, "clock_offset_ms", atomic_load(&cluster->clock_offset_us) / US_PER_MS);
    json_put_bool(w, "clock_off", atomic_load(&cluster->clock_off));
    json_end_object(w);
}

static void answer_state(struct http_request *request, int status, const char *state, struct probes *details)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 4096);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_put_text(&w, "status", state);
    json_put_text(&w, "version", HORAE_VERSION);
    if (details && details->cluster)
        put_cluster(&w, details->cluster);
    if (details && details->command)
        put_commands(&w, details->command);
    if (details && details->trail)
        put_audit(&w, details->trail);
    if (details && details->planner)
        put_lock(&w, details->planner);
    json_end_object(&w);
    http_answer_json(request, status, &out);
}

/* The process answers: that is all that health means. What it says of the cluster is for people. */
static void healthz(struct http_request *request, void *context)
{
    const struct probes *probes = context;
    struct probes cluster = {.cluster = probes->cluster};
    answer_state(request, 200, "ok", probes->cluster ? &cluster : NULL);
}

static enum err_code read_nothing(struct db *db, void *arg, struct err *err)
{
    (void)db, (void)arg, (void)err;
    return OK;
}

/* Takes work: the store answers and takes what is decided, and the server is not stopping. */
static void readyz(struct http_request *request, void *context)
{
    struct probes *probes = context;
    struct err err;
    if (atomic_load(&probes->stopping))
        (void)err_set(&err, ERR_UNAVAILABLE, NULL, "the server is stopping");
    else if (probes->cluster && atomic_load(&probes->cluster->taken))
        (void)err_set(&err, ERR_UNAVAILABLE, NULL, "another process has the id of this instance: end one of them");
    else if (probes->cluster && !atomic_load(&probes->cluster->leader_known))
        (void)err_set(&err, ERR_UNAVAILABLE, NULL, "no instance leads at the moment");
    else if (probes->scheduler && scheduler_figures(probes->scheduler).store_refuses)
        (void)err_set(&err, ERR_UNAVAILABLE, NULL, "the store refuses changes; the log says why");
    else if (store_read(probes->store, read_nothing, NULL, &err) == OK) {
        answer_state(request, 200, "ready", probes);
        return;
    }
    http_answer_error(request, ERR_UNAVAILABLE, &err);
}

static void metrics(struct http_request *request, void *context)
{
    (void)context;
    struct buf out;
    buf_init(&out, METRICS_MAX);
    metrics_write(&out);
    http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

static void openapi(struct http_request *request, void *context)
{
    (void)context;
    http_answer_static(request, 200, "application/json", (const char *)asset_openapi_json, asset_openapi_json_size);
}

static void page(struct http_request *request, void *context)
{
    (void)context;
    http_answer_static(request, 200, "text/html; charset=utf-8", (const char *)asset_index_html, asset_index_html_size);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/healthz", healthz, HTTP_PUBLIC, 0, 0, NULL, "the process answers"},
    {HTTP_GET, "/readyz", readyz, HTTP_PUBLIC, 0, 0, NULL, "the server takes work"},
    {HTTP_GET, "/metrics", metrics, HTTP_PUBLIC, 0, 0, NULL, "metrics in Prometheus text form"},
    {HTTP_GET, "/api/v1/openapi.json", openapi, HTTP_PUBLIC, 0, 0, NULL, "this interface as OpenAPI 3.0"},
    {HTTP_GET, "/", page, HTTP_PUBLIC, 0, 0, NULL, "a page that says what runs here"},
};

struct http_routes probes_routes(struct probes *probes)
{
    return (struct http_routes){routes, ARRAY_LEN(routes), probes};
}
