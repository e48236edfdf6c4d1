/* SPDX-License-Identifier: Apache-2.0 */
/* Why a schedule never fires, with the fields at fault (section 6, code `never`). */
#include "cron/describe.h"
#include "cron/parse.h"

#include <string.h>

static const char *const months[13] = {"",     "January", "February",  "March",   "April",    "May",     "June",
                                       "July", "August",  "September", "October", "November", "December"};

/* Day and month fields of the text: by the dialect's order of fields for their number. */
static void find_day_fields(const char *text, size_t len, const struct cron_options *options, struct cron_error *e)
{
    size_t starts[FIELDS_MAX + 2], ends[FIELDS_MAX + 2], count = 0;
    for (size_t i = 0; i < len && count < FIELDS_MAX + 2;) {
        while (i < len && (is_blank(text[i]) || text[i] == '\n'))
            i++;
        if (i == len)
            break;
        starts[count] = i;
        while (i < len && !is_blank(text[i]) && text[i] != '\n')
            i++;
        ends[count] = i;
        if (!memchr(text + starts[count], '=', i - starts[count])) /* the zone prefix is not a field */
            count++;
    }
    const struct dialect *dialect = dialect_get(options->dialect);
    const char *order = count <= FIELDS_MAX ? dialect->orders[count] : NULL;
    const char *day = order ? strchr(order, '0' + FIELD_DAY) : NULL, *month = order ? strchr(order, '0' + FIELD_MONTH) : NULL;
    e->pos = 0;
    e->len = len ? len : 1;
    if (options->syntax != CRON_SYNTAX_CRON || !day || !month)
        return;
    const size_t first = (size_t)(day - order), last = (size_t)(month - order);
    e->pos = starts[first < last ? first : last];
    e->len = ends[first < last ? last : first] - e->pos;
}

void cron_never_error(const char *text, size_t len, const struct cron_options *options, const struct cron_schedule *s,
                      struct cron_error *ret_error)
{
    struct never_facts never;
    *ret_error = (struct cron_error){.code = "never"};
    struct text t = text_over(ret_error->message, sizeof(ret_error->message));
    describe_never(s, &never);
    find_day_fields(text, len, options, ret_error);
    if (never.reason == NEVER_BOTH) {
        text_put(&t, "no date passes the day fields");
    } else {
        text_put(&t, never.reason == NEVER_DATES ? "no year has " : "none of the years has ");
        bool first = true;
        for (unsigned bits = never.months; bits != 0; bits &= bits - 1) {
            text_putf(&t, "%s%d %s", first ? "" : " or ", never.day, months[__builtin_ctz(bits)]);
            first = false;
        }
    }
    (void)text_end(&t);
}
