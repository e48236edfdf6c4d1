/* SPDX-License-Identifier: Apache-2.0 */
/* Structured lines on standard error: time level subsystem message. Report once, where it is decided what a failure
 * means. Never log secrets. Thread-safe; a line is one write. */
#ifndef HORAE_BASE_LOG_H
#define HORAE_BASE_LOG_H

#include "base/compiler.h"

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
bool log_level_parse(const char *text, enum log_level *ret); /* debug | info | warn | error */
void log_write(enum log_level level, const char *subsystem, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
