/* SPDX-License-Identifier: Apache-2.0 */
/* horae store: works on the database file itself; backup and check also while a server uses it. */
#include "base/str.h"
#include "cli/cli.h"
#include "cli/nearest.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/store_audit.h"
#include "cli/store_commands.h"
#include "cli/store_place.h"
#include "db/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4200, TRIES_MAX = 3 };

static const struct option_spec specs[] = {
    {"--store", 0, "URL", "sqlite:PATH; for check and migrate postgres://… too (HORAE_STORE)"},
    {"--data", 0, "DIR", "folder of the data, of FROM for copy (HORAE_DATA, default ./data)"},
    {"--to-data", 0, "DIR", "copy: folder of the data of TO (default: that of FROM)"},
    {"--dry-run", 0, NULL, "migrate: only say what is missing; servers may run"},
    {NULL, 0, NULL, NULL}};

static int fail(const struct err *err)
{
    progress_clear();
    (void)fprintf(stderr, "horae: %s\n", err->message);
    return CLI_FAILED;
}

/* ---- backup, check ---- */

static void show_pages(void *arg, int64_t done, int64_t total)
{
    progress_show(arg, (size_t)done, (size_t)total);
}

static enum err_code copy_all(const char *url, const char *data, const char *to, bool *ret_again, struct err *err)
{
    char what[] = "page";
    const char *path = url + strlen("sqlite:");
    *ret_again = false;
    enum err_code code = store_backup(url, to, show_pages, what, err);
    if (code != OK)
        return code;
    code = store_audit_backup(path, data, to, ret_again, err);
    if (code != OK) {
        store_audit_discard(to);
        (void)unlink(to);
    }
    return code;
}

static int backup(const char *url, const char *data, const char *to)
{
    struct err err;
    bool again = true;
    enum err_code code = store_audit_free_place(to, &err);
    if (code != OK)
        return fail(&err);
    for (int i = 0; i < TRIES_MAX && again; i++) /* retention runs once a day */
        code = copy_all(url, data, to, &again, &err);
    if (code != OK)
        return fail(&err);
    progress_clear();
    (void)printf("%s holds the copy\n", to);
    return CLI_DONE;
}

static int check(const char *url, const char *files)
{
    struct err err;
    size_t missing = 0;
    if (store_check(url, &missing, &err) != OK || store_audit_check(files, &err) != OK)
        return fail(&err);
    char *name = store_name(url);
    (void)printf("%s is sound\n", name);
    if (missing)
        (void)printf("it lacks %zu migration%s: `horae store migrate` or the next start applies %s\n", missing,
                     missing == 1 ? "" : "s", missing == 1 ? "it" : "them");
    free(name);
    return CLI_DONE;
}

/* ---- restore ---- */

/* A database that was not closed has its last changes in the file beside it: both are kept. */
static enum err_code keep_former(const char *path, const char *kept, struct err *err)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    (void)snprintf(from, sizeof from, "%.4100s-wal", path);
    (void)snprintf(to, sizeof to, "%.4100s-wal", kept);
    struct stat info;
    bool empty = stat(from, &info) == 0 && !info.st_size; /* what a reader leaves */
    if ((empty ? unlink(from) : rename(from, to)) != 0 && errno != ENOENT)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot keep %s: %s", from, strerror(errno));
    if (rename(path, kept) != 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot keep %s: %s", path, strerror(errno));
    (void)snprintf(from, sizeof from, "%.4100s-shm", path);
    (void)unlink(from);
    return OK;
}

static void sync_folder(const char *path)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open(folder[0] ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

/* Copies beside the target, then renames: at no moment is there half a database. `kept` is "" when there was none before. */
static enum err_code put_in_place(const char *from, const char *path, char kept[PATH_SIZE], struct err *err)
{
    char url[PATH_SIZE], fresh[PATH_SIZE], what[] = "page";
    (void)snprintf(url, sizeof url, "sqlite:%.4100s", from);
    (void)snprintf(fresh, sizeof fresh, "%.4100s.restoring", path);
    (void)unlink(fresh); /* of a restore that was broken off */
    enum err_code code = store_backup(url, fresh, show_pages, what, err);
    bool replaces = access(path, F_OK) == 0;
    kept[0] = '\0';
    if (code == OK && replaces && !store_place_kept(path, "restore", kept, PATH_SIZE))
        code = err_set(err, ERR_UNAVAILABLE, NULL, "there are too many files %s.before-restore", path);
    if (code == OK && replaces) {
        store_audit_carry(path, fresh);
        code = keep_former(path, kept, err);
    }
    if (code == OK && rename(fresh, path) != 0)
        code = err_set(err, ERR_UNAVAILABLE, NULL, "cannot put %s in place: %s%s%s", path, strerror(errno),
                       kept[0] ? "; the former one is " : "", kept);
    if (code != OK)
        (void)unlink(fresh);
    sync_folder(path);
    return code;
}

/* A server that uses the file holds a lock beside it; taking it here keeps one from starting meanwhile. */
static int lock_for_restore(const char *path, struct err *err)
{
    char lock_path[PATH_SIZE], folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (slash && slash != path) {
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        (void)mkdir(folder, 0700); /* of a new machine; opening the lock says what is wrong */
    }
    (void)snprintf(lock_path, sizeof lock_path, "%.4100s.lock", path);
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        (void)err_set(err, ERR_UNAVAILABLE, NULL, "cannot open %s: %s", lock_path, strerror(errno));
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)err_set(err, ERR_BUSY, NULL, "a server uses %s: stop it first", path);
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

static int restore(const char *url, const char *data, const char *from)
{
    struct err err;
    bool placed = false;
    char from_url[PATH_SIZE], kept[PATH_SIZE];
    const char *path = url + strlen("sqlite:");
    (void)snprintf(from_url, sizeof from_url, "sqlite:%.4100s", from);
    if (store_check(from_url, NULL, &err) != OK) /* nothing is replaced by what could not be used */
        return fail(&err);
    int fd = lock_for_restore(path, &err);
    if (fd < 0)
        return fail(&err);
    enum err_code code = put_in_place(from, path, kept, &err);
    if (code == OK)
        code = store_audit_restore(from, path, data, &placed, &err);
    if (code == OK)
        code = store_note(path, "restore", from, kept, &err);
    (void)close(fd);
    if (code != OK)
        return fail(&err);
    progress_clear();
    (void)printf("%s is restored", path);
    if (kept[0])
        (void)printf("; the former one is %s", kept);
    (void)printf("\n%s", placed ? "the audit log is restored with it\n" : "");
    return CLI_DONE;
}

/* ---- the command ---- */

static const struct {
    const char *name, *arguments;
    size_t count;
    const char *summary;
} commands[] = {{"backup", "FILE", 1, "a consistent copy, also while a server runs"},
                {"restore", "FILE", 1, "put a copy in place; no server may run, the former database is kept"},
                {"check", "", 0, "are the database and the audit log sound?"},
                {"migrate", "[--dry-run]", 0, "bring the database up to date, as the next start would"},
                {"copy", "FROM TO", 2, "make a store of another kind of all that a store has"}};

static int usage(FILE *out)
{
    (void)fputs("Usage:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "horae store %s %s", commands[i].name, commands[i].arguments);
        (void)fprintf(out, "  %-32s %s\n", left, commands[i].summary);
    }
    if (out == stdout) {
        (void)puts(
            "\nIt works on the database and the files themselves and needs no server. A backup is FILE and, with the audit log and its\n"
            "key, the folder FILE-audit. A restore brings the log back where there is none; one that is there stays, so that nothing is\n"
            "taken back from it. Output of commands (DIR/logs) is not part of a backup.\n\n"
            "copy makes of the store at the url FROM one at the url TO, an empty database of another kind: every table, compared by\n"
            "count and checksum, and the audit log, verified; with --to-data the key and the output of commands too. No server may run\n"
            "on either. FROM stays as it is. What was broken off is repeated by the same command, and so is a copy of a store that was\n"
            "used since, until a server has used the copy.\n\nOptions:");
        options_print(specs);
    }
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static bool is_given(const struct options *o, size_t i, const char *what)
{
    bool good = strcmp(commands[i].name, what) == 0 && o->positional_count == commands[i].count + 1;
    for (size_t k = 1; good && k < o->positional_count; k++)
        good = o->positional[k][0] != '\0';
    return good;
}

static int refuse(const struct options *o)
{
    struct nearest near = {.name = NULL};
    const char *given = o->positional_count ? o->positional[0] : NULL;
    for (size_t i = 0; given && i < ARRAY_LEN(commands); i++) {
        nearest_offer(&near, given, commands[i].name);
        if (strcmp(given, commands[i].name) != 0)
            continue;
        if (o->positional_count <= commands[i].count)
            (void)fprintf(stderr, "horae store %s: %s is missing\n", given,
                          o->positional_count == 2 ? "TO" : commands[i].arguments);
        else
            (void)fprintf(stderr, "horae store %s: unexpected argument \"%s\"\n", given, o->positional[o->positional_count - 1]);
        return usage(stderr);
    }
    if (given) {
        (void)fprintf(stderr, "horae store: unknown subcommand \"%s\"", given);
        nearest_print(&near, stderr);
        (void)fputc('\n', stderr);
    }
    return usage(stderr);
}

/* What works on one store, that of --store. */
static int run(const struct options *o, const char *what)
{
    char url[PATH_SIZE], files[PATH_SIZE], data[PATH_SIZE];
    struct err err;
    store_place_url(o, url, sizeof url);
    if (store_url_check(url, NULL) != OK) {
        (void)fprintf(stderr, "horae store: --store is not allowed; it must be %s\n", store_url_forms());
        return CLI_USAGE;
    }
    store_place_files(o, url, files, sizeof files);
    if (strcmp(what, "check") == 0)
        return check(url, files);
    if (strcmp(what, "migrate") == 0)
        return store_upgrade(url, options_flag(o, "--dry-run"));
    if (store_can_copy(url, &err) != OK)
        return fail(&err);
    store_place_data(o, url + strlen("sqlite:"), data, sizeof data);
    return strcmp(what, "backup") == 0 ? backup(url, data, o->positional[1]) : restore(url, data, o->positional[1]);
}

/* An option that another subcommand has is a mistake: a copy that was to be only tried, say. */
static bool options_belong(const struct options *o, const char *what)
{
    static const struct {
        const char *option, *command;
        bool is_for_it; /* or for all others */
    } rules[] = {{"--dry-run", "migrate", true}, {"--to-data", "copy", true}, {"--store", "copy", false}};
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (options_flag(o, rules[i].option) && (strcmp(what, rules[i].command) == 0) != rules[i].is_for_it) {
            (void)fprintf(stderr, "horae store %s: there is no option %s\n", what, rules[i].option);
            return false;
        }
    return true;
}

int cli_store(int argc, char **argv)
{
    struct options o;
    if (!options_parse(&o, specs, argc, argv, "store"))
        return CLI_USAGE;
    const char *what = o.positional_count ? o.positional[0] : "";
    if (o.help || (strcmp(what, "help") == 0 && o.positional_count == 1))
        return usage(stdout);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (is_given(&o, i, what) && !options_belong(&o, what))
            return CLI_USAGE;
        else if (is_given(&o, i, what))
            return strcmp(what, "copy") == 0 ? store_transfer(&o) : run(&o, what);
    return refuse(&o);
}
