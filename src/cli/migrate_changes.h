/* SPDX-License-Identifier: Apache-2.0 */
/* The column `changes`: what was before and after, where it says so (MIG-03). Pure. */
#ifndef HORAE_CLI_MIGRATE_CHANGES_H
#define HORAE_CLI_MIGRATE_CHANGES_H

#include "base/buf.h"
#include "base/str.h"

/* Understands {"old": …, "new": …}, {"member": {"old": …, "new": …}, …} and [{"field": "member", "old": …, "new": …}, …], also with
 * before/after, from/to, old_value/new_value and the like. True: the JSON of each side was appended to `before` and `after` (one may stay
 * empty). False: it says something else, or is no JSON. */
bool migrate_changes(struct str text, struct buf *before, struct buf *after);
/* Whether a side has no value but null, "", {} and []. */
bool migrate_side_is_empty(struct str json);

#endif
