/* SPDX-License-Identifier: Apache-2.0 */
/* TZif files: refused, or a zone whose segments tile all of time and on which the views of a schedule agree.
 * Input: expression, gap, fold, four bytes of time, then the file. */
#include "cron_checks.h"

#include "cron/zone_priv.h"

static const char *const expressions[] = {"*/10 * * * *", "30 2 * * *",    "0 0 1 1 *",
                                          "* * * * * *",  "15 1-3 29 2 *", "0 0 L * +SUN"};

enum { SEGMENTS_WALKED = 40 };

/* Neighbours meet, offsets change at each border, and every instant of a segment finds that segment. */
static void check_segments(const struct zone_table *zone, int64_t at)
{
    struct zone_segment here, next, again;
    zone_segment_at(zone, at, &here);
    for (int i = 0; i < SEGMENTS_WALKED; i++) {
        CHECK(here.start_s <= at && at < here.end_s, "%lld is not in [%lld, %lld)", (long long)at, (long long)here.start_s,
              (long long)here.end_s);
        zone_segment_at(zone, here.end_s - 1, &again);
        CHECK(again.start_s == here.start_s && again.end_s == here.end_s && again.offset_s == here.offset_s,
              "the last second is elsewhere");
        if (here.end_s == ZONE_TIME_MAX)
            return;
        zone_segment_at(zone, here.end_s, &next);
        CHECK(next.start_s == here.end_s, "a hole after %lld", (long long)here.end_s);
        CHECK(next.before_s == here.offset_s && here.after_s == next.offset_s, "neighbours disagree at %lld",
              (long long)here.end_s);
        CHECK(next.offset_s != here.offset_s, "no change at %lld", (long long)here.end_s);
        at = here.end_s;
        here = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct cron_options options = {0};
    struct cron_schedule s;
    const char *text = expressions[fuzz_choice(&input, ARRAY_LEN(expressions))];
    options.gap = (enum cron_gap)fuzz_choice(&input, CRON_GAP_RUN_AT_EDGE + 1);
    options.fold = (enum cron_fold)fuzz_choice(&input, CRON_FOLD_BOTH + 1);
    const int64_t from = fuzz_time(&input);
    char *bytes = fuzz_rest(&input);
    struct zone_table *zone = zone_decode((const unsigned char *)bytes, input.left);
    if (zone != NULL) {
        check_segments(zone, from);
        check_segments(zone, -(INT64_C(1) << 50));
        CHECK(cron_parse(text, strlen(text), &options, &s, NULL), "\"%s\" does not parse", text);
        struct cron_zone named = {.name = "Fuzz/Zone", .table = zone};
        s.zone = &named;
        check_views(&s, from);
        zone_table_free(zone);
    }
    free(bytes);
    return 0;
}
