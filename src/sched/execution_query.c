/* SPDX-License-Identifier: Apache-2.0 */
/* Filters become SQL by picking conditions from a closed list, one statement per combination; values are always
 * bound. Ids grow with time, so "newest first" is the primary key backwards, and a page costs what it shows. */
#include "sched/execution_query.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/panic.h"
#include "base/str.h"

#include <pthread.h>
#include <string.h>

#define COLUMNS \
    "e.id, e.uid, s.task_uid, s.task_name, s.task_type, e.state, e.cause, e.scheduled_at, e.created_at, e.started_at," \
    " e.finished_at, e.updated_at, e.attempt, e.fence, e.lease_owner, e.progress, e.result, e.result_truncated," \
    " e.error_message, e.error_stack, e.trigger_by, e.override_data, e.attempts, e.cancel_reason, e.cancelled_by," \
    " e.retry_of, e.unique_key, e.priority"
#define FROM " FROM task_executions e LEFT JOIN task_snapshots s ON s.id = e.snapshot_id"

enum { TOTAL_EXACT_MAX = 10000, COUNT_TIME_MAX_US = 20 * US_PER_MS };

static const struct db_sql sql_get = {"SELECT " COLUMNS FROM " WHERE e.id = ?1"};
static const struct db_sql sql_tasks_of = {
    "SELECT DISTINCT task_id FROM task_snapshots WHERE (?1 IS NULL OR task_name = ?1) AND (?2 IS NULL OR task_uid = ?2) LIMIT 2"};

static const struct db_sql sql_holders = {"SELECT s.task_uid, e.uid, e.lease_owner, e.fence, e.started_at, e.lease_until" FROM
                                          " WHERE e.state = 1 AND e.lease_owner IS NOT NULL ORDER BY e.id LIMIT 10000"};

const struct db_sql *const execution_query_sql[] = {&sql_get, &sql_tasks_of, &sql_holders};
const size_t execution_query_sql_count = ARRAY_LEN(execution_query_sql);

/* Parameters keep their numbers in every combination. */
static const char *const conditions[] = {
    " AND e.task_id = ?4",           " AND e.task_id IN (SELECT task_id FROM task_snapshots WHERE task_name = ?4)",
    " AND s.task_name = ?5",         " AND e.state = ?6",
    " AND (e.cause IN (0, 3)) = ?7", " AND COALESCE(e.started_at, e.created_at) BETWEEN ?8 AND ?9",
    " AND e.lease_owner = ?10",      " AND e.uid = ?11",
};
enum {
    BY_TASK = 1,
    BY_TASKS = 2,
    BY_NAME = 4,
    BY_STATE = 8,
    BY_CAUSE = 16,
    BY_TIME = 32,
    BY_RUN_BY = 64,
    BY_UID = 128,
    COMBINATIONS = 256
};

static struct db_sql list_sql[COMBINATIONS], count_sql[COMBINATIONS];

static void build_statements(void)
{
    for (unsigned mask = 0; mask < COMBINATIONS; mask++) {
        struct buf where;
        buf_init(&where, 4096);
        for (unsigned i = 0; i < ARRAY_LEN(conditions); i++)
            if (mask & (1u << i))
                buf_add_text(&where, conditions[i]);
        const char *text = where.data ? where.data : "";
        struct buf list, count;
        buf_init(&list, 4096);
        buf_init(&count, 4096);
        buf_printf(&list, "SELECT " COLUMNS FROM " WHERE e.id < ?1%s ORDER BY e.id DESC LIMIT ?2 OFFSET ?3", text);
        buf_printf(&count, "SELECT e.id" FROM " WHERE e.id < ?1%s ORDER BY e.id DESC LIMIT ?2", text);
        list_sql[mask].text = buf_take(&list);
        count_sql[mask].text = buf_take(&count);
        buf_release(&where);
    }
}

static void make_statements(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, build_statements) == 0);
}

static void put_text_column(struct json_writer *w, struct db_stmt *st, int column, const char *key)
{
    size_t length;
    const char *text = db_is_null(st, column) ? NULL : db_text(st, column, &length);
    if (text && length) {
        json_key(w, key);
        json_text_n(w, text, length);
    }
}

static void put_uuid_column(struct json_writer *w, struct db_stmt *st, int column, const char *key)
{
    struct uuid uid;
    size_t length;
    const void *bytes = db_blob(st, column, &length);
    if (!bytes || length != sizeof uid.b)
        return;
    memcpy(uid.b, bytes, sizeof uid.b);
    json_put_uuid(w, key, &uid);
}

static void write_times(struct json_writer *w, struct db_stmt *st)
{
    int64_t created = db_int(st, 8), started = db_is_null(st, 9) ? 0 : db_int(st, 9);
    int64_t finished = db_is_null(st, 10) ? 0 : db_int(st, 10);
    json_put_time(w, "scheduled_at", db_int(st, 7), 3);
    json_put_time(w, "started_at", started ? started : created, 6); /* API-32 */
    json_put_time_or_null(w, "finished_at", finished, 6);
    if (finished)
        json_put_int(w, "duration_ms", started && finished > started ? (finished - started) / US_PER_MS : 0);
    json_put_time(w, "created_at", created, 3);
    json_put_time(w, "updated_at", db_int(st, 11), 3);
}

static void write_attempts(struct json_writer *w, struct db_stmt *st)
{
    size_t length;
    const char *text = db_is_null(st, 22) ? NULL : db_text(st, 22, &length);
    if (!text)
        return;
    json_key(w, "attempts");
    json_begin_array(w);
    json_raw(w, text, length);
    json_end_array(w);
}

/* API-30, API-35: members without a value are left out. */
static void write_execution(struct json_writer *w, struct db_stmt *st)
{
    enum execution_cause cause = (enum execution_cause)db_int(st, 6);
    int64_t attempt = db_int(st, 12);
    json_begin_object(w);
    json_put_int(w, "id", db_int(st, 0));
    put_uuid_column(w, st, 2, "task_uid");
    put_text_column(w, st, 3, "task_name");
    put_text_column(w, st, 4, "task_type");
    put_uuid_column(w, st, 1, "execution_uid");
    json_key(w, "run_by");
    size_t length = 0;
    const char *run_by = db_is_null(st, 14) ? "" : db_text(st, 14, &length);
    json_text_n(w, run_by, length);
    json_put_text(w, "state", execution_state_name((enum execution_state)db_int(st, 5)));
    write_times(w, st);
    json_put_int(w, "progress", db_int(st, 15));
    json_put_int(w, "retry_count", attempt > 1 ? attempt - 1 : 0);
    json_put_text(w, "trigger_type", execution_trigger_name(cause));
    json_put_text(w, "cause", execution_cause_name(cause));
    put_text_column(w, st, 20, "trigger_by");
    json_put_int(w, "priority", db_int(st, 27));
    if (db_int(st, 13))
        json_put_int(w, "fencing_token", db_int(st, 13));
    put_text_column(w, st, 16, "result");
    if (db_int(st, 17))
        json_put_bool(w, "result_truncated", true);
    put_text_column(w, st, 18, "error_message");
    put_text_column(w, st, 19, "error_stack");
    put_text_column(w, st, 21, "override_data");
    put_text_column(w, st, 26, "unique_key");
    write_attempts(w, st);
    put_text_column(w, st, 23, "cancel_reason");
    put_text_column(w, st, 24, "cancelled_by");
    put_uuid_column(w, st, 25, "retry_of");
    json_end_object(w);
}

struct resolved {
    unsigned mask;
    int64_t task_id;
    struct uuid uid;
    bool nothing; /* no row can match */
};

/* One task is the common case, and the only one where the index gives the order too. */
static enum err_code resolve_task(struct db *db, const struct execution_filter *filter, struct resolved *resolved,
                                  struct err *err)
{
    if (!filter->task_name && !filter->task_uid)
        return OK;
    struct uuid uid;
    if (filter->task_uid && !uuid_parse(filter->task_uid, strlen(filter->task_uid), &uid)) {
        resolved->nothing = true;
        return OK;
    }
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_tasks_of, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, filter->task_name);
    if (filter->task_uid)
        db_bind_blob(st, 2, uid.b, sizeof uid.b);
    else
        db_bind_null(st, 2);
    int found = 0;
    bool row = false;
    while ((code = db_step(st, &row, err)) == OK && row) {
        resolved->task_id = db_int(st, 0);
        found++;
    }
    db_reset(st);
    resolved->nothing = found == 0;
    resolved->mask |= found > 1 ? BY_TASKS : BY_TASK;
    if (filter->task_name)
        resolved->mask |= BY_NAME;
    return code;
}

static enum err_code resolve(struct db *db, const struct execution_filter *filter, struct resolved *resolved, struct err *err)
{
    *resolved = (struct resolved){0};
    if (filter->state >= 0)
        resolved->mask |= BY_STATE;
    if (filter->manual >= 0)
        resolved->mask |= BY_CAUSE;
    if (filter->start_us || filter->end_us != INT64_MAX)
        resolved->mask |= BY_TIME;
    if (filter->run_by)
        resolved->mask |= BY_RUN_BY;
    if (filter->execution_uid) {
        resolved->mask |= BY_UID;
        resolved->nothing = !uuid_parse(filter->execution_uid, strlen(filter->execution_uid), &resolved->uid);
    }
    return resolved->nothing ? OK : resolve_task(db, filter, resolved, err);
}

static void bind_filter(struct db_stmt *st, const struct execution_filter *filter, const struct resolved *r)
{
    int64_t below = filter->before_id ? filter->before_id : INT64_MAX;
    if (r->mask & BY_UID) { /* the uid carries the id: no scan */
        int64_t id = uuid_number(&r->uid);
        below = id < below ? id + 1 : below;
        db_bind_blob(st, 11, r->uid.b, sizeof r->uid.b);
    }
    db_bind_int(st, 1, below);
    if (r->mask & BY_TASK)
        db_bind_int(st, 4, r->task_id);
    if (r->mask & BY_TASKS)
        db_bind_string(st, 4, filter->task_name);
    if (r->mask & BY_NAME)
        db_bind_string(st, 5, filter->task_name);
    if (r->mask & BY_STATE)
        db_bind_int(st, 6, filter->state);
    if (r->mask & BY_CAUSE)
        db_bind_int(st, 7, !filter->manual);
    if (r->mask & BY_TIME) {
        db_bind_int(st, 8, filter->start_us);
        db_bind_int(st, 9, filter->end_us);
    }
    if (r->mask & BY_RUN_BY)
        db_bind_string(st, 10, filter->run_by);
}

static enum err_code count_matches(struct db *db, const struct execution_filter *filter, const struct resolved *resolved,
                                   struct execution_page *page, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &count_sql[resolved->mask], &st, err);
    if (code != OK)
        return code;
    struct execution_filter all = *filter;
    all.before_id = 0;
    bind_filter(st, &all, resolved);
    db_bind_int(st, 2, TOTAL_EXACT_MAX + 1);
    int64_t until = clock_mono(clock_real()).us + COUNT_TIME_MAX_US;
    bool row = false;
    page->total = 0;
    while ((code = db_step(st, &row, err)) == OK && row) {
        page->total++;
        if (page->total > TOTAL_EXACT_MAX || (page->total % 256 == 0 && clock_mono(clock_real()).us > until)) {
            page->total_is_lower_bound = true;
            break;
        }
    }
    db_reset(st);
    if (page->total > TOTAL_EXACT_MAX)
        page->total = TOTAL_EXACT_MAX;
    return code;
}

enum err_code execution_query_list(struct db *db, const struct execution_filter *filter, struct json_writer *w,
                                   struct execution_page *ret_page, struct err *err)
{
    make_statements();
    struct resolved resolved;
    enum err_code code = resolve(db, filter, &resolved, err);
    struct execution_page page = {.total = ret_page->total};
    if (code != OK)
        return code;
    if (resolved.nothing) {
        page.total = 0;
        *ret_page = page;
        return OK;
    }
    struct db_stmt *st;
    if ((code = db_prepare(db, &list_sql[resolved.mask], &st, err)) != OK)
        return code;
    bind_filter(st, filter, &resolved);
    db_bind_int(st, 2, filter->limit);
    db_bind_int(st, 3, filter->offset);
    bool row = false;
    while ((code = db_step(st, &row, err)) == OK && row) {
        write_execution(w, st);
        page.count++;
        page.last_id = db_int(st, 0);
    }
    db_reset(st);
    if (code == OK && page.total >= 0)
        code = count_matches(db, filter, &resolved, &page, err);
    if (code == OK)
        *ret_page = page;
    return code;
}

enum err_code execution_query_get(struct db *db, const char *reference, struct json_writer *w, struct err *err)
{
    struct uuid uid;
    int64_t id = 0;
    bool by_uid = uuid_parse(reference, strlen(reference), &uid), row = false;
    if (by_uid)
        id = uuid_number(&uid);
    else if (!str_to_int(str_of(reference), 1, INT64_MAX, &id))
        return err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_get, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    code = db_step(st, &row, err);
    if (code == OK && row && by_uid) {
        size_t length;
        const void *stored = db_blob(st, 1, &length);
        row = length == sizeof uid.b && memcmp(stored, uid.b, sizeof uid.b) == 0;
    }
    if (code == OK && row)
        write_execution(w, st);
    db_reset(st);
    return code == OK && !row ? err_set(err, ERR_NOT_FOUND, NULL, "Resource not found") : code;
}

static void format_uid(struct db_stmt *st, int column, char *out)
{
    struct uuid uid = {{0}};
    size_t length;
    const void *bytes = db_blob(st, column, &length);
    if (bytes && length == sizeof uid.b)
        memcpy(uid.b, bytes, sizeof uid.b);
    uuid_format(&uid, out);
}

enum err_code execution_query_holders(struct db *db, int64_t now_us, void (*fn)(void *arg, const struct execution_holder *holder),
                                      void *arg, struct err *err)
{
    enum { SHOWN_US = 60 * US_PER_S }; /* a lease without an end of its own lasts as long as the server: shown as a minute */
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_holders, &st, err);
    if (code != OK)
        return code;
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct execution_holder holder = {.instance_id = db_text(st, 2, NULL),
                                          .fence = db_int(st, 3),
                                          .started_us = db_int(st, 4),
                                          .until_us = db_is_null(st, 5) ? now_us + SHOWN_US : db_int(st, 5)};
        format_uid(st, 0, holder.task_uid);
        format_uid(st, 1, holder.execution_uid);
        fn(arg, &holder);
    }
    return code;
}
