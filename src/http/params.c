/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/mem.h"
#include "http/http_priv.h"

#include <stdio.h>
#include <string.h>

static const struct http_param_spec *find_spec(const struct http_param_spec *specs, const char *name)
{
    for (; specs && specs->name; specs++)
        if (strcmp(specs->name, name) == 0)
            return specs;
    return NULL;
}

static enum err_code read_choice(const struct http_param_spec *spec, const char *text, int64_t *ret, struct err *err)
{
    char list[256] = "";
    for (int64_t i = 0; i < spec->max; i++) {
        if (strcmp(text, spec->choices[i]) == 0) {
            *ret = i;
            return OK;
        }
        size_t n = strlen(list);
        (void)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", spec->choices[i]);
    }
    return err_param(err, spec->name, "%s must be one of: %s", spec->name, list);
}

/* A "+" that was not escaped arrives as a blank: 2026-01-01T00:00:00+08:00 is what everybody types. */
static bool read_time(const char *text, int64_t *ret)
{
    char copy[64];
    size_t n = strlen(text);
    if (time_parse(text, n, ret))
        return true;
    if (n < 6 || n >= sizeof copy || text[n - 6] != ' ')
        return false;
    memcpy(copy, text, n + 1);
    copy[n - 6] = '+';
    return time_parse(copy, n, ret);
}

static enum err_code read_value(const struct http_param_spec *spec, const char *text, int64_t *ret, struct err *err)
{
    size_t n = strlen(text), most = spec->max ? (size_t)spec->max : HTTP_TEXT_PARAM_MAX;
    bool truth = false;
    switch (spec->kind) {
    case HTTP_PARAM_TEXT:
        if (n > most || n < (size_t)spec->min)
            return err_param(err, spec->name, "%s must have %lld to %zu bytes", spec->name, (long long)spec->min, most);
        return OK;
    case HTTP_PARAM_INT:
        if (!str_to_int(str_of(text), spec->min, spec->max, ret))
            return err_param(err, spec->name, "%s must be an integer between %lld and %lld", spec->name, (long long)spec->min,
                             (long long)spec->max);
        return OK;
    case HTTP_PARAM_BOOL:
        if (!str_to_bool(str_of(text), &truth))
            return err_param(err, spec->name, "%s must be true or false", spec->name);
        *ret = truth;
        return OK;
    case HTTP_PARAM_TIME:
        if (!read_time(text, ret))
            return err_param(err, spec->name, "%s must be a time: RFC 3339, or Unix milliseconds", spec->name);
        return OK;
    case HTTP_PARAM_CHOICE: return read_choice(spec, text, ret, err);
    }
    return err_param(err, spec->name, "%s cannot be read", spec->name);
}

static enum err_code add_param(struct http_request *request, char *name, char *value, struct err *err)
{
    if (!router_decode(name, true) || !router_decode(value, true))
        return err_param(err, "query", "the query holds a bad percent escape, U+0000 or bytes that are not UTF-8");
    const struct http_param_spec *spec = find_spec(request->route->params, name);
    if (!spec && request->route->flags & HTTP_LENIENT)
        return OK;
    if (!spec)
        return err_param(err, name, "unknown query parameter \"%.*s\"", (int)str_utf8_cut(name, strlen(name), 64), name);
    if (http_param(request, name))
        return err_param(err, name, "%s is given twice", name);
    if (request->param_count == HTTP_PARAMS_MAX)
        return err_param(err, name, "more than %d query parameters", HTTP_PARAMS_MAX);
    struct http_param *param = &request->params[request->param_count];
    *param = (struct http_param){.spec = spec, .text = value};
    enum err_code code = read_value(spec, value, &param->number, err);
    if (code == OK)
        request->param_count++;
    return code;
}

enum err_code params_parse(struct http_request *request, struct err *err)
{
    enum err_code code = OK;
    for (char *item = request->query; item && *item && code == OK;) {
        char *end = strchr(item, '&');
        if (end)
            *end = '\0';
        char *value = strchr(item, '=');
        if (value)
            *value++ = '\0';
        if (*item || value)
            code = add_param(request, item, value ? value : item + strlen(item), err);
        item = end ? end + 1 : NULL;
    }
    return code;
}

const struct http_param *http_param(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->param_count; i++)
        if (strcmp(request->params[i].spec->name, name) == 0)
            return &request->params[i];
    return NULL;
}

int64_t http_param_int(const struct http_request *request, const char *name, int64_t absent)
{
    const struct http_param *param = http_param(request, name);
    return param ? param->number : absent;
}

const char *http_param_text(const struct http_request *request, const char *name)
{
    const struct http_param *param = http_param(request, name);
    return param ? param->text : NULL;
}
