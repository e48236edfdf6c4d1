/* SPDX-License-Identifier: Apache-2.0 */
/* SQL of the occurrence ledger (task_occurrences, task_epochs) and of the hourly sums (task_stats_by_hour).
 * A fired or shifted slot's record is its execution; every other slot is part of a run of equal verdict and reason. */
#ifndef HORAE_SCHED_LEDGER_STORE_H
#define HORAE_SCHED_LEDGER_STORE_H

#include "db/db.h"
#include "sched/verdict.h"

struct ledger_entry {
    int64_t id, task_id, epoch_id;
    int64_t first_us, last_us, count;
    enum verdict verdict;
    enum verdict_reason reason;
    bool extends; /* adds to the row `id` instead of making it */
};

/* Writer's transaction; may run twice. */
enum err_code ledger_store_write(struct db *tx, const struct ledger_entry *entries, size_t count, struct err *err);
enum err_code ledger_store_last_id(struct db *db, int64_t *ret, struct err *err);

struct epoch_entry {
    int64_t id, task_id, started_us;
    const char *definition; /* borrowed: JSON of the schedule members */
};
enum err_code epoch_store_add(struct db *tx, const struct epoch_entry *epoch, struct err *err);
enum err_code epoch_store_last_id(struct db *db, int64_t *ret, struct err *err);
/* The schedule text of an epoch; owned by the caller. */
enum err_code epoch_store_get(struct db *db, int64_t id, char **ret_definition, struct err *err);

/* What one batch adds to a task's hour. */
struct stats_delta {
    int64_t task_id, hour; /* hours since 1970 */
    int64_t total, success, failure, success_duration_ms;
};
enum err_code stats_store_add(struct db *tx, const struct stats_delta *deltas, size_t count, struct err *err);

/* Retention: ledger rows and sums that ended before `before_us`. */
enum err_code ledger_store_purge(struct db *tx, int64_t before_us, int limit, int64_t *ret_deleted, struct err *err);

#endif
