/* SPDX-License-Identifier: Apache-2.0 */
/* How long things are kept (RET-01..04): settings in the store, changed at run time, surviving restarts. */
#ifndef HORAE_SCHED_RETENTION_H
#define HORAE_SCHED_RETENTION_H

#include "db/store.h"

enum retention_kind { RETENTION_EXECUTIONS, RETENTION_LOCKS, RETENTION_LOGS, RETENTION_KINDS };
enum { RETENTION_DAYS_MIN = 1, RETENTION_DAYS_MAX = 3650 };

/* Name as the API has it ("execution_retention_days", …). */
const char *retention_name(enum retention_kind kind);
/* Days in force; blocks on a reader. */
enum err_code retention_days(struct store *store, enum retention_kind kind, int64_t *ret, struct err *err);

struct retention_settings {
    int64_t days[RETENTION_KINDS];
    int64_t last_updated_us; /* 0 = never */
    char updated_by[64];
};
enum err_code retention_read(struct db *db, struct retention_settings *ret, struct err *err);
/* days[i] == 0: unchanged. Writer's transaction. */
enum err_code retention_write(struct db *tx, const int64_t days[RETENTION_KINDS], const char *by, int64_t now_us,
                              struct err *err);

#endif
