/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML settings file, flattened: `scheduler: {log_bytes: 1}` is the key "scheduler.log_bytes". */
#ifndef HORAE_APP_CONFIG_FILE_H
#define HORAE_APP_CONFIG_FILE_H

#include "base/err.h"
#include "base/str.h"

/* One scalar; items of a list come one by one under the list's key. `line` counts from 1. */
typedef void (*config_file_fn)(void *arg, const char *key, struct str value, size_t line);

/* `text` is the file's; `path` stands in errors. Mappings at most 4 deep, lists of scalars, no anchors or aliases; file at most 1 MiB. */
enum err_code config_file_parse(const char *text, size_t length, const char *path, config_file_fn fn, void *arg, struct err *err);
enum err_code config_file_read(const char *path, config_file_fn fn, void *arg, struct err *err);

#endif
