/* SPDX-License-Identifier: Apache-2.0 */
/* Which files cron reads, in which form, and whose they are. */
#ifndef HORAE_CLI_CRONTAB_FILES_H
#define HORAE_CLI_CRONTAB_FILES_H

#include "base/buf.h"

#include <stdbool.h>

enum { CRONTAB_FILE_MAX = 4 << 20, CRONTAB_PATH_MAX = 4200 };

enum crontab_place {
    PLACE_ANY,    /* form and owner are for the caller to say */
    PLACE_SYSTEM, /* …/etc/crontab, …/cron.d/NAME: with the user field */
    PLACE_SPOOL,  /* …/cron/crontabs/USER */
};

struct crontab_file {
    char path[CRONTAB_PATH_MAX]; /* resolved; "-" is standard input */
    enum crontab_place place;
    bool ignored; /* cron passes over files of such a name there */
};

/* Calls `take` for a file, or for each file of a folder in the order of their names. False: why stands on standard error. */
bool crontab_files_each(const char *name, void (*take)(void *arg, const char *name, const struct crontab_file *file), void *arg);
/* The zone that cron runs in: TZ, else the link /etc/localtime, else /etc/timezone, else UTC. Static. */
const char *crontab_host_zone(void);

#endif
