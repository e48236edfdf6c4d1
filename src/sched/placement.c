/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/placement.h"

#include <string.h>

const char *placement_reason_name(enum placement_reason reason)
{
    static const char *const names[PLACEMENT_REASON_COUNT] = {
        [PLACEMENT_NO_INSTANCE] = "no_instance", [PLACEMENT_LABELS] = "labels",     [PLACEMENT_SILENT] = "silent",
        [PLACEMENT_DRAINING] = "draining",       [PLACEMENT_CAPACITY] = "capacity", [PLACEMENT_FOUND] = "found",
    };
    return (unsigned)reason < PLACEMENT_REASON_COUNT ? names[reason] : "unknown";
}

static bool offers(const struct sched_label *offered, size_t count, const struct sched_label *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(offered[i].name, wanted->name) == 0 && strcmp(offered[i].value, wanted->value) == 0)
            return true;
    return false;
}

bool placement_labels_fit(const struct sched_label *wanted, size_t wanted_count, const struct sched_label *offered,
                          size_t offered_count)
{
    for (size_t i = 0; i < wanted_count; i++)
        if (!offers(offered, offered_count, &wanted[i]))
            return false;
    return true;
}

/* Shares are compared as products, without rounding: capacities are bounded (ROSTER_CAPACITY_MAX). */
static bool less_loaded(const struct roster_member *a, const struct roster_member *b)
{
    return (int64_t)a->running * b->capacity < (int64_t)b->running * a->capacity;
}

struct placement placement_decide(const struct roster *roster, const struct sched_label *wanted, size_t wanted_count,
                                  int64_t now_us, int64_t silent_us)
{
    struct placement best = {NULL, PLACEMENT_NO_INSTANCE};
    for (size_t i = 0; i < roster->count; i++) {
        struct roster_member *member = &roster->members[i];
        enum placement_reason reason = PLACEMENT_FOUND;
        if (!placement_labels_fit(wanted, wanted_count, member->labels, member->label_count))
            reason = PLACEMENT_LABELS;
        else if (roster_is_silent(member, now_us, silent_us))
            reason = PLACEMENT_SILENT;
        else if (member->draining)
            reason = PLACEMENT_DRAINING;
        else if (member->running >= member->capacity)
            reason = PLACEMENT_CAPACITY;
        if (reason > best.reason)
            best.reason = reason;
        /* Strictly less: the first by id keeps a tie. */
        if (reason == PLACEMENT_FOUND && (!best.member || less_loaded(member, best.member)))
            best.member = member;
    }
    return best;
}
