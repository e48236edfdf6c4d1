/* SPDX-License-Identifier: Apache-2.0 */
#include "app/roles.h"

#include "app/follower.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "db/leader_store.h"

#include <string.h>

enum {
    FOLLOWER_WAIT_US = 1500 * US_PER_MS, /* the longest between two looks of one that follows */
    LOOK_AGAIN_US = 500 * US_PER_MS,     /* nobody leads, or the store does not answer */
    LEADER_WAIT_US = MEMBER_BEAT_US,
    AFTER_FAILURE_US = 5 * US_PER_S, /* others may try meanwhile */
    SWEEP_US = INSTANCE_STALE_US,
};

struct roles {
    struct leader_parts parts;
    struct membership *member;
    struct store *store;
    struct cluster_status status;
    struct follower *follower; /* the roles' thread, as the next ones */
    int64_t not_before_us, swept_us;
    bool was_away, was_off;
    struct metric *metric_leads, *metric_offset, *metric_live;
    struct thread thread;
    struct mutex mutex; /* guards all below */
    struct condition changed;
    struct leader *leader;
    bool stopping, lost, woken;
    enum leader_end end;
};

static int64_t now_us(const struct roles *roles)
{
    return clock_mono(roles->parts.clock).us;
}

/* ---- what others tell: any thread ---- */

static void wake(void *arg)
{
    struct roles *roles = arg;
    mutex_lock(&roles->mutex);
    roles->woken = true;
    condition_signal(&roles->changed);
    mutex_unlock(&roles->mutex);
}

static void note_lost(void *arg)
{
    struct roles *roles = arg;
    mutex_lock(&roles->mutex);
    roles->lost = true;
    mutex_unlock(&roles->mutex);
    wake(roles);
}

static bool take_lost(struct roles *roles)
{
    mutex_lock(&roles->mutex);
    bool lost = roles->lost;
    roles->lost = false;
    mutex_unlock(&roles->mutex);
    return lost;
}

static void set_leader(struct roles *roles, struct leader *leader)
{
    mutex_lock(&roles->mutex);
    roles->leader = leader;
    mutex_unlock(&roles->mutex);
    atomic_store(&roles->status.leads, leader != NULL);
    metric_set(roles->metric_leads, leader != NULL);
}

/* ---- changing ---- */

static enum err_code follow(struct roles *roles, struct err *err)
{
    return follower_start(&roles->parts, roles->store, &roles->status, wake, roles, &roles->follower, err);
}

static void stop_following(struct roles *roles)
{
    follower_stop(roles->follower);
    roles->follower = NULL;
}

/* Requests that wait for a leader find this one; those that come in meanwhile wait at the listener. */
static enum err_code lead(struct roles *roles, struct err *err)
{
    struct leader *leader = NULL;
    int64_t began = now_us(roles);
    if (roles->follower)
        follower_quiesce(roles->follower);
    roles->parts.epoch = kept_lease_fence(&roles->parts.planner->kept);
    (void)take_lost(roles);
    planner_keep(roles->parts.planner);
    enum err_code code = leader_start(&roles->parts, &leader, err);
    if (code != OK) {
        planner_leave(roles->parts.planner);
        return code;
    }
    set_leader(roles, leader);
    atomic_store(&roles->status.leader_known, true);
    log_info("cluster", "this instance leads, with number %lld; it took %lld ms", (long long)roles->parts.epoch,
             (long long)((now_us(roles) - began) / US_PER_MS));
    if (roles->follower)
        follower_point(roles->follower, roles->parts.listener->address, "", true);
    stop_following(roles);
    return OK;
}

static void stop_leading(struct roles *roles, enum leader_end end, bool for_good)
{
    struct leader *leader = roles->leader; /* nobody else changes it */
    leader_drain(leader, end);
    set_leader(roles, NULL);
    if (for_good)
        http_listener_close(roles->parts.listener);
    leader_stop(leader, end);
    planner_leave(roles->parts.planner);
}

static void step_down(struct roles *roles, enum leader_end end, const char *why)
{
    struct err err;
    log_warn("cluster", "this instance does not lead any more: %s", why);
    stop_leading(roles, end, false);
    atomic_store(&roles->status.leader_known, false);
    if (follow(roles, &err) != OK)
        log_error("cluster", "nothing is served here, trying again: %s", err.message);
}

/* ---- looking ---- */

static void say_away(struct roles *roles, enum err_code code, const struct err *err)
{
    bool away = code != OK;
    bool taken = away && strcmp(err->api_code, "INSTANCE_TAKEN") == 0;
    if (away && !roles->was_away)
        log_warn("cluster", "the other instances cannot be seen: %s", err->message);
    if (taken != atomic_load(&roles->status.taken) && taken)
        log_error("cluster", "%s: this one does not lead until that one has ended", err->message);
    roles->was_away = away;
    atomic_store(&roles->status.taken, taken);
    atomic_store(&roles->status.store_away, away && !taken);
}

static void note_view(struct roles *roles, const struct membership_view *view)
{
    int64_t offset = roles->member->self.clock_offset_us;
    atomic_store(&roles->status.clock_offset_us, offset);
    atomic_store(&roles->status.clock_off, view->clock_off);
    atomic_store(&roles->status.live, (int64_t)view->live);
    metric_set(roles->metric_offset, offset / US_PER_MS);
    metric_set(roles->metric_live, (int64_t)view->live);
    if (view->clock_off && !roles->was_off)
        log_error("cluster", "the clock of this machine is %lld ms off the store's: this instance leads only while no other can",
                  (long long)(offset / US_PER_MS));
    else if (!view->clock_off && roles->was_off)
        log_info("cluster", "the clock of this machine agrees with the store's again");
    roles->was_off = view->clock_off;
}

static enum err_code look(struct roles *roles, struct membership_view *ret, struct err *err)
{
    enum err_code code = membership_look(roles->member, ret, err);
    say_away(roles, code, err);
    if (code == OK)
        note_view(roles, ret);
    return code;
}

/* Not here as long as another one can. */
static bool is_for_others(const struct membership_view *view)
{
    return (view->draining || view->clock_off) && view->others_can;
}

static void point(struct roles *roles, const struct membership_view *view)
{
    const char *address = view->lease_left_us > 0 ? view->leader_address : "";
    atomic_store(&roles->status.leader_known, address[0] != '\0');
    follower_point(roles->follower, address,
                   view->any_can ? "no instance leads at the moment: nothing was done, try again"
                                 : "no instance leads, since none may: all of them have ENABLE_CRON=false",
                   view->any_can);
}

/* The lease, when it is free. */
static bool take_lease(struct roles *roles, const struct membership_view *view)
{
    struct err err;
    struct planner *planner = roles->parts.planner;
    if (!planner->wanted || view->lease_left_us > 0 || is_for_others(view) || now_us(roles) < roles->not_before_us)
        return false;
    enum err_code code = planner_acquire(planner, &err);
    if (code == OK && kept_lease_is_safe(&planner->kept))
        return true;
    if (code != OK)
        log_warn("cluster", "the lease cannot be had: %s", err.message);
    planner_leave(planner); /* asked for anew after the next look */
    return false;
}

static int64_t follower_wait(const struct roles *roles, const struct membership_view *view)
{
    if (view->lease_left_us <= 0 || !roles->parts.planner->wanted)
        return view->lease_left_us <= 0 ? LOOK_AGAIN_US : FOLLOWER_WAIT_US;
    return view->lease_left_us + US_PER_MS < FOLLOWER_WAIT_US ? view->lease_left_us + US_PER_MS : FOLLOWER_WAIT_US;
}

/* ---- one look, and what follows from it: the microseconds until the next ---- */

static int64_t as_follower(struct roles *roles)
{
    struct membership_view view;
    struct err err;
    if (!roles->follower && follow(roles, &err) != OK) /* the last try had failed */
        return LOOK_AGAIN_US;
    if (look(roles, &view, &err) != OK)
        return LOOK_AGAIN_US;
    if (!take_lease(roles, &view)) {
        point(roles, &view);
        return follower_wait(roles, &view);
    }
    if (lead(roles, &err) == OK)
        return 0;
    log_error("cluster", "this instance cannot lead: %s", err.message);
    roles->not_before_us = now_us(roles) + AFTER_FAILURE_US;
    stop_following(roles); /* its connections were kept waiting */
    return 0;
}

static int64_t as_leader(struct roles *roles)
{
    struct membership_view view;
    struct err err;
    if (take_lost(roles)) {
        step_down(roles, LEADER_LOST, "another one does, or the store is an older state of itself");
        return 0;
    }
    if (look(roles, &view, &err) != OK)
        return LOOK_AGAIN_US;
    if (is_for_others(&view)) {
        step_down(roles, LEADER_STOPS, view.draining ? "it is drained" : "its clock is off");
        return 0;
    }
    leader_set_draining(roles->leader, view.draining);
    if (now_us(roles) - roles->swept_us > SWEEP_US && membership_sweep(roles->member, &err) == OK)
        roles->swept_us = now_us(roles);
    return LEADER_WAIT_US;
}

static bool wait_for(struct roles *roles, int64_t wait_us)
{
    mutex_lock(&roles->mutex);
    if (!roles->stopping && !roles->woken && wait_us > 0)
        (void)condition_wait_for(&roles->changed, &roles->mutex, wait_us);
    roles->woken = false;
    bool goes_on = !roles->stopping;
    mutex_unlock(&roles->mutex);
    return goes_on;
}

static void roles_main(void *arg)
{
    struct roles *roles = arg;
    int64_t wait_us = 0;
    while (wait_for(roles, wait_us))
        wait_us = roles->leader ? as_leader(roles) : as_follower(roles);
    if (roles->leader)
        stop_leading(roles, roles->end, true);
    http_listener_close(roles->parts.listener);
    stop_following(roles);
}

/* ---- life ---- */

/* As the one or the other; what keeps it from leading is said by the start. */
static enum err_code begin(struct roles *roles, struct err *err)
{
    struct membership_view view;
    enum err_code code = look(roles, &view, err);
    if (code != OK)
        return code;
    if (take_lease(roles, &view)) {
        code = lead(roles, err);
        if (code != ERR_BUSY && code != ERR_CONFLICT)
            return code;
        log_warn("cluster", "this instance does not lead yet: %s", err->message); /* another was faster, or is not done */
    }
    code = follow(roles, err);
    if (code == OK)
        point(roles, &view);
    return code;
}

enum err_code roles_start(const struct leader_parts *parts, struct membership *member, struct store *store, struct roles **ret,
                          struct err *err)
{
    struct roles *roles = xcalloc(1, sizeof *roles);
    roles->parts = *parts;
    roles->member = member;
    roles->store = store;
    roles->parts.status = &roles->status;
    roles->parts.drained = wake;
    roles->parts.lost = parts->planner->lost = note_lost;
    roles->parts.arg = parts->planner->lost_arg = roles;
    mutex_init(&roles->mutex);
    condition_init(&roles->changed);
    roles->metric_leads = metric_get(METRIC_GAUGE, "horae_instance_leads", "1 while this instance leads.", "");
    roles->metric_offset =
        metric_get(METRIC_GAUGE, "horae_clock_offset_ms", "Of this machine's clock to the store's, in milliseconds.", "");
    roles->metric_live = metric_get(METRIC_GAUGE, "horae_instances", "Instances on this store that live, as seen from here.", "");
    enum err_code code = begin(roles, err);
    if (code != OK) {
        stop_following(roles);
        roles_free(roles);
        return code;
    }
    thread_start(&roles->thread, "horae-roles", roles_main, roles);
    *ret = roles;
    return OK;
}

void roles_stop(struct roles *roles, enum leader_end end)
{
    mutex_lock(&roles->mutex);
    roles->stopping = true;
    roles->end = end;
    condition_signal(&roles->changed);
    mutex_unlock(&roles->mutex);
    thread_join(&roles->thread);
}

void roles_hurry(struct roles *roles)
{
    mutex_lock(&roles->mutex);
    if (roles->leader)
        leader_drain_hurry(roles->leader);
    mutex_unlock(&roles->mutex);
}

int64_t roles_running(struct roles *roles)
{
    mutex_lock(&roles->mutex);
    int64_t running = roles->leader ? leader_running(roles->leader) : 0;
    mutex_unlock(&roles->mutex);
    return running;
}

void roles_free(struct roles *roles)
{
    if (!roles)
        return;
    roles->parts.planner->lost = NULL;
    condition_release(&roles->changed);
    mutex_release(&roles->mutex);
    free(roles);
}
