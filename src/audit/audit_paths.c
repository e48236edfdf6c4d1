/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_paths.h"

#include <string.h>

enum { ITEMS_AT_FIRST = 16, ENTRY_BYTES = 3 }; /* quotes and comma */

void audit_paths_init(struct audit_paths *p)
{
    *p = (struct audit_paths){.full = false};
    arena_init(&p->arena, SIZE_MAX); /* `bytes` is the limit */
}

void audit_paths_release(struct audit_paths *p)
{
    map_release(&p->seen);
    arena_release(&p->arena);
    free(p->items);
    p->items = NULL;
    p->count = 0;
}

static void append(struct audit_paths *p, struct str text)
{
    if (!p->count) /* most lists stay empty, and the seed of a map costs a call of the kernel */
        map_init(&p->seen);
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : ITEMS_AT_FIRST;
        p->items = xrealloc(p->items, p->capacity * sizeof p->items[0]);
    }
    p->items[p->count++] = text;
    p->bytes += text.n + ENTRY_BYTES;
}

static void fill_up(struct audit_paths *p)
{
    p->full = true;
    append(p, (struct str){JSON_MARKER, JSON_MARKER_BYTES});
}

void audit_paths_add(struct audit_paths *p, struct str encoded)
{
    if (p->full || map_get(&p->seen, encoded))
        return;
    if (p->bytes + encoded.n + ENTRY_BYTES > AUDIT_PATHS_BYTES_MAX - JSON_MARKER_BYTES - ENTRY_BYTES) {
        fill_up(p);
        return;
    }
    char *copy = arena_strndup(&p->arena, encoded.p, encoded.n);
    append(p, (struct str){copy, encoded.n});
    (void)map_put(&p->seen, (struct str){copy, encoded.n}, copy);
}

void audit_paths_add_all(struct audit_paths *p, const struct audit_paths *others)
{
    for (size_t i = 0; i < others->count - others->full; i++)
        audit_paths_add(p, others->items[i]);
    if (others->full && !p->full)
        fill_up(p);
}

/* A name that a path cannot hold as it is. */
static bool needs_quotes(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (memchr(".[]\"", name.p[i], 4))
            return true;
    return name.n == 0;
}

static void add_member(struct buf *out, struct str name)
{
    if (!needs_quotes(name)) {
        if (out->len)
            buf_add_char(out, '.');
        buf_add(out, name.p, name.n);
        return;
    }
    buf_add_text(out, "[\\\"");
    for (size_t i = 0; i < name.n; i++) { /* the name is encoded already; as a text in a text it is so once more */
        if (name.p[i] == '"' || name.p[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, name.p[i]);
    }
    buf_add_text(out, "\\\"]");
}

static void add_step(struct buf *out, const struct json_tokens *t, const struct json_node *node)
{
    if (t->text[t->nodes[node->parent].start] == '[') {
        buf_add_char(out, '[');
        buf_add_int(out, node->name);
        buf_add_char(out, ']');
    } else {
        add_member(out, (struct str){t->text + node->name + 1, node->start - 3 - node->name}); /* between `"` and `":` */
    }
}

void audit_paths_add_node(struct audit_paths *p, const struct json_tokens *t, const struct json_node *node)
{
    size_t depth = 0;
    struct buf path;
    if (p->full)
        return;
    for (const struct json_node *at = node; at->parent != JSON_NO_NODE; at = &t->nodes[at->parent])
        depth++;
    const struct json_node **steps = xmalloc((depth + 1) * sizeof steps[0]);
    for (size_t i = depth; i-- > 0; node = &t->nodes[node->parent])
        steps[i] = node;
    buf_init(&path, AUDIT_PATHS_BYTES_MAX);
    for (size_t i = 0; i < depth; i++)
        add_step(&path, t, steps[i]);
    if (path.failed)
        fill_up(p);
    else
        audit_paths_add(p, depth ? (struct str){path.data, path.len} : str_of("$"));
    buf_release(&path);
    free(steps);
}

void audit_paths_write(const struct audit_paths *p, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < p->count; i++) {
        buf_add_text(out, i ? ",\"" : "\"");
        buf_add(out, p->items[i].p, p->items[i].n);
        buf_add_char(out, '"');
    }
    buf_add_char(out, ']');
}
