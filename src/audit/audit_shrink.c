/* SPDX-License-Identifier: Apache-2.0 */
/* AUD-09: what is done when strings alone cannot do it. */
#include "audit/audit_cut.h"

#include "base/mem.h"

enum { QUOTES = 2, EMPTY_BYTES = 2 };

struct candidate {
    uint32_t node, own_bytes;
};

struct shrink {
    struct json_tokens *t;
    size_t bytes, limit;
    uint32_t *next; /* for each node: 0, or that it was dropped, and where the next one is that may not have been */
};

static bool is_array(const struct json_tokens *t, const struct json_node *node)
{
    return t->text[node->start] == '[';
}

static size_t digits_of(uint32_t n)
{
    size_t digits = 1;
    for (; n >= 10; n /= 10)
        digits++;
    return digits;
}

/* Of a container, `kept` items remain in front of what is inserted, `dropped` are counted in it. */
static size_t inserted(bool array, bool kept, uint32_t dropped)
{
    const size_t colon = 1, text = (kept ? 1 : 0) + QUOTES + JSON_MARKER_BYTES;
    return array ? text : text + colon + digits_of(dropped);
}

size_t audit_cut_inserted(const struct json_tokens *t, const struct json_node *node)
{
    if (json_node_is_string(t, node))
        return JSON_MARKER_BYTES;
    return inserted(is_array(t, node), node->cut > node->start + 1, node->count);
}

size_t audit_cut_node_bytes(const struct json_tokens *t, const struct json_node *node)
{
    if (!node->cut)
        return node->end - node->start;
    return node->cut - node->start + audit_cut_inserted(t, node) + 1;
}

/* The first node from `i` on that starts at `offset` or later. */
static size_t node_from(const struct json_tokens *t, size_t i, uint32_t offset)
{
    size_t low = i, high = t->count;
    for (size_t width = 1; low < high; width *= 2) { /* most are near */
        const size_t probe = low + width < high ? low + width : high - 1;
        if (t->nodes[probe].start >= offset) {
            high = probe;
            break;
        }
        low = probe + 1;
    }
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (t->nodes[middle].start >= offset)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Bytes of a node with all that was cut within it. */
static size_t present_bytes(const struct shrink *s, uint32_t index)
{
    const struct json_tokens *t = s->t;
    size_t bytes = audit_cut_node_bytes(t, &t->nodes[index]);
    const uint32_t end = t->nodes[index].cut ? t->nodes[index].cut : t->nodes[index].end;
    for (uint32_t i = index + 1; i < t->count && t->nodes[i].start < end;) {
        const struct json_node *inner = &t->nodes[i];
        if (s->next[i]) {
            i = s->next[i];
            continue;
        }
        bytes -= inner->end - inner->start;
        bytes += audit_cut_node_bytes(t, inner);
        i++;
    }
    return bytes;
}

/* Behind the string that begins here. */
static uint32_t behind_string(const char *text, uint32_t at)
{
    for (at++; text[at] != '"'; at++)
        at += text[at] == '\\';
    return at + 1;
}

/* A walk over the items of a container from its beginning. */
struct walk {
    uint32_t at;   /* behind the item */
    uint32_t node; /* the first that may stand in the next item */
    size_t bytes;  /* present ones of all items so far, with the commas between them */
};

static void walk_item(const struct shrink *s, bool array, struct walk *w)
{
    const struct json_tokens *t = s->t;
    uint32_t begin = w->at;
    if (w->bytes) { /* behind the comma */
        w->bytes++;
        begin++;
    }
    uint32_t at = array ? begin : behind_string(t->text, begin) + 1;
    if (w->node < t->count && t->nodes[w->node].start == at) {
        w->bytes += at - begin + present_bytes(s, w->node);
        w->at = t->nodes[w->node].end;
        w->node = (uint32_t)node_from(t, w->node + 1, w->at);
        return;
    }
    if (t->text[at] == '"')
        at = behind_string(t->text, at);
    else if (t->text[at] == '[' || t->text[at] == '{')
        at += EMPTY_BYTES; /* one with items would be a node */
    else
        while (t->text[at] != ',' && t->text[at] != ']' && t->text[at] != '}')
            at++;
    w->bytes += at - begin;
    w->at = at;
}

/* All nodes of the container from `first` on go. */
static void drop_nodes(struct shrink *s, uint32_t first, uint32_t end_offset)
{
    const uint32_t end = (uint32_t)node_from(s->t, first, end_offset);
    for (uint32_t i = first; i < end;) {
        const uint32_t next = s->next[i] ? s->next[i] : i + 1;
        s->next[i] = end;
        i = next;
    }
}

/* Keeps the most items with which everything fits, or none. */
static void shrink_container(struct shrink *s, uint32_t index)
{
    struct json_node *node = &s->t->nodes[index];
    const bool array = is_array(s->t, node);
    const size_t others = s->bytes - present_bytes(s, index);
    struct walk walk = {.at = node->start + 1, .node = index + 1}, best = walk;
    uint32_t dropped = node->count;
    size_t bytes = EMPTY_BYTES + inserted(array, false, dropped);
    if (others + bytes >= s->bytes)
        return; /* the marker needs more than it saves */
    while (dropped > 1) {
        walk_item(s, array, &walk);
        const size_t with = EMPTY_BYTES + walk.bytes + inserted(array, true, dropped - 1);
        if (others + with > s->limit)
            break;
        best = walk;
        bytes = with;
        dropped--;
    }
    node->cut = best.at;
    node->count = dropped;
    s->bytes = others + bytes;
    drop_nodes(s, best.node, node->end);
}

/* Arrays first; then most bytes of its own; then the later one, which is the deeper one where both are in one branch. */
static int compare(const void *left, const void *right, void *arg)
{
    const struct json_tokens *t = arg;
    const struct candidate *a = left, *b = right;
    const bool a_array = is_array(t, &t->nodes[a->node]), b_array = is_array(t, &t->nodes[b->node]);
    if (a_array != b_array)
        return a_array ? -1 : 1;
    if (a->own_bytes != b->own_bytes)
        return a->own_bytes > b->own_bytes ? -1 : 1;
    return a->node > b->node ? -1 : 1;
}

/* The containers in the order of dropping; `own` has room for all nodes. */
static size_t candidates_of(const struct json_tokens *t, struct candidate *own)
{
    size_t count = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct json_node *node = &t->nodes[i];
        own[i] = (struct candidate){i, (uint32_t)audit_cut_node_bytes(t, node)};
        if (node->parent == JSON_NO_NODE)
            continue;
        own[node->parent].own_bytes -= node->end - node->start;
        if (json_node_is_string(t, node))
            own[node->parent].own_bytes += own[i].own_bytes;
    }
    for (uint32_t i = 0; i < t->count; i++)
        if (!json_node_is_string(t, &t->nodes[i]))
            own[count++] = own[i];
    return count;
}

size_t audit_cut_containers(struct json_tokens *t, size_t bytes, size_t limit)
{
    struct shrink s = {t, bytes, limit, xcalloc(t->count, sizeof(uint32_t))};
    struct candidate *candidates = xmalloc(t->count * sizeof *candidates);
    const size_t count = candidates_of(t, candidates);
    qsort_r(candidates, count, sizeof *candidates, compare, t);
    for (size_t i = 0; i < count && s.bytes > limit; i++)
        if (!s.next[candidates[i].node])
            shrink_container(&s, candidates[i].node);
    free(candidates);
    free(s.next);
    return s.bytes;
}
