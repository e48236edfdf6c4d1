/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"debug", "info", "warn", "error"};
static _Atomic int current = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&current, (int)level);
}

bool log_level_parse(const char *text, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    return false;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&current, memory_order_relaxed))
        return;
    char line[2048];
    size_t n = time_format_utc(clock_wall(clock_real()).us, 3, line, sizeof line);
    n += (size_t)snprintf(line + n, sizeof line - n, " %-5s %s: ", names[level], subsystem);
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + n, sizeof line - n - 1, format, arguments);
    va_end(arguments);
    n += more > 0 ? (size_t)more : 0;
    if (n > sizeof line - 2)
        n = sizeof line - 2;
    for (size_t i = 0; i < n; i++) /* one event, one line: no forged lines through input */
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[n++] = '\n';
    (void)!write(STDERR_FILENO, line, n);
}
