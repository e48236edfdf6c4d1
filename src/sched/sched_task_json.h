/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form of a scheduled task (DATA-01, DATA-05, API-30, API-32, API-35; rulings section 1): bodies of requests,
 * answers, and the definition as stored. One table of fields serves all of them. Pure, any thread. */
#ifndef HORAE_SCHED_SCHED_TASK_JSON_H
#define HORAE_SCHED_SCHED_TASK_JSON_H

#include "base/json_write.h"
#include "sched/schedule.h"
#include "sched/sched_task.h"

enum sched_task_json_mode {
    SCHED_TASK_JSON_CREATE,      /* POST: what is absent gets its default */
    SCHED_TASK_JSON_PUT,         /* the whole definition; uid, secret, creation and counters of `base` stay */
    SCHED_TASK_JSON_MERGE_PATCH, /* RFC 7396: what is absent stays, null resets */
};

struct sched_task_defaults { /* CRON-61 */
    int64_t max_duration_s, max_retries, grace_s;
};

/* Reads and validates everything. `base` is the present definition (NULL with CREATE). Read-only members are accepted
 * and ignored. ERR_INVALID names the member; ERR_CONFLICT when `version` is not the present one. */
enum err_code sched_task_from_json(const char *text, size_t length, enum sched_task_json_mode mode, const struct sched_task *base,
                                   const struct sched_task_defaults *defaults, int64_t now_us, struct sched_task **ret,
                                   struct err *err);

/* The API's object; the secret is never in it. */
void sched_task_write_json(struct json_writer *w, const struct sched_task *task);

/* The definition as stored: also secret and creation, without counters. */
void sched_task_write_stored(struct json_writer *w, const struct sched_task *task);
/* Of our own writing: anything unexpected is ERR_CORRUPT. Name, type, enabled and counters come from columns. */
enum err_code sched_task_from_stored(const char *text, size_t length, struct sched_task *task, struct err *err);

/* The schedule of a stored definition (epochs of the ledger). */
enum err_code schedule_from_json(const char *text, size_t length, struct schedule *ret, struct err *err);

#endif
