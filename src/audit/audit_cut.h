/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways of making an object fit, both by marking its nodes (`cut`); audit_object.c writes what they leave. Pure. */
#ifndef HORAE_AUDIT_AUDIT_CUT_H
#define HORAE_AUDIT_AUDIT_CUT_H

#include "audit/json_tokens.h"

/* Bytes that come in place of what was cut out of a node: marker, and count and comma where there are some. */
size_t audit_cut_inserted(const struct json_tokens *tokens, const struct json_node *node);
/* Bytes of a node by itself: what was cut out of it is gone, what was cut out of parts of it is not counted. */
size_t audit_cut_node_bytes(const struct json_tokens *tokens, const struct json_node *node);

/* Cuts strings evenly, the longest first: the greatest L ≥ 14 with which the object has at most `limit` bytes (AUD-05).
 * Returns the bytes that it then has: more than `limit` when L = 14 is not enough. */
size_t audit_cut_strings(struct json_tokens *tokens, size_t limit);

/* Drops items from the ends of arrays, then members from the ends of objects, as few as will do (AUD-09): of containers of one
 * kind that with most bytes of its own goes first, of equal ones the deeper or later. Bytes of containers within do not count,
 * so that it is the list of many small things that loses some, not each of the things. `bytes` is what the object has now, with
 * strings cut. Returns what it then has: at most `limit`, if that is at least AUDIT_LIMIT_MIN and the root is no number. */
size_t audit_cut_containers(struct json_tokens *tokens, size_t bytes, size_t limit);

#endif
