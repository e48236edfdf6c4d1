/* SPDX-License-Identifier: Apache-2.0 */
/* Events of horae's own changes (rulings section 4): written in the transaction of the change, so that there is no change
 * without its event and no event without its change. The trail's writer moves them into a segment. */
#ifndef HORAE_TRAIL_PENDING_STORE_H
#define HORAE_TRAIL_PENDING_STORE_H

#include "audit/audit_event.h"
#include "audit/audit_redact.h"
#include "db/db.h"

/* In the transaction of the change; its time is `now_us` unless the event has one. May run again. Its objects are redacted before they
 * are written (AUD-13), on the thread of the store. */
enum err_code audit_put(struct db *tx, const struct audit_event *event, int64_t now_us, struct err *err);

/* Names that are redacted beside a trail's life: NULL = audit_default_names; borrowed. Before and after anything is put. */
void pending_store_redact(const struct audit_names *names);

/* For the writer. Rows after `after_id`, ascending, at most `limit`. */
enum err_code pending_store_each(struct db *db, int64_t after_id, int limit, void (*fn)(void *arg, int64_t id, struct str event),
                                 void *arg, struct err *err);
/* How often audit_put ran: whoever looks after a commit knows whether there may be something new. Any thread. */
uint64_t pending_store_puts(void);
/* Rows up to `id` are in a segment, on disk: the next audit_put removes them, and none gets such a number again, also where this
 * database does not know of them (it was put back from an older copy). Any thread. */
void pending_store_moved(int64_t id);
int64_t pending_store_moved_to(void);
/* The last row that is there, 0 = none: rows that were removed were moved before. */
enum err_code pending_store_last(struct db *db, int64_t *ret, struct err *err);
/* Rows of `from` that are not here, under their numbers: of a database that another one replaces. Those that are in a segment by then
 * are passed over, as always. */
enum err_code pending_store_carry(struct db *from, struct db *tx, struct err *err);

#endif
