/* SPDX-License-Identifier: Apache-2.0 */
/* Targets of requests: what is split, decoded and found by the router, and queries against a table of parameters, both
 * against the same texts encoded again. Input: the method's number, then the target. */
#include "base/clock.h"
#include "base/mem.h"
#include "http/http_priv.h"
#include "http/page.h"
#include "refusal.h"

static const char *const colours[] = {"red", "green", "blue"};
static const struct http_param_spec params[] = {
    PAGE_PARAMS,
    {"text", HTTP_PARAM_TEXT, 1, 16, NULL},
    {"free", HTTP_PARAM_TEXT, 0, 0, NULL},
    {"number", HTTP_PARAM_INT, -7, 77, NULL},
    {"truth", HTTP_PARAM_BOOL, 0, 0, NULL},
    {"time", HTTP_PARAM_TIME, 0, 0, NULL},
    {"colour", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(colours), colours},
    {NULL, HTTP_PARAM_TEXT, 0, 0, NULL},
};

static const struct http_route rows[] = {
    {HTTP_GET, "/", NULL, 0, 0, 0, NULL, ""},
    {HTTP_GET, "/api/v1/tasks", NULL, 0, 0, 0, params, ""},
    {HTTP_POST, "/api/v1/tasks", NULL, 0, 0, 0, NULL, ""},
    {HTTP_GET, "/api/v1/tasks/{id}", NULL, 0, HTTP_LENIENT, 0, params, ""},
    {HTTP_DELETE, "/api/v1/tasks/{id}", NULL, 0, 0, 0, params, ""},
    {HTTP_GET, "/api/v1/tasks/{id}/runs/{run}", NULL, 0, 0, 0, params, ""},
};
static const struct http_routes routes = {rows, ARRAY_LEN(rows), NULL};
static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", ""};

static void release(struct http_request *r)
{
    free(r->target);
    free(r->path);
    free(r->query);
    for (size_t i = 0; i < HTTP_PATH_IDS_MAX; i++)
        free(r->ids[i]);
    for (size_t i = 0; i < r->header_count; i++) {
        free(r->headers[i].name);
        free(r->headers[i].value);
    }
    memset(r, 0, sizeof *r);
}

/* Every byte that could mean something else as %XX, in either case. */
static void encode(struct buf *out, const char *text)
{
    for (size_t i = 0; text[i]; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            buf_add_char(out, text[i]);
        else
            buf_printf(out, i % 2 ? "%%%02X" : "%%%02x", c);
    }
}

/* ---- paths ---- */

static size_t count_segments(const char *path)
{
    size_t count = 0;
    for (; *path; path++)
        count += *path == '/';
    return count;
}

static void check_split(const struct http_request *r, const char *target)
{
    size_t path = strlen(r->path), query = r->query ? strlen(r->query) + 1 : 0, whole = strlen(target);
    CHECK(strcmp(r->target, target) == 0, "the target is %s", r->target);
    CHECK(!strchr(r->path, '?'), "the path %s holds a query", r->path);
    if (query)
        CHECK(whole >= query && strcmp(target + whole - query + 1, r->query) == 0 && target[whole - query] == '?',
              "the query is %s", r->query);
    if (strncmp(target, "http", 4) != 0)
        CHECK(path + query == whole && strncmp(target, r->path, path) == 0, "the path is %s", r->path);
}

/* The route's path with the ids encoded again leads to the same route and ids. */
static void check_ids(const struct http_request *r)
{
    struct buf path;
    struct http_request again = {0};
    size_t id = 0;
    buf_init(&path, 1 << 20);
    for (const char *p = r->route->path; *p; p++) {
        if (*p != '{') {
            buf_add_char(&path, *p);
            continue;
        }
        CHECK(r->ids[id] && str_is_utf8(r->ids[id], strlen(r->ids[id])), "id %zu is missing or not UTF-8", id);
        encode(&path, r->ids[id++]);
        p += strcspn(p, "}");
    }
    CHECK(id == HTTP_PATH_IDS_MAX || !r->ids[id], "more ids than the route has");
    request_set_method(&again, methods[r->is_head ? 1 : r->method == HTTP_GET ? 0 : r->method + 1]);
    request_set_target(&again, path.data);
    struct err err = {.message = ""};
    enum err_code code = router_match(&again, &routes, 1, &err);
    CHECK(code == OK && again.route == r->route, "%s leads elsewhere: %s", path.data, err.message);
    for (size_t i = 0; i < id; i++)
        CHECK(strcmp(again.ids[i], r->ids[i]) == 0, "id \"%s\" becomes \"%s\"", r->ids[i], again.ids[i]);
    release(&again);
    buf_release(&path);
}

static void check_not_found(const struct http_request *r, enum err_code code, const struct err *err)
{
    check_refusal(code, err);
    bool other_method = strcmp(err->api_code, "METHOD_NOT_ALLOWED") == 0;
    CHECK(other_method == (r->header_count == 1), "%zu headers with %s", r->header_count, err->message);
    CHECK(other_method || code == ERR_NOT_FOUND || strcmp(err->param, "path") == 0, "%s", err->message);
}

/* ---- queries ---- */

static void check_value(const struct http_param *p)
{
    size_t n = strlen(p->text);
    CHECK(str_is_utf8(p->text, n), "%s is not UTF-8", p->spec->name);
    switch (p->spec->kind) {
    case HTTP_PARAM_TEXT:
        CHECK(n >= (size_t)p->spec->min && n <= (p->spec->max ? (size_t)p->spec->max : HTTP_TEXT_PARAM_MAX), "%zu bytes", n);
        return;
    case HTTP_PARAM_INT:
        CHECK(p->number >= p->spec->min && p->number <= p->spec->max, "%s is %lld", p->spec->name, (long long)p->number);
        return;
    case HTTP_PARAM_BOOL:
        CHECK(strcmp(p->text, p->number ? "true" : "false") == 0, "%s means %lld", p->text, (long long)p->number);
        return;
    case HTTP_PARAM_CHOICE: CHECK(strcmp(p->text, colours[p->number]) == 0, "%s is %lld", p->text, (long long)p->number); return;
    case HTTP_PARAM_TIME:
        CHECK(p->number / US_PER_MS <= TIME_MS_MAX && p->number >= TIME_MS_MIN * US_PER_MS, "%s", p->text);
        return;
    }
}

static void check_query(const struct http_request *r)
{
    struct buf query;
    struct err err = {.message = ""};
    struct http_request again = {.route = r->route};
    buf_init(&query, 1 << 20);
    for (size_t i = 0; i < r->param_count; i++) {
        check_value(&r->params[i]);
        for (size_t k = 0; k < i; k++)
            CHECK(r->params[k].spec != r->params[i].spec, "%s is there twice", r->params[i].spec->name);
        buf_add_text(&query, i ? "&&" : "");
        encode(&query, r->params[i].spec->name);
        buf_add_char(&query, '=');
        encode(&query, r->params[i].text);
    }
    again.query = query.data;
    enum err_code code = params_parse(&again, &err);
    CHECK(code == OK && again.param_count == r->param_count, "encoded again it is refused: %s", err.message);
    for (size_t i = 0; i < r->param_count; i++)
        CHECK(again.params[i].spec == r->params[i].spec && strcmp(again.params[i].text, r->params[i].text) == 0 &&
                  again.params[i].number == r->params[i].number,
              "%s is another one", r->params[i].spec->name);
    buf_release(&query);
}

static void check_page(const struct http_request *r)
{
    struct page page;
    struct err err;
    enum err_code code = page_read(r, &page, &err);
    if (code != OK) {
        check_refusal(code, &err);
        CHECK(http_param(r, "page") && http_param(r, "cursor"), "refused: %s", err.message);
        return;
    }
    CHECK(page.size >= 1 && page.size <= PAGE_SIZE_MAX && page.cursor >= 0, "a page of %lld", (long long)page.size);
    CHECK(page.offset >= 0 && page.offset <= (int64_t)PAGE_MAX * PAGE_SIZE_MAX, "from row %lld on", (long long)page.offset);
    CHECK(page.cursor ? page.offset == 0 : page.page >= 1, "page %lld", (long long)page.page);
}

/* ---- decoding ---- */

static void check_decoding(const char *text)
{
    struct buf encoded;
    char *decoded = xstrdup(text);
    bool good = router_decode(decoded, true);
    CHECK(strlen(decoded) <= strlen(text) || !good, "it grew");
    free(decoded);
    if (!str_is_utf8(text, strlen(text)))
        return;
    buf_init(&encoded, 1 << 20);
    buf_add_text(&encoded, "");
    encode(&encoded, text);
    if (encoded.len) {
        CHECK(router_decode(encoded.data, false) && strcmp(encoded.data, text) == 0, "\"%s\" comes back otherwise", text);
    }
    buf_release(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct http_request r = {0};
    struct err err = {.message = ""};
    request_set_method(&r, methods[fuzz_choice(&input, ARRAY_LEN(methods))]);
    char *bytes = fuzz_rest(&input), *target = xstrndup(bytes, strnlen(bytes, input.left));
    free(bytes);
    check_decoding(target);
    request_set_target(&r, target);
    check_split(&r, target);
    enum err_code code = router_match(&r, &routes, 1, &err);
    if (code != OK) {
        check_not_found(&r, code, &err);
    } else {
        CHECK(r.route->method == r.method && r.method_known, "another method's route");
        CHECK(count_segments(r.path) == count_segments(r.route->path), "%s is not %s", r.path, r.route->path);
        check_ids(&r);
        code = params_parse(&r, &err);
        if (code != OK)
            check_refusal(code, &err);
        else
            check_query(&r);
        if (code == OK && r.route->params)
            check_page(&r);
    }
    release(&r);
    free(target);
    return 0;
}
