/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/execution_log.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/thread.h"
#include "keeper/keeper_log.h"
#include "sched/execution_store.h"
#include "sched/handler_command.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 4200, EVENT_SIZE_MAX = 1 << 20 };

struct found {
    const char *reference;
    struct execution_brief brief;
};

static enum err_code find(struct db *db, void *arg, struct err *err)
{
    struct found *found = arg;
    enum err_code code = execution_store_find(db, found->reference, &found->brief, err);
    if (code == OK)
        free(found->brief.override_data);
    found->brief.override_data = NULL;
    return code;
}

static bool is_wanted(enum execution_log_stream wanted, enum keeper_stream is)
{
    return wanted == EXECUTION_LOG_ALL || (wanted == EXECUTION_LOG_STDOUT) == (is == KEEPER_STDOUT);
}

/* NULL and OK: nothing was written. */
static enum err_code open_log(const char *data_dir, int64_t id, struct keeper_log **ret, struct err *err)
{
    char path[PATH_SIZE];
    *ret = NULL;
    if (!handler_command_log_path(data_dir, id, path, sizeof path, false))
        return err_set(err, ERR_INTERNAL, NULL, "the path of the log is too long");
    enum err_code code = keeper_log_open(path, ret, err);
    return code == ERR_NOT_FOUND ? OK : code;
}

/* Keeps what begins after the last `lines` line ends. */
static void keep_tail(struct buf *text, int64_t lines)
{
    size_t from = text->len;
    if (from && text->data[from - 1] == '\n')
        from--;
    while (from > 0 && lines > 0) {
        if (text->data[from - 1] == '\n' && --lines == 0)
            break;
        from--;
    }
    buf_consume(text, from);
}

enum err_code execution_log_read(const struct execution_log_request *request, struct buf *out, struct err *err)
{
    struct found found = {.reference = request->reference};
    struct keeper_log *log = NULL;
    enum err_code code = store_read(request->store, find, &found, err);
    if (code == OK)
        code = open_log(request->data_dir, found.brief.id, &log, err);
    if (code != OK || !log)
        return code;
    bool more = true;
    struct keeper_log_frame frame;
    while ((code = keeper_log_next(log, &frame, &more, err)) == OK && more)
        if (is_wanted(request->stream, frame.stream))
            buf_add(out, frame.bytes, frame.length);
    keeper_log_close(log);
    if (code == OK && request->tail == 0)
        buf_clear(out);
    else if (code == OK && request->tail > 0 && out->len)
        keep_tail(out, request->tail);
    return code;
}

/* ---- follow ---- */

struct follower {
    struct list_node node;
    struct log_followers *followers;
    struct http_stream *stream;
    struct store *store;
    char *data_dir, *reference;
    int64_t id;
    enum execution_log_stream wanted;
    int64_t skip_bytes; /* of what is there at first: before the tail */
    struct keeper_log *log;
    struct buf pending; /* written by us, not taken yet */
    bool ended;         /* `end` is in pending or gone */
};

struct log_followers {
    struct mutex mutex; /* guards all below */
    struct condition changed;
    struct list open;
    struct thread waker;
    bool stopping;
};

static void wake_all(void *arg)
{
    struct log_followers *f = arg;
    mutex_lock(&f->mutex);
    while (!f->stopping) {
        if (!f->open.count) {
            condition_wait(&f->changed, &f->mutex);
            continue;
        }
        for (struct list_node *node = list_first(&f->open); node; node = list_next(&f->open, node))
            http_stream_wake(CONTAINER_OF(node, struct follower, node)->stream);
        (void)condition_wait_for(&f->changed, &f->mutex, LOG_FOLLOW_MS * US_PER_MS);
    }
    mutex_unlock(&f->mutex);
}

struct log_followers *log_followers_new(void)
{
    struct log_followers *followers = xcalloc(1, sizeof *followers);
    mutex_init(&followers->mutex);
    condition_init(&followers->changed);
    list_init(&followers->open);
    thread_start(&followers->waker, "horae-logs", wake_all, followers);
    return followers;
}

void log_followers_free(struct log_followers *followers)
{
    if (!followers)
        return;
    mutex_lock(&followers->mutex);
    followers->stopping = true;
    condition_broadcast(&followers->changed);
    mutex_unlock(&followers->mutex);
    thread_join(&followers->waker);
    condition_release(&followers->changed);
    mutex_release(&followers->mutex);
    free(followers);
}

static void write_event(struct buf *out, const char *name, void (*members)(struct json_writer *w, const void *arg),
                        const void *arg)
{
    struct json_writer w;
    buf_printf(out, "event: %s\ndata: ", name);
    json_writer_init(&w, out);
    json_begin_object(&w);
    members(&w, arg);
    json_end_object(&w);
    buf_add_text(out, "\n\n");
}

static void frame_members(struct json_writer *w, const void *arg)
{
    const struct keeper_log_frame *frame = arg;
    json_put_int(w, "offset", frame->offset);
    json_key(w, "text");
    json_text_n(w, frame->bytes, frame->length);
}

static void end_members(struct json_writer *w, const void *arg)
{
    json_put_text(w, "state", execution_state_name(*(const enum execution_state *)arg));
}

/* One frame of the log into `pending`; false when there is none at the moment. */
static bool take_frame(struct follower *f)
{
    struct keeper_log_frame frame;
    struct err err;
    bool more = false;
    if (!f->log && open_log(f->data_dir, f->id, &f->log, &err) != OK)
        return false;
    while (f->log && keeper_log_next(f->log, &frame, &more, &err) == OK && more) {
        if (!is_wanted(f->wanted, frame.stream))
            continue;
        if (f->skip_bytes >= (int64_t)frame.length) {
            f->skip_bytes -= (int64_t)frame.length;
            continue;
        }
        frame.bytes += f->skip_bytes;
        frame.length -= (size_t)f->skip_bytes;
        frame.offset += f->skip_bytes;
        f->skip_bytes = 0;
        write_event(&f->pending, frame.stream == KEEPER_STDOUT ? "stdout" : "stderr", frame_members, &frame);
        return true;
    }
    return false;
}

/* Nothing more in the log: has the execution ended, and had it ended before we looked into the log for the last time? */
static void take_end(struct follower *f)
{
    struct found found = {.reference = f->reference};
    struct err err;
    enum err_code code = store_read(f->store, find, &found, &err);
    bool gone = code == ERR_NOT_FOUND;
    if (!gone && (code != OK || !execution_state_is_terminal(found.brief.state)))
        return;
    if (take_frame(f))
        return;
    enum execution_state state = gone ? EXECUTION_INTERRUPTED : found.brief.state;
    write_event(&f->pending, "end", end_members, &state);
    f->ended = true;
}

static long produce(void *arg, char *out, size_t capacity)
{
    struct follower *f = arg;
    if (!f->pending.len && f->ended)
        return -1;
    if (!f->pending.len && !take_frame(f))
        take_end(f);
    size_t n = f->pending.len < capacity ? f->pending.len : capacity;
    if (n)
        memcpy(out, f->pending.data, n);
    buf_consume(&f->pending, n);
    return (long)n;
}

static void closed(void *arg)
{
    struct follower *f = arg;
    mutex_lock(&f->followers->mutex);
    list_remove(&f->followers->open, &f->node);
    mutex_unlock(&f->followers->mutex);
    keeper_log_close(f->log);
    buf_release(&f->pending);
    free(f->data_dir);
    free(f->reference);
    free(f);
}

/* How much of what is there lies before the last `tail` lines. */
static enum err_code measure_tail(const struct execution_log_request *request, int64_t *ret_skip, struct err *err)
{
    *ret_skip = 0;
    if (request->tail < 0)
        return OK;
    struct buf whole;
    struct execution_log_request all = *request;
    buf_init(&whole, 256 << 20);
    all.tail = -1;
    enum err_code code = execution_log_read(&all, &whole, err);
    size_t total = whole.len;
    if (code == OK && request->tail > 0 && whole.len)
        keep_tail(&whole, request->tail);
    else
        buf_clear(&whole);
    *ret_skip = (int64_t)(total - whole.len);
    buf_release(&whole);
    return code;
}

enum err_code execution_log_follow(struct log_followers *followers, struct http_request *http,
                                   const struct execution_log_request *request, struct err *err)
{
    struct found found = {.reference = request->reference};
    int64_t skip;
    enum err_code code = store_read(request->store, find, &found, err);
    if (code == OK)
        code = measure_tail(request, &skip, err);
    if (code != OK)
        return code;
    mutex_lock(&followers->mutex);
    if (followers->open.count >= LOG_FOLLOWERS_MAX) {
        mutex_unlock(&followers->mutex);
        return err_set(err, ERR_LIMIT, "UNAVAILABLE", "%d logs are being followed already", LOG_FOLLOWERS_MAX);
    }
    struct follower *f = xcalloc(1, sizeof *f);
    *f = (struct follower){.followers = followers,
                           .store = request->store,
                           .data_dir = xstrdup(request->data_dir),
                           .reference = xstrdup(request->reference),
                           .id = found.brief.id,
                           .wanted = request->stream,
                           .skip_bytes = skip};
    buf_init(&f->pending, EVENT_SIZE_MAX);
    list_push_back(&followers->open, &f->node);
    const struct http_stream_source source = {produce, closed, f};
    f->stream = http_answer_stream(http, "text/event-stream", &source);
    condition_signal(&followers->changed);
    mutex_unlock(&followers->mutex);
    return OK;
}
