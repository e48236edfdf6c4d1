/* SPDX-License-Identifier: Apache-2.0 */
/* The `data` of each task type: refused by name, or values within their limits that are read again from the data that
 * they make. Input: 0 command, 1 http, 2 noop, 3 maintenance; then the text. */
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "refusal.h"
#include "db/retention.h"
#include "sched/sched_task.h"
#include "sched/task_data.h"

enum { TEXT_MAX = 1 << 20 };

static void put_pairs(struct json_writer *w, const char *key, const struct name_value *pairs, size_t count)
{
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < count; i++) {
        json_key_any(w, pairs[i].name, strlen(pairs[i].name));
        json_text(w, pairs[i].value);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(pairs[k].name, pairs[i].name) != 0, "%s is there twice", pairs[i].name);
    }
    json_end_object(w);
}

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    if (text)
        json_put_text(w, key, text);
}

/* ---- the types ---- */

static void write_command(struct json_writer *w, const void *value)
{
    const struct command_data *data = value;
    CHECK(data->argc >= 1 && data->argc <= COMMAND_ARGV_MAX && !data->argv[data->argc] && data->argv[0][0], "%zu arguments",
          data->argc);
    CHECK(data->env_count <= COMMAND_ENV_MAX, "%zu variables", data->env_count);
    CHECK(!data->cwd || data->cwd[0] == '/', "the folder %s", data->cwd);
    CHECK(!data->stdin_data || strlen(data->stdin_data) == data->stdin_length, "an input of another length");
    json_key(w, "argv");
    json_begin_array(w);
    for (size_t i = 0; i < data->argc; i++)
        json_text(w, data->argv[i]);
    json_end_array(w);
    for (size_t i = 0; i < data->env_count; i++)
        CHECK(data->env[i].name[0] && !strchr(data->env[i].name, '='), "a variable \"%s\"", data->env[i].name);
    put_pairs(w, "env", data->env, data->env_count);
    put_text(w, "cwd", data->cwd);
    put_text(w, "user", data->user);
    put_text(w, "stdin", data->stdin_data);
}

/* RFC 9110: a line of a header can hold nothing that ends it, and a request line no blank. */
static void check_visible(const char *text, bool blanks)
{
    for (; *text; text++)
        CHECK((unsigned char)*text > 32 ? *text != 127 : blanks && (*text == ' ' || *text == '\t'), "a byte %d", *text);
}

static void write_http(struct json_writer *w, const void *value)
{
    const struct http_data *data = value;
    CHECK(data->timeout_ms >= 1 && data->timeout_ms <= HTTP_TIMEOUT_MAX_MS, "%lld ms", (long long)data->timeout_ms);
    CHECK(data->max_redirects >= 0 && data->max_redirects <= HTTP_REDIRECTS_MAX, "%lld", (long long)data->max_redirects);
    CHECK(data->header_count <= HTTP_HEADERS_MAX && data->status_count <= HTTP_STATUS_MAX, "too many");
    CHECK(strlen(data->url) <= HTTP_URL_MAX && strstr(data->url, "://"), "the URL %s", data->url);
    check_visible(data->url, false);
    for (size_t i = 0; i < data->header_count; i++) {
        check_visible(data->headers[i].name, false);
        check_visible(data->headers[i].value, true);
        CHECK(!strchr(data->headers[i].name, ':'), "the header %s", data->headers[i].name);
    }
    json_put_text(w, "method", data->method);
    json_put_text(w, "url", data->url);
    put_text(w, "body", data->body);
    json_put_int(w, "timeout_ms", data->timeout_ms);
    json_put_int(w, "max_redirects", data->max_redirects);
    put_pairs(w, "headers", data->headers, data->header_count);
    if (!data->status_count)
        return;
    json_key(w, "expect_status");
    json_begin_array(w);
    for (size_t i = 0; i < data->status_count; i++) {
        CHECK(data->statuses[i] >= 100 && data->statuses[i] <= 599, "status %d", data->statuses[i]);
        json_int(w, data->statuses[i]);
    }
    json_end_array(w);
}

static void write_noop(struct json_writer *w, const void *value)
{
    const struct noop_data *data = value;
    CHECK(data->sleep_ms >= 0 && data->sleep_ms <= NOOP_SLEEP_MAX_MS, "%lld ms", (long long)data->sleep_ms);
    CHECK(data->fail_attempts >= 0 && data->fail_attempts <= NOOP_FAIL_MAX, "%lld", (long long)data->fail_attempts);
    json_put_int(w, "sleep_ms", data->sleep_ms);
    json_put_int(w, "fail_attempts", data->fail_attempts);
    put_text(w, "result", data->result);
}

static void write_maintenance(struct json_writer *w, const void *value)
{
    const int64_t *days = value;
    CHECK(*days == 0 || (*days >= RETENTION_DAYS_MIN && *days <= RETENTION_DAYS_MAX), "%lld days", (long long)*days);
    if (*days)
        json_put_int(w, "retention_days", *days);
}

/* ---- all of them ---- */

union value {
    struct command_data command;
    struct http_data http;
    struct noop_data noop;
    int64_t days;
};

static enum err_code parse(unsigned type, const char *text, union value *ret, struct err *err)
{
    switch (type) {
    case 0: return command_data_parse(text, &ret->command, err);
    case 1: return http_data_parse(text, &ret->http, err);
    case 2: return noop_data_parse(text, &ret->noop, err);
    default: return maintenance_data_parse(text, &ret->days, err);
    }
}

static void release(unsigned type, union value *value)
{
    if (type == 0)
        command_data_release(&value->command);
    if (type == 1)
        http_data_release(&value->http);
    if (type == 2)
        noop_data_release(&value->noop);
}

static char *write_value(unsigned type, const union value *value)
{
    static void (*const writers[])(struct json_writer * w, const void *value) = {write_command, write_http, write_noop,
                                                                                 write_maintenance};
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEXT_MAX);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    writers[type](&w, value);
    json_end_object(&w);
    return buf_take(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    union value value;
    struct err err = {.message = ""};
    const unsigned type = fuzz_choice(&input, 4);
    char *bytes = fuzz_rest(&input), *text = xstrndup(bytes, strnlen(bytes, input.left));
    free(bytes);
    enum err_code code = parse(type, text, &value, &err);
    if (code == OK) {
        char *printed = write_value(type, &value);
        release(type, &value);
        code = parse(type, printed, &value, &err);
        CHECK(code == OK, "%s is refused: %s", printed, err.message);
        char *again = write_value(type, &value);
        CHECK(strcmp(printed, again) == 0, "%s becomes %s", printed, again);
        release(type, &value);
        free(printed);
        free(again);
    } else {
        check_refusal(code, &err);
    }
    free(text);
    return 0;
}
