/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json_difference.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { PATH_MAX_BYTES = 65536, VALUE_MAX_BYTES = 1 << 26 };

struct leaf {
    char *path, *value; /* owned */
};

struct leaves {
    struct leaf *items;
    size_t count, capacity;
    bool full;
};

/* A container on the way down; recursion would follow what somebody else wrote. */
struct level {
    const struct json *container;
    struct json_walk walk;
    size_t path, index; /* length of the path up to here; next item of an array */
};

struct walk {
    struct leaves *leaves;
    struct buf path;
    struct level *levels; /* owned */
    size_t depth, capacity;
};

static void add_leaf(struct walk *w, const struct json *value)
{
    struct leaves *leaves = w->leaves;
    if (leaves->count == DIFFERENCE_VALUES_MAX) {
        leaves->full = true;
        return;
    }
    if (leaves->count == leaves->capacity) {
        leaves->capacity = leaves->capacity ? 2 * leaves->capacity : 64;
        leaves->items = xrealloc(leaves->items, leaves->capacity * sizeof *leaves->items);
    }
    leaves->items[leaves->count++] = (struct leaf){xstrdup(w->path.data && w->path.len ? w->path.data : "$"), json_print(value)};
}

static void add_name(struct buf *path, struct str name)
{
    bool plain = name.n > 0;
    for (size_t i = 0; i < name.n; i++)
        plain = plain && !memchr(".[]\"", name.p[i], 4);
    if (plain && path->len)
        buf_add_char(path, '.');
    buf_add_text(path, plain ? "" : "[\"");
    buf_add(path, name.p, name.n);
    buf_add_text(path, plain ? "" : "\"]");
}

static void go_down(struct walk *w, const struct json *container)
{
    if (w->depth == w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 16;
        w->levels = xrealloc(w->levels, w->capacity * sizeof *w->levels);
    }
    w->levels[w->depth++] = (struct level){.container = container, .path = w->path.len};
}

static void cut_path(struct buf *path, size_t length)
{
    if (path->data && length < path->len) {
        path->len = length;
        path->data[length] = '\0';
    }
}

/* The next child, with its path; NULL: there are no more. */
static const struct json *next_child(struct walk *w, struct level *level)
{
    const struct json *value;
    struct str name;
    cut_path(&w->path, level->path);
    if (json_is_array(level->container)) {
        if (!json_walk_array(level->container, &level->walk, &value))
            return NULL;
        buf_printf(&w->path, "[%zu]", level->index++);
    } else {
        if (!json_walk_object(level->container, &level->walk, &name, &value))
            return NULL;
        add_name(&w->path, name);
    }
    return value;
}

static void visit(struct walk *w, const struct json *value)
{
    if ((json_is_object(value) || json_is_array(value)) && json_count(value))
        go_down(w, value);
    else
        add_leaf(w, value);
}

static void collect(const struct json *root, struct leaves *leaves)
{
    struct walk w = {.leaves = leaves};
    buf_init(&w.path, PATH_MAX_BYTES);
    visit(&w, root);
    while (w.depth) {
        const struct json *child = next_child(&w, &w.levels[w.depth - 1]);
        if (child)
            visit(&w, child);
        else
            w.depth--;
    }
    buf_release(&w.path);
    free(w.levels);
}

static void release(struct leaves *leaves)
{
    for (size_t i = 0; i < leaves->count; i++) {
        free(leaves->items[i].path);
        free(leaves->items[i].value);
    }
    free(leaves->items);
}

static void add_line(struct buf *out, char sign, const struct leaf *leaf)
{
    buf_printf(out, "%c %s: ", sign, leaf->path);
    buf_add_text(out, leaf->value);
    buf_add_char(out, '\n');
}

static void compare(struct buf *out, const struct leaves *olds, const struct leaves *news, bool changes_only)
{
    struct map rest; /* of the new ones: those that were not met yet */
    map_init(&rest);
    for (size_t i = 0; i < news->count; i++)
        (void)map_put(&rest, str_of(news->items[i].path), &news->items[i]);
    for (size_t i = 0; i < olds->count; i++) {
        const struct leaf *old = &olds->items[i], *new = map_remove(&rest, str_of(old->path));
        bool same = new &&strcmp(old->value, new->value) == 0;
        if (!same)
            add_line(out, '-', old);
        if (new && !(same && changes_only))
            add_line(out, same ? ' ' : '+', new);
    }
    for (size_t i = 0; i < news->count; i++)
        if (map_get(&rest, str_of(news->items[i].path)) == &news->items[i])
            add_line(out, '+', &news->items[i]);
    map_release(&rest);
}

void json_difference(struct buf *out, const struct json *old_object, const struct json *new_object, bool changes_only)
{
    struct leaves olds = {0}, news = {0};
    if (old_object)
        collect(old_object, &olds);
    if (new_object)
        collect(new_object, &news);
    compare(out, &olds, &news, changes_only);
    if (olds.full || news.full)
        buf_printf(out, "… only the first %d values are shown\n", DIFFERENCE_VALUES_MAX);
    release(&olds);
    release(&news);
}
