/* SPDX-License-Identifier: Apache-2.0 */
/* AUD-05 to AUD-07: strings. */
#include "audit/audit_cut.h"

#include "audit/json_encoded.h"
#include "base/mem.h"

/* A boundary is at most this far below the limit: an escape of 6 bytes, all but one of them within it. */
enum { BOUNDARY_LOSS_MAX = JSON_ESCAPE_MAX - 1 };

/* Strings that may be cut, apart from the rest: the search looks at their lengths often. */
struct strings {
    uint32_t *nodes, *lengths;
    size_t count;
    size_t rest; /* bytes of everything else */
};

static void collect(const struct json_tokens *t, struct strings *s)
{
    *s = (struct strings){.nodes = xmalloc(t->count * sizeof(uint32_t)), .lengths = xmalloc(t->count * sizeof(uint32_t))};
    s->rest = t->length;
    for (size_t i = 0; i < t->count; i++) {
        const struct json_node *node = &t->nodes[i];
        const uint32_t length = node->end - node->start - 2;
        if (!json_node_is_string(t, node) || length <= JSON_MARKER_BYTES)
            continue;
        s->nodes[s->count] = (uint32_t)i;
        s->lengths[s->count++] = length;
        s->rest -= length;
    }
}

/* The object's bytes if every string could be cut to exactly `most`. */
static size_t bytes_without_boundaries(const struct strings *s, size_t most)
{
    size_t bytes = s->rest;
    for (size_t i = 0; i < s->count; i++)
        bytes += s->lengths[i] < most ? s->lengths[i] : most;
    return bytes;
}

static size_t prefix_bytes(const struct json_tokens *t, const struct json_node *node, size_t most)
{
    return json_encoded_cut(json_node_string(t, node), most - JSON_MARKER_BYTES);
}

static size_t bytes_at(const struct json_tokens *t, const struct strings *s, size_t most)
{
    size_t bytes = s->rest;
    for (size_t i = 0; i < s->count; i++)
        bytes += s->lengths[i] <= most ? s->lengths[i] : JSON_MARKER_BYTES + prefix_bytes(t, &t->nodes[s->nodes[i]], most);
    return bytes;
}

/* The greatest L of AUD-05. Both sums grow with L. Without boundaries it is soon found; since a boundary costs less than an
 * escape has bytes, the true L is at most that much greater, and only there must boundaries be looked for. */
static size_t greatest(const struct json_tokens *t, const struct strings *s, size_t limit)
{
    size_t low = JSON_MARKER_BYTES, high = limit; /* no string of a fitting object is longer than the object */
    while (low < high) {
        const size_t middle = low + (high - low + 1) / 2;
        if (bytes_without_boundaries(s, middle) <= limit)
            low = middle;
        else
            high = middle - 1;
    }
    for (high = low + BOUNDARY_LOSS_MAX; low < high;) {
        const size_t middle = low + (high - low + 1) / 2;
        if (bytes_at(t, s, middle) <= limit)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

size_t audit_cut_strings(struct json_tokens *t, size_t limit)
{
    struct strings s;
    size_t bytes;
    if (t->length <= limit)
        return t->length;
    collect(t, &s);
    const size_t most = greatest(t, &s, limit);
    bytes = s.rest;
    for (size_t i = 0; i < s.count; i++) {
        struct json_node *node = &t->nodes[s.nodes[i]];
        if (s.lengths[i] <= most) {
            bytes += s.lengths[i];
            continue;
        }
        const size_t prefix = prefix_bytes(t, node, most);
        node->cut = node->start + 1 + (uint32_t)prefix;
        bytes += JSON_MARKER_BYTES + prefix;
    }
    free(s.nodes);
    free(s.lengths);
    return bytes;
}
