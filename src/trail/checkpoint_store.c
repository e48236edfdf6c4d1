/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/checkpoint_store.h"

#include <string.h>

#define COLUMNS "id, kind, segment, seq, genesis, head, min_timestamp, max_timestamp, reason, created_at, before, signature"

static const struct db_sql sql_add = {"INSERT INTO audit_checkpoints (" COLUMNS
                                      ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"};
static const struct db_sql sql_up = {"SELECT " COLUMNS " FROM audit_checkpoints WHERE id > ?1 ORDER BY id LIMIT ?2 OFFSET ?3"};
static const struct db_sql sql_down = {"SELECT " COLUMNS
                                       " FROM audit_checkpoints WHERE id < ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3"};
static const struct db_sql sql_up_segment = {
    "SELECT " COLUMNS " FROM audit_checkpoints WHERE segment = ?4 AND id > ?1 ORDER BY id LIMIT ?2 OFFSET ?3"};
static const struct db_sql sql_down_segment = {
    "SELECT " COLUMNS " FROM audit_checkpoints WHERE segment = ?4 AND id < ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3"};
static const struct db_sql sql_last_segment = {"SELECT max(segment) FROM audit_checkpoints"};
static const struct db_sql sql_count = {"SELECT count(*) FROM audit_checkpoints"};

const struct db_sql *const checkpoint_store_sql[] = {&sql_add,          &sql_up,           &sql_down, &sql_up_segment,
                                                     &sql_down_segment, &sql_last_segment, &sql_count};
const size_t checkpoint_store_sql_count = ARRAY_LEN(checkpoint_store_sql);

/* ---- reading ---- */

static void get_hash(struct db_stmt *st, int column, void *out, size_t count)
{
    size_t n;
    const void *bytes = db_blob(st, column, &n);
    if (bytes && n == count) /* else zeros stay, which nobody signed */
        memcpy(out, bytes, count);
}

static void read_row(struct db_stmt *st, struct checkpoint *c)
{
    size_t n, reason;
    const char *kind = db_text(st, 1, &n);
    *c = (struct checkpoint){.id = db_int(st, 0),
                             .kind = CHECKPOINT_RECOVERED,
                             .segment = db_int(st, 2),
                             .seq = db_int(st, 3),
                             .min_ms = db_int(st, 6),
                             .max_ms = db_int(st, 7),
                             .created_ms = db_int(st, 9)};
    const bool known = kind && checkpoint_kind_from((struct str){kind, n}, &c->kind);
    const char *text = db_text(st, 8, &reason);
    if (text)
        (void)str_copy(c->reason, sizeof c->reason, text, reason);
    get_hash(st, 4, c->genesis.b, sizeof c->genesis.b);
    get_hash(st, 5, c->head.b, sizeof c->head.b);
    get_hash(st, 10, c->before.b, sizeof c->before.b);
    if (known)
        get_hash(st, 11, c->signature.b, sizeof c->signature.b);
}

enum err_code checkpoint_store_each(struct db *db, const struct checkpoint_query *q,
                                    bool (*fn)(void *arg, const struct checkpoint *c), void *arg, struct err *err)
{
    static const struct db_sql *const all[2][2] = {{&sql_up, &sql_down}, {&sql_up_segment, &sql_down_segment}};
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, all[q->segment != 0][q->descending], &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, q->descending && !q->after_id ? INT64_MAX : q->after_id);
    db_bind_int(st, 2, q->limit);
    db_bind_int(st, 3, q->offset);
    if (q->segment)
        db_bind_int(st, 4, q->segment);
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct checkpoint c;
        read_row(st, &c);
        if (!fn(arg, &c)) {
            db_reset(st);
            break;
        }
    }
    return code;
}

struct last {
    struct checkpoint *c;
    bool found;
};

static bool take_last(void *arg, const struct checkpoint *c)
{
    struct last *last = arg;
    *last->c = *c;
    last->found = true;
    return false;
}

enum err_code checkpoint_store_last(struct db *db, int64_t segment, struct checkpoint *ret, bool *ret_found, struct err *err)
{
    const struct checkpoint_query query = {.descending = true, .segment = segment, .limit = 1};
    struct last last = {ret, false};
    enum err_code code = checkpoint_store_each(db, &query, take_last, &last, err);
    *ret_found = last.found;
    return code;
}

enum err_code checkpoint_store_last_segment(struct db *db, int64_t *ret, struct err *err)
{
    return db_read_number(db, &sql_last_segment, ret, err);
}

enum err_code checkpoint_store_count(struct db *db, int64_t *ret, struct err *err)
{
    return db_read_number(db, &sql_count, ret, err);
}

/* ---- writing ---- */

static enum err_code insert(struct db *tx, const struct checkpoint *c, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(tx, &sql_add, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, c->id);
    db_bind_string(st, 2, checkpoint_kind_name(c->kind));
    db_bind_int(st, 3, c->segment);
    db_bind_int(st, 4, c->seq);
    db_bind_blob(st, 5, c->genesis.b, sizeof c->genesis.b);
    db_bind_blob(st, 6, c->head.b, sizeof c->head.b);
    db_bind_int(st, 7, c->min_ms);
    db_bind_int(st, 8, c->max_ms);
    db_bind_string(st, 9, c->reason);
    db_bind_int(st, 10, c->created_ms);
    db_bind_blob(st, 11, c->before.b, sizeof c->before.b);
    db_bind_blob(st, 12, c->signature.b, sizeof c->signature.b);
    return db_run(st, NULL, err);
}

enum err_code checkpoint_store_add(struct db *tx, const struct audit_key *key, struct checkpoint *c, struct err *err)
{
    struct checkpoint last;
    bool found;
    enum err_code code = checkpoint_store_last(tx, 0, &last, &found, err);
    if (code != OK)
        return code;
    c->id = found ? last.id + 1 : 1;
    c->before = (struct audit_hash){{0}};
    if (found)
        checkpoint_hash(&last, &c->before);
    checkpoint_sign(c, key);
    return insert(tx, c, err);
}

struct carry {
    struct db *tx;
    struct checkpoint last;
    bool found;
    enum err_code code;
    struct err *err;
};

static bool carry_one(void *arg, const struct checkpoint *c)
{
    struct carry *carry = arg;
    struct audit_hash before = {{0}};
    if (carry->found)
        checkpoint_hash(&carry->last, &before);
    if (memcmp(before.b, c->before.b, sizeof before.b) != 0)
        carry->code =
            err_set(carry->err, ERR_CONFLICT, NULL, "checkpoint %lld does not continue the one before", (long long)c->id);
    else
        carry->code = insert(carry->tx, c, carry->err);
    carry->last = *c;
    carry->found = true;
    return carry->code == OK;
}

enum err_code checkpoint_store_carry(struct db *from, struct db *tx, struct err *err)
{
    struct carry carry = {.tx = tx, .err = err};
    enum err_code code = checkpoint_store_last(tx, 0, &carry.last, &carry.found, err);
    const struct checkpoint_query query = {.after_id = carry.found ? carry.last.id : 0, .limit = INT64_MAX};
    if (code == OK)
        code = checkpoint_store_each(from, &query, carry_one, &carry, err);
    return code == OK ? carry.code : code;
}
