/* SPDX-License-Identifier: Apache-2.0 */
/* Events of commands that change the store while no server runs (`horae store restore`): lines in a file beside the database,
 * which the next start takes over into the audit log. */
#ifndef HORAE_TRAIL_AUDIT_NOTES_H
#define HORAE_TRAIL_AUDIT_NOTES_H

#include "audit/audit_event.h"
#include "db/db.h"

enum { AUDIT_NOTES_BYTES_MAX = 1 << 20 }; /* of what is longer the rest is left out, and that is said */

/* On disk when it returns. `store_path`: the database's file. */
enum err_code audit_notes_add(const char *store_path, const struct audit_event *event, struct err *err);
/* Writer's transaction, at start: puts all of them. A line that is no event becomes one that says so. */
enum err_code audit_notes_put(struct db *tx, const char *store_path, int64_t now_us, struct err *err);
/* They are committed. After a crash before this they are put again: twice is better than never. */
void audit_notes_remove(const char *store_path);

#endif
