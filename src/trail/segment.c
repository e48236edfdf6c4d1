/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/segment.h"

#include "base/mem.h"
#include "base/panic.h"
#include "db/db_file.h"
#include "trail/heads.h"
#include "trail/segment_store.h"

#include <string.h>

/* 2 MiB: the commit that finds the log so long moves it into the file and syncs that, and everybody whose event waits then waits
 * for as long. With the store's 4,000 pages that is 10 to 20 ms, too few and too long to be hidden (p99). */
enum { LOG_PAGES = 500 };

struct segment {
    struct segment_meta meta;
    struct db *db;
    char *path;
    const struct audit_key *key;
    struct heads *heads;
};

const struct segment_meta *segment_meta(const struct segment *segment)
{
    return &segment->meta;
}

void segment_close(struct segment *segment)
{
    if (!segment)
        return;
    db_file_close(segment->db);
    free(segment->path);
    free(segment);
}

/* ---- beginning ---- */

static enum err_code run_create(struct db *tx, void *arg, struct err *err)
{
    return segment_store_create(tx, arg, err);
}

/* Complete under another name, then put in its place: whatever happens, there is no half segment. */
static enum err_code make_file(const struct segment_options *o, struct segment_meta *meta, struct err *err)
{
    auto_free char *fresh = segment_file_begin(o->folder, o->number, err);
    struct db *db;
    if (!fresh)
        return ERR_UNAVAILABLE;
    const struct db_file_options file = {.path = fresh, .relaxed = o->relaxed, .fault = o->fault};
    enum err_code code = db_file_open(&file, &db, err);
    if (code == OK) {
        code = db_file_write(db, run_create, meta, err);
        db_file_close(db);
    }
    return segment_file_end(o->folder, o->number, fresh, code, err);
}

static enum err_code open_segment(const struct segment_options *o, struct segment **ret, struct err *err)
{
    struct segment *segment = xcalloc(1, sizeof *segment);
    segment->path = xmalloc(SEGMENT_PATH_SIZE);
    segment->key = o->key;
    segment->heads = o->heads;
    segment_path(o->folder, o->number, segment->path, SEGMENT_PATH_SIZE);
    const struct db_file_options file = {.path = segment->path, .relaxed = o->relaxed, .log_pages = LOG_PAGES, .fault = o->fault};
    enum err_code code = db_file_open(&file, &segment->db, err);
    if (code == OK)
        code = segment_store_meta(segment->db, &segment->meta, err);
    if (code == OK && segment->meta.number != o->number)
        code = err_set(err, ERR_CORRUPT, NULL, "%s is segment %lld", segment->path, (long long)segment->meta.number);
    if (code != OK) {
        segment_close(segment);
        return code;
    }
    *ret = segment;
    return OK;
}

enum err_code segment_create(const struct segment_options *o, struct segment **ret, struct err *err)
{
    struct segment_meta meta = {.number = o->number, .state = SEGMENT_OPEN, .day = o->day, .opened_ms = o->now_ms};
    (void)str_copy(meta.server, sizeof meta.server, o->server, strlen(o->server));
    segment_genesis(&meta, o->before, &meta.genesis);
    meta.head = meta.genesis;
    segment_sign(&meta, o->key);
    enum err_code code = make_file(o, &meta, err);
    if (code == OK)
        code = open_segment(o, ret, err);
    if (code == OK)
        heads_write(o->heads, &meta);
    return code;
}

enum err_code segment_resume(const struct segment_options *o, struct segment **ret, struct err *err)
{
    enum err_code code = open_segment(o, ret, err);
    if (code != OK)
        return code;
    if (segment_is_signed(&(*ret)->meta, o->key->public_key)) {
        heads_write(o->heads, &(*ret)->meta);
        return OK;
    }
    code = err_set(err, ERR_CORRUPT, NULL, "%s was not signed by this server", (*ret)->path);
    segment_close(*ret);
    *ret = NULL;
    return code;
}

/* ---- adding ---- */

struct addition {
    const struct segment *segment;
    const struct audit_record *records;
    size_t count;
    struct segment_meta meta; /* what it is afterwards */
};

static void account(struct segment_meta *meta, const struct audit_record *r)
{
    const bool first = meta->count == 0;
    meta->count++;
    meta->failures += r->failure;
    if (first || r->timestamp_ms < meta->min_ms)
        meta->min_ms = r->timestamp_ms;
    if (first || r->timestamp_ms > meta->max_ms)
        meta->max_ms = r->timestamp_ms;
    if (first || memcmp(r->id.b, meta->min_id.b, sizeof r->id.b) < 0)
        meta->min_id = r->id;
    if (first || memcmp(r->id.b, meta->max_id.b, sizeof r->id.b) > 0)
        meta->max_id = r->id;
}

static enum err_code run_append(struct db *tx, void *arg, struct err *err)
{
    struct addition *a = arg;
    for (size_t i = 0; i < a->count; i++) {
        const struct audit_record *r = &a->records[i];
        const struct audit_hash before = a->meta.head;
        account(&a->meta, r);
        audit_record_hash(&before, a->meta.count, r, &a->meta.head);
        enum err_code code = segment_store_insert(tx, a->meta.count, r, &a->meta.head, err);
        if (code != OK)
            return code;
    }
    segment_sign(&a->meta, a->segment->key);
    return segment_store_set_meta(tx, &a->meta, err);
}

enum err_code segment_append(struct segment *segment, const struct audit_record *records, size_t count, int64_t pending_id,
                             struct err *err)
{
    struct addition addition = {segment, records, count, segment->meta};
    must(segment->meta.state == SEGMENT_OPEN);
    if (pending_id)
        addition.meta.pending_id = pending_id;
    enum err_code code = db_file_write(segment->db, run_append, &addition, err);
    if (code == OK) {
        segment->meta = addition.meta;
        heads_write(segment->heads, &segment->meta);
    }
    return code;
}

enum err_code segment_find(struct segment *segment, const struct uuid *id, bool *ret_found, struct err *err)
{
    return segment_store_find(segment->db, id, ret_found, err);
}

/* ---- ending ---- */

static enum err_code run_set_meta(struct db *tx, void *arg, struct err *err)
{
    return segment_store_set_meta(tx, arg, err);
}

static enum err_code run_seal(struct db *tx, void *arg, struct err *err)
{
    enum err_code code = segment_store_index(tx, err);
    return code == OK ? segment_store_set_meta(tx, arg, err) : code;
}

static enum err_code change_state(struct segment *segment, enum segment_state state, int64_t now_ms,
                                  enum err_code (*run)(struct db *tx, void *arg, struct err *err), struct err *err)
{
    struct segment_meta meta = segment->meta;
    meta.state = state;
    meta.sealed_ms = now_ms;
    segment_sign(&meta, segment->key);
    enum err_code code = db_file_write(segment->db, run, &meta, err);
    if (code == OK) {
        segment->meta = meta;
        heads_write(segment->heads, &meta);
    }
    return code;
}

enum err_code segment_set_full(struct segment *segment, struct err *err)
{
    return segment->meta.state == SEGMENT_OPEN ? change_state(segment, SEGMENT_FULL, 0, run_set_meta, err) : OK;
}

enum err_code segment_seal(struct segment *segment, int64_t now_ms, struct err *err)
{
    enum err_code code =
        segment->meta.state == SEGMENT_SEALED ? OK : change_state(segment, SEGMENT_SEALED, now_ms, run_seal, err);
    /* One file that nobody writes to. While readers have it open it cannot become so; it is no less sealed then. */
    if (code == OK && db_file_settle(segment->db, NULL) == OK)
        segment_file_protect(segment->path);
    return code;
}

/* ---- reading ---- */

enum err_code segment_open_reader(const char *folder, int64_t number, struct db **ret, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    const struct db_file_options file = {.path = path, .readonly = true};
    segment_path(folder, number, path, sizeof path);
    return db_file_open(&file, ret, err);
}

enum err_code segment_read_meta(struct db *reader, struct segment_meta *ret, struct err *err)
{
    return segment_store_meta(reader, ret, err);
}
