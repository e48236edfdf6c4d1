/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log as part of a copy: its files and its key, in the folder FILE-audit beside the copy FILE of the database. */
#ifndef HORAE_CLI_STORE_AUDIT_H
#define HORAE_CLI_STORE_AUDIT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* ERR_CONFLICT: the copy has a log already. */
enum err_code store_audit_free_place(const char *copy, struct err *err);
/* After the database was copied, which may then know of fewer events than the log, never of more. A database without a log: does
 * nothing. `*ret_again`: retention took a segment meanwhile, so that the copies do not go together. `data`: where
 * the key is. */
enum err_code store_audit_backup(const char *database, const char *data, const char *copy, bool *ret_again, struct err *err);
void store_audit_discard(const char *copy); /* what was copied so far */

/* Where the log stays, `fresh`, which takes the place of `database`, is told of what was vouched for since it was copied. One that is
 * not a copy of it, or that can no longer be read, has nothing to tell: verification says what is missing. */
void store_audit_carry(const char *database, const char *fresh);
/* Puts the copy's log in place where there is none, with its key (a former one is kept as audit.key.before-restore). A log that is
 * there stays: nothing is taken back from it. */
enum err_code store_audit_restore(const char *copy, const char *database, const char *data, bool *ret_placed, struct err *err);

/* The log of the store FROM beside the place of that of another one, TO (files of both, as store_files says): in store_audit_fetched(TO).
 * Neither is in use. *ret_any false: there is none. */
enum err_code store_audit_fetch(const char *url, const char *from, const char *to, bool *ret_any, struct err *err);
void store_audit_fetched(const char *to, char *folder, size_t capacity);
/* Where the store TO is on a server: what was put in place goes into its database, for what was there of an earlier copy. */
enum err_code store_audit_enter(const char *url, const char *to, struct err *err);
/* Puts what was fetched in its place; what was there is kept by another name, `kept` ("" = nothing was). */
enum err_code store_audit_place(const char *to, char *kept, size_t capacity, struct err *err);

/* Integrity of all its files; ERR_CORRUPT names the first that is not sound. */
enum err_code store_audit_check(const char *database, struct err *err);

#endif
