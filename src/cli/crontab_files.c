/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/crontab_files.h"

#include "base/str.h"
#include "cron/cron.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool ends_with(const char *text, size_t n, const char *end)
{
    size_t m = strlen(end);
    return n >= m && memcmp(text + n - m, end, m) == 0;
}

/* run-parts' rule, which cron follows: letters, digits, `_` and `-`. */
static bool is_plain_name(const char *name)
{
    for (; *name; name++)
        if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9') ||
              *name == '_' || *name == '-'))
            return false;
    return true;
}

static void find_place(struct crontab_file *file)
{
    const char *slash = strrchr(file->path, '/');
    size_t folder = slash ? (size_t)(slash - file->path) : 0;
    if (!slash)
        return;
    if (ends_with(file->path, strlen(file->path), "/etc/crontab")) {
        file->place = PLACE_SYSTEM;
    } else if (ends_with(file->path, folder, "/cron.d")) {
        file->place = PLACE_SYSTEM;
        file->ignored = !is_plain_name(slash + 1);
    } else if (ends_with(file->path, folder, "/cron/crontabs")) {
        file->place = PLACE_SPOOL;
        file->ignored = slash[1] == '.' || strncmp(slash + 1, "tmp.", 4) == 0;
    }
}

static void take_one(const char *name, void (*take)(void *arg, const char *name, const struct crontab_file *file), void *arg)
{
    struct crontab_file file = {.place = PLACE_ANY};
    char *full = strcmp(name, "-") == 0 ? NULL : realpath(name, NULL);
    (void)snprintf(file.path, sizeof file.path, "%s", full ? full : name);
    free(full);
    find_place(&file);
    take(arg, name, &file);
}

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool take_folder(const char *name, void (*take)(void *arg, const char *name, const struct crontab_file *file), void *arg)
{
    struct dirent **entries;
    int count = scandir(name, &entries, is_shown, alphasort);
    if (count < 0) {
        (void)fprintf(stderr, "horae: cannot read %s: %s\n", name, strerror(errno));
        return false;
    }
    for (int i = 0; i < count; i++) {
        char path[CRONTAB_PATH_MAX];
        struct stat info;
        (void)snprintf(path, sizeof path, "%.3900s%s%s", name, name[strlen(name) - 1] == '/' ? "" : "/", entries[i]->d_name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
            take_one(path, take, arg);
        free(entries[i]);
    }
    free(entries);
    return true;
}

bool crontab_files_each(const char *name, void (*take)(void *arg, const char *name, const struct crontab_file *file), void *arg)
{
    struct stat info;
    if (!name[0]) {
        (void)fprintf(stderr, "horae: the name of a crontab must not be empty\n");
        return false;
    }
    if (strcmp(name, "-") != 0 && stat(name, &info) == 0 && S_ISDIR(info.st_mode))
        return take_folder(name, take, arg);
    take_one(name, take, arg);
    return true;
}

/* ---- the zone ---- */

static const char *known_zone(const char *name)
{
    if (name && strncmp(name, "posix/", 6) == 0)
        name += 6;
    return name && name[0] && cron_zone_exists(name) ? name : NULL;
}

static const char *zone_of_link(void)
{
    static char target[CRONTAB_PATH_MAX];
    ssize_t n = readlink("/etc/localtime", target, sizeof target - 1);
    if (n <= 0)
        return NULL;
    target[n] = '\0';
    const char *name = strstr(target, "zoneinfo/");
    return known_zone(name ? name + strlen("zoneinfo/") : NULL);
}

static const char *zone_of_file(void)
{
    static char line[256];
    FILE *file = fopen("/etc/timezone", "re");
    if (!file)
        return NULL;
    if (!fgets(line, sizeof line, file))
        line[0] = '\0';
    (void)fclose(file);
    line[strcspn(line, " \t\r\n")] = '\0';
    return known_zone(line);
}

static const char *zone_of_environment(void)
{
    static char copy[CRON_ZONE_NAME_MAX + 2]; /* the environment may be changed meanwhile */
    const char *tz = getenv("TZ");
    if (!tz || !tz[0])
        return NULL;
    (void)snprintf(copy, sizeof copy, "%s", tz[0] == ':' ? tz + 1 : tz);
    const char *name = known_zone(copy);
    if (!name)
        (void)fprintf(stderr, "horae: TZ \"%s\" is not the name of a time zone: it is not used\n", tz);
    return name;
}

const char *crontab_host_zone(void)
{
    const char *name = zone_of_environment();
    if (!name)
        name = zone_of_link();
    if (!name)
        name = zone_of_file();
    return name ? name : "UTC";
}
