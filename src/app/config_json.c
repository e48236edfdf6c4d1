/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_json.h"

#include "base/mem.h"

#include <string.h>

/* scheme://user:password@host becomes scheme://user:***@host */
static void put_text(struct json_writer *w, const char *key, const char *value)
{
    const char *rest = strstr(value, "://");
    const char *at = rest ? strrchr(rest, '@') : NULL;
    const char *colon = at ? memchr(rest + 3, ':', (size_t)(at - rest - 3)) : NULL;
    if (!colon) {
        json_put_text(w, key, value);
        return;
    }
    struct buf hidden;
    buf_init(&hidden, 8192);
    buf_printf(&hidden, "%.*s:***%s", (int)(colon - value), value, at);
    json_put_text(w, key, hidden.data ? hidden.data : "***");
    buf_release(&hidden);
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
