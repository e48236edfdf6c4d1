/* SPDX-License-Identifier: Apache-2.0 */
/* Printing instants with the zone's offset at that instant (RFC 3339; historical offsets may have seconds, which are
 * then printed as a third part, as ISO 8601 does). */
#include "cron/cron.h"

#include "cron/calendar.h"
#include "cron/text.h"
#include "cron/zone.h"

size_t cron_format_time(const struct cron_schedule *s, int64_t at_s, char *out, size_t cap)
{
    struct text t = text_over(out, cap);
    struct zone_segment g;
    zone_segment_at(zone_rules(s->zone), at_s, &g);
    const int64_t local = at_s + g.offset_s, day = calendar_floor_div(local, DAY_S);
    const int32_t time = (int32_t)(local - day * DAY_S);
    const struct civil_date date = calendar_civil(day);
    const int32_t offset = g.offset_s < 0 ? -g.offset_s : g.offset_s;
    text_putf(&t, "%04d-%02d-%02dT%02d:%02d:%02d", date.year, date.month, date.day, time / 3600, time / 60 % 60, time % 60);
    text_putf(&t, "%c%02d:%02d", g.offset_s < 0 ? '-' : '+', offset / 3600, offset / 60 % 60);
    if (offset % 60 != 0)
        text_putf(&t, ":%02d", offset % 60);
    return text_end(&t);
}
