/* SPDX-License-Identifier: Apache-2.0 */
/* `@reboot` tasks run once per boot of the machine (rulings, Occurrences): which boot a task has run for is recorded in
 * the transaction of that run. */
#ifndef HORAE_SCHED_REBOOT_STORE_H
#define HORAE_SCHED_REBOOT_STORE_H

#include "db/db.h"

/* Identifies this boot of the machine; static storage. */
const char *reboot_boot_id(void);
void reboot_use_boot_id(const char *id); /* for simulation: a machine that reboots */
enum err_code reboot_store_seen(struct db *db, int64_t task_id, bool *ret_seen, struct err *err);
enum err_code reboot_store_note(struct db *tx, int64_t task_id, int64_t now_us, struct err *err);

#endif
