/* SPDX-License-Identifier: Apache-2.0 */
/* The `data` of each task type as a value. One parser per type, used when a task is created and again when it runs,
 * so that both agree. Data is a JSON text of at most TASK_DATA_MAX bytes; "" stands for {}. Pure, any thread. */
#ifndef HORAE_SCHED_TASK_DATA_H
#define HORAE_SCHED_TASK_DATA_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COMMAND_ARGV_MAX = 256,
    COMMAND_ENV_MAX = 128,
    HTTP_HEADERS_MAX = 64,
    HTTP_URL_MAX = 2048,
    HTTP_STATUS_MAX = 32,
    NOOP_SLEEP_MAX_MS = 86400000,
    NOOP_FAIL_MAX = 1000,
    HTTP_TIMEOUT_MAX_MS = 86400000,
    HTTP_TIMEOUT_DEFAULT_MS = 30000,
    HTTP_REDIRECTS_MAX = 10,
};

struct name_value {
    char *name, *value; /* owned */
};

struct command_data {
    char **argv; /* owned, NULL-terminated; from `command` it is shell, "-c", text */
    size_t argc;
    struct name_value env[COMMAND_ENV_MAX];
    size_t env_count;
    char *cwd, *stdin_data, *user; /* owned, NULL = none */
    size_t stdin_length;
};
enum err_code command_data_parse(const char *data, struct command_data *ret, struct err *err);
void command_data_release(struct command_data *data);

struct http_data {
    const char *method; /* static */
    char *url, *body;   /* owned; body NULL = none */
    struct name_value headers[HTTP_HEADERS_MAX];
    size_t header_count;
    int statuses[HTTP_STATUS_MAX]; /* accepted; none: 2xx */
    size_t status_count;
    int64_t timeout_ms, max_redirects;
};
enum err_code http_data_parse(const char *data, struct http_data *ret, struct err *err);
void http_data_release(struct http_data *data);

struct noop_data {
    int64_t sleep_ms, fail_attempts;
    char *result; /* owned, NULL = "" */
};
enum err_code noop_data_parse(const char *data, struct noop_data *ret, struct err *err);
void noop_data_release(struct noop_data *data);

/* `ret_days` 0: not given, the configured retention counts. */
enum err_code maintenance_data_parse(const char *data, int64_t *ret_days, struct err *err);

/* The parsers as checks; errors name the member inside data. */
enum err_code command_data_check(const char *data, struct err *err);
enum err_code http_data_check(const char *data, struct err *err);
enum err_code noop_data_check(const char *data, struct err *err);
enum err_code maintenance_data_check(const char *data, struct err *err);

#endif
