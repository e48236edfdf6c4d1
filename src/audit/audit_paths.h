/* SPDX-License-Identifier: Apache-2.0 */
/* Where something was cut (AUD-08): `metadata.labels`, `items[3].config`, `[0]` at the top, `$` for the whole value. A member
 * named with `.`, `[`, `]`, `"` or nothing is ["name"], its name as a JSON string. Each path stands once, in the order of the
 * text. Paths are kept encoded, as they stand between the quotes of a JSON string. Owned by one thread. */
#ifndef HORAE_AUDIT_AUDIT_PATHS_H
#define HORAE_AUDIT_AUDIT_PATHS_H

#include "audit/json_tokens.h"
#include "base/map.h"
#include "base/mem.h"

/* A list has at most this many bytes; one that is longer ends with JSON_MARKER instead of the paths that have no room. */
enum { AUDIT_PATHS_BYTES_MAX = 1 << 20 };

struct audit_paths {
    struct arena arena;
    struct map seen;
    struct str *items; /* owned; texts in the arena */
    size_t count, capacity, bytes;
    bool full;
};

void audit_paths_init(struct audit_paths *paths);
void audit_paths_release(struct audit_paths *paths);
void audit_paths_add(struct audit_paths *paths, struct str encoded);
void audit_paths_add_node(struct audit_paths *paths, const struct json_tokens *tokens, const struct json_node *node);
void audit_paths_add_all(struct audit_paths *paths, const struct audit_paths *others);
/* As a JSON array of strings; at most 2 × AUDIT_PATHS_BYTES_MAX. */
void audit_paths_write(const struct audit_paths *paths, struct buf *out);

#endif
