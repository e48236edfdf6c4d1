/* SPDX-License-Identifier: Apache-2.0 */
/* hiredis, the client library of Redis, loaded on first use: the functions that we call, one row each. */
#ifndef HORAE_CLUSTER_REDIS_LIBRARY_H
#define HORAE_CLUSTER_REDIS_LIBRARY_H

#include "base/err.h"

#include <hiredis/hiredis.h>

#define REDIS_FUNCTIONS(X) \
    X(redisConnectWithTimeout) X(redisSetTimeout) X(redisEnableKeepAlive) X(redisCommandArgv) X(freeReplyObject) X(redisFree)

struct redis_library {
#define X(name) __typeof__(name) *name;
    REDIS_FUNCTIONS(X)
#undef X
};

/* NULL with ERR_UNAVAILABLE, naming the package, when the library is not there. Thread-safe; loaded once. */
const struct redis_library *redis_library_load(struct err *err);

#endif
