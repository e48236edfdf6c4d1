/* SPDX-License-Identifier: Apache-2.0 */
/* An alert as whoever notices it says it, and the body that is sent (Standard Webhooks: type, timestamp, data). */
#ifndef HORAE_ALERT_ALERT_MESSAGE_H
#define HORAE_ALERT_ALERT_MESSAGE_H

#include "alert/alert_values.h"
#include "base/buf.h"
#include "base/id.h"

enum {
    ALERT_SUBJECT_MAX = 128,
    ALERT_TEXT_MAX = 1024,     /* longer ones are cut */
    ALERT_PAYLOAD_MAX = 32768, /* of a whole body */
};

struct alert_message {
    enum alert_kind kind;
    bool resolved;       /* of a condition: it is over */
    const char *subject; /* what it is about, e.g. "task:<uid>"; with the kind it decides what is a repeat */
    const char *text;    /* one sentence */
    const char *details; /* a JSON object; NULL = none */
    int64_t count;       /* how many happened; 0 counts as 1 */
};

/* {"type":"alert.KIND","timestamp","data":{"id","kind","severity","status","subject","message","repeats","instance","details"}};
 * `out` has ALERT_PAYLOAD_MAX. */
void alert_write_payload(struct buf *out, const struct alert_message *message, const struct uuid *uid, const char *instance_id,
                         int64_t repeats, int64_t now_us);

#endif
