/* SPDX-License-Identifier: Apache-2.0 */
/* Reading history (SCH-80): one execution, pages of them, statistics (SCH-81..85) and the ledger of a task. All
 * functions read one snapshot; the caller's thread, on a reader connection. Answers go straight to JSON. */
#ifndef HORAE_SCHED_EXECUTION_QUERY_H
#define HORAE_SCHED_EXECUTION_QUERY_H

#include "base/json_write.h"
#include "db/db.h"
#include "sched/execution_state.h"
#include "sched/verdict.h"

struct execution_filter {
    const char *task_name, *task_uid, *execution_uid, *run_by; /* NULL = any */
    int state;                                                 /* -1 any */
    int manual;                                                /* -1 any, 0 scheduled, 1 manual */
    int64_t start_us, end_us; /* inclusive, on started_at (creation until it starts); 0 and INT64_MAX = open */
    int64_t before_id;        /* keyset: ids below it; 0 = from the newest */
    int64_t offset;
    int limit;
};

struct execution_page {
    bool more;       /* rows follow the last one written */
    int64_t last_id; /* of the last row written; 0 = none */
    struct row_count total;
};

/* Newest first, each as an object of the array that `w` has open; `count`: fill in the total too. */
enum err_code execution_query_list(struct db *db, const struct execution_filter *filter, struct json_writer *w, bool count,
                                   struct execution_page *ret, struct err *err);
/* By id or uid; ERR_NOT_FOUND. */
enum err_code execution_query_get(struct db *db, const char *reference, struct json_writer *w, struct err *err);

/* Running executions as holders of their task's lock (LCK-08 is checked there). */
struct execution_holder {
    char task_uid[UUID_TEXT_LEN + 1], execution_uid[UUID_TEXT_LEN + 1];
    const char *instance_id;             /* borrowed during the call */
    int64_t fence, started_us, until_us; /* until: on one server, as long as it lives; shown as the deadline */
};
enum err_code execution_query_holders(struct db *db, int64_t now_us, void (*fn)(void *arg, const struct execution_holder *holder),
                                      void *arg, struct err *err);

/* SCH-81: the object of `data`. `from_hour`: hours since 1970, 0 = all; `task_id` 0 = all tasks. */
enum err_code stats_query(struct db *db, int64_t task_id, int64_t from_hour, struct json_writer *w, struct err *err);

/* The occurrences of a task in [from, to), oldest first: rows of the ledger expanded with the schedule of their time,
 * merged with executions. Writes items into the open array, then fills in counts of the whole range. */
enum occurrence_counting {
    OCCURRENCES_ALL,     /* every slot of the range is counted, by verdict */
    OCCURRENCES_BOUNDED, /* as long as rulings, Totals allow; then the total is a lower bound and verdicts are not complete */
    OCCURRENCES_NONE,    /* stops after the page */
};
struct occurrence_request {
    int64_t task_id, from_us, to_us;
    int64_t offset;
    int limit; /* 0: only counts */
    enum occurrence_counting counting;
};
struct occurrence_summary {
    struct row_count total;
    bool more;       /* slots follow the page */
    int64_t last_us; /* of the last item written */
    struct verdict_counts verdicts;
};
enum err_code occurrence_query(struct db *db, const struct occurrence_request *request, struct json_writer *w,
                               struct occurrence_summary *ret, struct err *err);

/* Slots that the task's schedules had in [from, to) up to `settled_us`, counted from the epochs alone: what the sum of
 * the verdicts must be. */
enum err_code epoch_expected(struct db *db, int64_t task_id, int64_t from_us, int64_t to_us, int64_t settled_us, int64_t *ret,
                             struct err *err);

#endif
