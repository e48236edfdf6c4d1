/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/task_data.h"

#include "base/json.h"
#include "base/mem.h"
#include "db/retention.h"
#include "sched/sched_task.h"

#include <string.h>
#include <strings.h>

/* "" is {}; anything else must be a JSON object. */
static enum err_code parse_object(const char *data, struct json_doc **ret, struct err *err)
{
    const char *text = data && data[0] ? data : "{}";
    struct err inner;
    if (json_parse(text, strlen(text), ret, &inner) != OK)
        return err_param(err, "data", "data must be a JSON text: %s", inner.message);
    if (json_is_object(json_root(*ret)))
        return OK;
    json_doc_free(*ret);
    return err_param(err, "data", "data must be the text of a JSON object");
}

static char *copy(struct str text)
{
    return xstrndup(text.p, text.n);
}

static bool has_name(const struct name_value *pairs, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_equal(name, pairs[i].name))
            return true;
    return false;
}

/* An object of texts, such as `env` and `headers`. */
static enum err_code read_pairs(const struct json *object, const char *what, size_t max, bool (*name_is_fine)(struct str),
                                struct name_value *out, size_t *ret_count, struct err *err)
{
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    if (object && json_count(object) > max)
        return err_param(err, what, "%s must have at most %zu members", what, max);
    while (object && json_walk_object(object, &walk, &name, &value)) {
        struct str text = json_get_text(value);
        if (!name_is_fine(name))
            return err_param(err, what, "%s: \"%.*s\" is not a name that is allowed here", what,
                             (int)str_utf8_cut(name.p, name.n, 60), name.p);
        if (has_name(out, *ret_count, name))
            return err_param(err, what, "%s.%.*s is given twice", what, (int)str_utf8_cut(name.p, name.n, 60), name.p);
        if (!json_is_text(value) || memchr(text.p, 0, text.n))
            return err_param(err, what, "%s.%.*s must be a string without U+0000", what, (int)str_utf8_cut(name.p, name.n, 60),
                             name.p);
        out[(*ret_count)++] = (struct name_value){copy(name), copy(text)};
    }
    return OK;
}

static void release_pairs(struct name_value *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
}

/* ---- command ---- */

struct command_fields {
    const struct json *argv, *env;
    struct str command, shell, cwd, stdin_data, user;
};
#define F(member) offsetof(struct command_fields, member)
static const struct json_field command_fields[] = {
    {.name = "argv", .kind = FIELD_ARRAY, .offset = F(argv), .min = 1, .max = COMMAND_ARGV_MAX},
    {.name = "command", .kind = FIELD_TEXT, .offset = F(command), .min = 1, .max = TASK_DATA_MAX},
    {.name = "shell", .kind = FIELD_TEXT, .offset = F(shell), .min = 1, .max = 255},
    {.name = "env", .kind = FIELD_OBJECT, .offset = F(env)},
    {.name = "cwd", .kind = FIELD_TEXT, .offset = F(cwd), .min = 1, .max = 4095},
    {.name = "stdin", .kind = FIELD_TEXT, .offset = F(stdin_data), .max = TASK_DATA_MAX},
    {.name = "user", .kind = FIELD_TEXT, .offset = F(user), .min = 1, .max = 64},
};
#undef F

static bool is_env_name(struct str name)
{
    return name.n > 0 && name.n <= 255 && !memchr(name.p, '=', name.n) && !memchr(name.p, 0, name.n);
}

static enum err_code read_argv(const struct command_fields *f, struct command_data *out, struct err *err)
{
    if (!f->argv) {
        out->argv = xcalloc(4, sizeof *out->argv);
        out->argv[0] = f->shell.p ? copy(f->shell) : xstrdup("/bin/sh");
        out->argv[1] = xstrdup("-c");
        out->argv[2] = copy(f->command);
        out->argc = 3;
        return OK;
    }
    out->argv = xcalloc(json_count(f->argv) + 1, sizeof *out->argv);
    struct json_walk walk = {0};
    const struct json *item;
    while (json_walk_array(f->argv, &walk, &item)) {
        struct str text = json_get_text(item);
        if (!json_is_text(item) || memchr(text.p, 0, text.n))
            return err_param(err, "argv", "argv[%zu] must be a string without U+0000", out->argc);
        out->argv[out->argc++] = copy(text);
    }
    if (!out->argv[0][0])
        return err_param(err, "argv", "argv[0] must name a program");
    return OK;
}

static enum err_code read_command(const struct json *root, struct command_data *out, struct err *err)
{
    struct command_fields f = {0};
    enum err_code code = json_read_fields(root, "", command_fields, ARRAY_LEN(command_fields), &f, NULL, NULL, err);
    if (code != OK)
        return code;
    if (!f.argv == !f.command.p)
        return err_param(err, f.argv ? "command" : "argv",
                         "give one of argv (program and arguments) and command (text for the shell)");
    if (f.argv && f.shell.p)
        return err_param(err, "shell", "shell goes with command, not with argv");
    if (f.cwd.p && f.cwd.p[0] != '/')
        return err_param(err, "cwd", "cwd must be an absolute path");
    code = read_argv(&f, out, err);
    if (code == OK)
        code = read_pairs(f.env, "env", COMMAND_ENV_MAX, is_env_name, out->env, &out->env_count, err);
    out->cwd = f.cwd.p ? copy(f.cwd) : NULL;
    out->user = f.user.p ? copy(f.user) : NULL;
    out->stdin_data = f.stdin_data.p ? copy(f.stdin_data) : NULL;
    out->stdin_length = f.stdin_data.n;
    return code;
}

enum err_code command_data_parse(const char *data, struct command_data *ret, struct err *err)
{
    struct json_doc *doc;
    enum err_code code = parse_object(data, &doc, err);
    if (code != OK)
        return code;
    memset(ret, 0, sizeof *ret);
    code = read_command(json_root(doc), ret, err);
    json_doc_free(doc);
    if (code != OK)
        command_data_release(ret);
    return code;
}

void command_data_release(struct command_data *data)
{
    for (size_t i = 0; i < data->argc; i++)
        free(data->argv[i]);
    free(data->argv);
    release_pairs(data->env, data->env_count);
    free(data->cwd);
    free(data->stdin_data);
    free(data->user);
    memset(data, 0, sizeof *data);
}

/* ---- http ---- */

static const char *const http_methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

struct http_fields {
    int method;
    struct str url, body;
    const struct json *headers, *expect_status;
    int64_t timeout_ms, max_redirects;
};
#define F(member) offsetof(struct http_fields, member)
static const struct json_field http_fields[] = {
    {.name = "method", .kind = FIELD_CHOICE, .offset = F(method), .choices = http_methods, .max = ARRAY_LEN(http_methods)},
    {.name = "url", .kind = FIELD_TEXT, .offset = F(url), .min = 1, .max = HTTP_URL_MAX, .required = true},
    {.name = "headers", .kind = FIELD_OBJECT, .offset = F(headers)},
    {.name = "body", .kind = FIELD_TEXT, .offset = F(body), .max = TASK_DATA_MAX},
    {.name = "expect_status", .kind = FIELD_ANY, .offset = F(expect_status)},
    {.name = "timeout_ms", .kind = FIELD_INT, .offset = F(timeout_ms), .min = 1, .max = HTTP_TIMEOUT_MAX_MS},
    {.name = "max_redirects", .kind = FIELD_INT, .offset = F(max_redirects), .min = 0, .max = HTTP_REDIRECTS_MAX},
};
#undef F

/* RFC 9110 token; the headers that horae itself sets, and those that frame the message, are refused. */
static bool is_header_name(struct str name)
{
    static const char *const ours[] = {"host",       "content-length",    "transfer-encoding", "connection",
                                       "webhook-id", "webhook-timestamp", "webhook-signature"};
    if (!name.n || name.n > 128)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c <= 32 || c >= 127 || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (str_equal_ignoring_case(name, ours[i]))
            return false;
    return name.n < 8 || strncasecmp(name.p, "x-horae-", 8) != 0;
}

/* Line breaks would begin another header; the others have no business there either (RFC 9110). */
static bool has_control(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 32 && *text != '\t') || *text == 127)
            return true;
    return false;
}

static enum err_code check_url(const char *url, struct err *err)
{
    const char *rest = strncasecmp(url, "http://", 7) == 0 ? url + 7 : strncasecmp(url, "https://", 8) == 0 ? url + 8 : NULL;
    if (!rest || !*rest || strchr("/?#", *rest))
        return err_param(err, "url", "url must begin with http:// or https:// and name a host");
    for (const char *p = url; *p; p++)
        if ((unsigned char)*p <= 32 || *p == 127)
            return err_param(err, "url", "url must not hold blanks or control characters");
    return OK;
}

static enum err_code read_statuses(const struct json *value, struct http_data *out, struct err *err)
{
    int64_t status;
    struct json_walk walk = {0};
    bool fine = value && (json_is_array(value) ? json_count(value) >= 1 && json_count(value) <= HTTP_STATUS_MAX : true);
    const struct json *item = value;
    bool single = value && !json_is_array(value);
    while (fine && (single || json_walk_array(value, &walk, &item))) {
        fine = json_get_int(item, &status) && status >= 100 && status <= 599;
        if (fine)
            out->statuses[out->status_count++] = (int)status;
        if (single)
            break;
    }
    return !value || fine
               ? OK
               : err_param(err, "expect_status",
                           "expect_status must be a status between 100 and 599, or a list of 1 to %d of them", HTTP_STATUS_MAX);
}

static enum err_code read_http(const struct json *root, struct http_data *out, struct err *err)
{
    struct http_fields f = {.timeout_ms = HTTP_TIMEOUT_DEFAULT_MS};
    enum err_code code = json_read_fields(root, "", http_fields, ARRAY_LEN(http_fields), &f, NULL, NULL, err);
    if (code != OK)
        return code;
    out->method = http_methods[f.method];
    out->url = copy(f.url);
    out->body = f.body.p ? copy(f.body) : NULL;
    out->timeout_ms = f.timeout_ms;
    out->max_redirects = f.max_redirects;
    code = check_url(out->url, err);
    if (code == OK)
        code = read_pairs(f.headers, "headers", HTTP_HEADERS_MAX, is_header_name, out->headers, &out->header_count, err);
    for (size_t i = 0; code == OK && i < out->header_count; i++)
        if (has_control(out->headers[i].value))
            code = err_param(err, "headers", "headers.%s must not hold line breaks or other control characters",
                             out->headers[i].name);
    return code == OK ? read_statuses(f.expect_status, out, err) : code;
}

enum err_code http_data_parse(const char *data, struct http_data *ret, struct err *err)
{
    struct json_doc *doc;
    enum err_code code = parse_object(data, &doc, err);
    if (code != OK)
        return code;
    memset(ret, 0, sizeof *ret);
    code = read_http(json_root(doc), ret, err);
    json_doc_free(doc);
    if (code != OK)
        http_data_release(ret);
    return code;
}

void http_data_release(struct http_data *data)
{
    free(data->url);
    free(data->body);
    release_pairs(data->headers, data->header_count);
    memset(data, 0, sizeof *data);
}

/* ---- noop ---- */

struct noop_fields {
    int64_t sleep_ms, fail_attempts;
    struct str result;
};
#define F(member) offsetof(struct noop_fields, member)
static const struct json_field noop_fields[] = {
    {.name = "sleep_ms", .kind = FIELD_INT, .offset = F(sleep_ms), .min = 0, .max = NOOP_SLEEP_MAX_MS},
    {.name = "fail_attempts", .kind = FIELD_INT, .offset = F(fail_attempts), .min = 0, .max = NOOP_FAIL_MAX},
    {.name = "result", .kind = FIELD_TEXT, .offset = F(result), .max = TASK_DATA_MAX},
};
#undef F

enum err_code noop_data_parse(const char *data, struct noop_data *ret, struct err *err)
{
    memset(ret, 0, sizeof *ret);
    if (!data || !data[0])
        return OK;
    struct json_doc *doc;
    struct noop_fields f = {0};
    enum err_code code = parse_object(data, &doc, err);
    if (code != OK)
        return code;
    code = json_read_fields(json_root(doc), "", noop_fields, ARRAY_LEN(noop_fields), &f, NULL, NULL, err);
    if (code == OK)
        *ret = (struct noop_data){f.sleep_ms, f.fail_attempts, f.result.n ? copy(f.result) : NULL};
    json_doc_free(doc);
    return code;
}

void noop_data_release(struct noop_data *data)
{
    free(data->result);
    data->result = NULL;
}

/* ---- maintenance ---- */

enum err_code maintenance_data_parse(const char *data, int64_t *ret_days, struct err *err)
{
    static const struct json_field fields[] = {
        {.name = "retention_days", .kind = FIELD_INT, .min = RETENTION_DAYS_MIN, .max = RETENTION_DAYS_MAX}};
    struct json_doc *doc;
    int64_t days = 0;
    enum err_code code = parse_object(data, &doc, err);
    if (code != OK)
        return code;
    code = json_read_fields(json_root(doc), "", fields, ARRAY_LEN(fields), &days, NULL, NULL, err);
    json_doc_free(doc);
    if (code == OK)
        *ret_days = days;
    return code;
}

/* ---- checks ---- */

enum err_code command_data_check(const char *data, struct err *err)
{
    struct command_data parsed;
    enum err_code code = command_data_parse(data, &parsed, err);
    if (code == OK)
        command_data_release(&parsed);
    return code;
}

enum err_code http_data_check(const char *data, struct err *err)
{
    struct http_data parsed;
    enum err_code code = http_data_parse(data, &parsed, err);
    if (code == OK)
        http_data_release(&parsed);
    return code;
}

enum err_code noop_data_check(const char *data, struct err *err)
{
    struct noop_data parsed;
    enum err_code code = noop_data_parse(data, &parsed, err);
    if (code == OK)
        noop_data_release(&parsed);
    return code;
}

enum err_code maintenance_data_check(const char *data, struct err *err)
{
    int64_t days;
    return maintenance_data_parse(data, &days, err);
}
