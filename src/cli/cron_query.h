/* SPDX-License-Identifier: Apache-2.0 */
/* What `horae cron` is asked, from options or from a JSON line: an expression with all that decides its fire set. */
#ifndef HORAE_CLI_CRON_QUERY_H
#define HORAE_CLI_CRON_QUERY_H

#include "cron/cron.h"

enum cron_op { CRON_OP_NEXT, CRON_OP_PREV, CRON_OP_COUNT, CRON_OP_PARSE };

struct cron_query {
    enum cron_op op;
    const char *expr; /* borrowed */
    size_t expr_length;
    struct cron_options options;
    char zone[CRON_ZONE_NAME_MAX + 1], seed[1024];
    int64_t from_s, to_s;
    bool from_has_fraction; /* `from` lies between two seconds: from_s is the one before it */
    int64_t n;
};

/* RFC 3339 to whole seconds, rounded down. False: not a time. */
bool cron_query_time(const char *text, size_t length, int64_t *ret_s, bool *ret_fraction);

#endif
