/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/secret_store.h"

#include <string.h>

static const struct db_sql sql_get = {"SELECT value FROM settings WHERE key = 'cluster_secret'"};
static const struct db_sql sql_put = {
    "INSERT INTO settings (key, value, updated_at, updated_by) VALUES ('cluster_secret', ?1, ?2, 'cluster')"};

const struct db_sql *const secret_store_sql[] = {&sql_get, &sql_put};
const size_t secret_store_sql_count = ARRAY_LEN(secret_store_sql);

enum err_code secret_store_get(struct db *db, char *ret, size_t size, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    size_t length = 0;
    enum err_code code = db_prepare(db, &sql_get, &st, err);
    if (code == OK)
        code = db_step(st, &row, err);
    if (code != OK)
        return code;
    const char *text = row ? db_text(st, 0, &length) : NULL;
    if (!text)
        code = err_set(err, ERR_NOT_FOUND, NULL, "there is no secret of the cluster yet");
    else if (length + 1 != size)
        code = err_set(err, ERR_CORRUPT, NULL, "the secret of the cluster in the store is damaged: remove its row in `settings`");
    else
        memcpy(ret, text, size);
    db_reset(st);
    return code;
}

enum err_code secret_store_put(struct db *tx, const char *secret, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    db_bind_string(st, 1, secret);
    db_bind_int(st, 2, now_us);
    return db_run(st, NULL, err);
}
