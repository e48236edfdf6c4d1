/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the server: flag beats variable beats file beats default. All errors are reported at once, each naming
 * the key, the value and what is allowed. */
#ifndef HORAE_APP_CONFIG_H
#define HORAE_APP_CONFIG_H

#include "app/config_file.h"
#include "base/buf.h"

#include <stdbool.h>

enum { CONFIG_LIST_MAX = 64 };

struct config_list {
    char *items[CONFIG_LIST_MAX]; /* owned */
    size_t count;
};

/* Members come from settings.def: TEXT, CHOICE and SECRET are owned strings (never NULL), INT int64_t, BOOL bool. */
#define CONFIG_TYPE_TEXT char *
#define CONFIG_TYPE_CHOICE char *
#define CONFIG_TYPE_SECRET char *
#define CONFIG_TYPE_INT int64_t
#define CONFIG_TYPE_BOOL bool
#define CONFIG_TYPE_LIST struct config_list

struct config {
#define SETTING(member, kind, key, flag, argument, variable, value, min, max, help) CONFIG_TYPE_##kind member;
#include "app/settings.def"
#undef SETTING
    bool help; /* --help was given */
};

/* Where settings come from, but for the table's defaults. */
struct config_sources {
    int argc; /* argv[0] is "serve" */
    char **argv;
    const char *(*variable)(const char *name);                                                   /* NULL or "": it is not set */
    enum err_code (*read_file)(const char *path, config_file_fn fn, void *arg, struct err *err); /* as config_file_read */
};

/* Reads everything. False: `errors` holds one line per error, without control characters. */
bool config_load_from(struct config *config, const struct config_sources *sources, struct buf *errors);
/* From this process's environment and files. */
bool config_load(struct config *config, int argc, char **argv, struct buf *errors);
void config_release(struct config *config);
/* The text of `horae serve --help`. */
void config_write_help(struct buf *out);

#endif
