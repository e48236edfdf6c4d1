/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/lease_keeper.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <stdio.h>
#include <string.h>

const char *const lease_state_names[] = {"held", "waiting", "away"};

struct lease_keeper {
    struct kept_lease *kept;
    void (*changed)(void *arg, const struct lease_report *report);
    void *arg;
    struct thread thread;
    struct mutex mutex; /* guards what follows */
    struct condition condition;
    struct lease_report report;
    bool stopping, woken;
    struct metric *metric_held, *metric_up;
};

static struct lease_report report_of(const struct kept_lease *kept, enum err_code code, const struct err *err)
{
    struct lease_report report = {.failing = code != OK && code != ERR_CONFLICT};
    report.state = kept_lease_is_safe(kept) ? LEASE_STATE_HELD : report.failing ? LEASE_STATE_AWAY : LEASE_STATE_WAITING;
    if (code != OK)
        (void)snprintf(report.reason, sizeof report.reason, "%s", err->message);
    return report;
}

/* Once for each change, not for each try. */
static void say(const struct lease_keeper *keeper, const struct lease_report *before, const struct lease_report *now)
{
    const char *key = keeper->kept->key;
    if (now->state == LEASE_STATE_AWAY && before->state != LEASE_STATE_AWAY)
        log_error("cluster", "the lock %s cannot be kept, nothing new starts here until it can: %s", key, now->reason);
    else if (now->state == LEASE_STATE_WAITING && before->state != LEASE_STATE_WAITING)
        log_warn("cluster", "nothing new starts here while another holds the lock: %s", now->reason);
    else if (now->state == LEASE_STATE_HELD && before->state != LEASE_STATE_HELD)
        log_info("cluster", "the lock %s is held here again", key);
    else if (now->failing && !before->failing)
        log_warn("cluster", "the lock %s was not renewed, trying again: %s", key, now->reason);
}

static void count(const struct lease_keeper *keeper, const struct lease_report *now)
{
    metric_set(keeper->metric_held, now->state == LEASE_STATE_HELD);
    metric_set(keeper->metric_up, !now->failing);
}

static void put(struct lease_keeper *keeper, const struct lease_report *now)
{
    mutex_lock(&keeper->mutex);
    struct lease_report before = keeper->report;
    keeper->report = *now;
    mutex_unlock(&keeper->mutex);
    say(keeper, &before, now);
    count(keeper, now);
    if (before.state != now->state)
        keeper->changed(keeper->arg, now);
}

/* Until something is due: a renewal, a try, or the end of what is held without one. */
static bool wait_for_work(struct lease_keeper *keeper)
{
    int64_t wait = kept_lease_next(keeper->kept) - clock_mono(keeper->kept->clock).us;
    mutex_lock(&keeper->mutex);
    if (!keeper->stopping && !keeper->woken && wait > 0)
        (void)condition_wait_for(&keeper->condition, &keeper->mutex, wait);
    keeper->woken = false;
    bool goes_on = !keeper->stopping;
    mutex_unlock(&keeper->mutex);
    return goes_on;
}

static void keeper_main(void *arg)
{
    struct lease_keeper *keeper = arg;
    while (wait_for_work(keeper)) {
        struct err err = {0};
        bool was_due = kept_lease_next(keeper->kept) <= clock_mono(keeper->kept->clock).us;
        enum err_code code = kept_lease_renew(keeper->kept, &err);
        if (!was_due && code == OK && kept_lease_is_safe(keeper->kept) == (keeper->report.state == LEASE_STATE_HELD))
            continue; /* woken for nothing */
        struct lease_report now = report_of(keeper->kept, code, &err);
        put(keeper, &now);
    }
}

struct lease_keeper *lease_keeper_start(struct kept_lease *kept, void (*changed)(void *arg, const struct lease_report *report),
                                        void *arg)
{
    struct lease_keeper *keeper = xcalloc(1, sizeof *keeper);
    char labels[LEASE_KEY_MAX + 16];
    keeper->kept = kept;
    keeper->changed = changed;
    keeper->arg = arg;
    mutex_init(&keeper->mutex);
    condition_init(&keeper->condition);
    (void)snprintf(labels, sizeof labels, "key=\"%s\"", kept->key);
    keeper->metric_held = metric_get(METRIC_GAUGE, "horae_lock_held", "1 while this instance certainly holds the lock.", labels);
    (void)snprintf(labels, sizeof labels, "provider=\"%s\"", kept->provider->ops->name);
    keeper->metric_up =
        metric_get(METRIC_GAUGE, "horae_lock_provider_up", "1 while the lock provider answered the last request.", labels);
    keeper->report.state = kept_lease_is_safe(kept) ? LEASE_STATE_HELD : LEASE_STATE_WAITING;
    count(keeper, &keeper->report);
    thread_start(&keeper->thread, "horae-lease", keeper_main, keeper);
    return keeper;
}

void lease_keeper_report(struct lease_keeper *keeper, struct lease_report *ret)
{
    mutex_lock(&keeper->mutex);
    *ret = keeper->report;
    mutex_unlock(&keeper->mutex);
    if (ret->state == LEASE_STATE_HELD && !kept_lease_is_safe(keeper->kept)) /* the provider has not answered yet */
        ret->state = LEASE_STATE_AWAY;
}

void lease_keeper_wake(struct lease_keeper *keeper)
{
    mutex_lock(&keeper->mutex);
    keeper->woken = true;
    condition_signal(&keeper->condition);
    mutex_unlock(&keeper->mutex);
}

void lease_keeper_stop(struct lease_keeper *keeper)
{
    if (!keeper)
        return;
    mutex_lock(&keeper->mutex);
    keeper->stopping = true;
    condition_signal(&keeper->condition);
    mutex_unlock(&keeper->mutex);
    thread_join(&keeper->thread);
    condition_release(&keeper->condition);
    mutex_release(&keeper->mutex);
    free(keeper);
}
