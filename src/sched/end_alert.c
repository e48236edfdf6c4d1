/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/end_alert.h"

#include "alert/alerts.h"
#include "base/json_write.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DETAILS_MAX = 16384, SHOWN_ERROR_MAX = 600 };

struct end_alert {
    bool failed;                     /* or its task succeeded after failures */
    enum alert_kind kind;            /* of a failure */
    char subject[UUID_TEXT_LEN + 8]; /* "task:<uid>" */
    char text[ALERT_TEXT_MAX];       /* of a failure */
    char task_name[TASK_NAME_MAX + 1];
    char error[SHOWN_ERROR_MAX + 1];
    char *details; /* owned: JSON */
};

static char *write_details(const struct execution *ex, const struct execution_finish *row, const char *error)
{
    const struct task_runtime *rt = ex->task;
    struct buf text;
    struct json_writer w;
    buf_init(&text, DETAILS_MAX);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_put_text(&w, "task_uid", rt->uid_text);
    json_put_text(&w, "task_name", rt->task->name);
    json_put_text(&w, "task_type", task_type_name(rt->task->type));
    json_put_uuid(&w, "execution_uid", &ex->uid);
    json_put_text(&w, "state", execution_state_name(row->state));
    json_put_int(&w, "attempts", row->attempt);
    json_put_time_or_null(&w, "started_at", row->started_us, 6);
    json_put_time(&w, "finished_at", row->finished_us, 3);
    json_put_int(&w, "duration_ms", row->duration_us / US_PER_MS);
    json_put_text_unless_empty(&w, "error_message", error);
    json_end_object(&w);
    return buf_take(&text);
}

/* Whether a success ends a row of failures is known for sure in the transaction only; here it is enough that it may. */
static bool may_end_a_streak(struct task_runtime *rt, const struct execution_finish *row)
{
    bool failed = row->state == EXECUTION_FAILURE || row->state == EXECUTION_TIMEOUT;
    bool may = row->state == EXECUTION_SUCCESS && rt->failed_lately;
    rt->failed_lately = failed || (rt->failed_lately && !may);
    return may;
}

struct end_alert *end_alert_new(const struct scheduler *s, struct execution *ex, const struct execution_finish *row)
{
    bool failed = row->state == EXECUTION_FAILURE || row->state == EXECUTION_TIMEOUT;
    bool recovered = may_end_a_streak(ex->task, row);
    if (!s->options.alerts || (!failed && !recovered))
        return NULL;
    struct end_alert *alert = xcalloc(1, sizeof *alert);
    const char *error = row->error_message ? row->error_message : "";
    alert->failed = failed;
    alert->kind = row->state == EXECUTION_TIMEOUT ? ALERT_EXECUTION_TIMEOUT : ALERT_EXECUTION_FAILED;
    (void)snprintf(alert->subject, sizeof alert->subject, "task:%s", ex->task->uid_text);
    (void)snprintf(alert->task_name, sizeof alert->task_name, "%s", ex->task->task->name);
    (void)str_copy(alert->error, sizeof alert->error, error, strlen(error));
    (void)snprintf(alert->text, sizeof alert->text, "task \"%s\" %s: %s", alert->task_name,
                   row->state == EXECUTION_TIMEOUT ? "timed out" : "failed", alert->error);
    alert->details = write_details(ex, row, alert->error);
    return alert;
}

void end_alert_free(struct end_alert *alert)
{
    if (!alert)
        return;
    free(alert->details);
    free(alert);
}

static enum err_code put_end(struct db *tx, struct sched_work *work, const struct end_alert *alert, struct err *err)
{
    struct alert_message message = {
        .kind = alert->kind, .subject = alert->subject, .text = alert->text, .details = alert->details};
    return alert_put(work->alerts, tx, &message, work->now_us, err);
}

static enum err_code put_recovered(struct db *tx, struct sched_work *work, const struct end_alert *alert, struct err *err)
{
    char text[ALERT_TEXT_MAX];
    (void)snprintf(text, sizeof text, "task \"%s\" has succeeded again", alert->task_name);
    struct alert_message message = {.kind = ALERT_EXECUTIONS_FAILING,
                                    .resolved = true,
                                    .subject = alert->subject,
                                    .text = text,
                                    .details = alert->failed ? NULL : alert->details};
    return alert_put(work->alerts, tx, &message, work->now_us, err);
}

static enum err_code put_streak(struct db *tx, struct sched_work *work, const struct end_alert *alert, int64_t task_id,
                                struct err *err)
{
    int64_t streak = 0, least = alerts_failures_in_a_row(work->alerts);
    char text[ALERT_TEXT_MAX];
    enum err_code code = least ? task_store_streak(tx, task_id, &streak, err) : OK;
    if (code != OK || !least || streak < least)
        return code;
    (void)snprintf(text, sizeof text, "task \"%s\" has failed %" PRId64 " times in a row: %s", alert->task_name, streak,
                   alert->error);
    struct alert_message message = {
        .kind = ALERT_EXECUTIONS_FAILING, .subject = alert->subject, .text = text, .details = alert->details};
    return alert_put(work->alerts, tx, &message, work->now_us, err);
}

/* Once for each task of the work: its sums are those of all its ends. */
static enum err_code put_task(struct db *tx, struct sched_work *work, const struct task_change *change,
                              const struct end_alert *alert, struct err *err)
{
    enum err_code code = change->ends.streak_broken ? put_recovered(tx, work, alert, err) : OK;
    return code == OK && change->ends.streak ? put_streak(tx, work, alert, change->task_id, err) : code;
}

enum err_code end_alerts_put(struct db *tx, struct sched_work *work, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; code == OK && i < work->finishes.count; i++) {
        const struct execution_finish *row = &work->finishes.rows[i];
        if (row->lost || !row->alert)
            continue;
        if (row->alert->failed)
            code = put_end(tx, work, row->alert, err);
        if (row->change_row >= 0)
            work->tasks.rows[row->change_row].alert = row->alert;
    }
    for (size_t i = 0; code == OK && i < work->tasks.count; i++) {
        const struct end_alert *alert = work->tasks.rows[i].alert;
        work->tasks.rows[i].alert = NULL;
        if (alert)
            code = put_task(tx, work, &work->tasks.rows[i], alert, err);
    }
    return code;
}

enum err_code end_alert_task_deleted(struct db *tx, const struct sched_work *work, struct err *err)
{
    const struct sched_task *task = work->write->task;
    char text[ALERT_TEXT_MAX], uid[UUID_TEXT_LEN + 1], subject[UUID_TEXT_LEN + 8];
    uuid_format(&task->uid, uid);
    (void)snprintf(subject, sizeof subject, "task:%s", uid);
    (void)snprintf(text, sizeof text, "task \"%s\" was deleted", task->name);
    struct alert_message message = {.kind = ALERT_EXECUTIONS_FAILING, .resolved = true, .subject = subject, .text = text};
    return alert_put(work->alerts, tx, &message, work->now_us, err);
}

void end_alerts_committed(struct scheduler *s, const struct sched_work *work)
{
    bool told = work->alerts && work->write && work->write->kind == TASK_WRITE_DELETE;
    for (size_t i = 0; i < work->finishes.count && !told; i++)
        told = work->finishes.rows[i].alert != NULL;
    if (told)
        alerts_wake(s->options.alerts);
}
