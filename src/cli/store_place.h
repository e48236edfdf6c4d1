/* SPDX-License-Identifier: Apache-2.0 */
/* Where the database is, for commands that work on it without a server: --store, HORAE_STORE, --data, HORAE_DATA, ./data. */
#ifndef HORAE_CLI_STORE_PLACE_H
#define HORAE_CLI_STORE_PLACE_H

#include "cli/options.h"

enum { STORE_PLACE_SIZE = 4200 };

/* The url; a password in it is hidden from the list of processes, so once for each command. */
void store_place_url(const struct options *options, char *url, size_t capacity);
/* What the store's files begin with (store_files). */
void store_place_files(const struct options *options, const char *url, char *path, size_t capacity);
/* The folder of the data: where audit.key lies. That of the database when none is named and the key is there. */
void store_place_data(const struct options *options, const char *database, char *folder, size_t capacity);

/* The first free name PATH.before-WORD, PATH.before-WORD.2 … for what is replaced: nothing takes away what was kept earlier. False: there
 * are too many. */
bool store_place_kept(const char *path, const char *word, char *kept, size_t capacity);

#endif
