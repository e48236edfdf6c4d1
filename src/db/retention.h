/* SPDX-License-Identifier: Apache-2.0 */
/* How long things are kept (RET-01..04): settings in the store, changed at run time, surviving restarts. */
#ifndef HORAE_DB_RETENTION_H
#define HORAE_DB_RETENTION_H

#include "db/store.h"

enum retention_kind { RETENTION_EXECUTIONS, RETENTION_LOCKS, RETENTION_LOGS, RETENTION_AUDIT, RETENTION_KINDS };
enum {
    RETENTION_SCHED_KINDS = RETENTION_AUDIT, /* those before it are the scheduler's, set together */
    RETENTION_DAYS_MIN = 1,
    RETENTION_DAYS_MAX = 3650
};

/* Name as the API has it ("execution_retention_days", …). */
const char *retention_name(enum retention_kind kind);
/* What holds until somebody sets another: at start, before other threads read it. */
void retention_set_default(enum retention_kind kind, int64_t days);
/* Days in force; blocks on a reader. */
enum err_code retention_days(struct store *store, enum retention_kind kind, int64_t *ret, struct err *err);

struct retention_setting {
    int64_t days;
    int64_t updated_us; /* 0 = never */
    char updated_by[64];
};
enum err_code retention_read(struct db *db, enum retention_kind kind, struct retention_setting *ret, struct err *err);
/* Writer's transaction. */
enum err_code retention_write(struct db *tx, enum retention_kind kind, int64_t days, const char *by, int64_t now_us,
                              struct err *err);

#endif
