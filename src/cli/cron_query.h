/* SPDX-License-Identifier: Apache-2.0 */
/* What `horae cron` is asked, from options or from a JSON line: an expression with all that decides its fire set. */
#ifndef HORAE_CLI_CRON_QUERY_H
#define HORAE_CLI_CRON_QUERY_H

#include "cron/cron.h"

enum { CRON_QUERY_N_MAX = 1000000 };
enum cron_op { CRON_OP_NEXT, CRON_OP_PREV, CRON_OP_COUNT, CRON_OP_PARSE };

/* An instant between two whole seconds, or on one: then they are equal. The engine looks after the floor and before the
 * ceiling (semantics, section 4). */
struct cron_instant {
    int64_t floor_s, ceil_s;
};

struct cron_query {
    enum cron_op op;
    const char *expr; /* borrowed */
    size_t expr_length;
    struct cron_options options;
    struct cron_instant from, to;
    int64_t n;
};

/* RFC 3339, also with seconds in the offset, as they are printed for times before standard time. False: not a time. */
bool cron_query_time(const char *text, size_t length, struct cron_instant *ret);
bool cron_query_ms(int64_t unix_ms, struct cron_instant *ret); /* false: outside the years 1 to 9999 */
struct cron_instant cron_query_now(void);

#endif
