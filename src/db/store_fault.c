/* SPDX-License-Identifier: Apache-2.0 */
#include "db/store_fault.h"

#include "base/clock.h"
#include "base/thread.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum err_code refuse_nth(void *arg, const char *what, struct err *err)
{
    struct store_fault_nth *nth = arg;
    if (++nth->calls != nth->at)
        return OK;
    return err_set(err, ERR_UNAVAILABLE, NULL, "refused by the test: %.60s", what);
}

void store_fault_nth_init(struct store_fault_nth *nth)
{
    *nth = (struct store_fault_nth){.fault = {refuse_nth, nth}};
}

enum { READ_EVERY_US = 20 * US_PER_MS, TEXT_MAX = 64 };

static const struct {
    const char *name;
    enum err_code code;
    const char *message;
} kinds[] = {
    {"busy", ERR_BUSY, "the database is locked: put in by a test"},
    {"full", ERR_UNAVAILABLE, "the store cannot be used: database or disk is full (put in by a test)"},
    {"io", ERR_UNAVAILABLE, "the store cannot be used: disk I/O error (put in by a test)"},
    {"corrupt", ERR_CORRUPT, "the database file is damaged: put in by a test"},
};

static struct {
    struct mutex mutex; /* guards all below */
    const char *path;
    int64_t read_at_us;
    char text[TEXT_MAX];
} from_file;

/* The caller holds the mutex. */
static void read_again(void)
{
    int64_t now = clock_mono(clock_real()).us;
    if (from_file.read_at_us && now - from_file.read_at_us < READ_EVERY_US)
        return;
    from_file.read_at_us = now;
    from_file.text[0] = '\0';
    int fd = open(from_file.path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, from_file.text, sizeof from_file.text - 1);
    from_file.text[n > 0 ? n : 0] = '\0';
    (void)close(fd);
}

static enum err_code refuse_as_told(void *arg, const char *what, struct err *err)
{
    (void)arg;
    char kind[TEXT_MAX] = "", word[TEXT_MAX] = "";
    mutex_lock(&from_file.mutex);
    read_again();
    int parts = sscanf(from_file.text, "%63s %63s", kind, word);
    mutex_unlock(&from_file.mutex);
    if (parts < 1 || strncmp(what, "ROLLBACK", 8) == 0 || strncmp(what, word, strlen(word)) != 0)
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, kind) == 0)
            return err_set(err, kinds[i].code, NULL, "%s", kinds[i].message);
    return OK;
}

static void look_at_environment(void)
{
    from_file.path = getenv("HORAE_TEST_STORE_FAULT_FILE");
    mutex_init(&from_file.mutex);
}

const struct store_fault *store_fault_from_environment(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const struct store_fault fault = {refuse_as_told, NULL};
    (void)pthread_once(&once, look_at_environment);
    return from_file.path ? &fault : NULL;
}
