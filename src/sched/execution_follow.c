/* SPDX-License-Identifier: Apache-2.0 */
/* A log as it grows, as server-sent events. The end of the execution is asked for only when the log has nothing more. */
#include "sched/execution_log_priv.h"

#include "base/clock.h"
#include "base/json_write.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/thread.h"

#include <string.h>

enum { EVENT_SIZE_MAX = 1 << 20, BEGUN_MAX = 3 };

/* A character of which a frame held the first bytes only. */
struct begun {
    char bytes[BEGUN_MAX];
    size_t length;
    int64_t end; /* offset in the stream after these bytes */
};

struct follower {
    struct list_node node;
    struct log_followers *followers;
    struct http_stream *stream;
    struct store *store;
    char *data_dir, *reference;
    int64_t id;
    enum execution_log_stream wanted;
    int64_t start; /* place of the first byte that is wanted */
    struct keeper_log *log;
    struct begun begun[2]; /* of standard output and standard error */
    struct buf pending;    /* written by us, not taken yet */
    bool ended;            /* `end` is in pending or gone */
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

struct text_event {
    int64_t offset;
    const char *bytes;
    size_t length;
};

static void text_members(struct json_writer *w, const void *arg)
{
    const struct text_event *event = arg;
    json_put_int(w, "offset", event->offset);
    json_key(w, "text");
    json_text_n(w, event->bytes, event->length);
}

static void end_members(struct json_writer *w, const void *arg)
{
    json_put_text(w, "state", execution_state_name(*(const enum execution_state *)arg));
}

/* Bytes at the end that begin a character and do not end it: they wait for the next frame. */
static size_t unfinished(const char *bytes, size_t length)
{
    for (size_t back = 1; back <= BEGUN_MAX && back <= length; back++) {
        unsigned char c = (unsigned char)bytes[length - back];
        if ((c & 0xC0) != 0x80)
            return (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : c >= 0xC0 ? 2u : 1u) > back ? back : 0;
    }
    return 0;
}

/* `bytes` after what waits of the same stream; only whole characters leave. False: all of it waits. */
static bool write_text(struct follower *f, enum keeper_stream stream, int64_t offset, const char *bytes, size_t length)
{
    struct begun *begun = &f->begun[stream == KEEPER_STDERR];
    if (begun->end != offset)
        begun->length = 0; /* something in between was lost to the limit of the log */
    size_t total = begun->length + length;
    auto_free char *text = xmalloc(total + 1);
    memcpy(text, begun->bytes, begun->length);
    memcpy(text + begun->length, bytes, length);
    size_t whole = total - unfinished(text, total);
    struct text_event event = {offset - (int64_t)begun->length, text, whole};
    begun->length = total - whole;
    begun->end = offset + (int64_t)length;
    memcpy(begun->bytes, text + whole, begun->length);
    if (whole)
        write_event(&f->pending, stream == KEEPER_STDOUT ? "stdout" : "stderr", text_members, &event);
    return whole > 0;
}

/* The next text of the log into `pending`; false when there is none at the moment. */
static bool take_frame(struct follower *f)
{
    struct keeper_log_frame frame;
    struct err err;
    bool more = false;
    if (!f->log && log_open_of(f->data_dir, f->id, &f->log, &err) != OK)
        return false;
    while (f->log && keeper_log_next(f->log, &frame, &more, &err) == OK && more) {
        int64_t place = log_place(f->wanted, &frame), skip = f->start > place ? f->start - place : 0;
        if (log_is_wanted(f->wanted, frame.stream) && skip < (int64_t)frame.length &&
            write_text(f, frame.stream, frame.offset + skip, frame.bytes + skip, frame.length - (size_t)skip))
            return true;
    }
    return false;
}

/* A character that was never finished is no character: it leaves as it is. */
static void write_unfinished(struct follower *f)
{
    for (size_t i = 0; i < ARRAY_LEN(f->begun); i++) {
        const struct begun *begun = &f->begun[i];
        struct text_event event = {begun->end - (int64_t)begun->length, begun->bytes, begun->length};
        if (begun->length)
            write_event(&f->pending, i == 0 ? "stdout" : "stderr", text_members, &event);
    }
}

/* Nothing more in the log: has the execution ended, and had it ended before we looked into the log for the last time? */
static void take_end(struct follower *f)
{
    struct log_subject subject = {.reference = f->reference};
    struct err err;
    enum err_code code = store_read(f->store, log_find_subject, &subject, &err);
    bool gone = code == ERR_NOT_FOUND;
    if (!gone && (code != OK || !execution_state_is_terminal(subject.brief.state)))
        return;
    if (take_frame(f))
        return;
    enum execution_state state = gone ? EXECUTION_INTERRUPTED : subject.brief.state;
    write_unfinished(f);
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

enum err_code execution_log_follow(struct log_followers *followers, struct http_request *http,
                                   const struct execution_log_request *request, struct err *err)
{
    struct log_subject subject = {.reference = request->reference};
    int64_t start = 0;
    enum err_code code = store_read(request->store, log_find_subject, &subject, err);
    if (code == OK)
        code = log_tail_start(request, subject.brief.id, &start, err);
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
                           .id = subject.brief.id,
                           .wanted = request->stream,
                           .start = start};
    buf_init(&f->pending, EVENT_SIZE_MAX);
    list_push_back(&followers->open, &f->node);
    const struct http_stream_source source = {produce, closed, f, false};
    f->stream = http_answer_stream(http, "text/event-stream", &source);
    condition_signal(&followers->changed);
    mutex_unlock(&followers->mutex);
    return OK;
}
