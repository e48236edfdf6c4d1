/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_api_priv.h"

#include "audit/audit_request.h"
#include "base/mem.h"
#include "http/idempotency_store.h"

#include <string.h>

size_t sched_api_routes(struct sched_api *api, struct http_routes *out)
{
    out[0] = (struct http_routes){task_api_routes, task_api_route_count, api};
    out[1] = (struct http_routes){occurrence_api_routes, occurrence_api_route_count, api};
    out[2] = (struct http_routes){execution_api_routes, execution_api_route_count, api};
    out[3] = (struct http_routes){operation_api_routes, operation_api_route_count, api};
    return 4;
}

void api_refuse(struct http_request *request, struct err *err)
{
    http_answer_error(request, err->code, err);
}

/* ---- changes ---- */

static void reply(struct sched_command *command, enum err_code code, const struct err *err)
{
    struct http_request *request = command->arg;
    if (code != OK) {
        http_answer_error(request, code, err);
    } else {
        struct buf body;
        buf_init(&body, API_ANSWER_MAX);
        int status = command->answer(command, &body);
        if (status == 204)
            http_answer_empty(request, status);
        else
            http_answer_json(request, status, &body);
    }
    sched_command_free(command);
}

struct sched_command *api_command(struct http_request *request, enum sched_command_kind kind,
                                  int (*answer)(struct sched_command *command, struct buf *out))
{
    struct sched_command *command = sched_command_new(kind, reply, request);
    command->arrived_us = http_arrived_us(request);
    command->caller_uid = xstrdup(http_principal(request)->uid);
    command->idempotency = http_idempotency(request);
    command->answer = answer;
    command->audit = audit_event_of_request(request, NULL);
    return command;
}

void api_set_task(struct sched_command *command, const struct http_request *request)
{
    command->task_ref = xstrdup(http_path_id(request, 0));
}

void api_submit(struct sched_api *api, struct sched_command *command)
{
    if (scheduler_submit(api->scheduler, command))
        return;
    struct err err;
    (void)err_set(&err, ERR_UNAVAILABLE, NULL, "the server is stopping or has too much to do");
    reply(command, ERR_UNAVAILABLE, &err);
}

/* ---- reads ---- */

void api_read(struct sched_api *api, struct http_request *request,
              enum err_code (*fn)(struct db *db, void *read, struct err *err))
{
    struct api_read read = {.api = api, .request = request};
    struct err err;
    buf_init(&read.out, API_ANSWER_MAX);
    (void)buf_reserve(&read.out, API_ANSWER_USUAL);
    json_writer_init(&read.w, &read.out);
    if (store_read(api->store, fn, &read, &err) == OK) {
        http_answer_json(request, 200, &read.out);
        return;
    }
    buf_release(&read.out);
    api_refuse(request, &err);
}
