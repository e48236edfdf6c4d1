/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/store_audit.h"

#include "base/str.h"
#include "cli/store_place.h"
#include "db/db_file.h"
#include "db/store.h"
#include "trail/checkpoint_store.h"
#include "trail/heads.h"
#include "trail/pending_store.h"
#include "trail/segment_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = SEGMENT_PATH_SIZE + 64, KEY_BYTES_MAX = 4096, HEADS_BYTES_MAX = 1 << 20 };

static void folder_of(const char *database, char *out)
{
    (void)snprintf(out, PATH_SIZE, "%.4100s-audit", database);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static enum err_code fail(struct err *err, const char *what, const char *path)
{
    return err_set(err, ERR_UNAVAILABLE, NULL, "cannot %s %s: %s", what, path, strerror(errno));
}

/* A small file, whole and on disk, readable by its owner only. */
static enum err_code copy_file(const char *from, const char *to, size_t max, struct err *err)
{
    enum err_code code = OK;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return fail(err, "read", from);
    char *bytes = malloc(max);
    ssize_t n = bytes ? pread(in, bytes, max, 0) : -1;
    (void)close(in);
    int out = n < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (n < 0)
        code = fail(err, "read", from);
    else if (out < 0 || write(out, bytes, (size_t)n) != n || fsync(out) != 0)
        code = fail(err, "write", to);
    if (out >= 0)
        (void)close(out);
    free(bytes);
    return code;
}

static enum err_code copy_member(const char *from, const char *to, const char *name, size_t max, struct err *err)
{
    char source[PATH_SIZE + 16], target[PATH_SIZE + 16];
    (void)snprintf(source, sizeof source, "%s/%s", from, name);
    (void)snprintf(target, sizeof target, "%s/%s", to, name);
    return is_there(source) ? copy_file(source, target, max, err) : OK;
}

static enum err_code copy_segment(const char *from, const char *to, int64_t number, struct err *err)
{
    char source[SEGMENT_PATH_SIZE], target[SEGMENT_PATH_SIZE], url[SEGMENT_PATH_SIZE + 8];
    segment_path(from, number, source, sizeof source);
    segment_path(to, number, target, sizeof target);
    (void)snprintf(url, sizeof url, "sqlite:%s", source);
    return store_backup(url, target, NULL, NULL, err);
}

static enum err_code list_files(const char *folder, int64_t **ret, size_t *ret_count, struct err *err)
{
    struct segment_place *files = segment_place_files(folder);
    const enum err_code code = segment_list(files, ret, ret_count, err);
    segment_place_free(files);
    return code;
}

static enum err_code copy_segments(const char *from, const char *to, bool *ret_gone, struct err *err)
{
    int64_t *numbers;
    size_t count;
    enum err_code code = list_files(from, &numbers, &count, err);
    *ret_gone = false;
    if (code != OK)
        return code;
    for (size_t i = 0; i < count && code == OK; i++)
        if ((code = copy_segment(from, to, numbers[i], err)) == ERR_NOT_FOUND)
            *ret_gone = true;
    free(numbers);
    return code;
}

/* ---- backup ---- */

enum err_code store_audit_free_place(const char *copy, struct err *err)
{
    char folder[PATH_SIZE];
    folder_of(copy, folder);
    return is_there(folder) ? err_set(err, ERR_CONFLICT, NULL, "%s exists already", folder) : OK;
}

/* The record of a segment that no checkpoint in the copy vouches for as sealed. */
static enum err_code write_head(struct heads *heads, struct db *db, const char *folder, int64_t number, struct err *err)
{
    struct segment_meta meta;
    struct checkpoint last;
    struct db *reader;
    bool found = false;
    enum err_code code = checkpoint_store_last(db, number, &last, &found, err);
    if (code != OK || (found && last.kind == CHECKPOINT_SEALED))
        return code;
    struct segment_place *files = segment_place_files(folder);
    code = segment_open_reader(files, number, &reader, err);
    if (code == OK) {
        code = segment_read_meta(reader, &meta, err);
        segment_close_reader(files, reader);
    }
    segment_place_free(files);
    if (code == OK)
        heads_write(heads, &meta);
    return code;
}

static enum err_code write_heads(struct heads *heads, struct db *db, const char *folder, struct err *err)
{
    int64_t *numbers;
    size_t count;
    struct checkpoint last;
    bool found = false;
    enum err_code code = list_files(folder, &numbers, &count, err);
    if (code != OK)
        return code;
    for (size_t i = 0; i < count && code == OK; i++)
        code = write_head(heads, db, folder, numbers[i], err);
    free(numbers);
    if (code == OK)
        code = checkpoint_store_last(db, 0, &last, &found, err);
    if (code == OK && found)
        heads_note_checkpoint(heads, &last);
    return code;
}

/* Files that are copied one after the other are of different moments; the copy's heads are made of what is in it. */
static enum err_code make_heads(const char *copy, const char *folder, struct err *err)
{
    char path[PATH_SIZE + 16];
    struct audit_key key;
    struct heads *heads;
    struct db *db;
    (void)snprintf(path, sizeof path, "%s/audit.key", folder);
    if (!is_there(path)) /* nothing can be proved without it */
        return OK;
    enum err_code code = audit_key_load(path, &key, err);
    if (code != OK)
        return code;
    code = db_file_open(&(struct db_file_options){.path = copy, .readonly = true}, &db, err);
    if (code == OK) {
        code = heads_open(folder, &key, &heads, err);
        if (code == OK) {
            code = write_heads(heads, db, folder, err);
            heads_close(heads);
        }
        db_file_close(db);
    }
    audit_key_wipe(&key);
    return code;
}

enum err_code store_audit_backup(const char *database, const char *data, const char *copy, bool *ret_again, struct err *err)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    folder_of(database, from);
    folder_of(copy, to);
    *ret_again = false;
    if (!is_there(from))
        return OK;
    if (mkdir(to, 0700) != 0)
        return fail(err, "make", to);
    enum err_code code = copy_segments(from, to, ret_again, err);
    if (code == OK)
        code = copy_member(data, to, "audit.key", KEY_BYTES_MAX, err);
    return code == OK ? make_heads(copy, to, err) : code;
}

void store_audit_discard(const char *copy)
{
    char folder[PATH_SIZE];
    folder_of(copy, folder);
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[PATH_SIZE + 300];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            (void)unlink(path);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(folder);
}

/* ---- restore ---- */

static enum err_code carry(struct db *tx, void *from, struct err *err)
{
    const enum err_code code = checkpoint_store_carry(from, tx, err);
    return code == OK ? pending_store_carry(from, tx, err) : code;
}

/* What cannot be read any more is a reason to restore. */
static void say_not_carried(const char *database, const struct err *err)
{
    (void)fprintf(stderr, "horae: what was signed and recorded since the copy is not carried over from %s: %s\n", database,
                  err->message);
}

void store_audit_carry(const char *database, const char *fresh)
{
    struct db *from, *to;
    struct err err;
    if (db_file_open(&(struct db_file_options){.path = database, .readonly = true}, &from, &err) != OK) {
        say_not_carried(database, &err);
        return;
    }
    if (db_file_open(&(struct db_file_options){.path = fresh}, &to, &err) == OK) {
        if (db_file_write(to, carry, from, &err) != OK)
            say_not_carried(database, &err);
        else
            (void)db_file_settle(to, NULL);
        db_file_close(to);
    }
    db_file_close(from);
}

static bool has_segments(const char *folder)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    bool any = list_files(folder, &numbers, &count, NULL) == OK && count > 0;
    free(numbers);
    return any;
}

static enum err_code place_key(const char *copy, const char *data, struct err *err)
{
    char fresh[PATH_SIZE], key[PATH_SIZE], former[PATH_SIZE];
    (void)snprintf(fresh, sizeof fresh, "%s/audit.key", copy);
    (void)snprintf(key, sizeof key, "%s/audit.key", data);
    (void)snprintf(former, sizeof former, "%s/audit.key.before-restore", data);
    if (!is_there(fresh))
        return OK;
    if (is_there(key) && rename(key, former) != 0)
        return fail(err, "keep", key);
    return copy_file(fresh, key, KEY_BYTES_MAX, err);
}

enum err_code store_audit_restore(const char *copy, const char *database, const char *data, bool *ret_placed, struct err *err)
{
    char from[PATH_SIZE], to[PATH_SIZE], beside[PATH_SIZE], fresh[PATH_SIZE];
    bool gone;
    folder_of(copy, from);
    folder_of(database, to);
    *ret_placed = false;
    if (!has_segments(from) || has_segments(to))
        return OK;
    (void)snprintf(beside, sizeof beside, "%.4100s.restoring", database);
    store_audit_discard(beside); /* of a restore that was broken off */
    folder_of(beside, fresh);
    if (mkdir(fresh, 0700) != 0)
        return fail(err, "make", fresh);
    enum err_code code = copy_segments(from, fresh, &gone, err);
    if (code == OK)
        code = copy_member(from, fresh, "heads", HEADS_BYTES_MAX, err);
    if (code == OK)
        code = place_key(from, data, err);
    store_audit_discard(database); /* one without segments */
    if (code == OK && rename(fresh, to) != 0)
        code = fail(err, "put in place", to);
    *ret_placed = code == OK;
    return code;
}

/* ---- for another store ---- */

void store_audit_fetched(const char *to, char *folder, size_t capacity)
{
    (void)snprintf(folder, capacity, "%.4000s.copying-audit", to);
}

/* What lies in a database becomes files. */
static enum err_code copy_parts(struct segment_place *from, const char *to, struct err *err)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    struct segment_place *files = segment_place_files(to);
    enum err_code code = segment_list(from, &numbers, &count, err);
    for (size_t i = 0; i < count && code == OK; i++)
        if ((code = segment_copy(from, files, numbers[i], err)) == ERR_NOT_FOUND)
            code = OK;
    free(numbers);
    segment_place_free(files);
    return code;
}

static enum err_code fetch(struct segment_place *place, const char *source, const char *fresh, struct err *err)
{
    bool gone;
    enum err_code code = copy_segments(source, fresh, &gone, err); /* of a server that has not moved them in yet, too */
    return code == OK && !segment_place_folder(place) ? copy_parts(place, fresh, err) : code;
}

static enum err_code look_for_any(struct segment_place *place, bool *ret, struct err *err)
{
    int64_t *numbers = NULL;
    size_t count = 0;
    const enum err_code code = segment_list(place, &numbers, &count, err);
    *ret |= count > 0;
    free(numbers);
    return code;
}

enum err_code store_audit_fetch(const char *url, const char *from, const char *to, bool *ret_any, struct err *err)
{
    char source[PATH_SIZE], beside[PATH_SIZE], fresh[PATH_SIZE];
    folder_of(from, source);
    struct segment_place *place = segment_place_new(&(struct segment_place_options){.url = url, .folder = source});
    *ret_any = has_segments(source);
    enum err_code code = look_for_any(place, ret_any, err);
    (void)snprintf(beside, sizeof beside, "%.4000s.copying", to);
    store_audit_discard(beside); /* of a copy that was broken off */
    folder_of(beside, fresh);
    if (code == OK && *ret_any && mkdir(fresh, 0700) != 0)
        code = fail(err, "make", fresh);
    else if (code == OK && *ret_any && (code = fetch(place, source, fresh, err)) == OK)
        code = copy_member(source, fresh, "heads", HEADS_BYTES_MAX, err);
    segment_place_free(place);
    return code;
}

enum err_code store_audit_place(const char *to, char *kept, size_t capacity, struct err *err)
{
    char fresh[PATH_SIZE], folder[PATH_SIZE];
    store_audit_fetched(to, fresh, sizeof fresh);
    folder_of(to, folder);
    kept[0] = '\0';
    if (is_there(folder) && !store_place_kept(folder, "copy", kept, capacity))
        return err_set(err, ERR_UNAVAILABLE, NULL, "there are too many folders %s.before-copy", folder);
    if (kept[0] && rename(folder, kept) != 0)
        return fail(err, "keep", folder);
    return rename(fresh, folder) == 0 ? OK : fail(err, "put in place", folder);
}

enum err_code store_audit_enter(const char *url, const char *to, struct err *err)
{
    char folder[PATH_SIZE];
    int64_t *numbers = NULL;
    size_t count = 0;
    folder_of(to, folder);
    struct segment_place *place = segment_place_new(&(struct segment_place_options){.url = url, .folder = folder});
    enum err_code code = segment_place_folder(place) ? OK : segment_list(place, &numbers, &count, err);
    for (size_t i = 0; i < count && code == OK; i++)
        code = segment_remove(place, numbers[i], err);
    if (code == OK)
        code = segment_move_in(folder, place, &count, err);
    free(numbers);
    segment_place_free(place);
    return code;
}

/* ---- check ---- */

enum err_code store_audit_check(const char *database, struct err *err)
{
    char folder[PATH_SIZE], path[SEGMENT_PATH_SIZE];
    int64_t *numbers;
    size_t count;
    folder_of(database, folder);
    enum err_code code = list_files(folder, &numbers, &count, err);
    if (code != OK)
        return code;
    for (size_t i = 0; i < count && code == OK; i++) {
        segment_path(folder, numbers[i], path, sizeof path);
        code = db_file_check(path, err);
        if (code == ERR_NOT_FOUND) /* retention was faster */
            code = OK;
    }
    free(numbers);
    return code;
}
