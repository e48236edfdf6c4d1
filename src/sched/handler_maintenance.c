/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/handler_maintenance.h"

#include "alert/alert_store.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cluster/lease_store.h"
#include "http/idempotency_store.h"
#include "sched/execution_store.h"
#include "sched/ledger_store.h"
#include "db/retention.h"
#include "sched/task_types.h"
#include "trail/pending_store.h"
#include "base/worker.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH_ROWS = 5000, MAX_STOPPED = 64 };
#define US_PER_DAY (86400 * (int64_t)US_PER_S)

struct maintenance {
    struct attempt_sink sink;
    struct store *store;
    const struct clock *clock;
    struct trail *trail;
    char *data_dir;
    struct worker_pool pool;
    _Atomic int64_t stopped; /* the execution that was told to end last */
};

struct maintenance_run {
    struct worker_item item;
    struct maintenance *maintenance;
    struct handler_job *job; /* owned */
    enum err_code (*clean)(struct maintenance_run *run, struct buf *result, struct err *err);
    int64_t deleted, sum; /* of the batch; of those before it */
    const char *what;     /* as the result names it */
    bool recorded;        /* in the audit log, as `type` */
    enum audit_resource_type type;
    int64_t before_us;
    enum err_code (*purge)(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err);
};

/* RET-06: one event for each purge, with count and cut-off. */
static enum err_code put_event(struct db *tx, const struct maintenance_run *run, int64_t count, struct err *err)
{
    char text[40];
    struct audit_event *event = audit_event_new(AUDIT_ACTION_PURGED, run->type, run->what);
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, "scheduler");
    audit_event_put_int(event, "count", count);
    (void)time_format_utc(run->before_us, 3, text, sizeof text);
    audit_event_put(event, "before", text);
    uuid_format(&run->job->uid, text);
    audit_event_put(event, "execution_uid", text);
    enum err_code code = audit_put(tx, event, clock_wall(run->maintenance->clock).us, err);
    audit_event_free(event);
    return code;
}

/* The event goes with the last batch. */
static enum err_code purge_batch(struct db *tx, void *arg, struct err *err)
{
    struct maintenance_run *run = arg;
    enum err_code code = run->purge(tx, run->before_us, BATCH_ROWS, &run->deleted, err);
    bool last = run->deleted < BATCH_ROWS;
    return code == OK && last && run->recorded ? put_event(tx, run, run->sum + run->deleted, err) : code;
}

static enum err_code record_part(struct db *tx, void *arg, struct err *err)
{
    const struct maintenance_run *run = arg;
    return put_event(tx, run, run->sum, err);
}

static bool is_stopped(const struct maintenance_run *run)
{
    return atomic_load(&run->maintenance->stopped) == run->job->execution_id;
}

static enum err_code purge_all(struct maintenance_run *run, const char *what, struct buf *result, struct err *err)
{
    enum err_code code;
    run->what = what;
    run->sum = 0;
    do {
        code = store_write(run->maintenance->store, purge_batch, run, err);
        run->sum += code == OK ? run->deleted : 0;
    } while (code == OK && run->deleted == BATCH_ROWS && !is_stopped(run));
    if (run->recorded && run->sum && (code != OK || run->deleted == BATCH_ROWS)) { /* broken off */
        struct err inner;
        if (store_write(run->maintenance->store, record_part, run, &inner) != OK)
            log_warn("maintenance", "a purge of %lld %s was not recorded: %s", (long long)run->sum, what, inner.message);
    }
    if (code != OK)
        return code;
    char cutoff[40];
    (void)time_format_utc(run->before_us, 3, cutoff, sizeof cutoff);
    buf_printf(result, "%sdeleted %lld %s before %s", result->len ? "; " : "", (long long)run->sum, what, cutoff);
    return OK;
}

static enum err_code cutoff_of(struct maintenance_run *run, enum retention_kind kind, struct err *err)
{
    int64_t days = 0;
    enum err_code code = maintenance_data_parse(run->job->data, &days, err);
    if (code == OK && !days)
        code = retention_days(run->maintenance->store, kind, &days, err);
    run->before_us = clock_wall(run->maintenance->clock).us - days * US_PER_DAY;
    return code;
}

/* Logs are files of their own, removed by age: DIR/logs/<first two digits>/<id>.log[.0] */
static int64_t remove_old_files(const char *folder, int64_t before_us, int depth)
{
    DIR *dir = opendir(folder);
    int64_t removed = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[4096];
        struct stat st;
        int n = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || n < 0 || (size_t)n >= sizeof path || lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth > 0)
            removed += remove_old_files(path, before_us, depth - 1);
        else if (S_ISREG(st.st_mode) && (int64_t)st.st_mtime * US_PER_S < before_us && unlink(path) == 0)
            removed++;
    }
    if (dir)
        (void)closedir(dir);
    return removed;
}

static enum err_code clean_executions(struct maintenance_run *run, struct buf *result, struct err *err)
{
    enum err_code code = cutoff_of(run, RETENTION_EXECUTIONS, err);
    run->purge = execution_store_purge;
    run->type = AUDIT_RESOURCE_EXECUTION;
    run->recorded = true;
    if (code == OK)
        code = purge_all(run, "executions", result, err);
    run->purge = ledger_store_purge;
    if (code == OK)
        code = purge_all(run, "occurrence rows", result, err);
    run->purge = alert_store_purge;
    run->type = AUDIT_RESOURCE_ALERT;
    if (code == OK)
        code = purge_all(run, "alerts", result, err);
    run->purge = idempotency_purge; /* answers kept for repeats of requests: nobody's data */
    run->recorded = false;
    run->before_us = clock_wall(run->maintenance->clock).us - (int64_t)IDEMPOTENCY_HOURS * 3600 * US_PER_S;
    if (code == OK)
        code = purge_all(run, "kept answers", result, err);
    int64_t log_days = 0;
    if (code == OK)
        code = retention_days(run->maintenance->store, RETENTION_LOGS, &log_days, err);
    if (code != OK)
        return code;
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s/logs", run->maintenance->data_dir);
    run->before_us = clock_wall(run->maintenance->clock).us - log_days * US_PER_DAY;
    run->type = AUDIT_RESOURCE_EXECUTION;
    run->sum = remove_old_files(folder, run->before_us, 2);
    run->what = "log files";
    buf_printf(result, "; removed %lld log files", (long long)run->sum);
    return store_write(run->maintenance->store, record_part, run, err);
}

static enum err_code clean_locks(struct maintenance_run *run, struct buf *result, struct err *err)
{
    enum err_code code = cutoff_of(run, RETENTION_LOCKS, err);
    run->purge = lease_store_purge;
    run->type = AUDIT_RESOURCE_LOCK;
    run->recorded = true;
    return code == OK ? purge_all(run, "locks", result, err) : code;
}

static enum err_code clean_audit(struct maintenance_run *run, struct buf *result, struct err *err)
{
    struct trail_purge purged = {0};
    enum err_code code = cutoff_of(run, RETENTION_AUDIT, err);
    if (code == OK)
        code = trail_purge(run->maintenance->trail, run->before_us / US_PER_MS, &purged, err);
    if (code != OK)
        return code;
    char cutoff[40];
    (void)time_format_utc(run->before_us, 3, cutoff, sizeof cutoff);
    buf_printf(result, "deleted %lld audit events in %lld segments before %s", (long long)purged.events,
               (long long)purged.segments, cutoff);
    return OK;
}

static void work(struct worker_item *item)
{
    struct maintenance_run *run = CONTAINER_OF(item, struct maintenance_run, item);
    struct buf text;
    struct err err;
    buf_init(&text, 4096);
    struct attempt_result result = {.success = run->clean(run, &text, &err) == OK};
    if (result.success)
        result.result = buf_take(&text);
    else
        result.error_message = xstrdup(err.message);
    buf_release(&text);
    const struct attempt_sink *sink = &run->maintenance->sink;
    sink->ended(sink->context, run->job->execution_id, run->job->attempt, &result);
    handler_job_free(run->job);
    free(run);
}

static enum err_code start(struct maintenance *maintenance, struct handler_job *job,
                           enum err_code (*clean)(struct maintenance_run *, struct buf *, struct err *), struct err *err)
{
    struct maintenance_run *run = xcalloc(1, sizeof *run);
    *run = (struct maintenance_run){.item.work = work, .maintenance = maintenance, .job = job, .clean = clean};
    if (worker_pool_submit(&maintenance->pool, &run->item))
        return OK;
    free(run);
    return err_set(err, ERR_LIMIT, NULL, "too many maintenance runs wait already");
}

static enum err_code start_executions(void *context, struct handler_job *job, struct err *err)
{
    return start(context, job, clean_executions, err);
}

static enum err_code start_locks(void *context, struct handler_job *job, struct err *err)
{
    return start(context, job, clean_locks, err);
}

static enum err_code start_audit(void *context, struct handler_job *job, struct err *err)
{
    return start(context, job, clean_audit, err);
}

static void stop(void *context, int64_t execution_id, int32_t attempt, bool force)
{
    (void)attempt;
    (void)force; /* it ends after the batch at hand */
    struct maintenance *maintenance = context;
    atomic_store(&maintenance->stopped, execution_id);
}

struct maintenance *maintenance_new(struct store *store, const struct clock *clock, const char *data_dir, struct trail *trail)
{
    struct maintenance *maintenance = xcalloc(1, sizeof *maintenance);
    maintenance->store = store;
    maintenance->clock = clock;
    maintenance->trail = trail;
    maintenance->data_dir = xstrdup(data_dir);
    worker_pool_init(&maintenance->pool);
    return maintenance;
}

void maintenance_attach(struct maintenance *maintenance, const struct attempt_sink *sink)
{
    maintenance->sink = *sink;
}

size_t maintenance_handlers(struct maintenance *maintenance, struct handler *out)
{
    out[0] = (struct handler){.type = "execution_cleanup", .start = start_executions, .stop = stop, .context = maintenance};
    out[1] = (struct handler){.type = "lock_cleanup", .start = start_locks, .stop = stop, .context = maintenance};
    out[2] = (struct handler){.type = "audit_cleanup", .start = start_audit, .stop = stop, .context = maintenance};
    return 3;
}

void maintenance_free(struct maintenance *maintenance)
{
    if (!maintenance)
        return;
    worker_pool_release(&maintenance->pool);
    free(maintenance->data_dir);
    free(maintenance);
}
