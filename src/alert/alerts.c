/* SPDX-License-Identifier: Apache-2.0 */
/* Life of the alerts, and the loop that delivers them. One round is one transaction: how the last deliveries ended, what waits
 * in memory, and which rows are due now, claimed (db/claim.h). Between two rounds they are sent. A server that ends in between
 * finds the rows unfinished when it starts again: everything arrives at least once. */
#include "alert/alerts.h"

#include "alert/alert_store.h"
#include "alert/alerts_priv.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/retry.h"
#include "http/event_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A refused write is tried again after a second, doubling up to this. A wall clock that is set back must not hold up what waits:
 * the loop looks at least this often while there is something. */
enum { STORE_WAIT_MAX_US = 10 * US_PER_S, LOOK_US = 60 * US_PER_S };

static const struct alert_channel *const channel_objects[ALERT_CHANNEL_COUNT] = {
#define ALERT_CHANNEL(id, name, object) [ALERT_CHANNEL_##id] = &object,
#include "alert/alert_channels.def"
};

bool alerts_want(const struct alerts *alerts, enum alert_kind kind)
{
    return alerts->options.kinds >> kind & 1;
}

int64_t alerts_failures_in_a_row(const struct alerts *alerts)
{
    return alerts_want(alerts, ALERT_EXECUTIONS_FAILING) ? alerts->options.failures_in_a_row : 0;
}

/* ---- into the outbox ---- */

static enum err_code insert_rows(struct alerts *alerts, struct db *tx, const struct alert_message *message, bool logged,
                                 int64_t repeats, int64_t now_us, struct err *err)
{
    struct buf payload;
    struct alert_row row = {.uid = uuid_v7(now_us), .kind = message->kind, .subject = message->subject};
    enum err_code code = OK;
    buf_init(&payload, ALERT_PAYLOAD_MAX);
    alert_write_payload(&payload, message, &row.uid, alerts->instance_id, repeats, now_us);
    must(!payload.failed); /* texts are cut, details are ours */
    row.payload = payload.data;
    for (int c = 0; code == OK && c < ALERT_CHANNEL_COUNT; c++) {
        row.channel = (enum alert_channel_id)c;
        row.sent = logged && c == ALERT_CHANNEL_LOG;
        if (alerts->channels[c])
            code = alert_store_insert(tx, &row, now_us, err);
    }
    buf_release(&payload);
    return code;
}

enum err_code alert_put_rows(struct alerts *alerts, struct db *tx, const struct alert_message *message, bool logged,
                             int64_t now_us, struct err *err)
{
    struct alert_memory memory;
    int64_t repeats;
    if (!alerts_want(alerts, message->kind))
        return OK;
    enum err_code code = alert_store_get_memory(tx, message->kind, message->subject, &memory, err);
    if (code != OK || (message->resolved && !memory.firing))
        return code;
    bool tell = alert_decide(&memory, message->kind, message->resolved, message->count ? message->count : 1, now_us, &repeats);
    code = alert_store_put_memory(tx, message->kind, message->subject, &memory, err);
    return code == OK && tell ? insert_rows(alerts, tx, message, logged, repeats, now_us, err) : code;
}

enum err_code alert_put(struct alerts *alerts, struct db *tx, const struct alert_message *message, int64_t now_us,
                        struct err *err)
{
    return alert_put_rows(alerts, tx, message, false, now_us, err);
}

void alerts_wake(struct alerts *alerts)
{
    mutex_lock(&alerts->mutex);
    alerts->poked = true;
    condition_broadcast(&alerts->wake);
    mutex_unlock(&alerts->mutex);
}

/* ---- one round ---- */

struct round {
    struct alerts *alerts;
    struct posted_snapshot posted;
    int64_t now_us, next_due_us, given_up;
    struct alert_delivery taken[ALERT_BATCH_MAX];
    size_t taken_count;
};

static bool is_last_attempt(const struct alerts *alerts, const struct alert_delivery *delivery)
{
    return delivery->attempt >= alerts->options.attempts;
}

static enum err_code put_result(struct alerts *alerts, struct db *tx, const struct alert_delivery *d, int64_t now_us,
                                struct err *err)
{
    if (d->sent)
        return alert_store_sent(tx, d, now_us, err);
    if (is_last_attempt(alerts, d))
        return alert_store_dead(tx, d, now_us, err);
    const struct retry_backoff backoff = {alerts->options.retry_ms, ALERT_RETRY_CAP_MS, ALERT_RETRY_JITTER};
    int64_t wait_ms = retry_backoff_ms(&backoff, d->attempt, (uint64_t)d->id);
    return alert_store_again(tx, d, now_us + wait_ms * US_PER_MS, now_us, err);
}

static void release_taken(struct round *round)
{
    for (size_t i = 0; i < round->taken_count; i++)
        alert_delivery_release(&round->taken[i]);
    round->taken_count = 0;
}

/* May run twice. */
static enum err_code run_round(struct db *tx, void *arg, struct err *err)
{
    struct round *round = arg;
    struct alerts *alerts = round->alerts;
    enum err_code code = OK;
    release_taken(round);
    for (size_t i = 0; code == OK && i < alerts->batch_count; i++)
        code = put_result(alerts, tx, &alerts->batch[i], round->now_us, err);
    if (code == OK)
        code = alert_posted_put(alerts, tx, &round->posted, round->now_us, err);
    if (code == OK)
        code = alert_store_trim(tx, ALERT_PENDING_MAX, round->now_us, &round->given_up, err);
    if (code == OK)
        code = alert_store_take(tx, alerts->instance_id, round->now_us, ALERT_BATCH_MAX, round->taken, &round->taken_count, err);
    return code == OK ? alert_store_next_due(tx, round->now_us, &round->next_due_us, err) : code;
}

static void publish(const struct alerts *alerts, const struct alert_delivery *d, const char *event, const char *state)
{
    if (!alerts->options.events || !event_hub_wanted(alerts->options.events, EVENT_ALERT))
        return;
    struct buf text;
    struct json_writer w;
    char id[24];
    (void)snprintf(id, sizeof id, "%" PRId64, d->id);
    buf_init(&text, EVENT_MAX);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_put_text(&w, "type", "alert");
    json_put_text(&w, "id", id);
    json_put_int(&w, "version", clock_wall(alerts->options.clock).us);
    json_put_text(&w, "kind", alert_kind_names[d->kind]);
    json_put_text(&w, "channel", alert_channel_names[d->channel]);
    json_put_text(&w, "subject", d->subject);
    json_put_text(&w, "state", state);
    json_end_object(&w);
    event_hub_publish(alerts->options.events, EVENT_ALERT, event, text.data);
    buf_release(&text);
}

/* How the deliveries of the last round ended is on disk. */
static void count_results(struct alerts *alerts)
{
    for (size_t i = 0; i < alerts->batch_count; i++) {
        struct alert_delivery *d = &alerts->batch[i];
        bool dead = !d->sent && is_last_attempt(alerts, d);
        struct metric **metrics = alerts->metrics[d->kind][d->channel];
        metric_add(metrics[d->sent ? ALERT_RESULT_SENT : ALERT_RESULT_FAILED], 1);
        if (dead) {
            metric_add(metrics[ALERT_RESULT_DEAD], 1);
            log_warn("alert", "given up after %d attempts: %s by %s: %s", (int)d->attempt, alert_kind_names[d->kind],
                     alert_channel_names[d->channel], d->error);
        }
        publish(alerts, d, "alert.updated", alert_state_names[d->sent ? ALERT_SENT : dead ? ALERT_DEAD : ALERT_PENDING]);
        alert_delivery_release(d);
    }
    alerts->batch_count = 0;
}

void alert_delivered(struct alert_delivery *delivery, const char *error)
{
    struct alerts *alerts = delivery->alerts;
    mutex_lock(&alerts->mutex);
    delivery->sent = !error;
    (void)snprintf(delivery->error, sizeof delivery->error, "%s", error ? error : "");
    alerts->outstanding--;
    condition_broadcast(&alerts->wake);
    mutex_unlock(&alerts->mutex);
}

/* Sends the batch and waits for its answers; channels limit how long those take. False: the server stops. */
static bool deliver(struct alerts *alerts)
{
    mutex_lock(&alerts->mutex);
    alerts->outstanding = (int)alerts->batch_count;
    mutex_unlock(&alerts->mutex);
    for (size_t i = 0; i < alerts->batch_count; i++) {
        struct alert_delivery *d = &alerts->batch[i];
        d->alerts = alerts;
        if (d->attempt == 1)
            publish(alerts, d, "alert.created", alert_state_names[ALERT_PENDING]);
        if (alerts->channels[d->channel])
            channel_objects[d->channel]->send(alerts->channels[d->channel], d);
        else
            alert_delivered(d, "this channel is not configured any more");
    }
    mutex_lock(&alerts->mutex);
    while (alerts->outstanding && !alerts->stopping)
        condition_wait(&alerts->wake, &alerts->mutex);
    bool all = alerts->outstanding == 0;
    mutex_unlock(&alerts->mutex);
    return all;
}

static void note_given_up(const struct round *round)
{
    if (round->given_up)
        log_warn("alert", "%" PRId64 " alerts are given up: more than %d wait", round->given_up, ALERT_PENDING_MAX);
    metric_add(metric_get(METRIC_COUNTER, "horae_alerts_given_up_total", "Alerts given up because too many wait.", ""),
               round->given_up);
}

/* Returns whether it was written. */
static bool play_round(struct alerts *alerts, struct round *round)
{
    struct err err;
    *round = (struct round){.alerts = alerts, .now_us = clock_wall(alerts->options.clock).us};
    alert_posted_copy(alerts, &round->posted);
    bool written = store_write(alerts->options.store, run_round, round, &err) == OK;
    if (written) {
        alert_posted_written(alerts, &round->posted);
        count_results(alerts);
        note_given_up(round);
        memcpy(alerts->batch, round->taken, sizeof round->taken);
        alerts->batch_count = round->taken_count;
    } else {
        log_debug("alert", "the outbox cannot be written: %s", err.message);
        release_taken(round);
    }
    alert_posted_release(&round->posted);
    return written;
}

/* ---- the loop ---- */

/* Until something is due, or told; after a refused write only the time counts. Negative: for ever. False: stop. */
static bool sleep_for(struct alerts *alerts, int64_t us, bool refused)
{
    int64_t until = us < 0 ? 0 : clock_mono(clock_real()).us + us;
    mutex_lock(&alerts->mutex);
    while (!alerts->stopping && (refused || !alerts->poked)) {
        int64_t left = until - clock_mono(clock_real()).us;
        if (us < 0)
            condition_wait(&alerts->wake, &alerts->mutex);
        else if (left <= 0 || !condition_wait_for(&alerts->wake, &alerts->mutex, left))
            break;
    }
    alerts->poked = false;
    bool go_on = !alerts->stopping;
    mutex_unlock(&alerts->mutex);
    return go_on;
}

/* What was due at the round and was not taken has a kind or channel that this version does not know: it waits for another. What became
 * due since then, while the round was written, is for the next one, at once. */
static int64_t wait_of(const struct round *round, const struct clock *clock)
{
    if (round->next_due_us == INT64_MAX)
        return -1;
    int64_t left = round->next_due_us - clock_wall(clock).us;
    return left < 0 ? 0 : left < LOOK_US ? left : LOOK_US;
}

static void loop_main(void *arg)
{
    struct alerts *alerts = arg;
    struct round *round = xmalloc(sizeof *round);
    int64_t store_wait_us = US_PER_S;
    for (bool go_on = true; go_on;) {
        if (!play_round(alerts, round)) {
            go_on = sleep_for(alerts, store_wait_us, true);
            store_wait_us = 2 * store_wait_us < STORE_WAIT_MAX_US ? 2 * store_wait_us : STORE_WAIT_MAX_US;
            continue;
        }
        store_wait_us = US_PER_S;
        go_on = alerts->batch_count ? deliver(alerts) : sleep_for(alerts, wait_of(round, alerts->options.clock), false);
    }
    free(round);
}

/* ---- life ---- */

static void register_metrics(struct alerts *alerts, int channel)
{
    static const char *const results[ALERT_RESULT_COUNT] = {"sent", "failed", "dead"};
    for (int kind = 0; kind < ALERT_KIND_COUNT; kind++)
        for (int result = 0; result < ALERT_RESULT_COUNT; result++) {
            char labels[160];
            (void)snprintf(labels, sizeof labels, "kind=\"%s\",channel=\"%s\",result=\"%s\"", alert_kind_names[kind],
                           alert_channel_names[channel], results[result]);
            alerts->metrics[kind][channel][result] = metric_get(
                METRIC_COUNTER, "horae_alerts_total",
                "Deliveries of alerts: sent, failed attempts, and those given up (dead) after their last attempt.", labels);
        }
}

struct alerts *alerts_new(const struct alert_options *options)
{
    struct alerts *alerts = xcalloc(1, sizeof *alerts);
    alerts->options = *options;
    alerts->instance_id = xstrdup(options->instance_id);
    mutex_init(&alerts->mutex);
    condition_init(&alerts->wake);
    for (int c = 0; c < ALERT_CHANNEL_COUNT; c++) {
        alerts->channels[c] = channel_objects[c]->open(options);
        register_metrics(alerts, c);
    }
    return alerts;
}

void alerts_start(struct alerts *alerts)
{
    thread_start(&alerts->thread, "horae-alerts", loop_main, alerts);
}

void alerts_stop(struct alerts *alerts)
{
    mutex_lock(&alerts->mutex);
    alerts->stopping = true;
    condition_broadcast(&alerts->wake);
    mutex_unlock(&alerts->mutex);
    thread_join(&alerts->thread);
}

void alerts_free(struct alerts *alerts)
{
    if (!alerts)
        return;
    alerts_stop(alerts);
    for (int c = 0; c < ALERT_CHANNEL_COUNT; c++)
        if (alerts->channels[c])
            channel_objects[c]->close(alerts->channels[c]);
    for (size_t i = 0; i < alerts->batch_count; i++)
        alert_delivery_release(&alerts->batch[i]);
    for (size_t i = 0; i < alerts->posted_count; i++)
        free(alerts->posted[i].details);
    condition_release(&alerts->wake);
    mutex_release(&alerts->mutex);
    free(alerts->instance_id);
    free(alerts);
}
