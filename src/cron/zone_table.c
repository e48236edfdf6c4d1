/* SPDX-License-Identifier: Apache-2.0 */
/* Zone files and the process-wide table of zones (section 5). Names are checked before any file is opened. Entries
 * are published under a lock and never removed, so a pointer to a zone stays good for the life of the process.
 * UTC needs no file; without zone files every other name is unknown and the error says so. */
#include "cron/zone_priv.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo"

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cron_zone *table[CRON_ZONES_MAX]; /* open addressing would save little: at most a few hundred */
static size_t table_count;

static struct zone_change utc_change = {ZONE_TIME_MIN, 0};
static const struct cron_zone utc = {.name = "UTC", .changes = &utc_change, .count = 1, .cycle_end_s = ZONE_TIME_MAX};

const struct cron_zone *zone_utc(void)
{
    return &utc;
}

static bool is_safe_byte(char byte)
{
    const char lower = (char)(byte | 0x20);
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '+' || byte == '-' ||
           byte == '/';
}

/* No dot at all is allowed, so ".." cannot appear. */
bool zone_name_is_safe(const char *name, size_t len)
{
    if (len == 0 || len > CRON_ZONE_NAME_MAX || name[0] == '/' || name[len - 1] == '/')
        return false;
    for (size_t i = 0; i < len; i++) {
        const bool empty_part = name[i] == '/' && name[i + 1] == '/'; /* the last byte is no slash */
        if (!is_safe_byte(name[i]) || empty_part)
            return false;
    }
    return true;
}

/* Whole file into a fresh buffer; NULL when it is no regular file of a sane size. */
static unsigned char *read_file(const char *path, size_t *ret_len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    struct stat info;
    unsigned char *bytes = NULL;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 && info.st_size <= CRON_ZONE_FILE_MAX)
        bytes = malloc((size_t)info.st_size);
    size_t got = 0;
    while (bytes != NULL && got < (size_t)info.st_size) {
        const ssize_t part = read(fd, bytes + got, (size_t)info.st_size - got);
        if (part <= 0)
            break;
        got += (size_t)part;
    }
    (void)close(fd);
    *ret_len = got;
    return bytes;
}

static struct cron_zone *load(const char *name)
{
    char path[sizeof(ZONE_DIRECTORY) + CRON_ZONE_NAME_MAX + 2];
    (void)snprintf(path, sizeof(path), "%s/%s", ZONE_DIRECTORY, name);
    size_t len = 0;
    unsigned char *bytes = read_file(path, &len);
    struct cron_zone *zone = bytes == NULL ? NULL : zone_decode(name, bytes, len);
    free(bytes);
    return zone;
}

static const struct cron_zone *find_locked(const char *name)
{
    for (size_t i = 0; i < table_count; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    if (table_count == CRON_ZONES_MAX)
        return NULL;
    struct cron_zone *zone = load(name);
    if (zone != NULL)
        table[table_count++] = zone;
    return zone;
}

const struct cron_zone *zone_find(const char *name, size_t len)
{
    if (!zone_name_is_safe(name, len))
        return NULL;
    char copy[CRON_ZONE_NAME_MAX + 1];
    memcpy(copy, name, len);
    copy[len] = '\0';
    if (strcmp(copy, "UTC") == 0)
        return &utc;
    (void)pthread_mutex_lock(&table_lock);
    const struct cron_zone *zone = find_locked(copy);
    (void)pthread_mutex_unlock(&table_lock);
    return zone;
}

bool cron_zone_exists(const char *name)
{
    return zone_find(name, strlen(name)) != NULL;
}

static char version[32] = "none";
static pthread_once_t version_once = PTHREAD_ONCE_INIT;

/* The compiled rule file begins with "# version 2025b". */
static void read_version(void)
{
    FILE *file = fopen(ZONE_DIRECTORY "/tzdata.zi", "re");
    if (file == NULL)
        return;
    if (fscanf(file, "# version %31[0-9a-z]", version) != 1)
        (void)strcpy(version, "unknown");
    (void)fclose(file);
}

const char *cron_tzdata_version(void)
{
    (void)pthread_once(&version_once, read_version);
    return version;
}
