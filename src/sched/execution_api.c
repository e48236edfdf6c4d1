/* SPDX-License-Identifier: Apache-2.0 */
/* REST of executions: API-15, API-16, cancel, retry, logs (contract section 3). */
#include "sched/sched_api_priv.h"

#include "audit/audit_request.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sched/execution_log.h"
#include "sched/execution_query.h"

#include <stdio.h>
#include <string.h>

static const char *const states[] = {"pending", "running", "success", "failure", "timeout", "cancelled", "interrupted"};
static const char *const triggers[] = {"scheduled", "manual"};

static const struct http_param_spec list_params[] = {
    PAGE_PARAMS,
    {"task_name", HTTP_PARAM_TEXT, 1, TASK_NAME_MAX, NULL},
    {"task_uid", HTTP_PARAM_TEXT, 1, 255, NULL},
    {"execution_uid", HTTP_PARAM_TEXT, 1, 255, NULL},
    {"run_by", HTTP_PARAM_TEXT, 1, 255, NULL},
    {"state", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(states), states},
    {"trigger_type", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(triggers), triggers},
    {"start_time", HTTP_PARAM_TIME, 0, 0, NULL},
    {"end_time", HTTP_PARAM_TIME, 0, 0, NULL},
    API_PARAMS_END,
};

/* Inclusive to the millisecond that was named. */
static int64_t end_of(const struct http_request *request)
{
    const struct http_param *end = http_param(request, "end_time");
    return end ? end->number + US_PER_MS - 1 : INT64_MAX;
}

static enum err_code read_list(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    const struct http_request *r = read->request;
    struct page page;
    enum err_code code = page_read(r, &page, err);
    if (code != OK)
        return code;
    struct execution_filter filter = {.task_name = http_param_text(r, "task_name"),
                                      .task_uid = http_param_text(r, "task_uid"),
                                      .execution_uid = http_param_text(r, "execution_uid"),
                                      .run_by = http_param_text(r, "run_by"),
                                      .state = (int)http_param_int(r, "state", -1),
                                      .manual = (int)http_param_int(r, "trigger_type", -1),
                                      .start_us = http_param_int(r, "start_time", 0),
                                      .end_us = end_of(r),
                                      .before_id = page.cursor,
                                      .offset = page.offset,
                                      .limit = (int)page.size};
    struct execution_page result;
    if (filter.start_us && filter.start_us > filter.end_us)
        return err_param(err, "end_time", "end_time must not be before start_time");
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    json_begin_array(&read->w);
    code = execution_query_list(db, &filter, &read->w, !page.cursor, &result, err);
    json_end_array(&read->w);
    page_write(&read->w, &page, page.cursor ? NULL : &result.total, result.more ? result.last_id : 0);
    json_end_object(&read->w);
    return code;
}

static void list_executions(struct http_request *request, void *context)
{
    api_read(context, request, read_list);
}

static enum err_code read_execution(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    enum err_code code = execution_query_get(db, http_path_id(read->request, 0), &read->w, err);
    if (code == OK)
        json_end_object(&read->w);
    return code;
}

static void show_execution(struct http_request *request, void *context)
{
    api_read(context, request, read_execution);
}

/* ---- cancel, retry ---- */

static int answer_cancelled(struct sched_command *command, struct buf *out)
{
    struct json_writer w;
    bool done = execution_state_is_terminal(command->execution_state);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "message",
                  command->execution_state == EXECUTION_CANCELLED ? "Execution cancelled"
                  : done                                          ? "Execution has ended already"
                                                                  : "Cancellation requested");
    json_put_text(&w, "state", execution_state_name(command->execution_state));
    json_end_object(&w);
    return 202;
}

static void cancel_execution(struct http_request *request, void *context)
{
    static const struct json_field fields[] = {{"reason", FIELD_TEXT, 0, 0, 1024, .nullable = true}};
    struct str reason = {NULL, 0};
    const struct json *body = http_body_json(request);
    struct err err;
    if (body && json_read_fields(body, "", fields, ARRAY_LEN(fields), &reason, NULL, NULL, &err) != OK) {
        api_refuse(request, &err);
        return;
    }
    struct sched_command *command = api_command(request, SCHED_CANCEL, answer_cancelled);
    command->execution_ref = xstrdup(http_path_id(request, 0));
    command->reason = reason.n ? xstrndup(reason.p, reason.n) : NULL;
    api_submit(context, command);
}

static int answer_retried(struct sched_command *command, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "message", "Execution queued again");
    json_put_uuid(&w, "execution_uid", &command->execution_uid);
    json_end_object(&w);
    return 202;
}

static void retry_execution(struct http_request *request, void *context)
{
    struct sched_command *command = api_command(request, SCHED_RETRY, answer_retried);
    command->execution_ref = xstrdup(http_path_id(request, 0));
    api_submit(context, command);
}

/* ---- logs ---- */

static const char *const streams[] = {"stdout", "stderr", "all"};
static const char *const follow_values[] = {"0", "1", "false", "true"};
static const struct http_param_spec log_params[] = {
    {"stream", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(streams), streams},
    {"tail", HTTP_PARAM_INT, 0, 1000000, NULL},
    {"follow", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(follow_values), follow_values},
    API_PARAMS_END,
};

static void show_logs(struct http_request *request, void *context)
{
    struct sched_api *api = context;
    struct execution_log_request log = {.store = api->store,
                                        .data_dir = api->data_dir,
                                        .reference = http_path_id(request, 0),
                                        .stream = (enum execution_log_stream)http_param_int(request, "stream", EXECUTION_LOG_ALL),
                                        .tail = http_param_int(request, "tail", -1)};
    struct err err;
    if (http_param_int(request, "follow", 0) & 1) {
        if (execution_log_follow(api->followers, request, &log, &err) != OK)
            api_refuse(request, &err);
        return;
    }
    struct buf text;
    buf_init(&text, API_ANSWER_MAX);
    if (execution_log_read(&log, &text, &err) == OK) {
        http_answer(request, 200, "text/plain; charset=utf-8", &text);
        return;
    }
    buf_release(&text);
    api_refuse(request, &err);
}

#define EXECUTION "/api/v1/scheduler/executions/{id}"

const struct http_route execution_api_routes[] = {
    {HTTP_GET, "/api/v1/scheduler/executions", list_executions, HTTP_MAY_READ, 0, 0, list_params, "executions, newest first"},
    {HTTP_GET, EXECUTION, show_execution, HTTP_MAY_READ, 0, 0, NULL, "one execution, by id or uid"},
    {HTTP_GET, EXECUTION "/logs", show_logs, HTTP_MAY_READ, 0, 0, log_params, "output of an execution"},
    {HTTP_POST, EXECUTION "/cancel", cancel_execution, HTTP_MAY_OPERATE, HTTP_JSON_BODY | HTTP_IDEMPOTENT_SAVE, 0, NULL,
     "cancel an execution", AUDITS(CANCELLED, EXECUTION)},
    {HTTP_POST, EXECUTION "/retry", retry_execution, HTTP_MAY_OPERATE, HTTP_IDEMPOTENT_SAVE, 0, NULL, "run the same again",
     AUDITS(TRIGGERED, EXECUTION)},
};
const size_t execution_api_route_count = ARRAY_LEN(execution_api_routes);
