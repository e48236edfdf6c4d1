/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a segment as they are exported: in the order of the chain, each with its link and the one before. */
#ifndef HORAE_TRAIL_EXPORT_QUERY_H
#define HORAE_TRAIL_EXPORT_QUERY_H

#include "audit/audit_record.h"
#include "db/db.h"

struct export_row {
    int64_t seq;
    struct str event; /* borrowed during the call */
    struct audit_hash hash, before;
    bool has_before; /* seq > 1 */
};

/* Rows from `seq` to `last`, until `row` returns false. ERR_CORRUPT: a hash is none. */
enum err_code export_query_rows(struct db *db, int64_t seq, int64_t last, bool (*row)(void *arg, const struct export_row *row),
                                void *arg, struct err *err);

#endif
