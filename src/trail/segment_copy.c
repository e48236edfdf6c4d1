/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/segment_copy.h"

#include "base/mem.h"
#include "trail/segment_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_ROWS = 256 };

/* ---- one segment ---- */

struct copying {
    struct db *from;
    struct segment_meta meta;
    struct audit_record records[BLOCK_ROWS]; /* the block in hand; owned */
    struct audit_hash hashes[BLOCK_ROWS];
    int64_t first;
    size_t count;
};

static struct str keep(char **at, struct str text)
{
    char *to = *at;
    memcpy(to, text.p, text.n);
    *at += text.n;
    return (struct str){to, text.n};
}

/* The row's views end with the next row. */
static void own(const struct audit_record *r, struct audit_record *ret)
{
    *ret = *r;
    struct str *texts[] = {&ret->action,     &ret->resource_type, &ret->resource_id, &ret->user_uid, &ret->client_ip,
                           &ret->request_id, &ret->subsystem,     &ret->space_path,  &ret->event};
    size_t length = 1;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        length += texts[i]->n;
    char *at = ret->owned = xmalloc(length);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = keep(&at, *texts[i]);
}

static void release_block(struct copying *copying)
{
    for (size_t i = 0; i < copying->count; i++)
        audit_record_release(&copying->records[i]);
    copying->count = 0;
}

static enum err_code store_block(struct copying *copying, struct db *tx, struct err *err)
{
    const struct segment_addition rows = {copying->first, copying->records, copying->hashes, copying->count};
    enum err_code code = copying->count ? segment_store_insert(tx, &rows, err) : OK;
    release_block(copying);
    return code;
}

/* A block has rows that stand side by side: where events were removed by hand, another one begins. */
static enum err_code take_row(struct copying *copying, struct db *tx, const struct segment_row *row, struct err *err)
{
    if (row->damaged)
        return err_set(err, ERR_CORRUPT, NULL, "event %lld of segment %lld is damaged: it can be copied as a file only",
                       (long long)row->seq, (long long)copying->meta.number);
    if (copying->count == BLOCK_ROWS || (copying->count && row->seq != copying->first + (int64_t)copying->count)) {
        const enum err_code code = store_block(copying, tx, err);
        if (code != OK)
            return code;
    }
    if (!copying->count)
        copying->first = row->seq;
    copying->hashes[copying->count] = row->hash;
    own(&row->record, &copying->records[copying->count++]);
    return OK;
}

static enum err_code run_rows(struct copying *copying, struct db *tx, struct err *err)
{
    struct segment_scan scan;
    struct segment_row row;
    bool more = false;
    enum err_code code;
    segment_store_scan(copying->from, INT64_MIN, &scan);
    while ((code = segment_store_next(&scan, &row, &more, err)) == OK && more)
        if ((code = take_row(copying, tx, &row, err)) != OK)
            break;
    segment_store_scan_end(&scan);
    if (code == OK)
        return store_block(copying, tx, err);
    release_block(copying);
    return code;
}

static enum err_code run_copy(struct db *tx, void *arg, struct err *err)
{
    struct copying *copying = arg;
    enum err_code code = segment_store_create(tx, &copying->meta, err);
    if (code == OK)
        code = run_rows(copying, tx, err);
    if (code == OK && copying->meta.state == SEGMENT_SEALED)
        code = segment_store_index(tx, err);
    return code;
}

/* What is there already: the same? */
static enum err_code compare(struct segment_place *to, const struct segment_meta *meta, struct err *err)
{
    struct db *db;
    struct segment_meta there;
    enum err_code code = segment_open_reader(to, meta->number, &db, err);
    if (code != OK)
        return code;
    code = segment_read_meta(db, &there, err);
    segment_close_reader(to, db);
    if (code == OK && memcmp(&there.signature, &meta->signature, sizeof there.signature) != 0)
        code = err_set(err, ERR_CONFLICT, NULL, "another segment %lld is there", (long long)meta->number);
    return code;
}

enum err_code segment_copy(struct segment_place *from, struct segment_place *to, int64_t number, struct err *err)
{
    struct copying *copying = xcalloc(1, sizeof *copying);
    const struct segment_options options = {.place = to, .number = number};
    enum err_code code = segment_open_reader(from, number, &copying->from, err);
    if (code == OK) {
        code = segment_read_meta(copying->from, &copying->meta, err);
        if (code == OK && copying->meta.number != number)
            code = err_set(err, ERR_CORRUPT, NULL, "segment %lld says that it is another one", (long long)number);
        if (code == OK)
            code = to->kind->create(to, &options, run_copy, copying, err);
        if (code == ERR_CONFLICT)
            code = compare(to, &copying->meta, err);
        segment_close_reader(from, copying->from);
    }
    free(copying);
    return code;
}

/* ---- those of former times ---- */

static enum err_code set_moved(const char *folder, int64_t number, struct err *err)
{
    char path[SEGMENT_PATH_SIZE], moved[SEGMENT_PATH_SIZE + 8];
    segment_path(folder, number, path, sizeof path);
    (void)snprintf(moved, sizeof moved, "%s.moved", path);
    return rename(path, moved) == 0 ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "cannot rename %s: %s", path, strerror(errno));
}

enum err_code segment_move_in(const char *folder, struct segment_place *to, size_t *ret_count, struct err *err)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    *ret_count = 0;
    if (segment_place_folder(to))
        return OK;
    struct segment_place *files = segment_place_files(folder);
    enum err_code code = segment_list(files, &numbers, &count, err);
    for (size_t i = 0; i < count && code == OK; i++) {
        code = segment_copy(files, to, numbers[i], err);
        if (code == OK)
            code = set_moved(folder, numbers[i], err);
        *ret_count += code == OK;
    }
    free(numbers);
    segment_place_free(files);
    return code;
}
