/* SPDX-License-Identifier: Apache-2.0 */
/* Imported entries against the tasks of a server: created when they are not there, changed when they differ. */
#ifndef HORAE_CLI_IMPORT_SYNC_H
#define HORAE_CLI_IMPORT_SYNC_H

#include "cli/client.h"
#include "cli/import_task.h"

#include <stdio.h>

enum import_result { IMPORT_CREATED, IMPORT_CHANGED, IMPORT_UNCHANGED, IMPORT_REFUSED, IMPORT_STOPPED };

struct import_sync; /* what the server has */

/* Reads the imported tasks of the server. NULL: *ret_code is the exit code, and why was said. */
struct import_sync *import_sync_begin(const struct client *client, int *ret_code);
void import_sync_free(struct import_sync *sync);

/* IMPORT_REFUSED: `why` is the server's reason. IMPORT_STOPPED: the server could not be asked; *ret_code is the exit code. */
enum import_result import_sync_task(struct import_sync *sync, const struct import_task *task, const char *file, char *why,
                                    size_t capacity, int *ret_code);
/* Tasks of `file` that no call of import_sync_task has named: deleted (`prune`) or only reported. Returns how many, −1 when
 * the server could not be asked. */
int import_sync_gone(struct import_sync *sync, const char *file, bool prune, FILE *out, int *ret_code);

#endif
