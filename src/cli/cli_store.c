/* SPDX-License-Identifier: Apache-2.0 */
/* horae store: works on the database file itself; backup and check also while a server uses it. */
#include "base/clock.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/nearest.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/store_audit.h"
#include "cli/store_place.h"
#include "db/store.h"
#include "trail/audit_notes.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4200, KEPT_MAX = 1000, TRIES_MAX = 3 };

static const struct option_spec specs[] = {{"--store", 0, "URL", "sqlite:PATH; for check postgres://… too (HORAE_STORE)"},
                                           {"--data", 0, "DIR", "folder of horae.db (HORAE_DATA, default ./data)"},
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
    if (store_check(url, &err) != OK || store_audit_check(files, &err) != OK)
        return fail(&err);
    char *name = store_name(url);
    (void)printf("%s is sound\n", name);
    free(name);
    return CLI_DONE;
}

/* ---- restore ---- */

/* The first free name for the database that is replaced: no restore takes away what an earlier one has kept. */
static bool find_kept_name(const char *path, char kept[PATH_SIZE])
{
    for (int i = 1; i <= KEPT_MAX; i++) {
        if (i == 1)
            (void)snprintf(kept, PATH_SIZE, "%.4100s.before-restore", path);
        else
            (void)snprintf(kept, PATH_SIZE, "%.4100s.before-restore.%d", path, i);
        if (access(kept, F_OK) != 0)
            return true;
    }
    return false;
}

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
    if (code == OK && replaces && !find_kept_name(path, kept))
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

/* There is no server that could record it: the next one does. */
static enum err_code note_restore(const char *path, const char *from, const char *kept, struct err *err)
{
    char uid[24];
    const struct passwd *user = getpwuid(getuid());
    struct audit_event *event = audit_event_new(AUDIT_ACTION_UPDATED, AUDIT_RESOURCE_SERVER, path);
    (void)snprintf(uid, sizeof uid, "uid:%lld", (long long)getuid());
    audit_event_set_user(event, AUDIT_PRINCIPAL_USER, uid, user ? user->pw_name : uid);
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, "cli");
    audit_event_put(event, "operation", "restore");
    audit_event_put(event, "from", from);
    if (kept[0])
        audit_event_put(event, "former", kept);
    event->timestamp_ms = clock_wall(clock_real()).us / US_PER_MS;
    enum err_code code = audit_notes_add(path, event, err);
    audit_event_free(event);
    return code;
}

static int restore(const char *url, const char *data, const char *from)
{
    struct err err;
    bool placed = false;
    char from_url[PATH_SIZE], kept[PATH_SIZE];
    const char *path = url + strlen("sqlite:");
    (void)snprintf(from_url, sizeof from_url, "sqlite:%.4100s", from);
    if (store_check(from_url, &err) != OK) /* nothing is replaced by what could not be used */
        return fail(&err);
    int fd = lock_for_restore(path, &err);
    if (fd < 0)
        return fail(&err);
    enum err_code code = put_in_place(from, path, kept, &err);
    if (code == OK)
        code = store_audit_restore(from, path, data, &placed, &err);
    if (code == OK)
        code = note_restore(path, from, kept, &err);
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
    const char *name, *argument; /* NULL: takes none */
    const char *summary;
} commands[] = {{"backup", "FILE", "a consistent copy, also while a server runs"},
                {"restore", "FILE", "put a copy in place; no server may run, the former database is kept"},
                {"check", NULL, "are the database and the audit log sound?"}};

static int usage(FILE *out)
{
    (void)fputs("Usage:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "horae store %s %s", commands[i].name,
                       commands[i].argument ? commands[i].argument : "");
        (void)fprintf(out, "  %-28s %s\n", left, commands[i].summary);
    }
    if (out == stdout) {
        (void)puts(
            "\nIt works on the files themselves and needs no server. A copy is FILE and, with the audit log and its key, the folder\n"
            "FILE-audit. A restore brings the log back where there is none; one that is there stays, so that nothing is taken back\n"
            "from it. Output of commands (DIR/logs) is not part of a copy.\n\nOptions:");
        options_print(specs);
    }
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static int refuse(const struct options *o)
{
    struct nearest near = {.name = NULL};
    const char *given = o->positional_count ? o->positional[0] : NULL;
    for (size_t i = 0; given && i < ARRAY_LEN(commands); i++) {
        nearest_offer(&near, given, commands[i].name);
        if (strcmp(given, commands[i].name) != 0)
            continue;
        if (commands[i].argument && o->positional_count < 2)
            (void)fprintf(stderr, "horae store %s: %s is missing\n", given, commands[i].argument);
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

int cli_store(int argc, char **argv)
{
    struct options o;
    char url[PATH_SIZE], files[PATH_SIZE], data[PATH_SIZE];
    struct err err;
    if (!options_parse(&o, specs, argc, argv, "store"))
        return CLI_USAGE;
    const char *what = o.positional_count ? o.positional[0] : "";
    if (o.help || (strcmp(what, "help") == 0 && o.positional_count == 1))
        return usage(stdout);
    store_place_url(&o, url, sizeof url);
    if (store_url_check(url, NULL) != OK) {
        (void)fprintf(stderr, "horae store: --store is not allowed; it must be %s\n", store_url_forms());
        return CLI_USAGE;
    }
    store_place_files(&o, url, files, sizeof files);
    if (strcmp(what, "check") == 0 && o.positional_count == 1)
        return check(url, files);
    if ((strcmp(what, "backup") == 0 || strcmp(what, "restore") == 0) && store_can_copy(url, &err) != OK)
        return fail(&err);
    store_place_data(&o, url + strlen("sqlite:"), data, sizeof data);
    if (strcmp(what, "backup") == 0 && o.positional_count == 2 && o.positional[1][0])
        return backup(url, data, o.positional[1]);
    if (strcmp(what, "restore") == 0 && o.positional_count == 2 && o.positional[1][0])
        return restore(url, data, o.positional[1]);
    return refuse(&o);
}
