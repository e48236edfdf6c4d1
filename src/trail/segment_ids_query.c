/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/segment_ids_query.h"

#include <string.h>

static const struct db_sql sql_each = {"SELECT id FROM audit_events"};

enum err_code segment_ids_each(struct db *reader, void (*fn)(void *arg, const struct uuid *id), void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(reader, &sql_each, &st, err);
    while (code == OK && (code = db_step(st, &row, err)) == OK && row) {
        struct uuid id;
        size_t length;
        const void *bytes = db_blob(st, 0, &length);
        if (length != sizeof id.b)
            continue;
        memcpy(id.b, bytes, sizeof id.b);
        fn(arg, &id);
    }
    return code;
}
