/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that the scheduler remembers from one start to the next, by name, in the table of settings. */
#ifndef HORAE_SCHED_NOTES_STORE_H
#define HORAE_SCHED_NOTES_STORE_H

#include "db/db.h"

#define NOTE_ZONE_RULES "zone_rules" /* what the stored next slots follow (sched_zones.c) */

enum { NOTE_KEY_MAX = 48, NOTE_VALUE_MAX = 64 }; /* with the NUL */

/* "" when it was never noted. */
enum err_code notes_store_get(struct db *db, const char *key, char ret_value[NOTE_VALUE_MAX], struct err *err);
/* Writer's transaction. */
enum err_code notes_store_put(struct db *tx, const char *key, const char *value, int64_t now_us, struct err *err);

#endif
