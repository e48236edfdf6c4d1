/* SPDX-License-Identifier: Apache-2.0 */
/* Filters become SQL by picking conditions from a closed list, one statement per combination; values are always
 * bound. Ids grow with time, so "newest first" is the primary key backwards. A page is found as a list of ids, from one index
 * range, and only then its rows are read; a time range is an id range (execution_hours_store) plus, from an index of
 * their own, the few that started more than an hour after they were made. */
#include "sched/execution_query.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/panic.h"
#include "base/str.h"
#include "sched/execution_hours_store.h"
#include "sched/execution_json.h"

#include <pthread.h>
#include <string.h>

#define FROM " FROM task_executions e LEFT JOIN task_snapshots s ON s.id = e.snapshot_id"

#define WAITED_US 3600000000 /* as in the index task_executions_waited */
#define TEXT_OF(number) TEXT_OF_VALUE(number)
#define TEXT_OF_VALUE(number) #number

static const struct db_sql sql_get = {"SELECT " EXECUTION_COLUMNS FROM " WHERE e.id = ?1"};
/* The tasks that had this name or uid, and whether every run of them had it too. */
static const struct db_sql sql_tasks_of = {
    "SELECT task_id, MIN(CASE WHEN (task_name = ?1 OR ?1 IS NULL) AND (task_uid = ?2 OR ?2 IS NULL)"
    " THEN 1 ELSE 0 END) FROM task_snapshots WHERE task_uid IN"
    " (SELECT task_uid FROM task_snapshots WHERE task_name = ?1 AND (task_uid = ?2 OR ?2 IS NULL)"
    " UNION ALL SELECT ?2 WHERE ?1 IS NULL) GROUP BY task_id LIMIT 2"};

static const struct db_sql sql_holders = {
    "SELECT s.task_uid, e.uid, e.lease_owner, e.fence, e.started_at, e.lease_until" FROM
    " WHERE e.state = 1 AND e.state < 2 AND e.lease_owner IS NOT NULL ORDER BY e.id LIMIT 10000"};

const struct db_sql *const execution_query_sql[] = {&sql_get, &sql_tasks_of, &sql_holders};
const size_t execution_query_sql_count = ARRAY_LEN(execution_query_sql);

/* Of a name and perhaps a uid, or of a uid alone: each branch has its index. */
#define SNAPSHOTS \
    "SELECT id FROM task_snapshots WHERE task_name = ?5 AND (task_uid = ?13 OR ?13 IS NULL)" \
    " UNION ALL SELECT id FROM task_snapshots WHERE ?5 IS NULL AND task_uid = ?13"

/* Parameters keep their numbers in every combination. The literal bounds of `state` are those of the partial indexes. */
static const char *const conditions[] = {
    " AND e.task_id = ?4",
    " AND e.snapshot_id IN (" SNAPSHOTS ")",
    " AND e.state = ?6 AND e.state >= 2",
    " AND e.state = ?6 AND e.state < 2",
    " AND CASE WHEN e.cause IN (0, 3) THEN 1 ELSE 0 END = ?7",
    " AND e.lease_owner = ?10",
    " AND e.uid = ?11",
};
enum {
    BY_TASK = 1,
    BY_SNAPSHOTS = 2, /* several tasks had the name, or the task had several */
    BY_FINISHED_STATE = 4,
    BY_ACTIVE_STATE = 8,
    BY_CAUSE = 16,
    BY_RUN_BY = 32,
    BY_UID = 64,
    BY_TIME = 128,
    COMBINATIONS = 256
};

static const char page_plain[] =
    "SELECT e.id AS id FROM task_executions e WHERE e.id < ?1%s ORDER BY e.id DESC LIMIT ?2 OFFSET ?3";
static const char page_by_time[] =
    "SELECT e.id AS id FROM task_executions e WHERE e.id < ?1 AND e.id >= ?12"
    " AND COALESCE(e.started_at, e.created_at) BETWEEN ?8 AND ?9%s"
    " UNION ALL"
    " SELECT e.id FROM task_executions e%s WHERE e.id < ?1 AND e.id < ?12"
    " AND e.started_at - e.created_at > " TEXT_OF(WAITED_US) " AND e.started_at BETWEEN ?8 AND ?9%s"
                                                             " ORDER BY 1 DESC LIMIT ?2 OFFSET ?3";

/* SQLite would take another index for what waited; PostgreSQL has no word for that, and needs none. */
#define WAITED_INDEX " INDEXED BY task_executions_waited"

static struct db_sql list_sql[COMBINATIONS], count_sql[COMBINATIONS];

static char *page_text(unsigned mask, const char *index)
{
    struct buf where, page;
    buf_init(&where, 4096);
    buf_init(&page, 4096);
    for (unsigned i = 0; i < ARRAY_LEN(conditions); i++)
        if (mask & (1u << i))
            buf_add_text(&where, conditions[i]);
    const char *text = where.data ? where.data : "";
    if (mask & BY_TIME)
        buf_printf(&page, page_by_time, text, index, text);
    else
        buf_printf(&page, page_plain, text);
    buf_release(&where);
    return buf_take(&page);
}

static char *list_text(const char *page)
{
    struct buf list;
    buf_init(&list, 8192);
    buf_printf(&list,
               "SELECT " EXECUTION_COLUMNS " FROM (%s) p JOIN task_executions e ON e.id = p.id"
               " LEFT JOIN task_snapshots s ON s.id = e.snapshot_id ORDER BY e.id DESC",
               page);
    return buf_take(&list);
}

static void build_statement(unsigned mask)
{
    count_sql[mask] = (struct db_sql){page_text(mask, WAITED_INDEX), .pg = page_text(mask, "")};
    list_sql[mask] = (struct db_sql){list_text(count_sql[mask].text), .pg = list_text(count_sql[mask].pg)};
}

/* Made when they are first asked for; most of the combinations never are. */
static void make_statements(unsigned mask)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    must(pthread_mutex_lock(&lock) == 0);
    if (!list_sql[mask].text)
        build_statement(mask);
    must(pthread_mutex_unlock(&lock) == 0);
}

struct resolved {
    unsigned mask;
    int64_t task_id;
    int64_t low_id, below_id; /* of creation in the time range */
    struct uuid uid, task_uid;
    bool nothing; /* no row can match */
};

/* One task is the common case, and the only one where the index gives the order too. */
static enum err_code resolve_task(struct db *db, const struct execution_filter *filter, struct resolved *resolved,
                                  struct err *err)
{
    if (!filter->task_name && !filter->task_uid)
        return OK;
    if (filter->task_uid && !uuid_parse(filter->task_uid, strlen(filter->task_uid), &resolved->task_uid)) {
        resolved->nothing = true;
        return OK;
    }
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &sql_tasks_of, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, filter->task_name);
    if (filter->task_uid)
        db_bind_blob(st, 2, resolved->task_uid.b, sizeof resolved->task_uid.b);
    int found = 0;
    bool row = false, whole = true;
    while ((code = db_step(st, &row, err)) == OK && row) {
        resolved->task_id = db_int(st, 0);
        whole = whole && db_int(st, 1);
        found++;
    }
    db_reset(st);
    resolved->nothing = found == 0;
    if (found == 1)
        resolved->mask |= BY_TASK;
    if (found > 1 || !whole)
        resolved->mask |= BY_SNAPSHOTS;
    return code;
}

/* What started in the range was made in it, or up to WAITED_US before, or is in the index of those that waited. */
static enum err_code resolve_time(struct db *db, const struct execution_filter *filter, struct resolved *resolved,
                                  struct err *err)
{
    resolved->below_id = INT64_MAX;
    if (!filter->start_us && filter->end_us == INT64_MAX)
        return OK;
    int64_t from_us = filter->start_us > WAITED_US ? filter->start_us - WAITED_US : 0, first, high;
    resolved->mask |= BY_TIME;
    enum err_code code = execution_hours_bounds(db, from_us, filter->end_us, &resolved->low_id, &high, err);
    if (code == OK)
        code = execution_hours_bounds(db, 0, filter->end_us, &first, &high, err);
    if (resolved->low_id == 0) /* none made then: what waited from before is left */
        resolved->low_id = high + 1;
    resolved->below_id = high + 1;
    return code;
}

static enum err_code resolve(struct db *db, const struct execution_filter *filter, struct resolved *resolved, struct err *err)
{
    *resolved = (struct resolved){0};
    if (filter->state >= 0)
        resolved->mask |= filter->state < EXECUTION_SUCCESS ? BY_ACTIVE_STATE : BY_FINISHED_STATE;
    if (filter->manual >= 0)
        resolved->mask |= BY_CAUSE;
    if (filter->run_by)
        resolved->mask |= BY_RUN_BY;
    if (filter->execution_uid) {
        resolved->mask |= BY_UID;
        resolved->nothing = !uuid_parse(filter->execution_uid, strlen(filter->execution_uid), &resolved->uid);
    }
    enum err_code code = resolve_time(db, filter, resolved, err);
    return resolved->nothing || code != OK ? code : resolve_task(db, filter, resolved, err);
}

static void bind_filter(struct db_stmt *st, const struct execution_filter *filter, const struct resolved *r)
{
    int64_t below = filter->before_id && filter->before_id < r->below_id ? filter->before_id : r->below_id;
    if (r->mask & BY_UID) { /* the uid carries the id: no scan */
        int64_t id = uuid_number(&r->uid);
        below = id < below ? id + 1 : below;
        db_bind_blob(st, 11, r->uid.b, sizeof r->uid.b);
    }
    db_bind_int(st, 1, below);
    if (r->mask & BY_TASK)
        db_bind_int(st, 4, r->task_id);
    if (r->mask & BY_SNAPSHOTS) {
        db_bind_string(st, 5, filter->task_name);
        if (filter->task_uid)
            db_bind_blob(st, 13, r->task_uid.b, sizeof r->task_uid.b);
    }
    if (r->mask & (BY_FINISHED_STATE | BY_ACTIVE_STATE))
        db_bind_int(st, 6, filter->state);
    if (r->mask & BY_CAUSE)
        db_bind_int(st, 7, !filter->manual);
    if (r->mask & BY_TIME) {
        db_bind_int(st, 8, filter->start_us);
        db_bind_int(st, 9, filter->end_us);
        db_bind_int(st, 12, r->low_id);
    }
    if (r->mask & BY_RUN_BY)
        db_bind_string(st, 10, filter->run_by);
}

static enum err_code count_matches(struct db *db, const struct execution_filter *filter, const struct resolved *resolved,
                                   struct row_count *ret, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &count_sql[resolved->mask], &st, err);
    if (code != OK)
        return code;
    struct execution_filter all = *filter;
    all.before_id = 0;
    bind_filter(st, &all, resolved);
    db_bind_int(st, 2, ROW_COUNT_MAX + 1);
    db_bind_int(st, 3, 0);
    return db_count_rows(db, st, ret, err);
}

enum err_code execution_query_list(struct db *db, const struct execution_filter *filter, struct json_writer *w, bool count,
                                   struct execution_page *ret, struct err *err)
{
    struct resolved resolved;
    struct db_stmt *st;
    *ret = (struct execution_page){0};
    enum err_code code = resolve(db, filter, &resolved, err);
    if (code != OK || resolved.nothing)
        return code;
    make_statements(resolved.mask);
    if ((code = db_prepare(db, &list_sql[resolved.mask], &st, err)) != OK)
        return code;
    bind_filter(st, filter, &resolved);
    db_bind_int(st, 2, filter->limit + 1); /* one more tells whether there is another page */
    db_bind_int(st, 3, filter->offset);
    bool row = false;
    for (int n = 0; (code = db_step(st, &row, err)) == OK && row && !ret->more; n++) {
        ret->more = n == filter->limit;
        if (ret->more)
            break;
        execution_write_json(w, st);
        ret->last_id = db_int(st, 0);
    }
    db_reset(st);
    return code == OK && count ? count_matches(db, filter, &resolved, &ret->total, err) : code;
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
        execution_write_json(w, st);
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
