/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/migrate_changes.h"

#include "base/json.h"
#include "base/json_write.h"

#include <stdlib.h>
#include <string.h>

static const char *const pairs[][2] = {
    {"old", "new"},
    {"before", "after"},
    {"from", "to"},
    {"old_value", "new_value"},
    {"oldValue", "newValue"},
    {"old_object", "new_object"},
    {"oldObject", "newObject"},
    {"previous", "current"},
};

struct sides {
    const struct json *value[2]; /* NULL = not said */
};

static void add_value(struct json_writer *w, const struct json *value)
{
    char *text = json_print(value);
    json_raw(w, text, strlen(text));
    free(text);
}

/* An object of one side or both, and of nothing else but `allowed`. */
static bool read_sides(const struct json *value, const char *allowed, struct sides *ret)
{
    size_t count = json_is_object(value) ? json_count(value) : 0;
    if (allowed && json_member(value, allowed))
        count--;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        *ret = (struct sides){{json_member(value, pairs[i][0]), json_member(value, pairs[i][1])}};
        if (count > 0 && count == (size_t)(ret->value[0] != NULL) + (ret->value[1] != NULL))
            return true;
    }
    return false;
}

static void add_whole(const struct sides *sides, struct buf *outs[2])
{
    for (int side = 0; side < 2; side++) {
        struct json_writer w;
        json_writer_init(&w, outs[side]);
        if (sides->value[side] && !json_is_null(sides->value[side]))
            add_value(&w, sides->value[side]);
    }
}

/* One member of the object of a side. */
static void add_member(struct json_writer writers[2], struct str name, const struct sides *sides)
{
    for (int side = 0; side < 2; side++)
        if (sides->value[side]) {
            json_key_any(&writers[side], name.p, name.n);
            add_value(&writers[side], sides->value[side]);
        }
}

static void begin(struct json_writer writers[2], struct buf *outs[2])
{
    for (int side = 0; side < 2; side++) {
        json_writer_init(&writers[side], outs[side]);
        json_begin_object(&writers[side]);
    }
}

static void end(struct json_writer writers[2])
{
    for (int side = 0; side < 2; side++)
        json_end_object(&writers[side]);
}

static bool add_members(const struct json *object, struct buf *outs[2])
{
    struct json_writer writers[2];
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    struct sides sides;
    while (json_walk_object(object, &walk, &name, &value))
        if (!read_sides(value, NULL, &sides))
            return false;
    begin(writers, outs);
    for (walk = (struct json_walk){0}; json_walk_object(object, &walk, &name, &value);)
        if (read_sides(value, NULL, &sides))
            add_member(writers, name, &sides);
    end(writers);
    return true;
}

static const struct json *name_of(const struct json *item, const char **ret_member)
{
    static const char *const members[] = {"field", "name", "path", "key"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const struct json *name = json_is_object(item) ? json_member(item, members[i]) : NULL;
        *ret_member = members[i];
        if (name && json_is_text(name))
            return name;
    }
    return NULL;
}

static bool add_items(const struct json *array, struct buf *outs[2])
{
    struct json_writer writers[2];
    struct json_walk walk = {0};
    const struct json *item;
    const char *member;
    struct sides sides;
    while (json_walk_array(array, &walk, &item))
        if (!name_of(item, &member) || !read_sides(item, member, &sides))
            return false;
    begin(writers, outs);
    for (walk = (struct json_walk){0}; json_walk_array(array, &walk, &item);) {
        const struct json *name = name_of(item, &member);
        if (name && read_sides(item, member, &sides))
            add_member(writers, json_get_text(name), &sides);
    }
    end(writers);
    return true;
}

bool migrate_changes(struct str text, struct buf *before, struct buf *after)
{
    struct buf *outs[2] = {before, after};
    struct json_doc *doc;
    struct sides sides;
    struct err err;
    if (json_parse_exact(text.p, text.n, &doc, &err) != OK)
        return false;
    const struct json *root = json_root(doc);
    bool known = true;
    if (read_sides(root, NULL, &sides))
        add_whole(&sides, outs);
    else if (json_is_object(root) && json_count(root) > 0)
        known = add_members(root, outs);
    else if (json_is_array(root) && json_count(root) > 0)
        known = add_items(root, outs);
    else
        known = false;
    json_doc_free(doc);
    return known;
}

static bool is_blank(const struct json *value)
{
    return json_is_null(value) || (json_is_text(value) && !json_get_text(value).n) ||
           ((json_is_object(value) || json_is_array(value)) && !json_count(value));
}

bool migrate_side_is_empty(struct str json)
{
    struct json_doc *doc;
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    struct err err;
    if (json_parse_exact(json.p, json.n, &doc, &err) != OK)
        return false;
    bool empty = is_blank(json_root(doc)) || json_is_object(json_root(doc));
    while (empty && json_is_object(json_root(doc)) && json_walk_object(json_root(doc), &walk, &name, &value))
        empty = is_blank(value);
    json_doc_free(doc);
    return empty;
}
