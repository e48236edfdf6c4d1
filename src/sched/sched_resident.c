/* SPDX-License-Identifier: Apache-2.0 */
/* Which tasks are in memory. Every task is in the store; of an armed one the slot queue knows when to look at it. The task
 * itself is read when it comes up or a command names it, stays while anything about it is under way, and then as long as there
 * is room: so a million armed tasks cost little memory, and a start does not read them all. */
#include "sched/placement.h"
#include "sched/scheduler_priv.h"

#include "base/mem.h"
#include "base/panic.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKS_PER_STEP = 256, LOOKS_PER_ARRIVAL = 2 };

/* ---- what follows from a definition ---- */

static const struct handler *find_handler(const struct scheduler *s, const struct sched_task *task)
{
    for (size_t i = 0; i < s->options.handler_count; i++)
        if (strcmp(s->options.handlers[i].type, task_type_name(task->type)) == 0)
            return &s->options.handlers[i];
    return NULL;
}

void sched_refresh_runtime(struct scheduler *s, struct task_runtime *rt)
{
    schedule_from_task(rt->task, &rt->schedule);
    rt->handler = find_handler(s, rt->task);
    rt->fits = placement_labels_fit(rt->task->labels, rt->task->label_count, s->options.labels, s->options.label_count);
    rt->instant = task_type_is_instant(rt->task->type, rt->task->data);
}

/* ---- coming ---- */

struct task_runtime *sched_add_runtime(struct scheduler *s, const struct task_row *row)
{
    struct task_runtime *rt = xcalloc(1, sizeof *rt);
    rt->task = row->task;
    uuid_format(&row->task->uid, rt->uid_text);
    heap_init(&rt->waiting);
    list_init(&rt->executions);
    rt->settled_us = rt->recorded_us = row->settled_us;
    rt->epoch_id = row->epoch_id;
    rt->snapshot_id = row->snapshot_id;
    rt->failed_lately = row->task->consecutive_failures > 0;
    rt->change_row = -1;
    sched_refresh_runtime(s, rt);
    (void)int_map_put(&s->tasks, row->task->id, rt);
    (void)map_put(&s->tasks_by_name, str_of(row->task->name), rt);
    (void)map_put(&s->tasks_by_uid, str_of(rt->uid_text), rt);
    list_push_back(&s->residents, &rt->resident);
    s->arrivals++;
    return rt;
}

static void touch(struct scheduler *s, struct task_runtime *rt)
{
    list_remove(&s->residents, &rt->resident);
    list_push_back(&s->residents, &rt->resident);
}

struct task_runtime *sched_take_in(struct scheduler *s, const struct task_row *row)
{
    struct task_runtime *rt = int_map_get(&s->tasks, row->task->id);
    if (!rt)
        return sched_add_runtime(s, row);
    sched_task_free(row->task);
    return rt;
}

enum err_code sched_read_task(struct scheduler *s, struct db *db, int64_t id, struct task_runtime **ret, struct err *err)
{
    struct task_row row;
    *ret = int_map_get(&s->tasks, id);
    if (*ret)
        return OK;
    enum err_code code = task_store_get_by_id(db, id, &row, err);
    if (code == OK)
        *ret = sched_add_runtime(s, &row);
    return code;
}

struct wanted {
    struct scheduler *scheduler;
    const char *reference; /* NULL: by id */
    int64_t id;
    struct task_runtime *found;
};

/* Read by name it may be in memory under another one: a change of its name is on its way. */
static enum err_code read_wanted(struct db *db, void *arg, struct err *err)
{
    struct wanted *wanted = arg;
    struct task_row row;
    if (!wanted->reference)
        return sched_read_task(wanted->scheduler, db, wanted->id, &wanted->found, err);
    enum err_code code = task_store_get(db, wanted->reference, &row, err);
    if (code == OK)
        wanted->found = sched_take_in(wanted->scheduler, &row);
    return code;
}

static enum err_code find(struct wanted *wanted, struct task_runtime **ret, struct err *err)
{
    if (!wanted->found) {
        enum err_code code = store_read(wanted->scheduler->options.store, read_wanted, wanted, err);
        if (code != OK)
            return code;
    }
    touch(wanted->scheduler, wanted->found);
    *ret = wanted->found;
    return OK;
}

enum err_code sched_find_task(struct scheduler *s, const char *reference, struct task_runtime **ret, struct err *err)
{
    struct uuid uid;
    char text[UUID_TEXT_LEN + 1];
    struct wanted wanted = {.scheduler = s, .reference = reference};
    if (uuid_parse(reference, strlen(reference), &uid)) {
        uuid_format(&uid, text);
        wanted.found = map_get(&s->tasks_by_uid, str_of(text));
    } else {
        wanted.found = map_get(&s->tasks_by_name, str_of(reference));
    }
    return find(&wanted, ret, err);
}

enum err_code sched_find_task_by_id(struct scheduler *s, int64_t id, struct task_runtime **ret, struct err *err)
{
    struct wanted wanted = {.scheduler = s, .id = id, .found = int_map_get(&s->tasks, id)};
    return find(&wanted, ret, err);
}

/* ---- going ---- */

void sched_forget_name(struct scheduler *s, struct task_runtime *rt)
{
    if (map_get(&s->tasks_by_name, str_of(rt->task->name)) == rt)
        (void)map_remove(&s->tasks_by_name, str_of(rt->task->name));
}

void sched_free_runtime(struct task_runtime *rt)
{
    heap_release(&rt->waiting);
    sched_task_free(rt->task);
    free(rt);
}

static void forget(struct scheduler *s, struct task_runtime *rt)
{
    if (rt->ready_place.position)
        heap_remove(&s->ready, &rt->ready_place);
    sched_forget_name(s, rt);
    if (map_get(&s->tasks_by_uid, str_of(rt->uid_text)) == rt)
        (void)map_remove(&s->tasks_by_uid, str_of(rt->uid_text));
    (void)int_map_remove(&s->tasks, rt->task->id);
    list_remove(&s->residents, &rt->resident);
    sched_free_runtime(rt);
}

void sched_forget_if_gone(struct scheduler *s, struct task_runtime *rt)
{
    if (rt->deleted && !rt->frozen && !rt->executions.count)
        forget(s, rt);
}

/* Nothing about it is known here alone: its row says all, and the slot queue when to look at it. */
static bool may_leave(const struct scheduler *s, const struct task_runtime *rt)
{
    bool in_flight = rt->change_row >= 0 && s->step_in_flight && rt->change_step == s->sent_step_number;
    return !rt->executions.count && !rt->frozen && !rt->deleted && !rt->reboot_due && !in_flight && !scheduler_has_unsent(s, rt);
}

/* Looks go with arrivals, so that it keeps pace with them, and with a server full of busy tasks costs next to nothing. */
void sched_evict(struct scheduler *s)
{
    size_t looks = LOOKS_PER_STEP + LOOKS_PER_ARRIVAL * s->arrivals;
    s->arrivals = 0;
    for (; looks && s->residents.count > (size_t)s->options.resident_max; looks--) {
        struct list_node *oldest = list_first(&s->residents);
        must(oldest);
        struct task_runtime *rt = CONTAINER_OF(oldest, struct task_runtime, resident);
        if (may_leave(s, rt))
            forget(s, rt);
        else
            touch(s, rt);
    }
}
