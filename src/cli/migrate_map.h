/* SPDX-License-Identifier: Apache-2.0 */
/* From a row of an old audit table to an event as POST /audit/events takes it (MIG-02, MIG-03). Pure: the tables are
 * migrate_tables.def, and what the caller adds to them. */
#ifndef HORAE_CLI_MIGRATE_MAP_H
#define HORAE_CLI_MIGRATE_MAP_H

#include "base/id.h"
#include "cli/migrate_row.h"

enum { MIGRATE_WORDS_MAX = 64, MIGRATE_WORD_MAX = 64 };

/* --type OLD=NEW, --action OLD=NEW: beat the table. */
struct migrate_words {
    struct {
        const char *from, *to; /* `from` is OLD=NEW as it was given, `to` points behind its "=" */
    } items[MIGRATE_WORDS_MAX];
    size_t count;
};

struct migrate_rules {
    struct migrate_words types, actions; /* borrowed texts */
    int64_t from_ms, now_ms;             /* rows before from_ms are not carried over (MIG-04) */
};

enum migrate_outcome {
    MIGRATE_EVENT, /* `out` has the event */
    MIGRATE_OLDER,
    MIGRATE_NO_ID,
    MIGRATE_NO_TIME, /* none, one that cannot be read, or one in the future */
    MIGRATE_NO_VERB, /* the action is no known word */
    MIGRATE_NO_TYPE, /* nor is the type of the resource */
    MIGRATE_TOO_LARGE,
    MIGRATE_OUTCOME_COUNT
};
extern const char *const migrate_outcome_names[MIGRATE_OUTCOME_COUNT];

/* Appends one JSON object to `out` when the outcome is MIGRATE_EVENT, nothing else. `ret_word` is the word at fault of
 * MIGRATE_NO_VERB and MIGRATE_NO_TYPE, borrowed from the row. */
enum migrate_outcome migrate_map(const struct old_row *row, const struct migrate_rules *rules, struct buf *out,
                                 struct uuid *ret_id, struct str *ret_word);

/* The id of the event: a version-8 UUID from the table, the row's id and its time, so that a row is stored once however often it
 * is sent (MIG-05). */
struct uuid migrate_id(const char *table, struct str id, int64_t timestamp_ms);

#endif
