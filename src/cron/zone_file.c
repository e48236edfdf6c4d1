/* SPDX-License-Identifier: Apache-2.0 */
/* Zone files (section 5): names are checked before any file is opened. */
#include "cron/zone_builtin.h"
#include "cron/zone_priv.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_DIRECTORY "/usr/share/zoneinfo"
#define ZONE_DIRECTORY_MAX 256

static char directory[ZONE_DIRECTORY_MAX];
static pthread_once_t directory_once = PTHREAD_ONCE_INIT;

/* TZDIR as in the C library; the environment is read once. */
static void find_directory(void)
{
    const char *given = getenv("TZDIR");
    const bool usable = given != NULL && given[0] == '/' && strlen(given) < sizeof(directory);
    (void)snprintf(directory, sizeof(directory), "%s", usable ? given : ZONE_DIRECTORY);
}

const char *zone_file_directory(void)
{
    (void)pthread_once(&directory_once, find_directory);
    return directory;
}

static bool is_safe_byte(char byte)
{
    const char lower = (char)(byte | 0x20);
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' || byte == '+' || byte == '-' ||
           byte == '/';
}

/* Files beside the zones that are copies of them, with leap seconds or by a choice of the machine: no IANA names. */
static bool is_copy(const char *name, size_t len)
{
    static const char *const files[] = {"localtime", "posixrules"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (len == strlen(files[i]) && memcmp(name, files[i], len) == 0)
            return true;
    return len > 6 && (memcmp(name, "posix/", 6) == 0 || memcmp(name, "right/", 6) == 0);
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
    return !is_copy(name, len);
}

static void path_of(const char *name, char out[ZONE_DIRECTORY_MAX + CRON_ZONE_NAME_MAX + 2])
{
    (void)snprintf(out, ZONE_DIRECTORY_MAX + CRON_ZONE_NAME_MAX + 2, "%s/%s", zone_file_directory(), name);
}

static void identify(const struct stat *info, struct zone_file_id *ret)
{
    *ret = (struct zone_file_id){info->st_dev, info->st_ino, info->st_size, info->st_mtim};
}

bool zone_file_same(const struct zone_file_id *a, const struct zone_file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec;
}

bool zone_file_look(const char *name, struct zone_file_id *ret)
{
    char path[ZONE_DIRECTORY_MAX + CRON_ZONE_NAME_MAX + 2];
    struct stat info;
    path_of(name, path);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    identify(&info, ret);
    return true;
}

static unsigned char *read_all(int fd, size_t size)
{
    unsigned char *bytes = malloc(size);
    size_t got = 0;
    while (bytes != NULL && got < size) {
        const ssize_t part = read(fd, bytes + got, size - got);
        if (part <= 0) {
            free(bytes);
            return NULL;
        }
        got += (size_t)part;
    }
    return bytes;
}

struct zone_table *zone_file_load(const char *name, struct zone_file_id *ret_id, bool *ret_exists)
{
    char path[ZONE_DIRECTORY_MAX + CRON_ZONE_NAME_MAX + 2];
    struct stat info;
    struct zone_table *table = NULL;
    path_of(name, path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *ret_exists = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (*ret_exists && info.st_size > 0 && info.st_size <= CRON_ZONE_FILE_MAX) {
        unsigned char *bytes = read_all(fd, (size_t)info.st_size);
        identify(&info, ret_id);
        table = bytes == NULL ? NULL : zone_decode(bytes, (size_t)info.st_size);
        free(bytes);
    }
    if (fd >= 0)
        (void)close(fd);
    return table;
}

/* The first line of tzdata.zi is "# version 2025b"; other systems have +VERSION. */
static bool read_version(const char *file, const char *format, char out[CRON_TZDATA_VERSION_MAX])
{
    char path[ZONE_DIRECTORY_MAX + 16];
    (void)snprintf(path, sizeof(path), "%s/%s", zone_file_directory(), file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return false;
    const bool found = fscanf(stream, format, out) == 1;
    (void)fclose(stream);
    return found;
}

bool cron_tzdata_version(char out[CRON_TZDATA_VERSION_MAX])
{
    struct stat info;
    if (stat(zone_file_directory(), &info) != 0) {
        (void)snprintf(out, CRON_TZDATA_VERSION_MAX, "%s", zone_builtin_version);
        return true;
    }
    if (!read_version("tzdata.zi", "# version %31[0-9a-z]", out) && !read_version("+VERSION", "%31[0-9a-z]", out))
        (void)snprintf(out, CRON_TZDATA_VERSION_MAX, "unknown");
    return false;
}

static uint64_t add_to_hash(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* The order in which a folder is read does not matter: sums of hashes. */
static uint64_t folder_hash(const char *path, const char *name)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
        return 0;
    const int64_t written[2] = {info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    return add_to_hash(add_to_hash(0xcbf29ce484222325u, name, strlen(name)), written, sizeof(written));
}

void cron_zones_signature(char out[CRON_ZONES_SIGNATURE_MAX])
{
    char version[CRON_TZDATA_VERSION_MAX], path[ZONE_DIRECTORY_MAX + 258];
    const bool built_in = cron_tzdata_version(version);
    uint64_t hash = built_in ? 0 : folder_hash(zone_file_directory(), "");
    DIR *folder = built_in ? NULL : opendir(zone_file_directory());
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.' || entry->d_type == DT_REG)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", zone_file_directory(), entry->d_name);
        hash += folder_hash(path, entry->d_name);
    }
    if (folder != NULL)
        (void)closedir(folder);
    (void)snprintf(out, CRON_ZONES_SIGNATURE_MAX, "%.20s:%016" PRIx64, version, hash);
}
