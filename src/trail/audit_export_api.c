/* SPDX-License-Identifier: Apache-2.0 */
/* GET /audit/events/export: a thread of its own reads events, at most BUFFER_MAX bytes ahead of the client; so a slow client
 * holds up nobody, and memory does not grow with the number of events. The export is itself an event, stored before the last
 * bytes are handed out; one that did not come to its end is recorded as failed. */
#include "audit/audit_request.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "trail/audit_api.h"
#include "trail/event_export.h"
#include "trail/pending_store.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_MAX = 256 << 10, LINE_MAX_BYTES = 1 << 30 };

struct export
{
    struct audit_api *api;
    struct event_export *events; /* the thread's, once it runs */
    struct audit_event *event;   /* owned */
    struct thread thread;
    struct mutex mutex; /* guards all below */
    struct condition changed;
    struct http_stream *stream;
    struct buf ready; /* for the client, from `sent` on */
    size_t sent;
    bool started, closed, ended, failed;
};

/* ---- the event of the export ---- */

static enum err_code put_event(struct db *tx, void *arg, struct err *err)
{
    const struct export *x = arg;
    return audit_put(tx, x->event, clock_wall(x->api->clock).us, err);
}

/* A whole export is on record before its end is sent. */
static bool record_whole(struct export *x)
{
    struct err err;
    audit_event_put_int(x->event, "events", event_export_count(x->events));
    enum err_code code = store_write(x->api->store, put_event, x, &err);
    if (code != OK)
        log_error("audit", "an export ends early, as it cannot be recorded: %s", err.message);
    audit_event_free(x->event);
    x->event = NULL;
    return code == OK;
}

static void record_broken(struct export *x)
{
    audit_event_put_int(x->event, "events", event_export_count(x->events));
    audit_event_fail(x->event, "the export was broken off");
    trail_post(x->api->trail, x->event);
    x->event = NULL;
}

/* ---- the thread ---- */

/* False: nobody wants more. */
static bool hand_over(struct export *x, struct buf *text, bool ended, bool failed)
{
    mutex_lock(&x->mutex);
    while (!x->closed && x->ready.len - x->sent > BUFFER_MAX)
        condition_wait(&x->changed, &x->mutex);
    bool wanted = !x->closed;
    if (wanted) {
        buf_consume(&x->ready, x->sent);
        x->sent = 0;
        buf_add(&x->ready, text->data, text->len);
        x->ended = ended;
        x->failed = failed || x->ready.failed;
        http_stream_wake(x->stream);
    }
    mutex_unlock(&x->mutex);
    buf_clear(text);
    return wanted;
}

static bool is_closed(struct export *x)
{
    mutex_lock(&x->mutex);
    bool closed = x->closed;
    mutex_unlock(&x->mutex);
    return closed;
}

static void run(void *arg)
{
    struct export *x = arg;
    struct buf text;
    struct err err;
    bool more = true, wanted = true;
    enum err_code code = OK;
    buf_init(&text, LINE_MAX_BYTES);
    while (code == OK && more && wanted) {
        code = event_export_next(x->events, &text, &more, &err);
        wanted = text.len && code == OK ? hand_over(x, &text, false, false) : !is_closed(x);
    }
    if (code != OK)
        log_error("audit", "an export ends early: %s", err.message);
    if (code == OK && wanted && !record_whole(x))
        code = ERR_UNAVAILABLE;
    if (code == OK && wanted)
        event_export_end(x->events, &text);
    (void)hand_over(x, &text, true, code != OK || text.failed);
    buf_release(&text);
}

/* ---- the stream ---- */

/* The first question for bytes starts it: a HEAD asks for none. */
static long produce(void *arg, char *out, size_t capacity)
{
    struct export *x = arg;
    mutex_lock(&x->mutex);
    if (!x->started) {
        x->started = true;
        thread_start(&x->thread, "horae-export", run, x);
    }
    size_t left = x->ready.len - x->sent, n = left < capacity ? left : capacity;
    long result = n ? (long)n : x->failed ? -2 : x->ended ? -1 : 0;
    if (n) {
        memcpy(out, x->ready.data + x->sent, n);
        x->sent += n;
        condition_signal(&x->changed);
    }
    mutex_unlock(&x->mutex);
    return result;
}

static void free_export(struct export *x)
{
    audit_event_free(x->event);
    event_export_free(x->events);
    buf_release(&x->ready);
    condition_release(&x->changed);
    mutex_release(&x->mutex);
    atomic_fetch_sub(&x->api->exports, 1);
    free(x);
}

static void closed(void *arg)
{
    struct export *x = arg;
    mutex_lock(&x->mutex);
    x->closed = true;
    condition_signal(&x->changed);
    mutex_unlock(&x->mutex);
    thread_join(&x->thread);
    if (x->started && x->event)
        record_broken(x);
    free_export(x);
}

/* ---- the request ---- */

/* What was asked for, as it was given. */
static void put_filters(struct audit_event *event, const struct http_request *request)
{
    for (const struct http_param_spec *spec = http_route_of(request)->params; spec->name; spec++) {
        const char *text = http_param_text(request, spec->name);
        if (text)
            audit_event_put(event, spec->name, text);
    }
    if (!http_param(request, "format"))
        audit_event_put(event, "format", "ndjson");
}

static struct export *make(struct audit_api *api, struct http_request *request, const struct audit_question *question,
                           enum export_format format)
{
    struct export *x = xcalloc(1, sizeof *x);
    trail_settle(api->trail, AUDIT_SETTLE_MS);
    struct trail_segments *segments = trail_segments(api->trail, question->filter.from_ms, question->filter.to_ms);
    const struct event_export_options options = {.format = format,
                                                 .filter = &question->filter,
                                                 .text = question->has_text ? &question->text : NULL,
                                                 .readers = api->readers,
                                                 .segments = segments->items,
                                                 .count = segments->count,
                                                 .key = trail_key(api->trail)};
    x->api = api;
    x->events = event_export_new(&options);
    x->event = audit_event_of_request(request, "audit_events");
    put_filters(x->event, request);
    mutex_init(&x->mutex);
    condition_init(&x->changed);
    buf_init(&x->ready, LINE_MAX_BYTES);
    free(segments);
    return x;
}

void audit_export_handle(struct http_request *request, void *context)
{
    struct audit_api *api = context;
    struct audit_question question;
    enum export_format format = (enum export_format)http_param_int(request, "format", EXPORT_NDJSON);
    struct err err;
    enum err_code code = audit_question_read(api, request, &question, &err);
    if (code == OK && atomic_fetch_add(&api->exports, 1) >= AUDIT_EXPORTS_MAX) {
        atomic_fetch_sub(&api->exports, 1);
        code = err_set(&err, ERR_LIMIT, "UNAVAILABLE", "%d exports are under way already; try again when one has ended",
                       AUDIT_EXPORTS_MAX);
    }
    if (code != OK) {
        http_answer_error(request, code, &err);
        return;
    }
    struct export *x = make(api, request, &question, format);
    const struct http_stream_source source = {produce, closed, x, true};
    http_add_header(request, "Content-Disposition",
                    format == EXPORT_CSV ? "attachment; filename=\"audit-events.csv\""
                                         : "attachment; filename=\"audit-events.ndjson\"");
    mutex_lock(&x->mutex);
    x->stream = http_answer_stream(request, format == EXPORT_CSV ? "text/csv" : "application/x-ndjson", &source);
    mutex_unlock(&x->mutex);
}
