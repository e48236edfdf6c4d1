/* SPDX-License-Identifier: Apache-2.0 */
#include "db/claim.h"

#include <string.h>

enum err_code claim_take_fences(struct db *tx, int64_t count, int64_t *ret_first, struct err *err)
{
    *ret_first = 0;
    return count ? db_counter_take(tx, "fence", count, ret_first, err) : OK;
}

struct taking {
    struct claim *claims;
    const char *owner;
};

static void bind_take(struct db_stmt *st, void *arg, size_t i)
{
    const struct taking *taking = arg;
    const struct claim *claim = &taking->claims[i];
    db_bind_int(st, 1, claim->id);
    db_bind_int(st, 2, claim->attempt);
    db_bind_int(st, 3, claim->fence);
    db_bind_text(st, 4, taking->owner, strlen(taking->owner));
    db_bind_int(st, 5, claim->now_us);
}

static void note_taken(void *arg, size_t i, int64_t changed)
{
    const struct taking *taking = arg;
    taking->claims[i].lost = changed == 0;
}

enum err_code claim_take(struct db *tx, const struct claim_table *table, const char *owner, struct claim *claims, size_t count,
                         struct err *err)
{
    int64_t first;
    struct taking taking = {claims, owner};
    enum err_code code = claim_take_fences(tx, (int64_t)count, &first, err);
    for (size_t i = 0; i < count; i++)
        claims[i].fence = first + (int64_t)i;
    return code == OK ? db_run_rows(tx, &table->take, &(struct db_rows){count, bind_take, note_taken, &taking}, err) : code;
}

enum err_code claim_release(struct db *tx, const struct claim_table *table, int64_t id, int64_t fence, int64_t due_us,
                            int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    int64_t changed = 0;
    enum err_code code = db_prepare(tx, &table->release, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    db_bind_int(st, 2, fence);
    db_bind_int(st, 3, due_us);
    db_bind_int(st, 4, now_us);
    if ((code = db_run(st, &changed, err)) != OK)
        return code;
    return changed ? OK : err_set(err, ERR_CONFLICT, NULL, "the row %lld is not held under this fence", (long long)id);
}

enum err_code claim_adopt(struct db *tx, const struct claim_table *table, int64_t id, const char *owner, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &table->adopt, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, id);
    db_bind_text(st, 2, owner, strlen(owner));
    return db_run(st, NULL, err);
}

enum err_code claim_renew(struct db *tx, const struct claim_table *table, const char *owner, int64_t until_us, int64_t *ret_count,
                          struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &table->renew, &st, err);
    if (code != OK)
        return code;
    db_bind_text(st, 1, owner, strlen(owner));
    db_bind_int(st, 2, until_us);
    return db_run(st, ret_count, err);
}

enum err_code claim_rescue(struct db *tx, const struct claim_table *table, int64_t now_us, int64_t *ret_count, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &table->rescue, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, now_us);
    return db_run(st, ret_count, err);
}
