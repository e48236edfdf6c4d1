/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_values.h"

const char *const alert_kind_names[ALERT_KIND_COUNT] = {
#define ALERT_KIND(id, name, severity, condition) [ALERT_##id] = name,
#include "alert/alert_kinds.def"
};

static const struct {
    const char *severity;
    bool condition;
} kinds[ALERT_KIND_COUNT] = {
#define ALERT_KIND(id, name, severity, condition) [ALERT_##id] = {severity, condition},
#include "alert/alert_kinds.def"
};

const char *const alert_channel_names[ALERT_CHANNEL_COUNT] = {
#define ALERT_CHANNEL(id, name, object) [ALERT_CHANNEL_##id] = name,
#include "alert/alert_channels.def"
};

const char *const alert_state_names[ALERT_STATE_COUNT] = {"pending", "sent", "dead"};

const char *alert_severity(enum alert_kind kind)
{
    return kinds[kind].severity;
}

bool alert_is_condition(enum alert_kind kind)
{
    return kinds[kind].condition;
}

static int find(const char *const *names, int count, struct str name)
{
    int i = 0;
    while (i < count && !str_equal(name, names[i]))
        i++;
    return i;
}

enum alert_kind alert_kind_from(struct str name)
{
    return (enum alert_kind)find(alert_kind_names, ALERT_KIND_COUNT, name);
}

enum alert_channel_id alert_channel_from(struct str name)
{
    return (enum alert_channel_id)find(alert_channel_names, ALERT_CHANNEL_COUNT, name);
}

bool alert_kinds_add(unsigned *ret, struct str word)
{
    enum alert_kind kind = alert_kind_from(word);
    if (str_equal(word, "none"))
        return true;
    if (str_equal(word, "all"))
        *ret = (1u << ALERT_KIND_COUNT) - 1;
    else if (kind < ALERT_KIND_COUNT)
        *ret |= 1u << kind;
    else
        return false;
    return true;
}
