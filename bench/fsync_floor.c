/* SPDX-License-Identifier: Apache-2.0 */
/* What one durable write costs here: appends 4 KiB and calls fdatasync, COUNT times.
 * usage: fsync_floor FOLDER COUNT; prints median and 99th percentile in microseconds. */
#include "base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096 };

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static char block[BLOCK];
    char path[4096];
    if (argc != 3) {
        (void)fprintf(stderr, "usage: fsync_floor FOLDER COUNT\n");
        return 2;
    }
    long count = strtol(argv[2], NULL, 10);
    int64_t *us = calloc((size_t)count, sizeof *us);
    (void)snprintf(path, sizeof path, "%s/fsync_floor.tmp", argv[1]);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || !us)
        return 1;
    memset(block, 'x', sizeof block);
    for (long i = 0; i < count; i++) {
        int64_t begun = clock_mono(clock_real()).us;
        if (write(fd, block, sizeof block) != BLOCK || fdatasync(fd) != 0)
            return 1;
        us[i] = clock_mono(clock_real()).us - begun;
    }
    (void)unlink(path);
    qsort(us, (size_t)count, sizeof *us, compare);
    (void)printf("%lld %lld\n", (long long)us[count / 2], (long long)us[count * 99 / 100]);
    return 0;
}
