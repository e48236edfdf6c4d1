/* SPDX-License-Identifier: Apache-2.0 */
/* What an event changed (AUD-01, AUD-02): the objects before and after, each limited on its own, and where they were cut. */
#ifndef HORAE_AUDIT_AUDIT_DIFF_H
#define HORAE_AUDIT_AUDIT_DIFF_H

#include "audit/audit_object.h"
#include "audit/audit_values.h"
#include "base/json_write.h"

struct audit_diff {
    unsigned has;      /* AUDIT_OLD, AUDIT_NEW: the others are absent and not cut */
    unsigned left_out; /* were given, and do not belong to the action */
    struct audit_object old_object, new_object;
    struct audit_paths fields; /* of both, each once */
};

/* Objects as JSON texts; p == NULL: there is none. One that does not belong to the action (a creation has none before it) is left
 * out, and named: an event is never refused for its objects (AUD-11, AUD-32), and nothing goes without a word. `rules` as for
 * audit_object_make. Release the result. */
void audit_diff_make(enum audit_action action, struct str old_object, struct str new_object, const struct audit_rules *rules,
                     struct audit_diff *ret);
void audit_diff_release(struct audit_diff *diff);
/* The value `diff_object`; flags and lists are always there, absent objects are not; `left_out` is, when something was. */
void audit_diff_write(const struct audit_diff *diff, struct json_writer *w);

#endif
