/* SPDX-License-Identifier: Apache-2.0 */
#include "http/stream.h"

#include "base/mem.h"
#include "http/http_priv.h"

#include <string.h>

struct http_stream {
    struct mutex mutex; /* guards what others than the producing thread touch */
    void *connection;   /* the library's */
    struct http_stream_source source;
    bool asleep, woken, ending;
    struct streams *streams;
    struct list_node node; /* in streams->list */
    char *block;           /* owned by the thread that produces; NULL = nothing waits */
    size_t block_length, block_sent;
};

/* ---- one stream ---- */

struct http_stream *stream_new(void *connection, const struct http_stream_source *source)
{
    struct http_stream *stream = xcalloc(1, sizeof *stream);
    mutex_init(&stream->mutex);
    stream->source = *source;
    stream->connection = connection;
    return stream;
}

/* Sources get room for a whole block; the library may ask for less, as the connection's memory has it. */
static long take_block(struct http_stream *stream, char *out, size_t capacity)
{
    if (!stream->block) {
        char *block = xmalloc(HTTP_STREAM_BLOCK);
        long n = stream->source.produce(stream->source.arg, block, HTTP_STREAM_BLOCK);
        if (n <= 0) {
            free(block);
            return n;
        }
        stream->block = block;
        stream->block_length = (size_t)n;
        stream->block_sent = 0;
    }
    size_t left = stream->block_length - stream->block_sent, n = left < capacity ? left : capacity;
    memcpy(out, stream->block + stream->block_sent, n);
    stream->block_sent += n;
    if (n == left) {
        free(stream->block);
        stream->block = NULL;
    }
    return (long)n;
}

long stream_produce(struct http_stream *stream, char *out, size_t capacity)
{
    for (;;) {
        mutex_lock(&stream->mutex);
        stream->woken = false;
        bool ending = stream->ending;
        mutex_unlock(&stream->mutex);
        long n = ending && !stream->block ? (stream->source.whole ? -2 : -1) : take_block(stream, out, capacity);
        if (n)
            return n;
        mutex_lock(&stream->mutex);
        bool woken = stream->woken; /* while the source was asked */
        if (!woken) {
            stream->asleep = true;
            http_server_suspend(stream->connection);
        }
        mutex_unlock(&stream->mutex);
        if (!woken)
            return 0;
    }
}

void http_stream_wake(struct http_stream *stream)
{
    mutex_lock(&stream->mutex);
    stream->woken = true;
    if (stream->asleep) {
        stream->asleep = false;
        http_server_resume(stream->connection);
    }
    mutex_unlock(&stream->mutex);
}

void stream_close(void *arg)
{
    struct http_stream *stream = arg;
    mutex_lock(&stream->streams->mutex);
    list_remove(&stream->streams->list, &stream->node);
    mutex_unlock(&stream->streams->mutex);
    stream->source.closed(stream->source.arg);
    free(stream->block);
    mutex_release(&stream->mutex);
    free(stream);
}

/* ---- all of a server ---- */

void streams_init(struct streams *streams)
{
    mutex_init(&streams->mutex);
    list_init(&streams->list);
    streams->ending = false;
}

void streams_release(struct streams *streams)
{
    mutex_release(&streams->mutex);
}

void streams_add(struct streams *streams, struct http_stream *stream)
{
    stream->streams = streams;
    mutex_lock(&streams->mutex);
    list_push_back(&streams->list, &stream->node);
    stream->ending = streams->ending;
    mutex_unlock(&streams->mutex);
}

void streams_end(struct streams *streams)
{
    mutex_lock(&streams->mutex);
    streams->ending = true;
    for (struct list_node *node = list_first(&streams->list); node; node = list_next(&streams->list, node)) {
        struct http_stream *stream = CONTAINER_OF(node, struct http_stream, node);
        mutex_lock(&stream->mutex);
        stream->ending = true;
        mutex_unlock(&stream->mutex);
        http_stream_wake(stream);
    }
    mutex_unlock(&streams->mutex);
}
