/* SPDX-License-Identifier: Apache-2.0 */
/* horae store copy: a store with all that belongs to it becomes a store of another kind. The order of the steps: whatever ends the
 * program, no server starts on the target before all of it is there and proved, and a repeat goes on from what there is. */
#include "base/str.h"
#include "base/url_text.h"
#include "cli/cli.h"
#include "cli/copy_folder.h"
#include "cli/progress.h"
#include "cli/store_audit.h"
#include "cli/store_commands.h"
#include "cli/store_place.h"
#include "db/store.h"
#include "db/store_copy.h"
#include "db/store_lock.h"
#include "trail/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = STORE_PLACE_SIZE, TABLES_MAX = 64 };

/* One of the two stores. */
struct side {
    char url[PATH_SIZE], data[PATH_SIZE], files[PATH_SIZE];
    char *name;             /* without passwords */
    struct store_lock lock; /* of the folder, where the database is on a server */
};

struct transfer {
    struct side from, to;
    struct store_copy *copy;
    struct store_copy_table tables[TABLES_MAX];
    bool has_log;
    int64_t events;
    size_t segments;
    char former_log[PATH_SIZE];
};

static bool is_file(const struct side *side)
{
    return strncmp(side->url, "sqlite:", 7) == 0;
}

/* ---- where ---- */

static void folder_of_file(const char *path, char *out, size_t capacity)
{
    const char *slash = strrchr(path, '/');
    (void)snprintf(out, capacity, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

static bool take_url(struct side *side, const char *argument, const char *what)
{
    (void)snprintf(side->url, sizeof side->url, "%s", argument);
    (void)url_text_hide_in_place((char *)(uintptr_t)argument); /* of this process: it may be written to */
    if (store_url_check(side->url, NULL) == OK)
        return true;
    (void)fprintf(stderr, "horae store copy: %s is not allowed; it must be %s\n", what, store_url_forms());
    return false;
}

static bool place(struct transfer *t, const struct options *o)
{
    const char *data = options_value(o, "--to-data");
    if (!take_url(&t->from, o->positional[1], "FROM") || !take_url(&t->to, o->positional[2], "TO"))
        return false;
    store_place_data(o, is_file(&t->from) ? t->from.url + 7 : "./", t->from.data, PATH_SIZE);
    if (data)
        (void)snprintf(t->to.data, PATH_SIZE, "%s", data);
    else if (is_file(&t->to))
        folder_of_file(t->to.url + 7, t->to.data, PATH_SIZE);
    else
        (void)snprintf(t->to.data, PATH_SIZE, "%s", t->from.data);
    store_files(t->from.url, t->from.data, t->from.files, PATH_SIZE);
    store_files(t->to.url, t->to.data, t->to.files, PATH_SIZE);
    t->from.name = store_name(t->from.url);
    t->to.name = store_name(t->to.url);
    return true;
}

/* A server has a lock on the folder that its audit log lies in; that of a file is taken with the file. */
static enum err_code lock_folder(struct side *side, struct err *err)
{
    if (is_file(side))
        return OK;
    const enum err_code code = store_lock_take(&side->lock, side->files, err);
    if (code != ERR_BUSY)
        return code;
    const struct err inner = *err;
    return err_set(err, code, NULL, "%s: stop it first", inner.message);
}

static bool same_folder(const struct transfer *t)
{
    struct stat one, other;
    return stat(t->from.data, &one) == 0 && stat(t->to.data, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

static enum err_code lock_folders(struct transfer *t, struct err *err)
{
    if (mkdir(t->to.data, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot make %s: %s", t->to.data, strerror(errno));
    enum err_code code = lock_folder(&t->from, err);
    return code == OK ? lock_folder(&t->to, err) : code;
}

/* ---- the rows ---- */

static void show(void *arg, const char *table, int64_t rows)
{
    (void)arg;
    progress_show(table, (size_t)rows, 0);
}

static enum err_code copy_rows(struct transfer *t, struct err *err)
{
    const struct store_copy_options options = {.from = t->from.url, .to = t->to.url, .progress = show};
    const enum err_code code = store_copy_begin(&options, &t->copy, err);
    return code == OK ? store_copy_run(t->copy, t->tables, err) : code;
}

/* ---- the log ---- */

static void show_events(void *arg, int64_t done, int64_t total)
{
    progress_show(arg, (size_t)done, (size_t)total);
}

/* The place becomes this function's. */
static enum err_code verify(const struct side *store, struct segment_place *place, const char *folder, const uint8_t *key,
                            struct verify_result *ret, struct err *err)
{
    char what[] = "event";
    const struct verify_options options = {.place = place,
                                           .folder = folder,
                                           .store = store->url,
                                           .public_key = key,
                                           .from_ms = INT64_MIN,
                                           .to_ms = INT64_MAX,
                                           .progress = show_events,
                                           .arg = what};
    const enum err_code code = verify_store(&options, ret, err);
    segment_place_free(place);
    return code;
}

static bool is_same_fault(const struct verify_result *a, const struct verify_result *b)
{
    return !a->ok && !b->ok && a->first_bad.reason == b->first_bad.reason && a->first_bad.segment == b->first_bad.segment &&
           a->first_bad.seq == b->first_bad.seq;
}

/* A log that was not in order before is copied as it is, and still is not. */
static enum err_code compare_with_source(const struct transfer *t, const uint8_t *key, const struct verify_result *copy,
                                         struct err *err)
{
    char folder[PATH_SIZE];
    struct verify_result source;
    (void)snprintf(folder, sizeof folder, "%.4100s-audit", t->from.files);
    struct segment_place *place = segment_place_new(&(struct segment_place_options){.url = t->from.url, .folder = folder});
    const enum err_code code = verify(&t->from, place, folder, key, &source, err);
    if (code != OK)
        return code;
    const bool same = is_same_fault(&source, copy);
    verify_result_release(&source);
    if (!same)
        return err_set(err, ERR_CORRUPT, NULL, "the copy of the audit log is not in order: %s: %s",
                       verify_reason_name(copy->first_bad.reason), copy->first_bad.detail);
    progress_clear();
    (void)fprintf(stderr, "horae: the audit log of %s is not in order (%s: %s); it is copied as it is\n", t->from.name,
                  verify_reason_name(copy->first_bad.reason), copy->first_bad.detail);
    return OK;
}

static enum err_code prove(struct transfer *t, const uint8_t *key, struct err *err)
{
    char folder[PATH_SIZE];
    struct verify_result result;
    store_audit_fetched(t->to.files, folder, sizeof folder);
    enum err_code code = verify(&t->to, segment_place_files(folder), folder, key, &result, err);
    if (code != OK)
        return code;
    t->events = result.checked;
    t->segments = result.head_count;
    if (!result.ok)
        code = compare_with_source(t, key, &result, err);
    verify_result_release(&result);
    return code;
}

static enum err_code copy_log(struct transfer *t, struct err *err)
{
    char path[PATH_SIZE + 16];
    uint8_t key[AUDIT_PUBLIC_BYTES];
    enum err_code code = store_audit_fetch(t->from.url, t->from.files, t->to.files, &t->has_log, err);
    if (code != OK || !t->has_log)
        return code;
    (void)snprintf(path, sizeof path, "%s/audit.key", t->from.data);
    code = audit_key_read_public(path, key, err);
    if (code == ERR_NOT_FOUND)
        return err_set(err, code, NULL, "there is no %s, which the audit log is signed with: name its folder with --data", path);
    return code == OK ? prove(t, key, err) : code;
}

/* ---- the files ---- */

static enum err_code copy_named(const struct transfer *t, const char *name, struct err *err)
{
    char from[PATH_SIZE + 32], to[PATH_SIZE + 32];
    (void)snprintf(from, sizeof from, "%s/%s", t->from.data, name);
    (void)snprintf(to, sizeof to, "%s/%s", t->to.data, name);
    return copy_one_file(from, to, err);
}

/* What is not of the database, and that the next server is to find in its folder. */
static enum err_code copy_data(const struct transfer *t, struct err *err)
{
    static const char *const names[] = {"audit.key", "cli-token", "admin-password"};
    char from[PATH_SIZE + 32], to[PATH_SIZE + 32];
    enum err_code code = OK;
    for (size_t i = 0; i < ARRAY_LEN(names) && code == OK; i++)
        code = copy_named(t, names[i], err);
    (void)snprintf(from, sizeof from, "%s/logs", t->from.data);
    (void)snprintf(to, sizeof to, "%s/logs", t->to.data);
    return code == OK ? copy_folder(from, to, err) : code;
}

/* Another key would be of another log: what it has signed could not be proved any more. */
static enum err_code check_key(const struct transfer *t, struct err *err)
{
    char from[PATH_SIZE + 16], to[PATH_SIZE + 16];
    uint8_t keys[2][AUDIT_PUBLIC_BYTES];
    (void)snprintf(from, sizeof from, "%s/audit.key", t->from.data);
    (void)snprintf(to, sizeof to, "%s/audit.key", t->to.data);
    if (audit_key_read_public(from, keys[0], NULL) != OK || audit_key_read_public(to, keys[1], NULL) != OK ||
        memcmp(keys[0], keys[1], sizeof keys[0]) == 0)
        return OK;
    return err_set(err, ERR_CONFLICT, NULL, "%s is the key of another log: name an empty folder with --to-data", to);
}

static enum err_code copy_files(struct transfer *t, struct err *err)
{
    char from[PATH_SIZE + 16], to[PATH_SIZE + 16];
    enum err_code code = same_folder(t) ? OK : copy_data(t, err);
    (void)snprintf(from, sizeof from, "%.4100s.notes", t->from.files);
    (void)snprintf(to, sizeof to, "%.4100s.notes", t->to.files);
    if (code == OK)
        code = copy_one_file(from, to, err);
    if (code == OK && t->has_log)
        code = store_audit_place(t->to.files, t->former_log, sizeof t->former_log, err);
    if (code == OK)
        code = store_audit_enter(t->to.url, t->to.files, err);
    if (code == OK)
        code = store_note(t->to.files, "copy", t->from.name, t->former_log, err);
    return code == OK ? copy_folder_sync(t->to.data, err) : code;
}

/* ---- the command ---- */

static void report(const struct transfer *t)
{
    int64_t rows = 0, copied = 0;
    progress_clear();
    (void)printf("%-24s%12s%12s  %s\n", "table", "rows", "copied", "checksum");
    for (size_t i = 0; i < store_copy_tables(); i++) {
        const struct store_copy_table *table = &t->tables[i];
        (void)printf("%-24s%12" PRId64 "%12" PRId64 "  %016" PRIx64 "\n", table->name, table->rows, table->copied,
                     table->checksum);
        rows += table->rows;
        copied += table->copied;
    }
    if (t->has_log)
        (void)printf("audit log: %" PRId64 " event%s in %zu segment%s, as they were signed\n", t->events,
                     t->events == 1 ? "" : "s", t->segments, t->segments == 1 ? "" : "s");
    if (t->former_log[0])
        (void)printf("the audit log that lay there is %s now\n", t->former_log);
    (void)printf("%s holds %" PRId64 " rows of %s, %" PRId64 " of them copied now, all compared\n", t->to.name, rows,
                 t->from.name, copied);
    (void)printf("start a server on it with\n  horae serve --store '%s' --data '%s'\n", is_file(&t->to) ? t->to.url : t->to.name,
                 t->to.data);
    if (!is_file(&t->to))
        (void)printf("and the password, if it has one, in the url in HORAE_STORE, in PGPASSWORD or in ?password_file=PATH\n");
}

static enum err_code transfer(struct transfer *t, struct err *err)
{
    enum err_code code = lock_folders(t, err);
    if (code == OK)
        code = check_key(t, err);
    if (code == OK)
        code = copy_rows(t, err);
    if (code == OK)
        code = copy_log(t, err);
    if (code == OK)
        code = copy_files(t, err);
    return code == OK ? store_copy_finish(t->copy, err) : code;
}

static void release(struct transfer *t)
{
    store_copy_end(t->copy);
    store_lock_release(&t->from.lock);
    store_lock_release(&t->to.lock);
    free(t->from.name);
    free(t->to.name);
    free(t);
}

int store_transfer(const struct options *options)
{
    struct transfer *t = calloc(1, sizeof *t);
    struct err err;
    int code = CLI_USAGE;
    if (!t)
        return CLI_FAILED;
    t->from.lock.fd = t->to.lock.fd = -1;
    if (place(t, options)) {
        code = transfer(t, &err) == OK ? CLI_DONE : CLI_FAILED;
        if (code == CLI_DONE)
            report(t);
        progress_clear();
        if (code != CLI_DONE)
            (void)fprintf(stderr, "horae store copy: %s\n", err.message);
    }
    release(t);
    return code;
}
