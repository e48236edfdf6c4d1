/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of alerts, channels and states of deliveries, by name and number, from alert_kinds.def and alert_channels.def. Pure. */
#ifndef HORAE_ALERT_ALERT_VALUES_H
#define HORAE_ALERT_ALERT_VALUES_H

#include "base/str.h"

enum alert_kind {
#define ALERT_KIND(id, name, severity, condition) ALERT_##id,
#include "alert/alert_kinds.def"
    ALERT_KIND_COUNT
};

enum alert_channel_id {
#define ALERT_CHANNEL(id, name, object) ALERT_CHANNEL_##id,
#include "alert/alert_channels.def"
    ALERT_CHANNEL_COUNT
};

/* As the API says it. In the table, pending is 0 or, once tried, 1 (db/claim.h). */
enum alert_state { ALERT_PENDING, ALERT_SENT, ALERT_DEAD, ALERT_STATE_COUNT };

extern const char *const alert_kind_names[ALERT_KIND_COUNT];
extern const char *const alert_channel_names[ALERT_CHANNEL_COUNT];
extern const char *const alert_state_names[ALERT_STATE_COUNT];

const char *alert_severity(enum alert_kind kind);
/* Told once until it is over. */
bool alert_is_condition(enum alert_kind kind);
/* ALERT_KIND_COUNT, ALERT_CHANNEL_COUNT: no such name. */
enum alert_kind alert_kind_from(struct str name);
enum alert_channel_id alert_channel_from(struct str name);

/* Kinds that are told, as bits, from the words of a setting: names, "all" and "none". False: there is no such word. */
bool alert_kinds_add(unsigned *kinds, struct str word);

#endif
