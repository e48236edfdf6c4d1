/* SPDX-License-Identifier: Apache-2.0 */
/* Import dialects (section 12) as a table: which fields in which order, and which readings differ. The schedule that
 * results is always one of the default dialect. Also the name tables of the policies. */
#include "cron/parse.h"

#include <string.h>

#define ORDER_5 "12345"
#define ORDER_6 "012345"
#define ORDER_7 "0123456"

static const struct dialect dialects[] = {
    [CRON_DIALECT_HORAE] = {"horae", 0, "5, 6 or 7", {[5] = ORDER_5, [6] = ORDER_6, [7] = ORDER_7}},
    [CRON_DIALECT_VIXIE] = {"vixie", DIALECT_STAR_FLAG | DIALECT_BIG_STEPS, "5", {[5] = ORDER_5}},
    [CRON_DIALECT_QUARTZ] = {"quartz", DIALECT_SUNDAY_ONE, "6 or 7", {[6] = ORDER_6, [7] = ORDER_7}},
    [CRON_DIALECT_AWS] = {"aws", DIALECT_SUNDAY_ONE | DIALECT_RATE, "6", {[6] = "123456"}},
    [CRON_DIALECT_SPRING] = {"spring", DIALECT_AND, "6", {[6] = ORDER_6}},
    [CRON_DIALECT_JENKINS] = {"jenkins", DIALECT_AND | DIALECT_ZONE_LINE, "5", {[5] = ORDER_5}},
    [CRON_DIALECT_K8S] = {"k8s", DIALECT_NO_ZONE | DIALECT_WEEK_TOP_6, "5", {[5] = ORDER_5}},
    [CRON_DIALECT_CRONITER] = {"croniter", 0, "5, 6 or 7", {[5] = ORDER_5, [6] = "123450", [7] = "1234506"}},
    [CRON_DIALECT_PG_CRON] = {"pg_cron", DIALECT_DOLLAR, "5", {[5] = ORDER_5}},
};

const struct dialect *dialect_get(enum cron_dialect dialect)
{
    return &dialects[dialect];
}

bool cron_dialect_from_name(const char *name, enum cron_dialect *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
        if (strcmp(name, dialects[i].name) == 0) {
            *ret = (enum cron_dialect)i;
            return true;
        }
    }
    return false;
}

static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

bool cron_gap_from_name(const char *name, enum cron_gap *ret)
{
    static const char *const names[] = {"auto", "skip", "shift_forward", "run_at_edge"};
    const int found = find_name(names, ARRAY_LEN(names), name);
    if (found >= 0)
        *ret = (enum cron_gap)found;
    return found >= 0;
}

bool cron_fold_from_name(const char *name, enum cron_fold *ret)
{
    static const char *const names[] = {"auto", "first", "last", "both"};
    const int found = find_name(names, ARRAY_LEN(names), name);
    if (found >= 0)
        *ret = (enum cron_fold)found;
    return found >= 0;
}

bool cron_syntax_from_name(const char *name, enum cron_syntax *ret)
{
    static const char *const names[] = {"cron", "oncalendar"};
    const int found = find_name(names, ARRAY_LEN(names), name);
    if (found >= 0)
        *ret = (enum cron_syntax)found;
    return found >= 0;
}
