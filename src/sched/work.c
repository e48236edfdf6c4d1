/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/work.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/idempotency_store.h"
#include "sched/end_alert.h"
#include "sched/reboot_store.h"
#include "sched/sched_audit.h"

void work_grow(void **rows, size_t *count, size_t *capacity, size_t size)
{
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 4;
        *rows = xrealloc(*rows, *capacity * size);
    }
    (*count)++;
}

struct sched_work *work_new(struct scheduler *scheduler, const char *instance_id)
{
    struct sched_work *work = xcalloc(1, sizeof *work);
    work->notice.kind = NOTICE_WORK;
    work->scheduler = scheduler;
    work->instance_id = instance_id;
    return work;
}

static void free_finish(struct execution_finish *row)
{
    free(row->result);
    free(row->error_message);
    free(row->error_stack);
    free(row->attempts);
    free(row->cancel_reason);
    free(row->cancelled_by);
    end_alert_free(row->alert);
}

void work_free(struct sched_work *work)
{
    if (!work)
        return;
    for (size_t i = 0; i < work->finishes.count; i++)
        free_finish(&work->finishes.rows[i]);
    for (size_t i = 0; i < work->backoffs.count; i++) {
        free(work->backoffs.rows[i].error_message);
        free(work->backoffs.rows[i].error_stack);
        free(work->backoffs.rows[i].attempts);
    }
    for (size_t i = 0; i < work->cancels.count; i++) {
        free(work->cancels.rows[i].cancelled_by);
        free(work->cancels.rows[i].cancel_reason);
    }
    free(work->cancels.rows);
    free(work->inserts.rows);
    free(work->claims.rows);
    free(work->backoffs.rows);
    free(work->finishes.rows);
    free(work->progress.rows);
    free(work->ledger.rows);
    free(work->tasks.rows);
    free(work->stats.rows);
    free(work->adoptions.rows);
    free(work->reboots.rows);
    free(work->acknowledgements.rows);
    task_write_free(work->write);
    free(work);
}

size_t work_size(const struct sched_work *work)
{
    return work->inserts.count + work->claims.count + work->backoffs.count + work->finishes.count + work->cancels.count +
           work->progress.count + work->ledger.count + work->tasks.count + work->stats.count + work->adoptions.count +
           work->reboots.count + work->acknowledgements.count + (work->write != NULL) + (work->zone_rules[0] != 0);
}

bool work_is_empty(const struct sched_work *work)
{
    return work_size(work) == 0;
}

static enum err_code apply_small(struct db *tx, struct sched_work *work, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; i < work->progress.count && code == OK; i++) {
        const struct progress_row *row = &work->progress.rows[i];
        code = execution_store_progress(tx, row->id, row->fence, row->percent, work->now_us, err);
    }
    for (size_t i = 0; i < work->reboots.count && code == OK; i++)
        code = reboot_store_note(tx, work->reboots.rows[i], work->now_us, err);
    if (code == OK && work->zone_rules[0])
        code = notes_store_put(tx, NOTE_ZONE_RULES, work->zone_rules, work->now_us, err);
    return code;
}

/* The answer's record goes with the change itself: a repeat after a crash finds both or neither. */
static enum err_code apply_idempotency(struct db *tx, struct sched_work *work, struct err *err)
{
    struct sched_command *command = work->command;
    if (!command || !command->idempotency || !command->answer)
        return OK;
    struct buf body;
    buf_init(&body, 1 << 20);
    int status = command->answer(command, &body);
    enum err_code code =
        idempotency_save(tx, command->idempotency, status, body.data ? body.data : "", body.len, work->now_us, err);
    buf_release(&body);
    return code;
}

int32_t work_stats_row(struct sched_work *work, int64_t task_id, int64_t hour)
{
    size_t n = work->stats.count; /* neighbours are mostly of one task */
    bool same = n > 0 && work->stats.rows[n - 1].task_id == task_id && work->stats.rows[n - 1].hour == hour;
    if (!same)
        *WORK_ADD(&work->stats) = (struct stats_delta){.task_id = task_id, .hour = hour};
    return (int32_t)work->stats.count - 1;
}

static void count_end(struct sched_work *work, const struct execution_finish *row)
{
    int64_t duration_ms = row->duration_us / US_PER_MS;
    if (row->change_row >= 0)
        end_counts_add(&work->tasks.rows[row->change_row].ends, row->state, row->finished_us, duration_ms, row->error_message);
    if (row->stats_row < 0)
        return;
    struct stats_delta *stats = &work->stats.rows[row->stats_row];
    bool success = row->state == EXECUTION_SUCCESS;
    stats->total++;
    stats->success += success;
    stats->failure += row->state == EXECUTION_FAILURE || row->state == EXECUTION_TIMEOUT;
    stats->success_duration_ms += success ? duration_ms : 0;
}

/* SCH-30, SCH-85: only ends that took effect count. */
static void count_ends(struct sched_work *work)
{
    for (size_t i = 0; i < work->tasks.count; i++)
        work->tasks.rows[i].ends = (struct end_counts){0};
    for (size_t i = 0; i < work->stats.count; i++)
        work->stats.rows[i] = (struct stats_delta){.task_id = work->stats.rows[i].task_id, .hour = work->stats.rows[i].hour};
    for (size_t i = 0; i < work->finishes.count; i++)
        if (!work->finishes.rows[i].lost)
            count_end(work, &work->finishes.rows[i]);
}

/* What a caller is promised must not be dropped for a row that exists already. */
static enum err_code check_inserts(const struct sched_work *work, struct err *err)
{
    for (size_t i = 0; work->command && i < work->inserts.count; i++)
        if (work->inserts.rows[i].lost)
            return err_set(err, ERR_CONFLICT, NULL, "an unfinished execution has the same unique_key");
    return OK;
}

/* One step may hold several changes of one execution: adopted, ended, begun again. They are applied in this order. */
static enum err_code apply_executions(struct db *tx, struct sched_work *work, struct err *err)
{
    enum err_code code = execution_store_insert(tx, work->instance_id, work->inserts.rows, work->inserts.count, err);
    if (code == OK)
        code = check_inserts(work, err);
    for (size_t i = 0; i < work->adoptions.count && code == OK; i++)
        code = execution_store_adopt(tx, work->adoptions.rows[i], work->instance_id, err);
    if (code == OK)
        code = execution_store_backoff(tx, work->backoffs.rows, work->backoffs.count, err);
    if (code == OK)
        code = execution_store_claim(tx, work->instance_id, work->claims.rows, work->claims.count, err);
    if (code == OK)
        code = execution_store_finish(tx, work->instance_id, work->finishes.rows, work->finishes.count, err);
    if (code == OK)
        code = execution_store_cancel(tx, work->cancels.rows, work->cancels.count, err);
    return code;
}

enum err_code work_apply(struct db *tx, void *arg, struct err *err)
{
    struct sched_work *work = arg;
    enum err_code code = OK;
    if (work->check_task_id)
        code = task_store_check_settled(tx, work->check_task_id, work->check_settled_us, err);
    if (code == OK && work->write)
        code = task_store_write(tx, work->write, err);
    if (code == OK)
        code = apply_executions(tx, work, err);
    if (code == OK)
        code = apply_small(tx, work, err);
    if (code == OK)
        code = ledger_store_write(tx, work->ledger.rows, work->ledger.count, err);
    count_ends(work);
    if (code == OK)
        code = task_store_change(tx, work->tasks.rows, work->tasks.count, err);
    if (code == OK)
        code = stats_store_add(tx, work->stats.rows, work->stats.count, err);
    if (code == OK && work->alerts)
        code = end_alerts_put(tx, work, err);
    if (code == OK && work->alerts && work->write && work->write->kind == TASK_WRITE_DELETE)
        code = end_alert_task_deleted(tx, work, err);
    if (code == OK)
        code = sched_audit_put(tx, work, err);
    if (code == OK)
        code = apply_idempotency(tx, work, err);
    return code;
}
