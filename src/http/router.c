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

/* Fills `ids` with where the {…} segments are: all of a segment, never empty. */
static bool matches(const char *pattern, const char *path, struct str ids[HTTP_PATH_IDS_MAX])
{
    for (size_t id_count = 0;;) {
        while (*pattern && *pattern != '{' && *pattern == *path) {
            pattern++;
            path++;
        }
        if (*pattern != '{')
            return !*pattern && !*path;
        size_t n = strcspn(path, "/");
        if (!n || id_count == HTTP_PATH_IDS_MAX)
            return false;
        ids[id_count++] = (struct str){path, n};
        pattern += strcspn(pattern, "/");
        path += n;
    }
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

/* The methods of a path that several routes may match. */
static enum err_code refuse_method(struct http_request *request, unsigned methods, struct err *err)
{
    char allow[64] = "";
    for (int m = 0; m < HTTP_METHOD_COUNT; m++) {
        size_t n = strlen(allow);
        if (methods >> m & 1)
            (void)snprintf(allow + n, sizeof allow - n, "%s%s%s", n ? ", " : "", method_names[m], m == HTTP_GET ? ", HEAD" : "");
    }
    http_add_header(request, "Allow", allow);
    return err_set(err, ERR_INVALID, "METHOD_NOT_ALLOWED", "this path takes %s only", allow);
}

bool router_takes(const struct http_request *request, const struct http_routes *groups, size_t count)
{
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++) {
            struct str ids[HTTP_PATH_IDS_MAX] = {{0}};
            if (matches(groups[g].rows[i].path, request->path, ids))
                return true;
        }
    return false;
}

enum err_code router_match(struct http_request *request, const struct http_routes *groups, size_t count, struct err *err)
{
    unsigned methods = 0;
    size_t number = 0;
    for (size_t g = 0; g < count; g++)
        for (size_t i = 0; i < groups[g].count; i++, number++) {
            const struct http_route *route = &groups[g].rows[i];
            struct str ids[HTTP_PATH_IDS_MAX] = {{0}};
            if (!matches(route->path, request->path, ids))
                continue;
            if (request->method_known && route->method == request->method) {
                request->route = route;
                request->route_number = number;
                request->context = groups[g].context;
                return take_ids(request, ids, err);
            }
            methods |= 1u << route->method;
        }
    return methods ? refuse_method(request, methods, err) : err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
}
