/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an execution's output: whole, its last lines, or as it grows (rulings, Logs). */
#ifndef HORAE_SCHED_EXECUTION_LOG_H
#define HORAE_SCHED_EXECUTION_LOG_H

#include "base/buf.h"
#include "db/store.h"
#include "http/http.h"

enum { LOG_FOLLOWERS_MAX = 256, LOG_FOLLOW_MS = 200 };
enum execution_log_stream { EXECUTION_LOG_STDOUT, EXECUTION_LOG_STDERR, EXECUTION_LOG_ALL };

struct execution_log_request {
    struct store *store;
    const char *data_dir, *reference; /* id or uid */
    enum execution_log_stream stream;
    int64_t tail; /* lines; -1 = all */
};

/* ERR_NOT_FOUND: no such execution. One without output gives an empty text. */
enum err_code execution_log_read(const struct execution_log_request *request, struct buf *out, struct err *err);

/* Streams that are open; one thread wakes them while there are any. */
struct log_followers;
struct log_followers *log_followers_new(void);
void log_followers_free(struct log_followers *followers); /* after the HTTP server has stopped */

/* Answers with server-sent events: `stdout`, `stderr` {offset, text}, then `end` {state}. */
enum err_code execution_log_follow(struct log_followers *followers, struct http_request *http,
                                   const struct execution_log_request *request, struct err *err);

#endif
