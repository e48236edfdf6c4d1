/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url_text.h"

enum { URL_MAX = 1 << 16 };

static const char hidden[] = "***";

static bool is_secret_option(const char *option, size_t name_length)
{
    static const char ending[] = "password";
    const size_t n = sizeof ending - 1;
    return name_length >= n && strncmp(option + name_length - n, ending, n) == 0;
}

static void hide_options(const char *text, struct buf *out)
{
    while (*text) {
        size_t length = 1 + strcspn(text + 1, "&"), name = strcspn(text + 1, "=&");
        if (is_secret_option(text + 1, name) && 1 + name < length)
            buf_printf(out, "%.*s%s", (int)(name + 2), text, hidden);
        else
            buf_add(out, text, length);
        text += length;
    }
}

void url_text_hide(const char *text, struct buf *out)
{
    const char *rest = strstr(text, "://");
    if (!rest) {
        buf_add_text(out, text);
        return;
    }
    rest += strlen("://");
    const char *at = strrchr(rest, '@'), *colon = at ? memchr(rest, ':', (size_t)(at - rest)) : NULL;
    if (colon) {
        buf_printf(out, "%.*s:%s", (int)(colon - text), text, hidden);
        text = at;
    }
    size_t place = strcspn(text, "?");
    buf_add(out, text, place);
    hide_options(text + place, out);
}

bool url_text_hide_in_place(char *text)
{
    struct buf shown;
    size_t length = strlen(text);
    buf_init(&shown, URL_MAX);
    url_text_hide(text, &shown);
    bool hides = shown.data && strcmp(shown.data, text) != 0;
    if (hides) {
        size_t kept = shown.len < length ? shown.len : length; /* a password of two letters is shorter than what stands for it */
        memset(text, 0, length);
        memcpy(text, shown.data, kept);
    }
    buf_release(&shown);
    return hides;
}
