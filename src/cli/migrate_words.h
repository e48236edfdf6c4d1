/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs and types of old tables: which word of audit/audit_values.def they stand for. Pure. */
#ifndef HORAE_CLI_MIGRATE_WORDS_H
#define HORAE_CLI_MIGRATE_WORDS_H

#include "cli/migrate_map.h"

/* NULL: none. What the caller gave matches exactly and comes first. */
const char *migrate_action(const struct migrate_words *given, struct str word);
const char *migrate_type(const struct migrate_words *given, struct str word);

#endif
