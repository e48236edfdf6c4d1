/* SPDX-License-Identifier: Apache-2.0 */
/* horae store: works on the database file itself; backup and check also while a server uses it. */
#include "cli/cli.h"
#include "cli/options.h"
#include "db/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PATH_SIZE = 4200 };

static const struct option_spec specs[] = {{"--store", 0, "URL", "sqlite:PATH (HORAE_STORE)"},
                                           {"--data", 0, "DIR", "folder of horae.db (HORAE_DATA, default ./data)"},
                                           {NULL, 0, NULL, NULL}};

static void find_url(const struct options *o, char *url, size_t capacity)
{
    const char *store = options_value(o, "--store"), *data = options_value(o, "--data");
    if (!store && !data)
        store = getenv("HORAE_STORE");
    if (!data)
        data = getenv("HORAE_DATA");
    if (store && store[0])
        (void)snprintf(url, capacity, "%s", store);
    else
        (void)snprintf(url, capacity, "sqlite:%s/horae.db", data && data[0] ? data : "./data");
}

static const char *path_of(const char *url)
{
    return strncmp(url, "sqlite:", 7) == 0 ? url + 7 : url;
}

static int report(enum err_code code, const struct err *err, const char *what, const char *done)
{
    if (code == OK)
        (void)printf("%s%s\n", what, done);
    else
        (void)fprintf(stderr, "horae: %s\n", err->message);
    return code == OK ? CLI_DONE : CLI_FAILED;
}

static int backup(const char *url, const char *to)
{
    struct err err;
    return report(store_backup(url, to, &err), &err, to, " holds the copy");
}

static int check(const char *url)
{
    struct err err;
    return report(store_check(url, &err), &err, url, " is sound");
}

/* A server that uses the file holds a lock beside it; taking it here keeps one from starting meanwhile. */
static int lock_for_restore(const char *path, struct err *err)
{
    char lock_path[PATH_SIZE];
    (void)snprintf(lock_path, sizeof lock_path, "%s.lock", path);
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

/* Copies beside the target, then renames: at no moment is there half a database. */
static enum err_code put_in_place(const char *from, const char *path, struct err *err)
{
    char url[PATH_SIZE], fresh[PATH_SIZE], kept[PATH_SIZE], side[PATH_SIZE];
    (void)snprintf(url, sizeof url, "sqlite:%s", from);
    (void)snprintf(fresh, sizeof fresh, "%s.restoring", path);
    (void)snprintf(kept, sizeof kept, "%s.before-restore", path);
    (void)unlink(fresh);
    enum err_code code = store_backup(url, fresh, err);
    if (code != OK)
        return code;
    if (access(path, F_OK) == 0 && rename(path, kept) != 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot keep %s: %s", path, strerror(errno));
    static const char *const sides[] = {"-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        (void)snprintf(side, sizeof side, "%s%s", path, sides[i]);
        (void)unlink(side);
    }
    if (rename(fresh, path) != 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot put %s in place: %s; the former one is %s", path, strerror(errno),
                       kept);
    return OK;
}

static int restore(const char *url, const char *from)
{
    struct err err;
    char from_url[PATH_SIZE];
    const char *path = path_of(url);
    (void)snprintf(from_url, sizeof from_url, "sqlite:%s", from);
    enum err_code code = access(from, R_OK) == 0
                             ? store_check(from_url, &err)
                             : err_set(&err, ERR_NOT_FOUND, NULL, "cannot read %s: %s", from, strerror(errno));
    int fd = code == OK ? lock_for_restore(path, &err) : -1;
    if (fd < 0)
        return report(ERR_UNAVAILABLE, &err, "", "");
    code = put_in_place(from, path, &err);
    (void)close(fd);
    return report(code, &err, path, " is restored; the former one has the same name with .before-restore");
}

static int usage(FILE *out)
{
    (void)fprintf(out, "Usage:\n"
                       "  horae store backup FILE     a consistent copy, also while a server runs\n"
                       "  horae store restore FILE    put a copy in place; no server may run\n"
                       "  horae store check           is the database sound?\n\nOptions:\n");
    if (out == stdout)
        options_print(specs);
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

int cli_store(int argc, char **argv)
{
    struct options o;
    char url[PATH_SIZE];
    if (!options_parse(&o, specs, argc, argv, "store"))
        return CLI_USAGE;
    if (o.help)
        return usage(stdout);
    find_url(&o, url, sizeof url);
    const char *what = o.positional_count ? o.positional[0] : "";
    if (strcmp(what, "backup") == 0 && o.positional_count == 2)
        return backup(url, o.positional[1]);
    if (strcmp(what, "restore") == 0 && o.positional_count == 2)
        return restore(url, o.positional[1]);
    if (strcmp(what, "check") == 0 && o.positional_count == 1)
        return check(url);
    return usage(stderr);
}
