/* SPDX-License-Identifier: Apache-2.0 */
#include "app/planner.h"

#include "app/lock_settings.h"
#include "base/log.h"
#include "cluster/lease_arbiter.h"
#include "sched/scheduler.h"

#include <stdio.h>
#include <string.h>

/* How long a lease lasts, and so how long nobody plans after a crash (rulings on lease times). One server alone waits for
 * nobody: its lease is renewed seldom, each renewal is a wake-up. */
static const int64_t ttls[] = {
    [LEASE_LOCAL] = 600 * US_PER_S,
    [LEASE_STORE] = 1500 * US_PER_MS,
    [LEASE_REDIS] = 1500 * US_PER_MS,
    [LEASE_ETCD] = 2 * US_PER_S,
};

static enum err_code make_arbiter(const struct lease_url *url, const char *prefix, struct lease_arbiter **ret, struct err *err)
{
    struct lease_arbiter_options options = {url, prefix};
    *ret = NULL;
    if (url->kind != LEASE_REDIS && url->kind != LEASE_ETCD)
        return OK;
    enum err_code code = url->kind == LEASE_REDIS ? redis_arbiter_new(&options, ret, err) : etcd_arbiter_new(&options, ret, err);
    if (code == OK && (code = lease_arbiter_check(*ret, err)) != OK) {
        lease_arbiter_free(*ret);
        *ret = NULL;
    }
    return code;
}

/* As the last line of a start that fails. */
static enum err_code explain(struct err *err)
{
    struct err cause = *err;
    return err_set(err, cause.code, cause.api_code, "%s%s%s",
                   strncmp(cause.message, "lock", 4) == 0 ? "" : "lock: ", cause.message,
                   cause.code == ERR_UNAVAILABLE && strcmp(cause.api_code, "LOCK_SERVER_AWAY") == 0
                       ? " (start it first, or name another with --lock)"
                       : "");
}

enum err_code planner_open(struct planner *planner, const struct config *config, struct store *store, const struct clock *clock,
                           const char *holder, struct err *err)
{
    struct lease_url url;
    struct lease_arbiter *arbiter;
    enum err_code code = lock_settings_read(config, &url, err);
    if (code == OK)
        code = make_arbiter(&url, config->lock_prefix, &arbiter, err);
    if (code != OK) {
        explicit_bzero(&url, sizeof url);
        return explain(err);
    }
    if (url.kind == LEASE_LOCAL)
        code = lease_local_new(store, clock, holder, &planner->leases, err);
    else
        planner->leases = lease_shared_new(store, clock, holder, arbiter);
    planner->ttl_us = ttls[url.kind];
    planner->is_local = url.kind == LEASE_LOCAL;
    explicit_bzero(&url, sizeof url);
    if (code != OK)
        return code;
    planner->store = store;
    planner->clock = clock;
    planner->wanted = config->enable_cron;
    kept_lease_init(&planner->kept, planner->leases, clock);
    mutex_init(&planner->mutex);
    planner->opened = true;
    return OK;
}

enum err_code planner_acquire(struct planner *planner, struct err *err)
{
    if (!planner->wanted)
        return OK;
    enum err_code code = kept_lease_acquire(&planner->kept, LEASE_PLANNER_KEY, planner->ttl_us, "planner", err);
    if (code == ERR_CONFLICT) /* a server that was killed held it: it ends by its time */
        log_info("cluster", "waiting: %s", err->message);
    return code == ERR_CONFLICT ? OK : code;
}

/* ---- what is told of it ---- */

struct telling {
    struct planner *planner;
    const struct lease_report *report;
};

static enum err_code write_alert(struct db *tx, void *arg, struct err *err)
{
    const struct telling *telling = arg;
    char text[400];
    bool over = telling->report->state != LEASE_STATE_AWAY;
    (void)snprintf(text, sizeof text, "%s%s",
                   over ? "the lock server answers again" : "locks cannot be had, so nothing new starts: ",
                   over ? "" : telling->report->reason);
    struct alert_message message = {
        .kind = ALERT_LOCK_FAILURE, .resolved = over, .subject = "lock:" LEASE_PLANNER_KEY, .text = text};
    return alert_put(telling->planner->alerts, tx, &message, clock_wall(telling->planner->clock).us, err);
}

/* The mutex is held. */
static void tell(struct planner *planner, const struct lease_report *report)
{
    struct telling telling = {planner, report};
    struct err err;
    scheduler_wake(planner->scheduler);
    if (!alerts_want(planner->alerts, ALERT_LOCK_FAILURE))
        return;
    if (store_write(planner->in_use, write_alert, &telling, &err) != OK) /* of which there is an alert of its own */
        log_warn("cluster", "an alert on locks was not recorded: %s", err.message);
    else
        alerts_wake(planner->alerts);
}

static void lease_changed(void *arg, const struct lease_report *report)
{
    struct planner *planner = arg;
    mutex_lock(&planner->mutex);
    if (planner->in_use)
        tell(planner, report);
    mutex_unlock(&planner->mutex);
    if (report->state == LEASE_STATE_WAITING && planner->lost)
        planner->lost(planner->lost_arg);
}

/* ---- life ---- */

void planner_keep(struct planner *planner)
{
    mutex_lock(&planner->mutex);
    if (planner->wanted && !planner->keeper)
        planner->keeper = lease_keeper_start(&planner->kept, lease_changed, planner);
    mutex_unlock(&planner->mutex);
}

static void use(struct planner *planner, struct scheduler *scheduler, struct alerts *alerts, struct store *store)
{
    mutex_lock(&planner->mutex);
    planner->scheduler = scheduler;
    planner->alerts = alerts;
    planner->in_use = store;
    mutex_unlock(&planner->mutex);
    if (planner->is_local)
        return;
    mutex_lock(&planner->kept.mutex); /* no renewal is under way */
    lease_shared_use(planner->leases, store ? store : planner->store);
    mutex_unlock(&planner->kept.mutex);
}

void planner_attach(struct planner *planner, struct scheduler *scheduler, struct alerts *alerts, struct store *store)
{
    use(planner, scheduler, alerts, store);
}

void planner_detach(struct planner *planner)
{
    if (planner->opened)
        use(planner, NULL, NULL, NULL);
}

bool planner_may_decide(void *arg)
{
    const struct planner *planner = arg;
    return !planner->wanted || kept_lease_is_safe(&planner->kept);
}

bool planner_report(struct planner *planner, struct lease_report *ret)
{
    mutex_lock(&planner->mutex);
    bool kept = planner->keeper != NULL;
    if (kept)
        lease_keeper_report(planner->keeper, ret);
    mutex_unlock(&planner->mutex);
    return kept;
}

static void stop_keeping(struct planner *planner)
{
    mutex_lock(&planner->mutex);
    struct lease_keeper *keeper = planner->keeper;
    planner->keeper = NULL;
    mutex_unlock(&planner->mutex);
    lease_keeper_stop(keeper);
}

void planner_leave(struct planner *planner)
{
    struct err err;
    if (!planner->opened)
        return;
    stop_keeping(planner);
    if (kept_lease_release(&planner->kept, &err) != OK)
        log_warn("cluster", "the planner's lease was not released: %s", err.message);
}

void planner_free(struct planner *planner)
{
    if (planner->opened) {
        kept_lease_release_memory(&planner->kept);
        mutex_release(&planner->mutex);
    }
    lease_provider_free(planner->leases);
}
