/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_task_check.h"

#include "base/clock.h"
#include "sched/task_types.h"

#include <string.h>

/* A name is a path segment and a label in metrics and tables: no control characters, no UUID (it would hide a uid). */
static enum err_code check_name(const char *name, struct err *err)
{
    struct uuid uid;
    if (uuid_parse(name, strlen(name), &uid))
        return err_param(err, "name", "name must not look like a UUID: {id} in paths accepts both");
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127)
            return err_param(err, "name", "name must not hold control characters");
    return OK;
}

static enum err_code check_expression(const struct sched_task *task, const char *member, const char *text,
                                      enum cron_syntax syntax, struct err *err)
{
    struct cron_years years; /* what is refused must not fill the table of year lists */
    struct cron_options options = {.syntax = syntax,
                                   .years = &years,
                                   .gap = task->gap,
                                   .fold = task->fold,
                                   .zone = task->timezone,
                                   .seed = task->seed ? task->seed : task->name,
                                   .anchor_s = (task->anchor_us ? task->anchor_us : task->created_at_us) / US_PER_S};
    struct cron_schedule schedule;
    struct cron_error error;
    if (cron_parse(text, strlen(text), &options, &schedule, &error)) {
        if (!cron_is_impossible(&schedule))
            return OK;
        cron_never_error(text, strlen(text), &options, &schedule, &error);
    }
    return err_param(err, member, "%s: %s (%s at position %zu)%s%s", member, error.message, error.code, error.pos,
                     error.hint[0] ? "; " : "", error.hint);
}

static enum err_code check_schedule(const struct sched_task *task, struct err *err)
{
    if (task->timezone && !cron_zone_exists(task->timezone))
        return err_param(err, "timezone",
                         "timezone \"%s\" is not a zone that this system knows (IANA names, such as Asia/Shanghai)",
                         task->timezone);
    if (task->cron_expr && task->calendar)
        return err_param(err, "calendar", "give cron_expr or calendar, not both");
    if (task->calendar && task->interval_s)
        return err_param(err, "interval", "give calendar or interval, not both");
    if (task->is_recurring && !task->cron_expr && !task->calendar && !task->interval_s)
        return err_param(err, "cron_expr", "a recurring task needs one of cron_expr, calendar and interval (> 0)");
    if (task->cron_expr)
        return check_expression(task, "cron_expr", task->cron_expr, CRON_SYNTAX_CRON, err);
    return task->calendar ? check_expression(task, "calendar", task->calendar, CRON_SYNTAX_ONCALENDAR, err) : OK;
}

enum err_code sched_task_check(const struct sched_task *task, struct err *err)
{
    enum err_code code = check_name(task->name, err);
    if (code == OK)
        code = check_schedule(task, err);
    if (code == OK && task->timeout_grace_period_s >= task->max_duration_s)
        code = err_param(err, "timeout_grace_period", "timeout_grace_period must be less than max_duration_seconds (%lld)",
                         (long long)task->max_duration_s);
    if (code == OK && task->backoff.cap_ms < task->backoff.base_ms)
        code = err_param(err, "retry_backoff", "retry_backoff.cap_ms must not be less than base_ms");
    const char *data = task->data ? task->data : "";
    return code == OK ? task_type_validate(task->type, data, strlen(data), err) : code;
}
