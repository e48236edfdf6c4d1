/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of instances (SCH-75): who is or was there. */
#ifndef HORAE_CLUSTER_INSTANCE_STORE_H
#define HORAE_CLUSTER_INSTANCE_STORE_H

#include "db/db.h"

struct instance {
    const char *id, *host, *version, *labels; /* labels: a JSON object */
    int64_t started_us, last_seen_us, capacity;
};

/* Registers, or takes over the row of an earlier life under the same id. */
enum err_code instance_store_put(struct db *tx, const struct instance *instance, struct err *err);
/* A clean stop: the instance leaves the list. */
enum err_code instance_store_stop(struct db *tx, const char *id, int64_t now_us, struct err *err);
/* Those that have not stopped; texts are borrowed during the call. */
enum err_code instance_store_each(struct db *db, void (*fn)(void *arg, const struct instance *instance), void *arg,
                                  struct err *err);
/* With one server on the store, all others are gone. */
enum err_code instance_store_stop_others(struct db *tx, const char *id, int64_t now_us, struct err *err);

#endif
