/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/handler_http.h"

#include "base/mem.h"
#include "base/str.h"
#include "http/http_client.h"
#include "http/webhook_signature.h"
#include "sched/output_text.h"
#include "sched/task_data.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { RESPONSE_MAX = 65536, OUR_HEADERS = 7, HEADER_MAX = 12000, ERROR_BODY_MAX = 10240 };

struct handler_http {
    const struct clock *clock;
    struct attempt_sink sink;
    struct http_client *client;
};

struct http_run {
    struct handler_http *http;
    struct handler_job *job; /* owned */
    struct http_data data;
};

static void free_run(struct http_run *run)
{
    http_data_release(&run->data);
    handler_job_free(run->job);
    free(run);
}

static bool is_expected(const struct http_data *data, long status)
{
    if (!data->status_count)
        return status >= 200 && status <= 299;
    for (size_t i = 0; i < data->status_count; i++)
        if (data->statuses[i] == status)
            return true;
    return false;
}

static char *message_of(const struct http_client_result *answer)
{
    char text[480];
    if (answer->failed)
        (void)snprintf(text, sizeof text, "request failed: %s", answer->message);
    else
        (void)snprintf(text, sizeof text, "HTTP status %ld", answer->status);
    return xstrdup(text);
}

static void on_done(void *arg, int64_t key, const struct http_client_result *answer)
{
    struct http_run *run = arg;
    struct attempt_result result = {.success = !answer->failed && is_expected(&run->data, answer->status),
                                    .finished_us = clock_wall(run->http->clock).us,
                                    .result_truncated = answer->truncated};
    bool ignored = false;
    result.result = output_text_begin(answer->body, answer->length, RESPONSE_MAX, answer->truncated, &result.result_truncated);
    if (!result.success) {
        result.error_message = message_of(answer);
        result.error_stack = output_text_begin(answer->body, answer->length, ERROR_BODY_MAX, answer->truncated, &ignored);
    }
    run->http->sink.ended(run->http->sink.context, key, run->job->attempt, &result);
    free_run(run);
}

/* Request headers, each owned. */
struct header_list {
    char *items[HTTP_HEADERS_MAX + OUR_HEADERS + 1];
    size_t count;
};

PRINTF_LIKE(2, 3) static void add_header(struct header_list *list, const char *format, ...)
{
    char text[HEADER_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    list->items[list->count++] = xstrdup(text);
}

static void add_ours(struct header_list *list, const struct http_run *run)
{
    const struct handler_job *job = run->job;
    char uid[UUID_TEXT_LEN + 1], signature[WEBHOOK_SIGNATURE_MAX];
    int64_t now_s = clock_wall(run->http->clock).us / US_PER_S;
    const char *body = run->data.body ? run->data.body : "";
    uuid_format(&job->uid, uid);
    add_header(list, "X-Horae-Execution: %s", uid);
    add_header(list, "X-Horae-Attempt: %" PRId32, job->attempt);
    add_header(list, "X-Horae-Fencing-Token: %" PRId64, job->fence);
    add_header(list, "webhook-id: %s", uid);
    add_header(list, "webhook-timestamp: %" PRId64, now_s);
    if (!job->secret)
        return;
    webhook_sign(job->secret, uid, now_s, body, strlen(body), signature);
    add_header(list, "webhook-signature: %s", signature);
}

static void build_headers(struct header_list *list, const struct http_run *run)
{
    bool has_type = false;
    for (size_t i = 0; i < run->data.header_count; i++) {
        add_header(list, run->data.headers[i].value[0] ? "%s: %s" : "%s;%s", run->data.headers[i].name,
                   run->data.headers[i].value);
        has_type |= str_equal_ignoring_case(str_of(run->data.headers[i].name), "content-type");
    }
    if (!has_type) /* without a body, the library's own guess is taken out */
        add_header(list, run->data.body ? "Content-Type: application/json" : "Content-Type:");
    add_ours(list, run);
}

static enum err_code send_run(struct http_run *run, struct err *err)
{
    struct header_list headers = {.count = 0};
    build_headers(&headers, run);
    struct http_client_request request = {.method = run->data.method,
                                          .url = run->data.url,
                                          .headers = (const char *const *)headers.items,
                                          .body = run->data.body,
                                          .body_length = run->data.body ? strlen(run->data.body) : 0,
                                          .timeout_ms = run->data.timeout_ms,
                                          .max_redirects = (long)run->data.max_redirects,
                                          .response_max = RESPONSE_MAX,
                                          .key = run->job->execution_id,
                                          .done = on_done,
                                          .arg = run};
    enum err_code code = http_client_send(run->http->client, &request, err);
    for (size_t i = 0; i < headers.count; i++)
        free(headers.items[i]);
    return code;
}

static enum err_code start(void *context, struct handler_job *job, struct err *err)
{
    struct http_run *run = xcalloc(1, sizeof *run);
    run->http = context;
    enum err_code code = http_data_parse(job->data, &run->data, err);
    if (code == OK) {
        run->job = job;
        code = send_run(run, err);
    }
    if (code != OK) {
        run->job = NULL; /* stays the caller's */
        free_run(run);
    }
    return code;
}

static void stop(void *context, int64_t execution_id, int32_t attempt, bool force)
{
    (void)attempt, (void)force; /* a request has no grace: it ends at once */
    struct handler_http *http = context;
    http_client_cancel(http->client, execution_id);
}

struct handler_http *handler_http_new(const struct clock *clock)
{
    struct handler_http *http = xcalloc(1, sizeof *http);
    http->clock = clock;
    http->client = http_client_new();
    return http;
}

void handler_http_attach(struct handler_http *http, const struct attempt_sink *sink)
{
    http->sink = *sink;
}

struct handler handler_http_handler(struct handler_http *http)
{
    return (struct handler){.type = "http", .start = start, .stop = stop, .context = http};
}

void handler_http_free(struct handler_http *http)
{
    if (!http)
        return;
    http_client_free(http->client);
    free(http);
}
