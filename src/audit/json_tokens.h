/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON text in canonical form (AUD-04), and the parts of it that can be cut, as a flat list. The form: no blanks, members in
 * their order and as often as they came, numbers digit for digit, strings as in json_encoded.h. A tokenizer of our own, since
 * half surrogate pairs, numbers beyond double and any depth of nesting must pass. No recursion (AUD-10): the depth costs one bit
 * per level. Strict RFC 8259 otherwise; text that is not UTF-8 is no JSON. Pure; owned by one thread. */
#ifndef HORAE_AUDIT_JSON_TOKENS_H
#define HORAE_AUDIT_JSON_TOKENS_H

#include "base/buf.h"
#include "base/str.h"

/* The longest text that is read. Memory: the canonical form (≤ the input, beside what the rules put in place of parts of it,
 * at most 6 times in all) and 24 bytes for each node; a node needs at least 3 bytes of input. */
enum { JSON_TOKENS_INPUT_MAX = 16 << 20 };

/* What a cut ends with, and what stands for a part that is left out (AUD-06, AUD-09, AUD-10). */
#define JSON_MARKER "...[truncated]"
enum { JSON_MARKER_BYTES = sizeof JSON_MARKER - 1 };

#define JSON_NO_NODE UINT32_MAX

/* A container with items, or a string of more than JSON_MARKER_BYTES between its quotes, or a marker that stands for a part
 * beyond the depth. Everything else cannot be cut and is only text. */
struct json_node {
    uint32_t start, end; /* in the canonical text, brackets and quotes included */
    uint32_t parent;     /* JSON_NO_NODE: the root */
    uint32_t name;       /* in an object: where the key's opening quote is; in an array: the index */
    uint32_t count;      /* items of a container; of a string: 1 when it stands for a part beyond the depth */
    uint32_t cut;        /* for the caller: where the part begins that goes; 0 at first */
};

struct json_tokens {
    char *text; /* owned; not terminated */
    size_t length, capacity;
    struct json_node *nodes; /* owned; in the order of their starts, parents first */
    size_t count, node_capacity;
    size_t hidden; /* values that `hide` or `rewrite` changed */
};

/* What to change while reading. */
struct json_rules {
    uint32_t depth_max; /* containers in containers, the root's depth is 1; deeper ones become JSON_MARKER; at least 1 */
    /* May be NULL. Whether the value of this member (its key as encoded) becomes "***", whatever it is (AUD-13). */
    bool (*hide)(const void *arg, struct str key);
    /* May be NULL. Whether this string value becomes another one, appended to `out` as encoded. */
    bool (*rewrite)(const void *arg, struct str encoded, struct buf *out);
    const void *arg;
};

/* False: not JSON, or more than JSON_TOKENS_INPUT_MAX bytes. Release in either case. */
bool json_tokens_read(struct json_tokens *ret, const char *text, size_t length, const struct json_rules *rules);
void json_tokens_release(struct json_tokens *tokens);

static inline bool json_node_is_string(const struct json_tokens *t, const struct json_node *node)
{
    return t->text[node->start] == '"';
}

/* A string's text between its quotes. */
static inline struct str json_node_string(const struct json_tokens *t, const struct json_node *node)
{
    return (struct str){t->text + node->start + 1, node->end - node->start - 2};
}

#endif
