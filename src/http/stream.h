/* SPDX-License-Identifier: Apache-2.0 */
/* Answers without an end known in advance: blocks are taken from a source when the library asks for bytes, and the
 * connection sleeps while the source has none (http_stream_wake, http.h). */
#ifndef HORAE_HTTP_STREAM_H
#define HORAE_HTTP_STREAM_H

#include "base/list.h"
#include "base/thread.h"
#include "http/http.h"

/* All streams of a server, so that they can be ended. */
struct streams {
    struct mutex mutex; /* guards all below */
    struct list list;
    bool ending; /* no stream goes on */
};

void streams_init(struct streams *streams);
void streams_release(struct streams *streams); /* every stream was closed before */
/* Ends every stream at its next turn, and those that are added later. Any thread. */
void streams_end(struct streams *streams);
void streams_add(struct streams *streams, struct http_stream *stream); /* once, before its first block */

/* `connection` is the library's; the source is copied. The caller owns the stream until it was added. */
struct http_stream *stream_new(void *connection, const struct http_stream_source *source);
/* Up to `capacity` bytes of the source; 0 = none now, the connection was suspended; -1, -2 = the end as
 * http_stream_source says. The thread of the connection. */
long stream_produce(struct http_stream *stream, char *out, size_t capacity);
/* Takes the stream off its list, tells the source (closed) and frees it. Of type void *, as the library calls it. */
void stream_close(void *stream);

#endif
