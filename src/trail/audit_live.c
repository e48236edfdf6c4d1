/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/audit_live.h"

#include "base/json_write.h"

static void put(struct json_writer *w, const char *key, struct str value)
{
    if (!value.n)
        return;
    json_key(w, key);
    json_text_n(w, value.p, value.n);
}

static void write_reference(struct json_writer *w, const struct audit_record *record)
{
    json_begin_object(w);
    json_put_text(w, "type", "audit");
    json_put_uuid(w, "id", &record->id);
    json_put_int(w, "version", record->timestamp_ms);
    put(w, "action", record->action);
    put(w, "resource_type", record->resource_type);
    put(w, "resource_id", record->resource_id);
    put(w, "user_uid", record->user_uid);
    json_put_text(w, "status", record->failure ? "failure" : "success");
    json_end_object(w);
}

void audit_live_publish(struct event_hub *hub, const struct audit_record *records, size_t count)
{
    struct json_writer w;
    struct buf text;
    if (!hub || !event_hub_wanted(hub, EVENT_AUDIT))
        return;
    buf_init(&text, EVENT_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&text);
        json_writer_init(&w, &text);
        write_reference(&w, &records[i]);
        if (!text.failed)
            event_hub_publish(hub, EVENT_AUDIT, "audit.created", text.data);
    }
    buf_release(&text);
}
