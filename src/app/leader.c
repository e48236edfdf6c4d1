/* SPDX-License-Identifier: Apache-2.0 */
#include "app/leader.h"

#include "access/access.h"
#include "alert/alert_api.h"
#include "app/alerting.h"
#include "app/audit_refusals.h"
#include "app/audit_trail.h"
#include "app/declared_tasks.h"
#include "app/server_events.h"
#include "base/log.h"
#include "base/mem.h"
#include "cluster/instance_store.h"
#include "db/store.h"
#include "http/event_stream.h"
#include "http/http_server.h"
#include "keeper/keeper.h"
#include "sched/execution_log.h"
#include "sched/handler_command.h"
#include "sched/handler_http.h"
#include "sched/handler_maintenance.h"
#include "sched/handler_noop.h"
#include "sched/sched_api.h"
#include "trail/audit_notes.h"

#include <string.h>

enum {
    HANDLERS_MAX = 8,
    READERS = 8,
    STOP_HTTP_US = 10 * US_PER_S,
};

struct leader {
    struct leader_parts parts;
    struct store *store;
    struct audit_trail audit;
    struct planner alone;    /* where nobody else can plan */
    struct planner *planner; /* that one, or the one of the parts */
    bool joined;
    struct event_hub *events;
    struct alerts *alerts;
    struct handler_noop *noop;
    struct handler_http *http_handler;
    struct handler_command *command;
    struct maintenance *maintenance;
    struct handler handlers[HANDLERS_MAX];
    struct scheduler *scheduler;
    bool scheduler_started;
    struct log_followers *followers;
    struct access *access;
    struct sched_api api;
    struct probes probes;
    struct http_routes routes[HTTP_ROUTE_GROUPS_MAX];
    struct audit_refusals refusals;
    struct http_server *http;
    enum leader_end end; /* how it stops */
};

static bool is_alone(const struct leader *leader)
{
    return leader->planner == &leader->alone;
}

/* ---- store ---- */

static enum err_code open_store(struct leader *leader, struct err *err)
{
    struct store_options options = {.url = leader->parts.store_url,
                                    .relaxed = strcmp(leader->parts.config->durability, "relaxed") == 0,
                                    .readers = READERS,
                                    .epoch = leader->parts.epoch,
                                    .committed = audit_trail_committed,
                                    .lost = leader->parts.lost,
                                    .arg = &leader->audit,
                                    .lost_arg = leader->parts.arg};
    return store_open(&options, &leader->store, err);
}

static struct server_life life_of(const struct leader *leader)
{
    return (struct server_life){.config = leader->parts.config,
                                .instance_id = leader->parts.identity->id,
                                .store_path = leader->parts.store_path,
                                .now_us = clock_wall(leader->parts.clock).us,
                                .alone = is_alone(leader),
                                .handover = leader->end == LEADER_HANDS_OVER,
                                .failed = !leader->http};
}

static enum err_code register_alone(const struct leader *leader, struct db *tx, int64_t now_us, struct err *err)
{
    const struct instance_identity *identity = leader->parts.identity;
    const struct instance row = {.id = identity->id,
                                 .host = identity->host,
                                 .version = HORAE_VERSION,
                                 .labels = identity->labels_json,
                                 .life = "",
                                 .address = leader->parts.listener->address,
                                 .started_us = now_us,
                                 .last_seen_us = now_us,
                                 .capacity = leader->parts.config->capacity,
                                 .plans = leader->parts.config->enable_cron};
    enum err_code code = instance_store_stop_others(tx, identity->id, now_us, err);
    return code == OK ? instance_store_put(tx, &row, err) : code;
}

static enum err_code write_start(struct db *tx, void *arg, struct err *err)
{
    const struct leader *leader = arg;
    const struct server_life life = life_of(leader);
    enum err_code code = server_event_started(tx, &life, err);
    return code == OK && is_alone(leader) ? register_alone(leader, tx, life.now_us, err) : code;
}

static enum err_code write_stop(struct db *tx, void *arg, struct err *err)
{
    const struct leader *leader = arg;
    const struct server_life life = life_of(leader);
    enum err_code code = server_event_stopped(tx, &life, err);
    return code == OK && is_alone(leader) ? instance_store_stop(tx, life.instance_id, "", life.now_us, err) : code;
}

static enum err_code join(struct leader *leader, struct err *err)
{
    const struct leader_parts *parts = &leader->parts;
    enum err_code code = is_alone(leader)
                             ? planner_open(leader->planner, parts->config, leader->store, parts->clock, parts->identity->id, err)
                             : OK;
    if (code != OK)
        return code;
    leader->joined = true;
    code = store_write(leader->store, write_start, leader, err);
    if (code == OK)
        audit_notes_remove(parts->store_path);
    return code == OK && is_alone(leader) ? planner_acquire(leader->planner, err) : code;
}

/* ---- scheduler ---- */

static enum err_code make_handlers(struct leader *leader, size_t *ret_count, struct err *err)
{
    size_t n = 0;
    struct handler_command_options command = {.data_dir = leader->parts.config->data,
                                              .clock = leader->parts.clock,
                                              .log_bytes = leader->parts.config->log_bytes,
                                              .files = leader->parts.files};
    enum err_code code = handler_command_new(&command, &leader->command, err);
    if (code != OK)
        return code;
    leader->noop = handler_noop_new();
    leader->http_handler = handler_http_new(leader->parts.clock);
    leader->maintenance =
        maintenance_new(leader->store, leader->parts.clock, leader->parts.config->data, leader->audit.ingest.trail);
    leader->handlers[n++] = handler_noop_handler(leader->noop);
    leader->handlers[n++] = handler_http_handler(leader->http_handler);
    leader->handlers[n++] = handler_command_handler(leader->command);
    n += maintenance_handlers(leader->maintenance, leader->handlers + n);
    *ret_count = n;
    return OK;
}

static enum err_code start_scheduler(struct leader *leader, struct err *err)
{
    const struct config *c = leader->parts.config;
    size_t handler_count = 0;
    enum err_code code = make_handlers(leader, &handler_count, err);
    if (code != OK)
        return code;
    struct scheduler_options options = {.store = leader->store,
                                        .clock = leader->parts.clock,
                                        .events = leader->events,
                                        .alerts = leader->alerts,
                                        .instance_id = leader->parts.identity->id,
                                        .labels = leader->parts.identity->labels,
                                        .label_count = leader->parts.identity->label_count,
                                        .capacity = (int)c->capacity,
                                        .plans = c->enable_cron,
                                        .default_max_duration_s = (int)c->default_timeout_seconds,
                                        .default_max_retries = (int)c->default_max_retries,
                                        .default_grace_s = (int)c->default_grace_period,
                                        .may_decide = planner_may_decide,
                                        .may_decide_arg = leader->planner,
                                        .handlers = leader->handlers,
                                        .handler_count = handler_count};
    if ((code = scheduler_new(&options, &leader->scheduler, err)) != OK)
        return code;
    const struct attempt_sink sink = scheduler_sink(leader->scheduler);
    handler_noop_attach(leader->noop, &sink);
    handler_http_attach(leader->http_handler, &sink);
    maintenance_attach(leader->maintenance, &sink);
    if ((code = handler_command_attach(leader->command, &sink, err)) != OK)
        return code;
    scheduler_start(leader->scheduler);
    leader->scheduler_started = true;
    planner_attach(leader->planner, leader->scheduler, leader->alerts, leader->store);
    planner_keep(leader->planner);
    return declare_tasks(leader->scheduler, clock_wall(leader->parts.clock).us, err);
}

/* ---- HTTP ---- */

/* A refused call may be dropped: the trail counts it. */
static void post_refusal(void *arg, struct audit_event *event)
{
    struct leader *leader = arg;
    trail_post(leader->audit.ingest.trail, event);
}

static enum err_code start_http(struct leader *leader, struct err *err)
{
    const struct config *c = leader->parts.config;
    struct access_options access = {.store = leader->store,
                                    .clock = leader->parts.clock,
                                    .data_dir = c->data,
                                    .admin_token = c->admin_token[0] ? c->admin_token : NULL,
                                    .admin_password = c->admin_password[0] ? c->admin_password : NULL};
    enum err_code code = access_new(&access, &leader->access, err);
    if (code != OK)
        return code;
    leader->followers = log_followers_new();
    leader->api = (struct sched_api){.scheduler = leader->scheduler,
                                     .store = leader->store,
                                     .clock = leader->parts.clock,
                                     .leases = leader->planner->leases,
                                     .events = leader->events,
                                     .followers = leader->followers,
                                     .data_dir = c->data,
                                     .instance_id = leader->parts.identity->id,
                                     .planner = &leader->planner->kept,
                                     .capacity = (int)c->capacity,
                                     .drained = leader->parts.drained,
                                     .drained_arg = leader->parts.arg,
                                     .defaults = {c->default_timeout_seconds, c->default_max_retries, c->default_grace_period}};
    leader->probes = (struct probes){.store = leader->store,
                                     .scheduler = leader->scheduler,
                                     .command = leader->command,
                                     .trail = leader->audit.ingest.trail,
                                     .planner = leader->planner,
                                     .cluster = leader->parts.status};
    size_t n = 0;
    leader->routes[n++] = probes_routes(&leader->probes);
    leader->routes[n++] = access_routes(leader->access);
    leader->routes[n++] = alert_routes(leader->alerts);
    n += sched_api_routes(&leader->api, leader->routes + n);
    leader->routes[n++] = ingest_routes(&leader->audit.ingest);
    leader->routes[n++] = audit_routes(&leader->audit.api);
    leader->routes[n++] = verify_routes(leader->audit.verify);
    struct http_server_options options = {.listener = leader->parts.listener,
                                          .tls_cert_file = c->tls_cert[0] ? c->tls_cert : NULL,
                                          .tls_key_file = c->tls_key[0] ? c->tls_key : NULL,
                                          .max_connections = (int)c->max_connections,
                                          .clock = leader->parts.clock,
                                          .store = leader->store,
                                          .cluster_secret = leader->parts.secret,
                                          .groups = leader->routes,
                                          .group_count = n,
                                          .client_rules = leader->parts.client_rules,
                                          .authenticate = access_authenticate,
                                          .arg = leader->access,
                                          .refused = audit_refused,
                                          .refused_arg = &leader->refusals};
    leader->refusals = (struct audit_refusals){.post = post_refusal, .arg = leader};
    return http_server_start(&options, &leader->http, err);
}

/* ---- life ---- */

static enum err_code start_parts(struct leader *leader, struct err *err)
{
    const struct leader_parts *parts = &leader->parts;
    leader->events = event_hub_new();
    leader->alerts = alerting_start(parts->config, leader->store, parts->clock, leader->events, parts->identity->id);
    leader->audit.alerts = leader->alerts;
    leader->audit.events = leader->events;
    audit_trail_start(&leader->audit);
    return start_scheduler(leader, err);
}

enum err_code leader_start(const struct leader_parts *parts, struct leader **ret, struct err *err)
{
    struct leader *leader = xcalloc(1, sizeof *leader);
    leader->parts = *parts;
    leader->planner = parts->planner ? parts->planner : &leader->alone;
    enum err_code code = open_store(leader, err);
    if (code == OK) /* it says which rows of audit_pending went; the first one of this start must not bear such a number */
        code = audit_trail_open(&leader->audit, parts->config, leader->store, parts->clock, parts->store_url, parts->store_path,
                                err);
    if (code == OK)
        code = join(leader, err);
    if (code == OK)
        code = start_parts(leader, err);
    if (code == OK)
        code = start_http(leader, err);
    bool of_lock = code != OK && strncmp(err->api_code, "LOCK_", 5) == 0;
    if (code != OK && leader->store && !of_lock &&
        (!leader->events || code == ERR_CORRUPT)) /* the first writes, or damage found later */
        store_explain(leader->store, err);
    if (code != OK) {
        leader_stop(leader, LEADER_HANDS_OVER); /* a failed start ends nothing that a former server left running */
        return code;
    }
    *ret = leader;
    return OK;
}

static void leave(struct leader *leader)
{
    struct err err;
    if (!leader->joined)
        return;
    planner_detach(leader->planner);
    if (leader->end != LEADER_LOST && store_write(leader->store, write_stop, leader, &err) != OK)
        log_warn("cluster", "the instance was not signed off: %s", err.message);
    planner_leave(leader->planner); /* after this, another leads */
}

void leader_drain(struct leader *leader, enum leader_end end)
{
    leader->end = end;
    atomic_store(&leader->probes.stopping, true);
    if (leader->store)
        store_prepare_close(leader->store);
    if (leader->scheduler_started && end == LEADER_LOST)
        scheduler_abandon(leader->scheduler);
    else if (leader->scheduler_started)
        scheduler_stop(leader->scheduler, leader->parts.config->stop_timeout * US_PER_S, end == LEADER_HANDS_OVER);
    leader->scheduler_started = false;
}

void leader_set_draining(struct leader *leader, bool draining)
{
    if (scheduler_figures(leader->scheduler).draining != draining)
        scheduler_drain(leader->scheduler, draining);
}

void leader_drain_hurry(struct leader *leader)
{
    scheduler_stop_by(leader->scheduler, 0, false);
}

int64_t leader_running(const struct leader *leader)
{
    return scheduler_figures(leader->scheduler).running;
}

void leader_stop(struct leader *leader, enum leader_end end)
{
    bool handover = end == LEADER_HANDS_OVER;
    leader_drain(leader, end);
    if (!is_alone(leader)) /* others wait for the lease */
        leave(leader);
    if (leader->access)
        access_drain(leader->access);
    audit_trail_drain(&leader->audit);
    if (leader->http)
        http_server_stop(leader->http, STOP_HTTP_US);
    handler_command_free(leader->command, handover);
    maintenance_free(leader->maintenance);
    handler_http_free(leader->http_handler);
    handler_noop_free(leader->noop);
    if (is_alone(leader))
        leave(leader);
    audit_trail_stop(&leader->audit);
    if (leader->alerts)
        alerts_stop(leader->alerts);
    if (leader->store)
        store_close(leader->store);
    audit_trail_free(&leader->audit);
    alerts_free(leader->alerts);
    scheduler_free(leader->scheduler);
    log_followers_free(leader->followers);
    access_free(leader->access);
    event_hub_free(leader->events);
    planner_free(&leader->alone);
    free(leader);
}
