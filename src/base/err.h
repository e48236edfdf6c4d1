/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are values: a code that decides what happens next, and a text that names what is wrong and what is
 * allowed. HTTP status and exit code are derived from the code in one table each. `struct err` is written only on
 * failure; every function that takes one accepts NULL. */
#ifndef HORAE_BASE_ERR_H
#define HORAE_BASE_ERR_H

#include "base/compiler.h"

enum err_code {
    OK = 0,
    ERR_INVALID, /* the caller's input is wrong */
    ERR_NOT_FOUND,
    ERR_CONFLICT,        /* the state does not allow it now (duplicate, stale version, limit of the task) */
    ERR_DENIED,          /* known caller, not allowed */
    ERR_UNAUTHENTICATED, /* unknown caller */
    ERR_LIMIT,           /* a bound was passed: body, queue, list, rate */
    ERR_BUSY,            /* try again: locked elsewhere */
    ERR_TIMEOUT,
    ERR_CANCELLED,
    ERR_UNAVAILABLE, /* a part we need is away */
    ERR_CORRUPT,     /* stored data is not what we wrote */
    ERR_INTERNAL,
};

struct err {
    enum err_code code;
    char api_code[40]; /* stable, UPPER_SNAKE, e.g. "TASK_DISABLED"; "" = derived from `code` */
    char param[72];    /* the member or parameter at fault, "" when none */
    char message[472]; /* one sentence, UTF-8, no newline: other bytes of what it quotes are shown as "?" */
};

/* Fills `err` (may be NULL) and returns `code`, so that callers can `return err_set(…)`.
 * `api_code` may be NULL. Text beyond the buffer is cut. */
enum err_code err_set(struct err *err, enum err_code code, const char *api_code, const char *format, ...) PRINTF_LIKE(4, 5);

/* As err_set with ERR_INVALID, INVALID_PARAMETER, naming the parameter. */
enum err_code err_param(struct err *err, const char *param, const char *format, ...) PRINTF_LIKE(3, 4);

/* The API code: `err->api_code` or the default of `err->code` (API-04). Never NULL. */
const char *err_api_code(const struct err *err);

#endif
