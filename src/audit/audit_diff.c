/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_diff.h"

static void take(struct audit_diff *diff, unsigned which, struct str text, const struct audit_rules *rules)
{
    struct audit_object *object = which == AUDIT_OLD ? &diff->old_object : &diff->new_object;
    audit_object_make(text.p, text.n, rules, object);
    audit_paths_add_all(&diff->fields, &object->paths);
    diff->has |= which;
}

void audit_diff_make(enum audit_action action, struct str old_object, struct str new_object, const struct audit_rules *rules,
                     struct audit_diff *ret)
{
    const unsigned wanted = audit_action_objects(action);
    const unsigned given = (old_object.p ? AUDIT_OLD : 0u) | (new_object.p ? AUDIT_NEW : 0u);
    *ret = (struct audit_diff){.left_out = given & ~wanted};
    audit_paths_init(&ret->fields);
    if (given & wanted & AUDIT_OLD)
        take(ret, AUDIT_OLD, old_object, rules);
    if (given & wanted & AUDIT_NEW)
        take(ret, AUDIT_NEW, new_object, rules);
}

void audit_diff_release(struct audit_diff *diff)
{
    if (diff->has & AUDIT_OLD)
        audit_object_release(&diff->old_object);
    if (diff->has & AUDIT_NEW)
        audit_object_release(&diff->new_object);
    audit_paths_release(&diff->fields);
}

static void put_paths(struct json_writer *w, const char *key, const struct audit_paths *paths)
{
    struct buf list;
    buf_init(&list, 2 * AUDIT_PATHS_BYTES_MAX);
    audit_paths_write(paths, &list);
    json_key(w, key);
    json_raw(w, list.data, list.len);
    buf_release(&list);
}

static void put_left_out(struct json_writer *w, unsigned left_out)
{
    json_key(w, "left_out");
    json_begin_array(w);
    if (left_out & AUDIT_OLD)
        json_text(w, "old_object");
    if (left_out & AUDIT_NEW)
        json_text(w, "new_object");
    json_end_array(w);
}

void audit_diff_write(const struct audit_diff *diff, struct json_writer *w)
{
    static const struct audit_paths none = {.full = false};
    const bool has_old = diff->has & AUDIT_OLD, has_new = diff->has & AUDIT_NEW;
    json_begin_object(w);
    if (has_old) {
        json_key(w, "old_object");
        json_text_n(w, diff->old_object.text, diff->old_object.length);
    }
    if (has_new) {
        json_key(w, "new_object");
        json_text_n(w, diff->new_object.text, diff->new_object.length);
    }
    json_put_bool(w, "old_object_truncated", has_old && diff->old_object.truncated);
    json_put_bool(w, "new_object_truncated", has_new && diff->new_object.truncated);
    put_paths(w, "truncated_fields", &diff->fields);
    put_paths(w, "old_truncated_fields", has_old ? &diff->old_object.paths : &none);
    put_paths(w, "new_truncated_fields", has_new ? &diff->new_object.paths : &none);
    if (diff->left_out)
        put_left_out(w, diff->left_out);
    json_end_object(w);
}
