/* SPDX-License-Identifier: Apache-2.0 */
/* Life, inbox and store traffic of the scheduler. One step: look at the clock, take what arrived, fire what is due,
 * admit what waits, send what was decided. */
#include "sched/scheduler_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"

#include <stdio.h>
#include <string.h>

enum { INBOX_MAX = 65536, IDLE_WAKE_US = 5 * US_PER_S, STEP_RETRY_US = US_PER_S / 2, BARRED_LOOK_US = 100 * US_PER_MS };

struct command_notice {
    struct notice notice;
    struct sched_command *command;
};

struct ended_notice {
    struct notice notice;
    int64_t execution_id;
    int32_t attempt;
    struct attempt_result result;
};

struct progress_notice {
    struct notice notice;
    int64_t execution_id;
    int32_t attempt;
    int percent;
};

struct adopt_notice {
    struct notice notice;
    size_t count;
    struct adopted_attempt attempts[];
};

/* ---- commands ---- */

bool scheduler_submit(struct scheduler *s, struct sched_command *command)
{
    struct command_notice *notice = xcalloc(1, sizeof *notice);
    notice->notice.kind = NOTICE_COMMAND;
    notice->command = command;
    if (queue_push(&s->inbox, &notice->notice.node))
        return true;
    free(notice);
    return false;
}

void scheduler_answer(struct sched_command *command, enum err_code code, const struct err *err)
{
    command->work = NULL;
    command->reply(command, code, err);
}

/* ---- store traffic ---- */

/* Writer thread: the work is on disk, or was refused. The notice goes first, so that a caller who acts on the
 * answer finds the scheduler informed. */
static void work_done(void *arg, enum err_code code, const struct err *err)
{
    struct sched_work *work = arg;
    struct sched_command *command = work->command;
    struct err copy = {0};
    if (code != OK)
        copy = *err;
    work->code = code;
    work->err = copy;
    work->command = NULL;
    bool taken = queue_push_always(&work->scheduler->inbox, &work->notice.node);
    if (command)
        scheduler_answer(command, code, &copy);
    if (!taken) /* abandoned meanwhile: it waits for nothing that is on its way */
        work_free(work);
}

void scheduler_send(struct scheduler *s, struct sched_work *work)
{
    work->now_us = s->now.us;
    work->alerts = s->options.alerts;
    work->op = (struct store_op){.run = work_apply, .done = work_done, .arg = work};
    s->works_in_flight++;
    if (store_submit(s->options.store, &work->op))
        return;
    struct err err;
    enum err_code code = err_set(&err, ERR_UNAVAILABLE, NULL, "the store takes no more work at the moment");
    work_done(work, code, &err);
}

struct sched_work *scheduler_command_work(struct scheduler *s, struct sched_command *command)
{
    struct sched_work *work = work_new(s, s->options.instance_id);
    work->command = command;
    command->work = work;
    return work;
}

struct sched_work *scheduler_step_work(struct scheduler *s)
{
    if (!s->step) {
        s->step = work_new(s, s->options.instance_id);
        s->step_number++;
    }
    return s->step;
}

bool scheduler_step_is_full(const struct scheduler *s)
{
    return s->step && work_size(s->step) >= WORK_ROWS_MAX;
}

bool scheduler_has_unsent(const struct scheduler *s, const struct task_runtime *rt)
{
    return s->step && rt->change_row >= 0 && rt->change_step == s->step_number;
}

/* What was cancelled meanwhile is said to be so in the same commit that makes it. */
static void add_late_cancels(struct scheduler *s, struct sched_work *work)
{
    for (size_t i = 0; i < work->inserts.count; i++) {
        const struct execution *ex = int_map_get(&s->executions, work->inserts.rows[i].id);
        if (!ex || !ex->cancelled_by || work->inserts.rows[i].cancelled)
            continue;
        work->inserts.rows[i].cancelled = true;
        *WORK_ADD(&work->cancels) = (struct execution_cancel){.id = ex->id,
                                                              .now_us = s->now.us,
                                                              .cancelled_by = xstrdup(ex->cancelled_by),
                                                              .cancel_reason = xstrdup_or_null(ex->cancel_reason)};
    }
}

static void send_step(struct scheduler *s)
{
    if (s->refused_step && s->mono.us >= s->retry_step_at_us) {
        struct sched_work *again = s->refused_step;
        s->refused_step = NULL;
        add_late_cancels(s, again);
        scheduler_send(s, again);
    }
    if (!s->step || s->step_in_flight || work_is_empty(s->step) || s->mono.us < s->retry_step_at_us)
        return;
    struct sched_work *work = s->step;
    s->step = NULL;
    s->step_in_flight = work->is_step = true;
    s->sent_step_number = s->step_number;
    sched_fill_progress(work);
    scheduler_send(s, work);
    s->look_again = true;
}

/* The row of `rt` in `work`; a step keeps one per task, however many executions end in it. */
struct task_change *scheduler_change(struct scheduler *s, struct sched_work *work, struct task_runtime *rt)
{
    bool is_step = work == s->step;
    if (is_step && scheduler_has_unsent(s, rt))
        return &work->tasks.rows[rt->change_row];
    if (!is_step && work->tasks.count && work->tasks.rows[work->tasks.count - 1].task_id == rt->task->id)
        return &work->tasks.rows[work->tasks.count - 1];
    struct task_change *change = WORK_ADD(&work->tasks);
    *change = (struct task_change){.task_id = rt->task->id};
    if (is_step) {
        rt->change_row = (int32_t)(work->tasks.count - 1);
        rt->change_step = s->step_number;
    }
    return change;
}

/* A step that the store refused is tried again: nothing in it has taken effect yet, and nothing may be lost. */
static void step_failed(struct scheduler *s, struct sched_work *work)
{
    log_error("scheduler", "the store refused %zu changes, trying again: %s", work_size(work), work->err.message);
    s->retry_step_at_us = s->mono.us + STEP_RETRY_US;
    work->code = OK;
    s->step_in_flight = true;
    s->refused_step = work;
    atomic_store(&s->store_refuses, true);
    sched_refuse_deferred(s, work->err.code, &work->err);
}

static void on_work(struct scheduler *s, struct sched_work *work)
{
    s->works_in_flight--;
    if (work->is_step) {
        s->step_in_flight = false;
        if (work->code != OK) {
            step_failed(s, work);
            return;
        }
        atomic_store(&s->store_refuses, false);
    }
    if (work->write)
        sched_write_committed(s, work);
    if (work->code == OK)
        sched_count_committed(s, work);
    sched_inserted(s, work);
    sched_claimed(s, work);
    sched_finished(s, work);
    sched_cancelled(s, work);
    s->look_again |= !work->is_step;
    work_free(work);
}

/* ---- notices ---- */

static void tell_ended(void *context, int64_t execution_id, int32_t attempt, struct attempt_result *result)
{
    struct scheduler *s = context;
    struct ended_notice *notice = xcalloc(1, sizeof *notice);
    notice->notice.kind = NOTICE_ATTEMPT_ENDED;
    notice->execution_id = execution_id;
    notice->attempt = attempt;
    notice->result = *result;
    *result = (struct attempt_result){0};
    if (queue_push_always(&s->inbox, &notice->notice.node))
        return;
    attempt_result_release(&notice->result); /* the scheduler has ended: the row says interrupted */
    free(notice);
}

static void tell_progress(void *context, int64_t execution_id, int32_t attempt, int percent)
{
    struct scheduler *s = context;
    struct progress_notice *notice = xcalloc(1, sizeof *notice);
    notice->notice.kind = NOTICE_PROGRESS;
    notice->execution_id = execution_id;
    notice->attempt = attempt;
    notice->percent = percent;
    if (!queue_push(&s->inbox, &notice->notice.node))
        free(notice); /* progress may be dropped: the next report is newer */
}

static void tell_alive(void *context, const struct adopted_attempt *attempts, size_t count)
{
    struct scheduler *s = context;
    struct adopt_notice *notice = xcalloc(1, sizeof *notice + count * sizeof *attempts);
    notice->notice.kind = NOTICE_ADOPT;
    notice->count = count;
    if (count)
        memcpy(notice->attempts, attempts, count * sizeof *attempts);
    if (!queue_push_always(&s->inbox, &notice->notice.node))
        free(notice);
}

struct attempt_sink scheduler_sink(struct scheduler *s)
{
    return (struct attempt_sink){.ended = tell_ended, .progress = tell_progress, .adopt = tell_alive, .context = s};
}

static void on_ended(struct scheduler *s, struct ended_notice *notice)
{
    sched_attempt_ended(s, notice->execution_id, notice->attempt, &notice->result);
    attempt_result_release(&notice->result);
}

static void on_notice(struct scheduler *s, struct list_node *node)
{
    struct notice *notice = CONTAINER_OF(node, struct notice, node);
    switch (notice->kind) {
    case NOTICE_WORK: on_work(s, (struct sched_work *)(void *)notice); return; /* frees itself */
    case NOTICE_COMMAND: sched_handle_command(s, ((struct command_notice *)(void *)notice)->command); break;
    case NOTICE_ATTEMPT_ENDED: on_ended(s, (struct ended_notice *)(void *)notice); break;
    case NOTICE_PROGRESS: {
        const struct progress_notice *progress = (const struct progress_notice *)(void *)notice;
        sched_progress(s, progress->execution_id, progress->attempt, progress->percent);
        break;
    }
    case NOTICE_ADOPT: {
        struct adopt_notice *adopt = (struct adopt_notice *)(void *)notice;
        sched_adopt(s, adopt->attempts, adopt->count);
        break;
    }
    case NOTICE_STOP: sched_take_stop(s, notice); break;
    }
    free(notice);
}

/* ---- what is left at the end ---- */

static void refuse_stopping(struct sched_command *command)
{
    struct err err;
    enum err_code code = err_set(&err, ERR_UNAVAILABLE, NULL, "the server is stopping");
    scheduler_answer(command, code, &err);
}

void sched_stop_deferred(struct scheduler *s)
{
    for (struct list_node *node; (node = list_pop_front(&s->deferred));)
        refuse_stopping(CONTAINER_OF(node, struct sched_command, node));
}

void sched_drain_inbox(struct scheduler *s)
{
    struct list left;
    list_init(&left);
    (void)queue_take_all(&s->inbox, &left, 0);
    for (struct list_node *node; (node = list_pop_front(&left));) {
        struct notice *notice = CONTAINER_OF(node, struct notice, node);
        if (notice->kind == NOTICE_COMMAND)
            refuse_stopping(((struct command_notice *)(void *)notice)->command);
        if (notice->kind == NOTICE_ATTEMPT_ENDED)
            attempt_result_release(&((struct ended_notice *)(void *)notice)->result);
        if (notice->kind == NOTICE_WORK)
            work_free((struct sched_work *)(void *)notice);
        else
            free(notice);
    }
}

/* ---- the step ---- */

static void update_figures(struct scheduler *s)
{
    atomic_store_explicit(&s->figure_tasks, s->task_count, memory_order_relaxed);
    atomic_store_explicit(&s->figure_running, s->running, memory_order_relaxed);
    int64_t pending = (int64_t)s->executions.count - s->running;
    atomic_store_explicit(&s->figure_pending, pending, memory_order_relaxed);
    metric_set(s->metric_queue, pending > 0 ? pending : 0);
}

/* The next thing by wall time: a slot, or an execution that waits for its time. Nobody wakes for slots that must wait. */
static int64_t next_by_wall(const struct scheduler *s)
{
    int64_t at = heap_min_key(&s->due), slot = slot_queue_first(&s->slots);
    bool waits = !s->options.plans || scheduler_step_is_full(s) || s->mono.us < s->read_again_us;
    return slot < at && !waits ? slot : at;
}

static int64_t next_wake(struct scheduler *s)
{
    int64_t at = s->mono.us + IDLE_WAKE_US, wall = next_by_wall(s);
    if (wall != INT64_MAX && !s->stopping && s->mono.us + (wall - s->now.us) < at)
        at = s->mono.us + (wall - s->now.us);
    if (heap_min_key(&s->timers) < at)
        at = heap_min_key(&s->timers);
    if (s->mono.us < s->read_again_us && s->read_again_us < at)
        at = s->read_again_us;
    if (sched_may_walk(s))
        at = s->mono.us;
    if (s->step && !work_is_empty(s->step) && !s->step_in_flight && s->retry_step_at_us < at)
        at = s->retry_step_at_us;
    if (s->refused_step && s->retry_step_at_us < at)
        at = s->retry_step_at_us;
    if (s->stopping && !s->stop_signalled && s->stop_at_us < at)
        at = s->stop_at_us;
    if (s->barred_us && !s->stopping && at < s->mono.us + BARRED_LOOK_US) /* what is due waits; no turning round and round */
        at = s->mono.us + BARRED_LOOK_US;
    return at;
}

static void read_clocks(struct scheduler *s)
{
    s->now = clock_wall(s->options.clock);
    s->mono = clock_mono(s->options.clock);
    sched_note_clock(s);
}

static void step(struct scheduler *s, struct list *arrived)
{
    read_clocks(s);
    for (struct list_node *node; (node = list_pop_front(arrived));)
        on_notice(s, node);
    sched_run_timers(s);
    if (!s->stopping && sched_may_decide(s)) {
        if (s->options.plans) {
            sched_watch_zones(s);
            sched_fire_due(s);
            sched_fire_reboots(s);
        }
        if (!atomic_load_explicit(&s->draining, memory_order_relaxed))
            sched_admit(s);
    }
    send_step(s);
    if (s->look_again)
        sched_release_deferred(s);
    if (s->stopping && !s->closed)
        sched_stop_progress(s);
    sched_evict(s);
    update_figures(s);
}

int64_t scheduler_step(struct scheduler *s)
{
    struct list arrived;
    list_init(&arrived);
    (void)queue_take_all(&s->inbox, &arrived, 0);
    step(s, &arrived);
    return next_wake(s);
}

static void scheduler_main(void *arg)
{
    struct scheduler *s = arg;
    struct list arrived;
    list_init(&arrived);
    (void)queue_take_all(&s->inbox, &arrived, 0); /* what the keeper knows comes before anything new is made */
    step(s, &arrived);
    while (!s->closed) {
        int64_t wait = next_wake(s) - clock_mono(s->options.clock).us;
        (void)queue_take_all(&s->inbox, &arrived, wait > 0 ? wait : 0);
        step(s, &arrived);
    }
}

void scheduler_drain(struct scheduler *s, bool drain)
{
    atomic_store(&s->draining, drain);
    queue_poke(&s->inbox);
}

void scheduler_wake(struct scheduler *s)
{
    queue_poke(&s->inbox);
}

void scheduler_start(struct scheduler *s)
{
    thread_start(&s->thread, "horae-sched", scheduler_main, s);
}

/* ---- making and freeing ---- */

static void init_metrics(struct scheduler *s)
{
    s->metric_expected = metric_get(METRIC_COUNTER, "horae_occurrences_expected_total",
                                    "Nominal slots that got their verdict, counted from the schedules.", "");
    for (int v = 0; v < VERDICT_COUNT; v++) {
        char labels[64];
        (void)snprintf(labels, sizeof labels, "verdict=\"%s\"", verdict_name((enum verdict)v));
        s->metric_verdicts[v] = metric_get(METRIC_COUNTER, "horae_occurrences_total", "Slots by verdict.", labels);
    }
    execution_metrics_init(&s->execution_metrics);
    s->metric_queue = metric_get(METRIC_GAUGE, "horae_queue_depth", "Executions that wait for their start.", "");
    s->metric_lateness =
        metric_get(METRIC_HISTOGRAM, "horae_start_lateness_seconds", "Start of scheduled executions after their slot.", "");
}

enum err_code scheduler_new(const struct scheduler_options *options, struct scheduler **ret, struct err *err)
{
    if (handlers_check(options->handlers, options->handler_count, err) != OK)
        return ERR_INVALID;
    struct scheduler *s = xcalloc(1, sizeof *s);
    s->options = *options;
    if (!s->options.resident_max)
        s->options.resident_max = SCHEDULER_RESIDENT_MAX;
    queue_init(&s->inbox, INBOX_MAX);
    int_map_init(&s->tasks);
    int_map_init(&s->executions);
    map_init(&s->tasks_by_name);
    map_init(&s->tasks_by_uid);
    map_init(&s->unique_keys);
    list_init(&s->deferred);
    list_init(&s->residents);
    slot_queue_init(&s->slots, (size_t)s->options.resident_max / 4, sched_slot_counts, s);
    heap_init(&s->due);
    heap_init(&s->timers);
    heap_init(&s->ready);
    init_metrics(s);
    s->now = clock_wall(options->clock);
    s->mono = clock_mono(options->clock);
    s->started_us = s->down_until_us = s->last_wall_us = s->now.us;
    s->last_mono_us = s->mono.us;
    enum err_code code = sched_load(s, err);
    if (code != OK) {
        scheduler_free(s);
        return code;
    }
    *ret = s;
    return OK;
}

/* Everything at once: nothing is taken out of maps and heaps that go as well. */
static void free_memory(struct scheduler *s)
{
    size_t cursor = 0;
    for (struct execution *ex; (ex = int_map_next(&s->executions, &cursor));)
        sched_free_execution(ex);
    cursor = 0;
    for (struct task_runtime *rt; (rt = int_map_next(&s->tasks, &cursor));)
        sched_free_runtime(rt);
    sched_stop_deferred(s);
}

void scheduler_free(struct scheduler *s)
{
    if (!s)
        return;
    queue_close(&s->inbox);
    sched_drain_inbox(s);
    free_memory(s);
    work_free(s->step);
    work_free(s->refused_step);
    int_map_release(&s->tasks);
    int_map_release(&s->executions);
    map_release(&s->tasks_by_name);
    map_release(&s->tasks_by_uid);
    map_release(&s->unique_keys);
    slot_queue_release(&s->slots);
    heap_release(&s->due);
    heap_release(&s->timers);
    heap_release(&s->ready);
    queue_release(&s->inbox);
    free(s);
}

struct scheduler_figures scheduler_figures(const struct scheduler *s)
{
    return (struct scheduler_figures){
        .tasks = atomic_load_explicit(&s->figure_tasks, memory_order_relaxed),
        .pending = atomic_load_explicit(&s->figure_pending, memory_order_relaxed),
        .running = atomic_load_explicit(&s->figure_running, memory_order_relaxed),
        .started_at_us = s->started_us,
        .draining = atomic_load(&s->draining),
        .plans = s->options.plans,
        .store_refuses = atomic_load(&s->store_refuses),
    };
}
