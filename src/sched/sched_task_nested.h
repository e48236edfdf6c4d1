/* SPDX-License-Identifier: Apache-2.0 */
/* The objects inside a task's definition (rulings section 1): labels, retry_backoff, limits. Each is read into the task;
 * with `merge` as RFC 7396 says, member by member: null takes a member away, what is absent stays. Errors name the member. */
#ifndef HORAE_SCHED_SCHED_TASK_NESTED_H
#define HORAE_SCHED_SCHED_TASK_NESTED_H

#include "base/json.h"
#include "sched/sched_task.h"

extern const struct retry_backoff task_backoff_default;

/* At most TASK_LABELS_MAX remain, sorted by name. */
enum err_code task_labels_read(struct sched_task *task, const struct json *labels, bool merge, struct err *err);
void task_labels_clear(struct sched_task *task);
enum err_code task_backoff_read(struct sched_task *task, const struct json *backoff, struct err *err);
enum err_code task_limits_read(struct sched_task *task, const struct json *limits, struct err *err);

#endif
