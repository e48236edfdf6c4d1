/* SPDX-License-Identifier: Apache-2.0 */
/* Calendar events of systemd: refused with a reason, or a schedule of the default dialect whose views agree.
 * Input: gap, fold, four bytes of time, then the event. */
#include "cron_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct cron_years years;
    struct cron_options options = {.syntax = CRON_SYNTAX_ONCALENDAR, .zone = "America/New_York", .years = &years};
    struct cron_schedule s;
    struct cron_error e = {0};
    options.gap = (enum cron_gap)fuzz_choice(&input, CRON_GAP_RUN_AT_EDGE + 1);
    options.fold = (enum cron_fold)fuzz_choice(&input, CRON_FOLD_BOTH + 1);
    const int64_t from = fuzz_time(&input);
    char *text = fuzz_rest(&input);
    if (cron_parse(text, input.left, &options, &s, &e)) {
        CHECK(s.kind == CRON_KIND_CALENDAR && !(s.flags & CRON_FLAG_OR), "weekdays and date are not ANDed");
        check_canonical(&s, &options);
        check_words(&s, from);
        check_views(&s, from);
    } else {
        check_error(text, input.left, &e);
    }
    free(text);
    return 0;
}
