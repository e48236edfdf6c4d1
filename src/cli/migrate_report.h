/* SPDX-License-Identifier: Apache-2.0 */
/* What a migration did, for people and as JSON. */
#ifndef HORAE_CLI_MIGRATE_REPORT_H
#define HORAE_CLI_MIGRATE_REPORT_H

#include "cli/migrate_map.h"

enum { REPORT_WORDS_MAX = 64, REPORT_WORD_MAX = 60 };

/* A word that stands for nothing, and how often it came. */
struct report_word {
    enum old_table table;
    enum migrate_outcome outcome;
    char text[REPORT_WORD_MAX + 4];
    int64_t count;
};

struct migrate_report {
    bool dry_run, renamed;
    int64_t days;
    int64_t rows[OLD_TABLE_COUNT], outcomes[OLD_TABLE_COUNT][MIGRATE_OUTCOME_COUNT], stored[OLD_TABLE_COUNT];
    struct report_word words[REPORT_WORDS_MAX];
    size_t word_count;
    int64_t other_words; /* rows of words for which there was no room */
};

/* One row; `word` counts with MIGRATE_NO_VERB and MIGRATE_NO_TYPE. */
void migrate_report_add(struct migrate_report *report, enum old_table table, enum migrate_outcome outcome, struct str word);
int64_t migrate_report_events(const struct migrate_report *report);
int64_t migrate_report_skipped(const struct migrate_report *report, enum old_table table);
void migrate_report_print(const struct migrate_report *report);
void migrate_report_print_json(const struct migrate_report *report);

#endif
