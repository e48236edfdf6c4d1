/* SPDX-License-Identifier: Apache-2.0 */
#include "app/server_events.h"

#include "app/config_json.h"
#include "base/clock.h"
#include "cluster/instance_store.h"
#include "trail/audit_notes.h"
#include "trail/pending_store.h"

#include <stdio.h>
#include <string.h>

static struct audit_event *make_event(enum audit_action action, const struct server_life *life)
{
    const char *store = life->config->store[0] ? life->config->store : "sqlite:"; /* in the data folder */
    char kind[32];
    struct audit_event *event = audit_event_new(action, AUDIT_RESOURCE_SERVER, life->instance_id);
    (void)snprintf(kind, sizeof kind, "%.*s", (int)strcspn(store, ":"), store);
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, "server");
    audit_event_put(event, "version", HORAE_VERSION);
    audit_event_put(event, "store", kind);
    return event;
}

static void put_settings(struct audit_event *event, const struct config *config)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, 1 << 20);
    json_writer_init(&w, &text);
    config_write_json(config, &w);
    if (!text.failed)
        audit_event_set_object(event, AUDIT_NEW_OBJECT, text.data, text.len);
    buf_release(&text);
}

static void note_unstopped(void *arg, const struct instance *instance)
{
    char started[40];
    (void)time_format_utc(instance->started_us, 3, started, sizeof started);
    audit_event_put(arg, "unclean_stop_of", instance->id);
    audit_event_put(arg, "unclean_stop_started_at", started);
}

enum err_code server_event_started(struct db *tx, const struct server_life *life, struct err *err)
{
    struct audit_event *event = make_event(AUDIT_ACTION_STARTED, life);
    put_settings(event, life->config);
    enum err_code code = audit_notes_put(tx, life->store_path, life->now_us, err);
    if (code == OK && life->alone)
        code = instance_store_each(tx, note_unstopped, event, err);
    if (code == OK)
        code = audit_put(tx, event, life->now_us, err);
    audit_event_free(event);
    return code;
}

enum err_code server_event_stopped(struct db *tx, const struct server_life *life, struct err *err)
{
    struct audit_event *event = make_event(AUDIT_ACTION_STOPPED, life);
    audit_event_put(event, "handover", life->handover ? "true" : "false");
    if (life->failed)
        audit_event_fail(event, "the start had failed");
    enum err_code code = audit_put(tx, event, life->now_us, err);
    audit_event_free(event);
    return code;
}
