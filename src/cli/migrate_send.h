/* SPDX-License-Identifier: Apache-2.0 */
/* Events on their way to the server, in batches; each is stored before the next one is sent. */
#ifndef HORAE_CLI_MIGRATE_SEND_H
#define HORAE_CLI_MIGRATE_SEND_H

#include "base/id.h"
#include "cli/client.h"
#include "cli/migrate_row.h"

enum {
    SEND_EVENTS_MAX = 500,    /* an array has at most 1,000 */
    SEND_BYTES_MAX = 4 << 20, /* a batch is sent when it has as many; one event may be larger */
};

struct migrate_batch {
    const struct client *client;
    struct buf body; /* "[{…},{…}"; the event being added is behind the last comma */
    struct uuid ids[SEND_EVENTS_MAX];
    int64_t rows[SEND_EVENTS_MAX]; /* their numbers, for messages */
    enum old_table tables[SEND_EVENTS_MAX];
    size_t count;
    int64_t stored[OLD_TABLE_COUNT];
};

void migrate_batch_init(struct migrate_batch *batch, const struct client *client);
/* Before an event is written to `body`. */
void migrate_batch_begin(struct migrate_batch *batch);
/* It was; sends the batch when it is full. */
int migrate_batch_add(struct migrate_batch *batch, const struct uuid *id, enum old_table table, int64_t row);
/* It was not: there was nothing to add. */
void migrate_batch_undo(struct migrate_batch *batch);
/* Sends what waits. An exit code; what went wrong stands on standard error. */
int migrate_batch_flush(struct migrate_batch *batch);
void migrate_batch_release(struct migrate_batch *batch);

#endif
