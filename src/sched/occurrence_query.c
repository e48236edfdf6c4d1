/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger, read: executions of slots and expanded runs, merged by time. Two cursors walk forward together; a run
 * is expanded with the schedule that held when it was recorded (its epoch). */
#include "sched/execution_query.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sched/ledger_store.h"
#include "sched/schedule.h"
#include "sched/sched_task_json.h"

#include <string.h>

static const struct db_sql sql_fired = {
    "SELECT scheduled_at, uid, shifted FROM task_executions"
    " WHERE task_id = ?1 AND scheduled_at >= ?2 AND scheduled_at < ?3 AND cause IN (0, 3) ORDER BY scheduled_at"};
static const struct db_sql sql_runs = {"SELECT epoch_id, first_at, last_at, count, verdict, reason FROM task_occurrences"
                                       " WHERE task_id = ?1 AND last_at >= ?2 AND first_at < ?3 ORDER BY first_at"};

static const struct db_sql sql_epochs = {"SELECT started_at, definition FROM task_epochs WHERE task_id = ?1 ORDER BY id"};

const struct db_sql *const occurrence_query_sql[] = {&sql_fired, &sql_runs, &sql_epochs};
const size_t occurrence_query_sql_count = ARRAY_LEN(occurrence_query_sql);

struct fired_cursor {
    struct db_stmt *st;
    bool valid;
    int64_t at_us;
    struct uuid uid;
    bool shifted;
};

struct run_cursor {
    struct db *db;
    struct db_stmt *st;
    bool valid;
    int64_t at_us, last_us; /* next slot of the run, and where the part in range ends */
    int64_t left;           /* slots of the run in range, `at` included */
    int64_t epoch_id;
    struct schedule schedule;
    enum verdict verdict;
    enum verdict_reason reason;
};

static enum err_code fired_next(struct fired_cursor *c, struct err *err)
{
    bool row = false;
    enum err_code code = db_step(c->st, &row, err);
    c->valid = code == OK && row;
    if (!c->valid)
        return code;
    size_t length;
    const void *uid = db_blob(c->st, 1, &length);
    must(length == sizeof c->uid.b);
    memcpy(c->uid.b, uid, sizeof c->uid.b);
    c->at_us = db_int(c->st, 0);
    c->shifted = db_int(c->st, 2) != 0;
    return OK;
}

static enum err_code load_epoch(struct run_cursor *c, int64_t epoch_id, struct err *err)
{
    if (c->epoch_id == epoch_id)
        return OK;
    auto_free char *definition = NULL;
    enum err_code code = epoch_store_get(c->db, epoch_id, &definition, err);
    if (code == OK)
        code = schedule_from_json(definition, strlen(definition), &c->schedule, err);
    if (code == OK)
        c->epoch_id = epoch_id;
    return code;
}

static enum err_code run_next_row(struct run_cursor *c, const struct occurrence_request *request, struct err *err)
{
    bool row = false;
    enum err_code code = db_step(c->st, &row, err);
    c->valid = code == OK && row;
    if (!c->valid)
        return code;
    int64_t first = db_int(c->st, 1), last = db_int(c->st, 2), count = db_int(c->st, 3);
    c->verdict = (enum verdict)db_int(c->st, 4);
    c->reason = (enum verdict_reason)db_int(c->st, 5);
    if ((code = load_epoch(c, db_int(c->st, 0), err)) != OK)
        return code;
    bool whole = first >= request->from_us && last < request->to_us;
    c->at_us = first >= request->from_us ? first : schedule_next(&c->schedule, request->from_us - 1);
    c->last_us = last < request->to_us ? last : schedule_prev(&c->schedule, request->to_us);
    c->left = whole ? count : schedule_count(&c->schedule, c->at_us, c->last_us + 1);
    return c->left > 0 ? OK : run_next_row(c, request, err);
}

static enum err_code run_next_slot(struct run_cursor *c, const struct occurrence_request *request, struct err *err)
{
    if (--c->left <= 0)
        return run_next_row(c, request, err);
    c->at_us = schedule_next(&c->schedule, c->at_us);
    return OK;
}

static void write_item(struct json_writer *w, int64_t at_us, enum verdict verdict, enum verdict_reason reason,
                       const struct uuid *uid)
{
    json_begin_object(w);
    json_put_time(w, "scheduled_at", at_us, 3);
    json_put_text(w, "verdict", verdict_name(verdict));
    json_put_text(w, "reason", verdict_reason_name(reason));
    if (uid)
        json_put_uuid(w, "execution_uid", uid);
    json_end_object(w);
}

/* Slots before the page, of one run, are counted and not walked. False when the run reaches into the page. */
static bool skip_whole_run(const struct run_cursor *run, const struct fired_cursor *fired, int64_t position, int64_t offset)
{
    return position + run->left <= offset && (!fired->valid || fired->at_us > run->last_us);
}

/* Behind the page: whether counting ends here. */
static bool ends_here(const struct occurrence_request *request, struct occurrence_summary *sum, int64_t until_us)
{
    sum->more = true;
    sum->total.is_lower_bound =
        request->counting == OCCURRENCES_BOUNDED && sum->total.total >= ROW_COUNT_MAX && clock_mono(clock_real()).us > until_us;
    return request->counting == OCCURRENCES_NONE || sum->total.is_lower_bound;
}

static enum err_code walk(const struct occurrence_request *request, struct fired_cursor *fired, struct run_cursor *run,
                          struct json_writer *w, struct occurrence_summary *sum, struct err *err)
{
    enum err_code code = OK;
    int64_t end = request->offset + request->limit, until = clock_mono(clock_real()).us + ROW_COUNT_TIME_MS * US_PER_MS;
    int64_t *position = &sum->total.total;
    while (code == OK && (fired->valid || run->valid)) {
        bool in_page = *position >= request->offset && *position < end;
        if (*position >= end && ends_here(request, sum, until))
            break;
        if (fired->valid && (!run->valid || fired->at_us <= run->at_us)) {
            enum verdict verdict = fired->shifted ? VERDICT_SHIFTED : VERDICT_FIRED;
            if (in_page) {
                write_item(w, fired->at_us, verdict, fired->shifted ? REASON_DST_GAP : REASON_NONE, &fired->uid);
                sum->last_us = fired->at_us;
            }
            verdict_counts_add(&sum->verdicts, verdict, 1);
            ++*position;
            code = fired_next(fired, err);
        } else if (*position >= end || skip_whole_run(run, fired, *position, request->offset)) {
            verdict_counts_add(&sum->verdicts, run->verdict, run->left);
            *position += run->left;
            code = run_next_row(run, request, err);
        } else {
            if (in_page) {
                write_item(w, run->at_us, run->verdict, run->reason, NULL);
                sum->last_us = run->at_us;
            }
            verdict_counts_add(&sum->verdicts, run->verdict, 1);
            ++*position;
            code = run_next_slot(run, request, err);
        }
    }
    return code;
}

static enum err_code open_cursor(struct db *db, const struct db_sql *sql, const struct occurrence_request *request,
                                 struct db_stmt **ret, struct err *err)
{
    enum err_code code = db_prepare(db, sql, ret, err);
    if (code != OK)
        return code;
    db_bind_int(*ret, 1, request->task_id);
    db_bind_int(*ret, 2, request->from_us);
    db_bind_int(*ret, 3, request->to_us);
    return OK;
}

enum err_code occurrence_query(struct db *db, const struct occurrence_request *request, struct json_writer *w,
                               struct occurrence_summary *ret, struct err *err)
{
    struct fired_cursor fired = {0};
    struct run_cursor run = {.db = db};
    struct occurrence_summary sum = {0};
    enum err_code code = open_cursor(db, &sql_fired, request, &fired.st, err);
    if (code == OK)
        code = open_cursor(db, &sql_runs, request, &run.st, err);
    if (code == OK)
        code = fired_next(&fired, err);
    if (code == OK)
        code = run_next_row(&run, request, err);
    if (code == OK)
        code = walk(request, &fired, &run, w, &sum, err);
    if (fired.st)
        db_reset(fired.st);
    if (run.st)
        db_reset(run.st);
    if (code == OK)
        *ret = sum;
    return code;
}

/* ---- what was expected ---- */

struct epoch_walk {
    int64_t from_us, to_us; /* slots in [from, to) */
    struct schedule schedule;
    int64_t begins_us; /* of the epoch in `schedule`; its slots lie after it */
    bool any;
    int64_t sum;
};

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The epoch in hand ends at `end_us`, inclusive: that far its slots are settled. */
static void close_epoch(struct epoch_walk *walk, int64_t end_us)
{
    int64_t from = later(walk->from_us, walk->begins_us + 1), to = end_us + 1 < walk->to_us ? end_us + 1 : walk->to_us;
    if (walk->any && from < to)
        walk->sum += schedule_count(&walk->schedule, from, to);
}

enum err_code epoch_expected(struct db *db, int64_t task_id, int64_t from_us, int64_t to_us, int64_t settled_us, int64_t *ret,
                             struct err *err)
{
    struct epoch_walk walk = {.from_us = from_us, .to_us = to_us};
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_epochs, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, task_id);
    while ((code = db_step(st, &row, err)) == OK && row) {
        size_t length;
        int64_t begins = db_int(st, 0);
        const char *definition = db_text(st, 1, &length);
        close_epoch(&walk, begins);
        if ((code = schedule_from_json(definition, length, &walk.schedule, err)) != OK) {
            db_reset(st);
            return code;
        }
        walk.begins_us = begins;
        walk.any = true;
    }
    close_epoch(&walk, settled_us);
    if (code == OK)
        *ret = walk.sum;
    return code;
}
