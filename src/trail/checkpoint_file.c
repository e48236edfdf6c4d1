/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/checkpoint_file.h"

#include "base/mem.h"

#include <string.h>

static enum err_code add(struct checkpoint_list *list, const struct json *object, struct err *err)
{
    uint8_t key[AUDIT_PUBLIC_BYTES];
    struct checkpoint c;
    enum err_code code = checkpoint_read(object, &c, key, err);
    if (code != OK)
        return code;
    if (list->count && memcmp(key, list->public_key, sizeof key) != 0)
        return err_set(err, ERR_INVALID, NULL, "checkpoint %lld is signed by another key than those before it", (long long)c.id);
    if (!checkpoint_is_signed(&c, key))
        return err_set(err, ERR_INVALID, NULL, "checkpoint %lld is not what its key signed", (long long)c.id);
    memcpy(list->public_key, key, sizeof key);
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = xrealloc(list->items, list->capacity * sizeof list->items[0]);
    }
    list->items[list->count++] = c;
    return OK;
}

static enum err_code add_all(struct checkpoint_list *list, const struct json *root, struct err *err)
{
    struct json_walk walk = {0};
    const struct json *data = json_is_object(root) ? json_member(root, "data") : root, *item;
    enum err_code code = OK;
    if (!data || !json_is_array(data))
        return add(list, root, err);
    while (code == OK && json_walk_array(data, &walk, &item))
        code = add(list, item, err);
    return code;
}

static enum err_code parse(struct checkpoint_list *list, struct str text, struct err *err)
{
    struct json_doc *doc;
    enum err_code code = json_parse(text.p, text.n, &doc, err);
    if (code != OK)
        return code;
    code = add_all(list, json_root(doc), err);
    json_doc_free(doc);
    return code;
}

/* Whole text first: an answer may have been formatted over many lines. */
enum err_code checkpoint_file_read(struct str text, struct checkpoint_list *ret, struct err *err)
{
    struct str rest = text, line;
    struct json_doc *doc;
    *ret = (struct checkpoint_list){.items = NULL};
    enum err_code code = OK;
    if (json_parse(text.p, text.n, &doc, NULL) == OK) {
        code = add_all(ret, json_root(doc), err);
        json_doc_free(doc);
    } else {
        while (code == OK && str_split(&rest, '\n', &line))
            if (str_trim(line).n && line.p[0] != '\r')
                code = parse(ret, line, err);
    }
    if (code == OK && !ret->count)
        code = err_set(err, ERR_INVALID, NULL, "there are no checkpoints in it");
    return code;
}

void checkpoint_list_release(struct checkpoint_list *list)
{
    free(list->items);
    list->items = NULL;
    list->count = list->capacity = 0;
}
