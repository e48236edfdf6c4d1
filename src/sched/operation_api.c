/* SPDX-License-Identifier: Apache-2.0 */
/* REST of what surrounds tasks: statistics (API-17), types, retention (RET-01..04), locks, instances (API-18). */
#include "sched/sched_api_priv.h"

#include "audit/audit_request.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster/instance_store.h"
#include "cluster/lease_store.h"
#include "http/event_stream.h"
#include "http/idempotency_store.h"
#include "sched/execution_query.h"
#include "db/retention.h"
#include "sched/sched_store.h"
#include "sched/task_types.h"
#include "trail/pending_store.h"

#include <stdio.h>
#include <string.h>

/* ---- statistics ---- */

static const char *const windows[] = {"1h", "24h", "7d", "all"};
static const int64_t window_hours[] = {1, 24, 168, 0};
static const struct http_param_spec stats_params[] = {{"task_uid", HTTP_PARAM_TEXT, 1, TASK_NAME_MAX, NULL},
                                                      {"window", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(windows), windows},
                                                      API_PARAMS_END};

static enum err_code read_stats(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    const char *reference = http_param_text(read->request, "task_uid");
    int64_t task_id = 0, hours = window_hours[http_param_int(read->request, "window", ARRAY_LEN(windows) - 1)];
    int64_t now_hour = clock_wall(read->api->clock).us / (3600 * (int64_t)US_PER_S);
    enum err_code code = OK;
    if (reference) {
        struct task_row row;
        if ((code = task_store_get(db, reference, &row, err)) != OK)
            return code;
        task_id = row.task->id;
        sched_task_free(row.task);
    }
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    code = stats_query(db, task_id, hours ? now_hour - hours + 1 : 0, &read->w, err);
    if (code == OK)
        json_end_object(&read->w);
    return code;
}

static void stats(struct http_request *request, void *context)
{
    api_read(context, request, read_stats);
}

static void types(struct http_request *request, void *context)
{
    (void)context;
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "data");
    task_types_write_json(&w);
    json_end_object(&w);
    http_answer_json(request, 200, &out);
}

/* ---- retention ---- */

struct retention_settings {
    struct retention_setting kinds[RETENTION_SCHED_KINDS];
};

static enum err_code read_settings(struct db *db, struct retention_settings *ret, struct err *err)
{
    enum err_code code = OK;
    for (int i = 0; i < RETENTION_SCHED_KINDS && code == OK; i++)
        code = retention_read(db, (enum retention_kind)i, &ret->kinds[i], err);
    return code;
}

static void write_settings(struct json_writer *w, const struct retention_settings *settings)
{
    const struct retention_setting *last = &settings->kinds[0];
    json_begin_object(w);
    for (int i = 0; i < RETENTION_SCHED_KINDS; i++) {
        json_put_int(w, retention_name((enum retention_kind)i), settings->kinds[i].days);
        if (settings->kinds[i].updated_us > last->updated_us)
            last = &settings->kinds[i];
    }
    if (last->updated_us)
        json_put_time(w, "last_updated_at", last->updated_us, 3);
    json_put_text_unless_empty(w, "updated_by", last->updated_by);
    json_end_object(w);
}

static void write_config(struct json_writer *w, const struct retention_settings *settings, const char *message)
{
    json_begin_object(w);
    if (message)
        json_put_text(w, "message", message);
    json_key(w, "data");
    write_settings(w, settings);
    json_end_object(w);
}

static enum err_code read_config(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    struct retention_settings settings;
    enum err_code code = read_settings(db, &settings, err);
    if (code == OK)
        write_config(&read->w, &settings, NULL);
    return code;
}

static void show_config(struct http_request *request, void *context)
{
    api_read(context, request, read_config);
}

/* A small change of ours: one operation, answered when it is committed. */
struct config_change {
    struct http_request *request;
    struct store_op op;
    struct audit_event *audit; /* owned */
    int64_t days[RETENTION_SCHED_KINDS], now_us;
    struct buf out;
};

static void put_settings(struct audit_event *event, int which, const struct retention_settings *settings)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, 4096);
    json_writer_init(&w, &text);
    write_settings(&w, settings);
    audit_event_set_object(event, which, text.data, text.len);
    buf_release(&text);
}

static enum err_code write_change(struct db *tx, void *arg, struct err *err)
{
    struct config_change *change = arg;
    struct retention_settings settings;
    struct json_writer w;
    const struct http_idempotency *idempotency = http_idempotency(change->request);
    enum err_code code = read_settings(tx, &settings, err);
    if (code == OK)
        put_settings(change->audit, AUDIT_OLD_OBJECT, &settings);
    for (int i = 0; i < RETENTION_SCHED_KINDS && code == OK; i++)
        if (change->days[i])
            code = retention_write(tx, (enum retention_kind)i, change->days[i], http_principal(change->request)->uid,
                                   change->now_us, err);
    if (code == OK)
        code = read_settings(tx, &settings, err);
    if (code != OK)
        return code;
    put_settings(change->audit, AUDIT_NEW_OBJECT, &settings);
    if ((code = audit_put(tx, change->audit, change->now_us, err)) != OK)
        return code;
    buf_clear(&change->out);
    json_writer_init(&w, &change->out);
    write_config(&w, &settings, "Scheduler configuration updated successfully");
    return idempotency ? idempotency_save(tx, idempotency, 200, change->out.data, change->out.len, change->now_us, err) : OK;
}

static void change_done(void *arg, enum err_code code, const struct err *err)
{
    struct config_change *change = arg;
    if (code == OK) {
        http_answer_json(change->request, 200, &change->out);
    } else {
        buf_release(&change->out);
        http_answer_error(change->request, code, err);
    }
    audit_event_free(change->audit);
    free(change);
}

static void change_config(struct http_request *request, void *context)
{
    struct sched_api *api = context;
    struct config_change *change = xcalloc(1, sizeof *change);
    struct json_field fields[RETENTION_SCHED_KINDS + 2] = {[RETENTION_SCHED_KINDS] = {"last_updated_at", FIELD_IGNORED, 0},
                                                           [RETENTION_SCHED_KINDS + 1] = {"updated_by", FIELD_IGNORED, 0}};
    for (int i = 0; i < RETENTION_SCHED_KINDS; i++)
        fields[i] = (struct json_field){retention_name((enum retention_kind)i), FIELD_INT,
                                        offsetof(struct config_change, days) + (size_t)i * sizeof(int64_t), RETENTION_DAYS_MIN,
                                        RETENTION_DAYS_MAX};
    struct err err;
    uint64_t present = 0;
    enum err_code code = json_read_fields(http_body_json(request), "", fields, ARRAY_LEN(fields), change, &present, NULL, &err);
    if (code == OK && !(present & ((1u << RETENTION_SCHED_KINDS) - 1)))
        code = err_param(&err, retention_name(RETENTION_EXECUTIONS), "give at least one of %s, %s and %s",
                         retention_name(RETENTION_EXECUTIONS), retention_name(RETENTION_LOCKS), retention_name(RETENTION_LOGS));
    if (code != OK) {
        free(change);
        api_refuse(request, &err);
        return;
    }
    change->request = request;
    change->now_us = clock_wall(api->clock).us;
    change->audit = audit_event_of_request(request, "retention");
    buf_init(&change->out, 4096);
    change->op = (struct store_op){.run = write_change, .done = change_done, .arg = change};
    if (!store_submit(api->store, &change->op))
        change_done(change, err_set(&err, ERR_UNAVAILABLE, NULL, "the store takes no more work at the moment"), &err);
}

/* Tells consoles to look again: what changed is read there. */
static void publish(struct sched_api *api, enum event_topic topic, const char *name, const char *id)
{
    struct buf out;
    struct json_writer w;
    if (!event_hub_wanted(api->events, topic))
        return;
    buf_init(&out, EVENT_MAX);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_put_text(&w, "type", topic == EVENT_LOCK ? "lock" : "instance");
    json_put_text(&w, "id", id);
    json_put_int(&w, "version", clock_wall(api->clock).us);
    json_end_object(&w);
    if (!out.failed)
        event_hub_publish(api->events, topic, name, out.data);
    buf_release(&out);
}

/* ---- locks ---- */

/* DATA-22, and `ended` for both kinds of ends. */
static const char *const lock_states[] = {"active", "ended", "expired", "released"};
static const enum lease_ended lock_endings[] = {LEASE_ENDED_ANY, LEASE_ENDED_ANY, LEASE_ENDED_EXPIRED, LEASE_ENDED_RELEASED};
static const struct http_param_spec lock_params[] = {
    PAGE_PARAMS, {"state", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(lock_states), lock_states}, API_PARAMS_END};

struct lock_list {
    struct json_writer *w;
    int64_t seen, offset, size;
};

static void write_lock(void *arg, const struct lease *lease)
{
    struct lock_list *list = arg;
    if (list->seen >= list->offset && list->seen < list->offset + list->size)
        lease_write_json(list->w, lease, "active", 0);
    list->seen++;
}

/* Running executions hold their task, by the lease columns of their rows (rulings section 3). */
static void write_running(void *arg, const struct execution_holder *holder)
{
    struct lease lease = {.fence = holder->fence, .acquired_us = holder->started_us, .expires_us = holder->until_us};
    (void)snprintf(lease.key, sizeof lease.key, "task:%s", holder->task_uid);
    (void)snprintf(lease.holder, sizeof lease.holder, "%s", holder->instance_id);
    (void)snprintf(lease.purpose, sizeof lease.purpose, "execution %s", holder->execution_uid);
    write_lock(arg, &lease);
}

/* The held ones are few: a cursor is a position among them. */
static enum err_code read_held(struct db *db, struct api_read *read, struct page *page, struct row_count *total,
                               int64_t *ret_next, struct err *err)
{
    struct lock_list list = {&read->w, 0, page->cursor ? page->cursor : page->offset, page->size};
    enum err_code code = lease_each(read->api->leases, write_lock, &list, err);
    if (code == OK)
        code = execution_query_holders(db, clock_wall(read->api->clock).us, write_running, &list, err);
    total->total = list.seen;
    *ret_next = list.seen > list.offset + list.size ? list.offset + list.size : 0;
    return code;
}

static enum err_code read_ended(struct db *db, struct api_read *read, enum lease_ended which, struct page *page,
                                struct row_count *total, int64_t *ret_next, struct err *err)
{
    struct lease_history history = {.which = which, .before_id = page->cursor, .offset = page->offset, .limit = (int)page->size};
    enum err_code code = lease_store_history(db, &history, &read->w, err);
    *ret_next = history.more ? history.last_id : 0;
    return code == OK && !page->cursor ? lease_store_count(db, which, total, err) : code;
}

static enum err_code read_locks(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    struct page page;
    struct row_count total = {0};
    int64_t state = http_param_int(read->request, "state", 0), next = 0;
    enum err_code code = page_read(read->request, &page, err);
    if (code != OK)
        return code;
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    json_begin_array(&read->w);
    code = state ? read_ended(db, read, lock_endings[state], &page, &total, &next, err)
                 : read_held(db, read, &page, &total, &next, err);
    json_end_array(&read->w);
    page_write(&read->w, &page, page.cursor ? NULL : &total, next);
    json_end_object(&read->w);
    return code;
}

static void list_locks(struct http_request *request, void *context)
{
    api_read(context, request, read_locks);
}

/* An event that goes into a transaction of somebody else, or one of its own. */
struct event_write {
    struct audit_event *event; /* owned */
    int64_t now_us;
};

static enum err_code write_event(struct db *tx, void *arg, struct err *err)
{
    const struct event_write *write = arg;
    return audit_put(tx, write->event, write->now_us, err);
}

/* Who held it is what the event tells. */
static struct audit_event *release_event(const struct http_request *request, const struct lease *lease)
{
    struct audit_event *event = audit_event_of_request(request, NULL);
    struct buf text;
    struct json_writer w;
    buf_init(&text, 4096);
    json_writer_init(&w, &text);
    lease_write_json(&w, lease, "active", 0);
    audit_event_set_object(event, AUDIT_OLD_OBJECT, text.data, text.len);
    buf_release(&text);
    return event;
}

static enum err_code release(struct sched_api *api, const struct http_request *request, const struct lease *lease,
                             struct err *err)
{
    struct event_write write = {release_event(request, lease), clock_wall(api->clock).us};
    struct lease_along along = {write_event, &write};
    enum err_code code = kept_lease_retake(api->planner, lease->key, &along, err);
    if (code == ERR_NOT_FOUND) /* not the planner's */
        code = lease_release(api->leases, lease, &along, err);
    audit_event_free(write.event);
    return code;
}

/* By hand, when a holder is stuck. The planner takes its lock again at once, with a new number. */
static void release_lock(struct http_request *request, void *context)
{
    struct sched_api *api = context;
    const char *key = http_path_id(request, 0);
    struct lease lease;
    struct err err;
    enum err_code code = lease_inspect(api->leases, key, &lease, &err);
    if (strncmp(key, "task:", 5) == 0 && code != OK) {
        (void)err_set(&err, ERR_CONFLICT, NULL, "%.100s is held by its running execution: cancel that instead", key);
        api_refuse(request, &err);
        return;
    }
    if (code == OK)
        code = release(api, request, &lease, &err);
    if (code == ERR_NOT_FOUND)
        (void)err_set(&err, code, NULL, "Resource not found");
    if (code != OK) {
        api_refuse(request, &err);
        return;
    }
    publish(api, EVENT_LOCK, "lock.updated", key);
    http_answer_message(request, 200, "Lock released");
}

/* ---- instances ---- */

static const struct http_param_spec instance_params[] = {PAGE_PARAMS, API_PARAMS_END};

struct instance_list {
    struct sched_api *api;
    struct json_writer *w;
    int64_t now_us;
    int64_t seen, offset, size;
};

static void write_instance(void *arg, const struct instance *instance)
{
    struct instance_list *list = arg;
    struct json_writer *w = list->w;
    if (list->seen++ < list->offset || list->seen > list->offset + list->size)
        return;
    bool self = strcmp(instance->id, list->api->instance_id) == 0;
    struct scheduler_figures figures = scheduler_figures(list->api->scheduler);
    bool draining = instance->draining || (self && figures.draining);
    json_begin_object(w);
    json_put_text(w, "id", instance->id);
    json_put_text(w, "host", instance->host);
    json_put_text(w, "version", instance->version);
    json_key(w, "labels");
    json_raw(w, instance->labels, strlen(instance->labels));
    json_put_text(w, "role", draining ? "draining" : self && figures.plans ? "planner" : "member");
    json_put_time(w, "started_at", instance->started_us, 3);
    json_put_time(w, "last_seen_at", self ? list->now_us : instance->last_seen_us, 3);
    json_put_int(w, "running", self ? figures.running : 0);
    json_put_int(w, "capacity", instance->capacity);
    json_put_int(w, "clock_offset_ms", instance->clock_offset_us / US_PER_MS);
    json_end_object(w);
}

static enum err_code read_instances(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    struct page page;
    enum err_code code = page_read(read->request, &page, err);
    if (code != OK)
        return code;
    struct instance_list list = {.api = read->api,
                                 .w = &read->w,
                                 .now_us = clock_wall(read->api->clock).us,
                                 .offset = page.cursor ? page.cursor : page.offset,
                                 .size = page.size};
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    json_begin_array(&read->w);
    code = instance_store_each(db, write_instance, &list, err);
    json_end_array(&read->w);
    bool more = list.seen > list.offset + list.size;
    page_write(&read->w, &page, page.cursor ? NULL : &(struct row_count){list.seen, false}, more ? list.offset + list.size : 0);
    json_end_object(&read->w);
    return code;
}

static void list_instances(struct http_request *request, void *context)
{
    api_read(context, request, read_instances);
}

/* An instance is drained: what is written in the transaction of the event. */
struct drain_write {
    struct event_write event;
    const char *id;
    bool drain, several; /* several: others on this store have to know */
};

static enum err_code write_drain(struct db *tx, void *arg, struct err *err)
{
    const struct drain_write *write = arg;
    enum err_code code = write->several ? instance_store_drain(tx, write->id, write->drain, err) : OK;
    return code == OK ? audit_put(tx, write->event.event, write->event.now_us, err) : code;
}

struct drain_look {
    const char *id;
    bool draining;
};

static void look_at_drain(void *arg, const struct instance *instance)
{
    struct drain_look *look = arg;
    if (strcmp(instance->id, look->id) == 0)
        look->draining = instance->draining;
}

static enum err_code read_drain(struct db *db, void *arg, struct err *err)
{
    return instance_store_each(db, look_at_drain, arg, err);
}

/* That it was asked for is on disk before it takes effect. */
static enum err_code record_drain(struct sched_api *api, const struct http_request *request, const char *id, bool drain,
                                  struct err *err)
{
    static const char no[] = "{\"draining\":false}", yes[] = "{\"draining\":true}";
    struct drain_look was = {id, scheduler_figures(api->scheduler).draining};
    enum err_code code = api->drained ? store_read(api->store, read_drain, &was, err) : OK;
    if (code != OK)
        return code;
    struct drain_write write = {
        {audit_event_of_request(request, NULL), clock_wall(api->clock).us}, id, drain, api->drained != NULL};
    audit_event_set_object(write.event.event, AUDIT_OLD_OBJECT, was.draining ? yes : no, strlen(was.draining ? yes : no));
    audit_event_set_object(write.event.event, AUDIT_NEW_OBJECT, drain ? yes : no, strlen(drain ? yes : no));
    code = store_write(api->store, write_drain, &write, err);
    audit_event_free(write.event.event);
    return code;
}

static enum err_code drain_one(struct sched_api *api, struct http_request *request, const char *id, bool drain, struct err *err)
{
    bool self = strcmp(id, api->instance_id) == 0;
    enum err_code code = self || api->drained ? record_drain(api, request, id, drain, err) : ERR_NOT_FOUND;
    if (code == ERR_NOT_FOUND)
        return err_set(err, code, NULL, "Resource not found");
    if (code == OK && api->drained)
        api->drained(api->drained_arg);
    else if (code == OK)
        scheduler_drain(api->scheduler, drain);
    return code;
}

/* Starts nothing new until `drain` is false again or the server is restarted; what runs goes on. One of several that leads hands that over to
 * another. */
static void drain_instance(struct http_request *request, void *context)
{
    static const struct json_field fields[] = {{"drain", FIELD_BOOL, 0}};
    struct sched_api *api = context;
    const char *id = http_path_id(request, 0);
    bool drain = true;
    const struct json *body = http_body_json(request);
    struct err err;
    if ((body && json_read_fields(body, "", fields, ARRAY_LEN(fields), &drain, NULL, NULL, &err) != OK) ||
        drain_one(api, request, id, drain, &err) != OK) {
        api_refuse(request, &err);
        return;
    }
    publish(api, EVENT_INSTANCE, "instance.updated", id);
    http_answer_message(request, 202, drain ? "The instance starts nothing new" : "The instance starts executions again");
}

static void stream(struct http_request *request, void *context)
{
    struct sched_api *api = context;
    event_stream_handle(request, api->events);
}

#define SCHEDULER "/api/v1/scheduler"

const struct http_route operation_api_routes[] = {
    {HTTP_GET, SCHEDULER "/stats", stats, HTTP_MAY_READ, 0, 0, stats_params, "statistics"},
    {HTTP_GET, SCHEDULER "/types", types, HTTP_MAY_READ, 0, 0, NULL, "task types with the JSON Schema of their data"},
    {HTTP_GET, SCHEDULER "/config", show_config, HTTP_MAY_READ, 0, 0, NULL, "retention"},
    {HTTP_PUT, SCHEDULER "/config", change_config, HTTP_MAY_ADMIN, HTTP_JSON_BODY | HTTP_BODY_REQUIRED | HTTP_IDEMPOTENT_SAVE, 0,
     NULL, "change retention", AUDITS(UPDATED, SCHEDULER_CONFIG)},
    {HTTP_GET, SCHEDULER "/locks", list_locks, HTTP_MAY_READ, 0, 0, lock_params, "locks"},
    {HTTP_POST, SCHEDULER "/locks/{key}/release", release_lock, HTTP_MAY_ADMIN, 0, 0, NULL, "release a lock by hand",
     AUDITS(REVOKED, LOCK)},
    {HTTP_GET, SCHEDULER "/instances", list_instances, HTTP_MAY_READ, 0, 0, instance_params, "instances"},
    {HTTP_POST, SCHEDULER "/instances/{id}/drain", drain_instance, HTTP_MAY_ADMIN, HTTP_JSON_BODY, 0, NULL,
     "start nothing new there", AUDITS(UPDATED, INSTANCE)},
    {HTTP_GET, "/api/v1/stream", stream, HTTP_MAY_READ, 0, 0, event_stream_params, "server-sent events"},
};
const size_t operation_api_route_count = ARRAY_LEN(operation_api_routes);
