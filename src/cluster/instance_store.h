/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of instances (SCH-75): who is or was there. Where several share the store, all times are those of its clock. */
#ifndef HORAE_CLUSTER_INSTANCE_STORE_H
#define HORAE_CLUSTER_INSTANCE_STORE_H

#include "db/db.h"

enum { INSTANCE_LIST_MAX = 1000, INSTANCE_ADDRESS_MAX = 300 };

struct instance {
    const char *id, *host, *version, *labels; /* labels: a JSON object */
    const char *life;                         /* random, of one process */
    const char *address;                      /* where others reach it: http://host:port */
    int64_t started_us, last_seen_us, capacity;
    int64_t clock_offset_us; /* of its clock to the store's */
    bool plans, draining;    /* may lead (ENABLE_CRON); is not to lead */
};

/* Registers, or takes over the row of an earlier life under the same id. */
enum err_code instance_store_put(struct db *tx, const struct instance *instance, struct err *err);
/* The same where several share the store: ERR_CONFLICT while another life under this id was heard of since `stale_us`. */
enum err_code instance_store_join(struct db *tx, const struct instance *instance, int64_t stale_us, struct err *err);
/* It is alive. ERR_CONFLICT: another life has taken the id. */
enum err_code instance_store_beat(struct db *tx, const struct instance *instance, struct err *err);
/* A clean stop: the instance leaves the list, unless another life has its id by now. */
enum err_code instance_store_stop(struct db *tx, const char *id, const char *life, int64_t now_us, struct err *err);
/* Those that have not stopped; texts are borrowed during the call. */
enum err_code instance_store_each(struct db *db, void (*fn)(void *arg, const struct instance *instance), void *arg,
                                  struct err *err);
/* With one server on the store, all others are gone. */
enum err_code instance_store_stop_others(struct db *tx, const char *id, int64_t now_us, struct err *err);
/* Those that were not heard of since `stale_us` are gone. */
enum err_code instance_store_stop_stale(struct db *tx, int64_t stale_us, int64_t now_us, struct err *err);
/* ERR_NOT_FOUND: no such instance is there. */
enum err_code instance_store_drain(struct db *tx, const char *id, bool draining, struct err *err);

#endif
