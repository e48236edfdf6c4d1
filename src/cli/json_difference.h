/* SPDX-License-Identifier: Apache-2.0 */
/* What two JSON objects have in common and what not, for people: one line per value, by its path. */
#ifndef HORAE_CLI_JSON_DIFFERENCE_H
#define HORAE_CLI_JSON_DIFFERENCE_H

#include "base/buf.h"
#include "base/json.h"

enum { DIFFERENCE_VALUES_MAX = 65536 }; /* of each; what is beyond is not compared, and said */

/* Appends "  path: value" for what is the same in both (unless `changes_only`), "- path: value" for what is only in the old
 * one or was changed, "+ path: value" for the new one; in the order of the old one, then that of the new. Paths as in
 * truncated_fields (AUD-08). NULL: there is none. */
void json_difference(struct buf *out, const struct json *old_object, const struct json *new_object, bool changes_only);

#endif
