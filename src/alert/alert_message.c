/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_message.h"

#include "base/json_write.h"

#include <stdio.h>
#include <string.h>

void alert_write_payload(struct buf *out, const struct alert_message *message, const struct uuid *uid, const char *instance_id,
                         int64_t repeats, int64_t now_us)
{
    struct json_writer w;
    char type[64];
    (void)snprintf(type, sizeof type, "alert.%s", alert_kind_names[message->kind]);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "type", type);
    json_put_time(&w, "timestamp", now_us, 3);
    json_key(&w, "data");
    json_begin_object(&w);
    json_put_uuid(&w, "id", uid);
    json_put_text(&w, "kind", alert_kind_names[message->kind]);
    json_put_text(&w, "severity", message->resolved ? "INFO" : alert_severity(message->kind));
    json_put_text(&w, "status", message->resolved ? "resolved" : "firing");
    json_put_text(&w, "subject", message->subject);
    json_key(&w, "message");
    json_text_n(&w, message->text, str_utf8_cut(message->text, strlen(message->text), ALERT_TEXT_MAX));
    json_put_int(&w, "repeats", repeats);
    json_put_text(&w, "instance", instance_id);
    if (message->details) {
        json_key(&w, "details");
        json_raw(&w, message->details, strlen(message->details));
    }
    json_end_object(&w);
    json_end_object(&w);
}
