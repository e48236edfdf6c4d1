/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/pending_store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdatomic.h>

/* An event without its objects is seldom longer than the second: most are written without growing. */
enum { EVENT_BYTES_MAX = 64 << 20, EVENT_BYTES_USUAL = 1000 };

static const struct db_sql sql_put = {
    "INSERT INTO audit_pending (id, event) VALUES (1 + max(?2, coalesce((SELECT max(id) FROM audit_pending), 0)), ?1)",
    "INSERT INTO audit_pending (id, event) VALUES (1 + greatest(?2, coalesce((SELECT max(id) FROM audit_pending), 0)), ?1)"};
static const struct db_sql sql_each = {"SELECT id, event FROM audit_pending WHERE id > ?1 ORDER BY id LIMIT ?2"};
static const struct db_sql sql_remove = {"DELETE FROM audit_pending WHERE id <= ?1"};
static const struct db_sql sql_carry = {"INSERT INTO audit_pending (id, event) VALUES (?1, ?2) ON CONFLICT DO NOTHING"};
static const struct db_sql sql_last = {"SELECT max(id) FROM audit_pending"};

const struct db_sql *const pending_store_sql[] = {&sql_put, &sql_each, &sql_remove, &sql_carry, &sql_last};
const size_t pending_store_sql_count = ARRAY_LEN(pending_store_sql);

/* One database per process: of the rows of its table, those up to `moved` may go, those up to `removed` went. */
static _Atomic int64_t moved, removed;
static _Atomic uint64_t put_count;
static const struct audit_names *_Atomic redacted_names;

void pending_store_redact(const struct audit_names *names)
{
    atomic_store(&redacted_names, names);
}

uint64_t pending_store_puts(void)
{
    return atomic_load(&put_count);
}

void pending_store_moved(int64_t id)
{
    atomic_store(&moved, id);
}

int64_t pending_store_moved_to(void)
{
    return atomic_load(&moved);
}

/* No transaction of its own: that would be a sync for each change. When this one is rolled back they are removed later. */
static enum err_code remove_moved(struct db *tx, struct err *err)
{
    int64_t up_to = atomic_load(&moved);
    struct db_stmt *st;
    if (up_to <= atomic_load(&removed))
        return OK;
    enum err_code code = db_prepare(tx, &sql_remove, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, up_to);
    code = db_run(st, NULL, err);
    if (code == OK)
        atomic_store(&removed, up_to);
    return code;
}

/* Object `i` of the event becomes the text that may be stored, in `out`; it stays what it is when there is nothing to redact. */
static void redact(struct audit_event *event, int i, struct buf *out)
{
    const struct audit_names *names = atomic_load(&redacted_names);
    const struct str object = {event->objects[i], event->object_lengths[i]};
    if (!object.p || !audit_redact_text(object, names ? names : &audit_default_names, out))
        return;
    event->objects[i] = out->data;
    event->object_lengths[i] = out->len;
}

/* What waits here stands in the database and, once it is moved, in its free pages: secrets must not. */
static void write_redacted(const struct audit_event *event, struct buf *out)
{
    struct audit_event redacted = *event;
    struct buf objects[2];
    struct json_writer w;
    for (int i = 0; i < 2; i++) {
        buf_init(&objects[i], EVENT_BYTES_MAX);
        redact(&redacted, i, &objects[i]);
        out->failed |= objects[i].failed; /* longer than a row may be: refused as a whole */
    }
    (void)buf_reserve(out, EVENT_BYTES_USUAL + redacted.object_lengths[0] + redacted.object_lengths[1]);
    json_writer_init(&w, out);
    audit_event_write(&redacted, &w);
    buf_release(&objects[0]);
    buf_release(&objects[1]);
}

enum err_code audit_put(struct db *tx, const struct audit_event *event, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    struct buf text;
    enum err_code code = remove_moved(tx, err);
    if (code == OK)
        code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    atomic_fetch_add(&put_count, 1);
    struct audit_event timed = *event; /* what waits here was done now, not when it is moved */
    if (!timed.timestamp_ms)
        timed.timestamp_ms = now_us / US_PER_MS;
    buf_init(&text, EVENT_BYTES_MAX);
    write_redacted(&timed, &text);
    if (text.failed) {
        buf_release(&text);
        return err_set(err, ERR_LIMIT, NULL, "the audit event of this change has more than %d bytes", EVENT_BYTES_MAX);
    }
    db_bind_text(st, 1, text.data, text.len);
    db_bind_int(st, 2, atomic_load(&moved)); /* rows that were removed had numbers up to there */
    code = db_run(st, NULL, err);
    buf_release(&text);
    return code;
}

enum err_code pending_store_each(struct db *db, int64_t after_id, int limit, void (*fn)(void *arg, int64_t id, struct str event),
                                 void *arg, struct err *err)
{
    struct db_stmt *st;
    bool row = false;
    enum err_code code = db_prepare(db, &sql_each, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, after_id);
    db_bind_int(st, 2, limit);
    while ((code = db_step(st, &row, err)) == OK && row) {
        struct str event;
        event.p = db_text(st, 1, &event.n);
        fn(arg, db_int(st, 0), event);
    }
    return code;
}

enum err_code pending_store_last(struct db *db, int64_t *ret, struct err *err)
{
    return db_read_number(db, &sql_last, ret, err);
}

struct carry {
    struct db *tx;
    enum err_code code;
    struct err *err;
};

static void carry_one(void *arg, int64_t id, struct str event)
{
    struct carry *carry = arg;
    struct db_stmt *st;
    if (carry->code == OK)
        carry->code = db_prepare(carry->tx, &sql_carry, &st, carry->err);
    if (carry->code != OK)
        return;
    db_bind_int(st, 1, id);
    db_bind_text(st, 2, event.p, event.n);
    carry->code = db_run(st, NULL, carry->err);
}

enum err_code pending_store_carry(struct db *from, struct db *tx, struct err *err)
{
    struct carry carry = {.tx = tx, .err = err};
    const enum err_code code = pending_store_each(from, INT64_MIN, INT32_MAX, carry_one, &carry, err);
    return code == OK ? carry.code : code;
}
