/* SPDX-License-Identifier: Apache-2.0 */
/* Paths are split before they are decoded (rulings, Writes): an encoded slash stays inside its segment. */
#include "base/mem.h"
#include "http/http_priv.h"

#include <stdio.h>
#include <string.h>

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool router_decode(char *text, bool plus)
{
    char *out = text;
    for (const char *p = text; *p; p++) {
        if (*p == '%') {
            int high = hex_of(p[1]), low = high < 0 ? -1 : hex_of(p[2]);
            if (low < 0 || high * 16 + low == 0)
                return false;
            *out++ = (char)(high * 16 + low);
            p += 2;
        } else {
            *out++ = plus && *p == '+' ? ' ' : *p;
        }
    }
    *out = '\0';
    return str_is_utf8(text, (size_t)(out - text));
}

enum { SEGMENTS_MAX = 12 };

struct segments {
    struct str items[SEGMENTS_MAX];
    size_t count;
};

/* False: more than any route has. */
static bool split(const char *path, struct segments *ret)
{
    ret->count = 0;
    while (*path == '/') {
        const char *end = strchr(++path, '/');
        size_t n = end ? (size_t)(end - path) : strlen(path);
        if (ret->count == SEGMENTS_MAX)
            return false;
        ret->items[ret->count++] = (struct str){path, n};
        path += n;
    }
    return !*path && ret->count > 0;
}

/* Segment by segment; fills `ids` with where the {…} segments are. */
static bool matches(const char *pattern, const struct segments *path, struct str ids[HTTP_PATH_IDS_MAX])
{
    size_t id_count = 0;
    for (size_t i = 0; i < path->count; i++) {
        struct str segment = path->items[i];
        if (*pattern++ != '/')
            return false;
        if (*pattern == '{') {
            if (!segment.n || id_count == HTTP_PATH_IDS_MAX)
                return false;
            ids[id_count++] = segment;
            pattern = strchr(pattern, '}') + 1;
        } else if (strncmp(pattern, segment.p, segment.n) != 0 || (pattern[segment.n] && pattern[segment.n] != '/')) {
            return false;
        } else {
            pattern += segment.n;
        }
    }
    return !*pattern;
}

static enum err_code take_ids(struct http_request *request, const struct str ids[HTTP_PATH_IDS_MAX], struct err *err)
{
    for (size_t i = 0; i < HTTP_PATH_IDS_MAX && ids[i].p; i++) {
        request->ids[i] = xstrndup(ids[i].p, ids[i].n);
        if (!router_decode(request->ids[i], false))
            return err_param(err, "path", "the path holds a bad percent escape, U+0000 or bytes that are not UTF-8");
    }
    return OK;
}

enum err_code router_match(struct http_request *request, const struct http_routes *groups, size_t count, struct err *err)
{
    char allow[64] = "";
    struct segments path;
    if (!split(request->path, &path))
        return err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++) {
            const struct http_route *route = &groups[g].rows[i];
            struct str ids[HTTP_PATH_IDS_MAX] = {{0}};
            if (!matches(route->path, &path, ids))
                continue;
            if (request->method_known && route->method == request->method) {
                request->route = route;
                request->context = groups[g].context;
                return take_ids(request, ids, err);
            }
            size_t n = strlen(allow);
            (void)snprintf(allow + n, sizeof allow - n, "%s%s%s", n ? ", " : "", method_names[route->method],
                           route->method == HTTP_GET ? ", HEAD" : "");
        }
    if (!allow[0])
        return err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
    http_add_header(request, "Allow", allow);
    return err_set(err, ERR_INVALID, "METHOD_NOT_ALLOWED", "this path takes %s only", allow);
}
