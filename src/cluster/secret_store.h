/* SPDX-License-Identifier: Apache-2.0 */
/* The secret that instances of one store show each other (decision 16). */
#ifndef HORAE_CLUSTER_SECRET_STORE_H
#define HORAE_CLUSTER_SECRET_STORE_H

#include "db/db.h"

/* ERR_NOT_FOUND: there is none yet. ERR_CORRUPT: it does not fit. */
enum err_code secret_store_get(struct db *db, char *ret, size_t size, struct err *err);
/* ERR_CONFLICT: there is one by now. */
enum err_code secret_store_put(struct db *tx, const char *secret, int64_t now_us, struct err *err);

#endif
