/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { EVERY_US = 100 * US_PER_MS };

static bool shown;
static int64_t last_us = INT64_MIN;

void progress_show(const char *what, size_t done, size_t total)
{
    int64_t now = clock_mono(clock_real()).us;
    if (!isatty(STDERR_FILENO) || (last_us != INT64_MIN && now - last_us < EVERY_US))
        return;
    if (total)
        (void)fprintf(stderr, "\r%s %zu of %zu\033[K", what, done, total);
    else
        (void)fprintf(stderr, "\r%s %zu\033[K", what, done);
    shown = true;
    last_us = now;
}

void progress_clear(void)
{
    if (shown)
        (void)fprintf(stderr, "\r\033[K");
    shown = false;
}
