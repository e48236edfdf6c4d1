/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the scheduler's REST share: answering through commands, paging, reading. */
#ifndef HORAE_SCHED_SCHED_API_PRIV_H
#define HORAE_SCHED_SCHED_API_PRIV_H

#include "base/json_write.h"
#include "http/page.h"
#include "sched/sched_api.h"

enum { API_ANSWER_MAX = 64 << 20, API_ANSWER_USUAL = 1500 /* one task: the buffer need not grow step by step */ };

extern const struct http_route task_api_routes[], occurrence_api_routes[], execution_api_routes[], operation_api_routes[];
extern const size_t task_api_route_count, occurrence_api_route_count, execution_api_route_count, operation_api_route_count;

/* ---- changes ---- */

/* A command whose answer goes to `request` when it was carried out: `answer` renders it, in the transaction when an
 * Idempotency-Key was sent, and again for the caller. */
struct sched_command *api_command(struct http_request *request, enum sched_command_kind kind,
                                  int (*answer)(struct sched_command *command, struct buf *out));
/* The task or execution of the path. */
void api_set_task(struct sched_command *command, const struct http_request *request);
void api_submit(struct sched_api *api, struct sched_command *command);

/* ---- reads ---- */
#define API_PARAMS_END \
    { \
        NULL, HTTP_PARAM_TEXT, 0, 0, NULL \
    }

/* Runs `fn` on a reader and answers with what it wrote, or with its error. */
struct api_read {
    struct sched_api *api;
    struct http_request *request;
    struct json_writer w;
    struct buf out;
};
void api_read(struct sched_api *api, struct http_request *request,
              enum err_code (*fn)(struct db *db, void *read, struct err *err));

/* Answers with an error. */
void api_refuse(struct http_request *request, struct err *err);

#endif
