/* SPDX-License-Identifier: Apache-2.0 */
/* One server per database file: an advisory lock on FILE.lock, which also says who holds it. Writer thread, after the start. */
#ifndef HORAE_DB_STORE_LOCK_H
#define HORAE_DB_STORE_LOCK_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct store_lock {
    const char *path; /* of the database, borrowed */
    int fd;           /* of FILE.lock; -1 = not held */
    dev_t device;     /* of the database, see store_lock_note */
    ino_t inode;
    bool lost; /* for good: another server may have written meanwhile */
};

/* ERR_BUSY names the process that holds it; ERR_UNAVAILABLE: the file cannot be written. */
enum err_code store_lock_take(struct store_lock *lock, const char *path, struct err *err);
/* Remembers which file the database is; once it is open. */
void store_lock_note(struct store_lock *lock);
/* Before each transaction: is the database still in its place, and the lock ours? A lock file that was removed is made again
 * unless another server has it by now. ERR_UNAVAILABLE for good otherwise: what would be written is nobody's, or another's. */
enum err_code store_lock_check(struct store_lock *lock, struct err *err);
void store_lock_release(struct store_lock *lock);

#endif
