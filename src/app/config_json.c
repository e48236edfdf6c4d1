/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_json.h"

#include "base/url_text.h"

static void put_text(struct json_writer *w, const char *key, const char *value)
{
    struct buf shown;
    buf_init(&shown, 8192);
    url_text_hide(value, &shown);
    json_put_text(w, key, shown.failed ? "***" : shown.data ? shown.data : "");
    buf_release(&shown);
}

static void put_list(struct json_writer *w, const char *key, const struct config_list *list)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++)
        json_text(w, list->items[i]);
    json_end_array(w);
}

static void put_secret(struct json_writer *w, const char *key, const char *value)
{
    json_put_text(w, key, value[0] ? "***" : "");
}

void config_write_json(const struct config *config, struct json_writer *w)
{
#define PUT_TEXT(key, value) put_text(w, key, value)
#define PUT_CHOICE(key, value) put_text(w, key, value)
#define PUT_SECRET(key, value) put_secret(w, key, value)
#define PUT_INT(key, value) json_put_int(w, key, value)
#define PUT_BOOL(key, value) json_put_bool(w, key, value)
#define PUT_LIST(key, value) put_list(w, key, &(value))
    json_begin_object(w);
#define SETTING(member, kind, key, flag, argument, variable, value, min, max, help) PUT_##kind(key, config->member);
#include "app/settings.def"
#undef SETTING
    json_end_object(w);
}
