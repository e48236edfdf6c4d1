/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts that have no transaction: the log says them at once, memory keeps them (bounded, equal ones merged) until the store
 * takes them. What is lost with the process is what the log has said. */
#include "alert/alerts_priv.h"

#include "base/log.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void say(struct alerts *alerts, const struct alert_message *message, int64_t repeats, int64_t now_us)
{
    struct buf payload;
    struct uuid uid = uuid_v7(now_us);
    buf_init(&payload, ALERT_PAYLOAD_MAX);
    alert_write_payload(&payload, message, &uid, alerts->instance_id, repeats, now_us);
    if (!payload.failed)
        alert_log_line(message->kind, payload.data);
    buf_release(&payload);
}

static struct posted_alert *find_posted(struct alerts *alerts, const struct alert_message *message)
{
    for (size_t i = 0; i < alerts->posted_count; i++)
        if (alerts->posted[i].kind == message->kind && strcmp(alerts->posted[i].subject, message->subject) == 0)
            return &alerts->posted[i];
    return NULL;
}

/* False: no room; the log has said it. */
static bool keep(struct alerts *alerts, const struct alert_message *message, int64_t count, int64_t now_us)
{
    struct posted_alert *posted = find_posted(alerts, message);
    if (!posted && alerts->posted_count == ALERT_POSTED_MAX)
        return false;
    if (!posted) {
        posted = &alerts->posted[alerts->posted_count++];
        *posted = (struct posted_alert){.kind = message->kind, .since_us = now_us};
        (void)str_copy(posted->subject, sizeof posted->subject, message->subject, strlen(message->subject));
    }
    posted->count += count;
    (void)str_copy(posted->text, sizeof posted->text, message->text, strlen(message->text));
    free(posted->details);
    posted->details = xstrdup_or_null(message->details);
    return true;
}

void alert_post(struct alerts *alerts, const struct alert_message *message)
{
    int64_t now_us = clock_wall(alerts->options.clock).us, count = message->count ? message->count : 1, repeats = 0;
    if (!alerts_want(alerts, message->kind))
        return;
    mutex_lock(&alerts->mutex);
    /* The log hears of a condition as of anything else, once a minute: it may last. */
    alerts->said[message->kind].firing = false;
    bool tell = alert_decide(&alerts->said[message->kind], message->kind, false, count, now_us, &repeats);
    bool kept = keep(alerts, message, count, now_us);
    alerts->poked = true;
    condition_broadcast(&alerts->wake);
    mutex_unlock(&alerts->mutex);
    if (tell)
        say(alerts, message, repeats, now_us);
    if (!kept)
        log_warn("alert", "more than %d alerts wait for the store; this one is not kept: %s", ALERT_POSTED_MAX, message->text);
}

void alert_posted_copy(struct alerts *alerts, struct posted_snapshot *ret)
{
    mutex_lock(&alerts->mutex);
    ret->count = alerts->posted_count;
    for (size_t i = 0; i < ret->count; i++) {
        ret->items[i] = alerts->posted[i];
        ret->items[i].details = xstrdup_or_null(alerts->posted[i].details);
    }
    mutex_unlock(&alerts->mutex);
}

void alert_posted_release(struct posted_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++)
        free(snapshot->items[i].details);
    snapshot->count = 0;
}

/* Only the loop takes any away, so those of the snapshot are the first ones still. */
void alert_posted_written(struct alerts *alerts, const struct posted_snapshot *snapshot)
{
    size_t left = 0;
    mutex_lock(&alerts->mutex);
    for (size_t i = 0; i < alerts->posted_count; i++) {
        struct posted_alert *posted = &alerts->posted[i];
        if (i < snapshot->count)
            posted->count -= snapshot->items[i].count;
        if (posted->count > 0)
            alerts->posted[left++] = *posted;
        else
            free(posted->details);
    }
    alerts->posted_count = left;
    mutex_unlock(&alerts->mutex);
}

/* That the store takes this proves that it is back: a failure of the store is told together with its end. */
static enum err_code put_recovered(struct alerts *alerts, struct db *tx, const struct posted_alert *posted, int64_t now_us,
                                   struct err *err)
{
    char details[120], since[40];
    (void)time_format_utc(posted->since_us, 3, since, sizeof since);
    (void)snprintf(details, sizeof details, "{\"since\":\"%s\"}", since);
    struct alert_message message = {.kind = posted->kind,
                                    .resolved = true,
                                    .subject = posted->subject,
                                    .text = "the store takes changes again",
                                    .details = details};
    return alert_put_rows(alerts, tx, &message, false, now_us, err);
}

enum err_code alert_posted_put(struct alerts *alerts, struct db *tx, const struct posted_snapshot *snapshot, int64_t now_us,
                               struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; code == OK && i < snapshot->count; i++) {
        const struct posted_alert *posted = &snapshot->items[i];
        struct alert_message message = {.kind = posted->kind,
                                        .subject = posted->subject,
                                        .text = posted->text,
                                        .details = posted->details,
                                        .count = posted->count};
        code = alert_put_rows(alerts, tx, &message, true, now_us, err);
        if (code == OK && posted->kind == ALERT_STORE_FAILURE)
            code = put_recovered(alerts, tx, posted, now_us, err);
    }
    return code;
}

/* ---- as those call it that hear of trouble ---- */

void alert_store_trouble(void *arg, const struct err *err)
{
    char text[ALERT_TEXT_MAX];
    (void)snprintf(text, sizeof text, "the store refused a change: %s", err->message);
    alert_post(arg, &(struct alert_message){.kind = ALERT_STORE_FAILURE, .subject = "store", .text = text});
}

void alert_audit_trouble(void *arg, int64_t dropped, const struct err *err)
{
    char text[ALERT_TEXT_MAX], details[64];
    const char *reason = err && err->message[0] ? err->message : "the queue is full";
    if (dropped)
        (void)snprintf(text, sizeof text, "%" PRId64 " audit events were dropped: %s", dropped, reason);
    else
        (void)snprintf(text, sizeof text, "audit events cannot be stored: %s", reason);
    (void)snprintf(details, sizeof details, "{\"dropped\":%" PRId64 "}", dropped);
    alert_post(arg, &(struct alert_message){.kind = ALERT_AUDIT_DROPPED, .subject = "audit", .text = text, .details = details});
}
