/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a crontab entry: a task of type `command` that does what cron would. */
#ifndef HORAE_CLI_IMPORT_TASK_H
#define HORAE_CLI_IMPORT_TASK_H

#include "base/buf.h"
#include "cli/crontab_parse.h"

enum { IMPORT_NAME_MAX = 200, IMPORT_EXPRESSION_MAX = 255, IMPORT_DATA_MAX = 10240, IMPORT_GROUP_MAX = 64 };

/* When the task fires: its members cron_expr, timezone, gap and fold. */
struct import_schedule {
    char expression[IMPORT_EXPRESSION_MAX + 1];
    const char *zone, *gap, *fold, *seed; /* borrowed, static */
};

struct import_task {
    char name[IMPORT_NAME_MAX], group[IMPORT_GROUP_MAX]; /* the group holds the identity */
    struct import_schedule schedule;
    char *data; /* owned */
};

/* Where an entry comes from. */
struct import_origin {
    const char *file;      /* resolved */
    const char *owner;     /* of a crontab in the user form */
    const char *host_zone; /* that cron runs in */
    bool owner_is_known;   /* false: a number without an account; commands then run as the server does */
};

typedef void (*import_remark_fn)(void *arg, const char *text);

/* False: `why` says why it cannot be taken. `remark` hears what differs from cron. */
bool import_task_make(const struct import_origin *origin, const struct crontab_entry *entry, import_remark_fn remark, void *arg,
                      struct import_task *ret, char *why, size_t capacity);
void import_task_release(struct import_task *task);
/* The part of `group` that all entries of one file share. */
void import_group_of_file(const char *file, char out[IMPORT_GROUP_MAX]);
/* The body of a create, or of an update that leaves alone what operators may have changed (GEN-04). */
void import_task_write(const struct import_task *task, const char *file, bool update, struct buf *out);

#endif
