/* SPDX-License-Identifier: Apache-2.0 */
/* Newer zone files (cron semantics, section 5): the next slot of every task is computed anew. Tasks are read for that a page
 * a step, so that slots go on firing meanwhile. Slots up to the last settled one keep their verdicts; what the new rules put
 * between it and now is due at once. */
#include "sched/scheduler_priv.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_US = 5 * US_PER_S, FILES_LOOK_US = 60 * US_PER_S, PAGE_TASKS = 1024, READ_AGAIN_US = US_PER_S };

/* What the next slots in the store follow: the files, and the program that read them. */
static void describe_rules(char out[NOTE_VALUE_MAX])
{
    char files[CRON_ZONES_SIGNATURE_MAX];
    cron_zones_signature(files);
    (void)snprintf(out, NOTE_VALUE_MAX, "%s %.20s", files, HORAE_VERSION);
}

/* Zones of tasks in memory are looked at each time, the files as a whole now and then, and before the rules: what is replaced
 * in between is found at the next look. */
static void look_at_files(struct scheduler *s)
{
    bool all = s->mono.us >= s->zone_files_look_us;
    char rules[NOTE_VALUE_MAX] = "";
    if (all)
        describe_rules(rules);
    const uint64_t change = cron_zones_refresh();
    bool others = all && strcmp(rules, s->zone_rules) != 0;
    s->zones_look_us = s->mono.us + LOOK_US;
    if (all)
        s->zone_files_look_us = s->mono.us + FILES_LOOK_US;
    if (others)
        (void)snprintf(s->zone_rules, sizeof s->zone_rules, "%s", rules);
    if (change == s->zones_seen && !others)
        return;
    s->zones_seen = change;
    s->walking = true;
    s->walked_id = 0;
    s->walk_moved = 0;
}

struct page {
    struct scheduler *scheduler;
    int count;
};

static enum err_code look_at_task(void *arg, const struct task_row *row, struct err *err)
{
    (void)err;
    struct page *page = arg;
    struct scheduler *s = page->scheduler;
    page->count++;
    s->walked_id = row->task->id;
    struct task_runtime *rt = sched_take_in(s, row);
    if (rt->frozen || rt->deleted) /* it is armed when its change is on disk */
        return OK;
    sched_refresh_runtime(s, rt); /* its zone may be back */
    s->walk_moved += sched_arm(s, rt);
    return OK;
}

static enum err_code read_page(struct db *db, void *arg, struct err *err)
{
    const struct page *page = arg;
    struct task_filter filter = {.enabled = 1, .after_id = page->scheduler->walked_id, .limit = PAGE_TASKS};
    return task_store_list(db, &filter, look_at_task, arg, err);
}

/* Noted after the rows that follow from it: a start that finds the same files trusts the rows. */
static void end_walk(struct scheduler *s)
{
    s->walking = false;
    (void)snprintf(scheduler_step_work(s)->zone_rules, sizeof s->zone_rules, "%s", s->zone_rules);
    if (s->walk_moved)
        log_info("scheduler", "time zone rules changed: the next slots of %zu tasks were computed anew", s->walk_moved);
}

bool sched_may_walk(const struct scheduler *s)
{
    return s->walking && s->options.plans && !s->stopping && s->mono.us >= s->read_again_us && !scheduler_step_is_full(s);
}

void sched_watch_zones(struct scheduler *s)
{
    struct page page = {.scheduler = s};
    struct err err;
    if (s->mono.us >= s->zones_look_us)
        look_at_files(s);
    if (!sched_may_walk(s))
        return;
    if (store_read(s->options.store, read_page, &page, &err) != OK) {
        log_error("scheduler", "time zone rules changed and tasks cannot be read, trying again: %s", err.message);
        s->read_again_us = s->mono.us + READ_AGAIN_US;
    } else if (page.count < PAGE_TASKS) {
        end_walk(s);
    }
}
