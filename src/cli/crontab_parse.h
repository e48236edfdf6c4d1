/* SPDX-License-Identifier: Apache-2.0 */
/* Reading crontabs as cron does (contract section 5): user and system form, environment lines, CRON_TZ, `%`, nicknames,
 * comments; also the leading `-` of cronie and SUSE (no syslog line), long lines, CRLF and a missing last newline. Pure: what
 * a schedule means is not looked at here. Every line that cannot be taken is reported with its number and the reason. */
#ifndef HORAE_CLI_CRONTAB_PARSE_H
#define HORAE_CLI_CRONTAB_PARSE_H

#include <stdbool.h>
#include <stddef.h>

enum { CRONTAB_LINE_MAX = 16384, CRONTAB_ENV_MAX = 100, CRONTAB_ENTRIES_MAX = 10000 };

struct crontab_variable {
    char *name, *value; /* owned */
};

/* One entry with the environment that holds at its line. */
struct crontab_entry {
    int line;
    char *schedule;                               /* owned; the fields with one blank between them, or the nickname */
    char *text;                                   /* owned; the command as it stands in the file */
    char *command;                                /* owned; what the shell gets */
    char *stdin_text;                             /* owned; what follows the first plain `%`; NULL = nothing */
    char *user;                                   /* owned; NULL in the user form */
    char *timezone;                               /* owned; CRON_TZ or NULL */
    struct crontab_variable env[CRONTAB_ENV_MAX]; /* without CRON_TZ */
    size_t env_count;
    int ordinal; /* 0 for the first entry of equal user, schedule and text */
};

struct crontab {
    struct crontab_entry *entries; /* owned */
    size_t count;
};

typedef void (*crontab_report_fn)(void *arg, int line, bool is_error, const char *message);

/* `system`: a sixth field names the user. `report` gets errors and remarks. */
void crontab_parse(const char *text, size_t length, bool system, crontab_report_fn report, void *arg, struct crontab *ret);
void crontab_release(struct crontab *crontab);

#endif
