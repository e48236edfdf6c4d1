/* SPDX-License-Identifier: Apache-2.0 */
#include "app/server.h"

#include "access/access.h"
#include "alert/alert_api.h"
#include "app/alerting.h"
#include "app/audit_refusals.h"
#include "app/audit_trail.h"
#include "app/declared_tasks.h"
#include "app/instance.h"
#include "app/planner.h"
#include "app/probes.h"
#include "app/server_events.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cluster/instance_store.h"
#include "db/store.h"
#include "db/store_lock.h"
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

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HANDLERS_MAX = 8,
    READERS = 8,
    STOP_HTTP_US = 10 * US_PER_S,
};

struct server {
    const struct config *config;
    const struct clock *clock;
    struct instance_identity identity;
    struct store *store;
    struct store_lock folder;               /* held where the store is on a server; where it is a file it has one itself */
    char store_path[4200], store_url[4200]; /* what its files begin with, and itself: not to be shown */
    struct audit_trail audit;
    struct planner planner;
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
    struct client_address_rules client_rules;
    uint64_t files; /* soft limit of open files as it was given to us */
    struct http_routes routes[HTTP_ROUTE_GROUPS_MAX];
    struct audit_refusals refusals;
    struct http_server *http;
    bool handover; /* how it stops */
};

const char *server_address(const struct server *server)
{
    return http_server_address(server->http);
}

/* ---- store and identity ---- */

static enum err_code make_data_dir(const char *path, struct err *err)
{
    char part[4096];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return err_param(err, "data", "data: cannot make %s: %s", part, strerror(errno));
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_param(err, "data", "data: cannot make %s: %s", path, strerror(errno));
    return OK;
}

/* The database holds password hashes and secrets: nobody else reads it, whatever the folder's mode is. SQLite gives the
 * files beside it the same mode. */
static void protect_database(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat info;
    if (fd < 0)
        return; /* opening the store says why */
    if (fstat(fd, &info) == 0 && (info.st_mode & 077))
        (void)fchmod(fd, 0600);
    (void)close(fd);
}

/* A server that ran here left its token, and a database that was ever opened is not empty: beginning anew without a word
 * would hide that everything is gone. */
static enum err_code refuse_emptied(const struct server *server, const char *path, struct err *err)
{
    char token[4200];
    struct stat info;
    (void)snprintf(token, sizeof token, "%s/cli-token", server->config->data);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > 0 || access(token, F_OK) != 0)
        return OK;
    return err_set(err, ERR_CORRUPT, NULL,
                   "%s is empty, although a server has run here: put a copy in its place with `horae store restore`, or remove"
                   " the empty file to begin anew",
                   path);
}

static enum err_code open_store(struct server *server, struct err *err)
{
    char *url = server->store_url;
    if (server->config->store[0])
        (void)snprintf(url, sizeof server->store_url, "%s", server->config->store);
    else
        (void)snprintf(url, sizeof server->store_url, "sqlite:%s/horae.db", server->config->data);
    store_files(url, server->config->data, server->store_path, sizeof server->store_path);
    if (strncmp(url, "sqlite:", 7) == 0) {
        if (refuse_emptied(server, server->store_path, err) != OK)
            return ERR_CORRUPT;
        protect_database(server->store_path);
    } else if (store_lock_take(&server->folder, server->store_path, err) != OK) {
        return err->code; /* the audit log and what commands write are of this folder, whatever the store */
    }
    struct store_options options = {.url = url,
                                    .relaxed = strcmp(server->config->durability, "relaxed") == 0,
                                    .readers = READERS,
                                    .committed = audit_trail_committed,
                                    .arg = &server->audit};
    return store_open(&options, &server->store, err);
}

static struct server_life life_of(const struct server *server)
{
    return (struct server_life){.config = server->config,
                                .instance_id = server->identity.id,
                                .store_path = server->store_path,
                                .now_us = clock_wall(server->clock).us,
                                .handover = server->handover,
                                .failed = !server->http};
}

static enum err_code write_instance(struct db *tx, void *arg, struct err *err)
{
    const struct server *server = arg;
    const struct server_life life = life_of(server);
    int64_t now = life.now_us;
    struct instance row = {server->identity.id,     server->identity.host, HORAE_VERSION, server->identity.labels_json, now, now,
                           server->config->capacity};
    enum err_code code = server_event_started(tx, &life, err);
    if (code == OK)
        code = instance_store_stop_others(tx, server->identity.id, now, err);
    return code == OK ? instance_store_put(tx, &row, err) : code;
}

static enum err_code write_stop(struct db *tx, void *arg, struct err *err)
{
    const struct server *server = arg;
    const struct server_life life = life_of(server);
    enum err_code code = server_event_stopped(tx, &life, err);
    return code == OK ? instance_store_stop(tx, server->identity.id, life.now_us, err) : code;
}

static enum err_code join(struct server *server, struct err *err)
{
    enum err_code code = planner_open(&server->planner, server->config, server->store, server->clock, server->identity.id, err);
    if (code != OK)
        return code;
    server->joined = true;
    code = store_write(server->store, write_instance, server, err);
    if (code == OK)
        audit_notes_remove(server->store_path);
    return code == OK ? planner_acquire(&server->planner, err) : code;
}

/* ---- scheduler ---- */

static enum err_code make_handlers(struct server *server, size_t *ret_count, struct err *err)
{
    size_t n = 0;
    struct handler_command_options command = {
        .data_dir = server->config->data, .clock = server->clock, .log_bytes = server->config->log_bytes, .files = server->files};
    enum err_code code = handler_command_new(&command, &server->command, err);
    if (code != OK)
        return code;
    server->noop = handler_noop_new();
    server->http_handler = handler_http_new(server->clock);
    server->maintenance = maintenance_new(server->store, server->clock, server->config->data, server->audit.ingest.trail);
    server->handlers[n++] = handler_noop_handler(server->noop);
    server->handlers[n++] = handler_http_handler(server->http_handler);
    server->handlers[n++] = handler_command_handler(server->command);
    n += maintenance_handlers(server->maintenance, server->handlers + n);
    *ret_count = n;
    return OK;
}

static enum err_code start_scheduler(struct server *server, struct err *err)
{
    const struct config *c = server->config;
    size_t handler_count = 0;
    enum err_code code = make_handlers(server, &handler_count, err);
    if (code != OK)
        return code;
    struct scheduler_options options = {.store = server->store,
                                        .clock = server->clock,
                                        .events = server->events,
                                        .alerts = server->alerts,
                                        .instance_id = server->identity.id,
                                        .labels = server->identity.labels,
                                        .label_count = server->identity.label_count,
                                        .capacity = (int)c->capacity,
                                        .plans = c->enable_cron,
                                        .default_max_duration_s = (int)c->default_timeout_seconds,
                                        .default_max_retries = (int)c->default_max_retries,
                                        .default_grace_s = (int)c->default_grace_period,
                                        .may_decide = planner_may_decide,
                                        .may_decide_arg = &server->planner,
                                        .handlers = server->handlers,
                                        .handler_count = handler_count};
    if ((code = scheduler_new(&options, &server->scheduler, err)) != OK)
        return code;
    const struct attempt_sink sink = scheduler_sink(server->scheduler);
    handler_noop_attach(server->noop, &sink);
    handler_http_attach(server->http_handler, &sink);
    maintenance_attach(server->maintenance, &sink);
    if ((code = handler_command_attach(server->command, &sink, err)) != OK)
        return code;
    scheduler_start(server->scheduler);
    server->scheduler_started = true;
    planner_start(&server->planner, server->scheduler, server->alerts);
    return declare_tasks(server->scheduler, clock_wall(server->clock).us, err);
}

/* ---- HTTP ---- */

/* A refused call may be dropped: the trail counts it. */
static void post_refusal(void *arg, struct audit_event *event)
{
    struct server *server = arg;
    trail_post(server->audit.ingest.trail, event);
}

static enum err_code trust_proxies(struct server *server, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; code == OK && i < server->config->trusted_proxies.count; i++)
        code = client_address_trust(&server->client_rules, server->config->trusted_proxies.items[i], err);
    for (size_t i = 0; code == OK && i < server->config->client_ip_headers.count; i++)
        code = client_address_use(&server->client_rules, server->config->client_ip_headers.items[i], err);
    return code;
}

static enum err_code start_http(struct server *server, struct err *err)
{
    const struct config *c = server->config;
    struct access_options access = {.store = server->store,
                                    .clock = server->clock,
                                    .data_dir = c->data,
                                    .admin_token = c->admin_token[0] ? c->admin_token : NULL,
                                    .admin_password = c->admin_password[0] ? c->admin_password : NULL};
    enum err_code code = access_new(&access, &server->access, err);
    if (code != OK)
        return code;
    server->followers = log_followers_new();
    server->api = (struct sched_api){.scheduler = server->scheduler,
                                     .store = server->store,
                                     .clock = server->clock,
                                     .leases = server->planner.leases,
                                     .events = server->events,
                                     .followers = server->followers,
                                     .data_dir = c->data,
                                     .instance_id = server->identity.id,
                                     .planner = &server->planner.kept,
                                     .capacity = (int)c->capacity,
                                     .defaults = {c->default_timeout_seconds, c->default_max_retries, c->default_grace_period}};
    server->probes = (struct probes){.store = server->store,
                                     .scheduler = server->scheduler,
                                     .command = server->command,
                                     .trail = server->audit.ingest.trail,
                                     .planner = &server->planner};
    size_t n = 0;
    server->routes[n++] = probes_routes(&server->probes);
    server->routes[n++] = access_routes(server->access);
    server->routes[n++] = alert_routes(server->alerts);
    n += sched_api_routes(&server->api, server->routes + n);
    server->routes[n++] = ingest_routes(&server->audit.ingest);
    server->routes[n++] = audit_routes(&server->audit.api);
    server->routes[n++] = verify_routes(server->audit.verify);
    struct http_server_options options = {.listen = c->listen,
                                          .tls_cert_file = c->tls_cert[0] ? c->tls_cert : NULL,
                                          .tls_key_file = c->tls_key[0] ? c->tls_key : NULL,
                                          .max_connections = (int)c->max_connections,
                                          .clock = server->clock,
                                          .store = server->store,
                                          .groups = server->routes,
                                          .group_count = n,
                                          .client_rules = &server->client_rules,
                                          .authenticate = access_authenticate,
                                          .arg = server->access,
                                          .refused = audit_refused,
                                          .refused_arg = &server->refusals};
    server->refusals = (struct audit_refusals){.post = post_refusal, .arg = server};
    return http_server_start(&options, &server->http, err);
}

static void register_build_info(void)
{
    metric_set(metric_get(METRIC_GAUGE, "horae_build_info", "The version that runs.", "version=\"" HORAE_VERSION "\""), 1);
    metric_set(metric_get(METRIC_GAUGE, "horae_instance_up", "1 while this instance serves.", ""), 1);
}

/* Connections and outgoing requests take a descriptor each; shells give 1,024 and allow more. */
static uint64_t raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    uint64_t given = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ? given : 0;
}

enum err_code server_start(const struct config *config, struct server **ret, struct err *err)
{
    struct server *server = xcalloc(1, sizeof *server);
    server->config = config;
    server->clock = clock_real();
    server->folder.fd = -1;
    server->files = raise_files();
    enum err_code code = instance_identify(config, &server->identity, err);
    if (code == OK)
        code = trust_proxies(server, err);
    if (code == OK)
        code = make_data_dir(config->data, err);
    if (code == OK)
        code = open_store(server, err);
    if (code == OK) /* it says which rows of audit_pending went; the first one of this start must not bear such a number */
        code = audit_trail_open(&server->audit, config, server->store, server->clock, server->store_url, server->store_path, err);
    if (code == OK)
        code = join(server, err);
    if (code == OK) {
        server->events = event_hub_new();
        server->alerts = alerting_start(config, server->store, server->clock, server->events, server->identity.id);
        register_build_info();
        server->audit.alerts = server->alerts;
        server->audit.events = server->events;
        audit_trail_start(&server->audit);
        code = start_scheduler(server, err);
    }
    if (code == OK)
        code = start_http(server, err);
    bool of_lock = code != OK && strncmp(err->api_code, "LOCK_", 5) == 0;
    if (code != OK && server->store && !of_lock &&
        (!server->events || code == ERR_CORRUPT)) /* the first writes, or damage found later */
        store_explain(server->store, err);
    if (code != OK) {
        server_stop(server, true); /* a failed start ends nothing that a former server left running */
        return code;
    }
    *ret = server;
    return OK;
}

/* ---- stop ---- */

static void leave(struct server *server)
{
    struct err err;
    if (!server->joined)
        return;
    planner_leave(&server->planner);
    if (store_write(server->store, write_stop, server, &err) != OK)
        log_warn("cluster", "the instance was not signed off: %s", err.message);
}

void server_drain(struct server *server, bool handover)
{
    atomic_store(&server->probes.stopping, true);
    if (server->store)
        store_prepare_close(server->store);
    if (server->scheduler_started)
        scheduler_stop(server->scheduler, server->config->stop_timeout * US_PER_S, handover);
    server->scheduler_started = false;
}

void server_drain_hurry(struct server *server)
{
    scheduler_stop_by(server->scheduler, 0, false);
}

int64_t server_running(const struct server *server)
{
    return scheduler_figures(server->scheduler).running;
}

void server_stop(struct server *server, bool handover)
{
    server->handover = handover;
    server_drain(server, handover);
    if (server->access)
        access_drain(server->access);
    audit_trail_drain(&server->audit);
    if (server->http)
        http_server_stop(server->http, STOP_HTTP_US);
    handler_command_free(server->command, handover);
    maintenance_free(server->maintenance);
    handler_http_free(server->http_handler);
    handler_noop_free(server->noop);
    leave(server);
    audit_trail_stop(&server->audit);
    if (server->alerts)
        alerts_stop(server->alerts);
    if (server->store)
        store_close(server->store);
    audit_trail_free(&server->audit);
    alerts_free(server->alerts);
    scheduler_free(server->scheduler);
    log_followers_free(server->followers);
    access_free(server->access);
    event_hub_free(server->events);
    planner_free(&server->planner);
    instance_identity_release(&server->identity);
    store_lock_release(&server->folder);
    free(server);
}
