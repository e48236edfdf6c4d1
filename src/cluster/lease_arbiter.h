/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask for a lock: a server beside the store that gives a key to one token at a time, with an end. It keeps no
 * fences and is not believed alone: the row in the store is (rulings section 3), so that what it forgets does no harm.
 * Functions block for a bounded time and may be called by any thread. Besides the codes named below they end with
 * ERR_UNAVAILABLE (it is away, or has lost its place: try again) or ERR_DENIED (it does not take our name or password);
 * messages hold no secrets. */
#ifndef HORAE_CLUSTER_LEASE_ARBITER_H
#define HORAE_CLUSTER_LEASE_ARBITER_H

#include "cluster/lease_url.h"

enum {
    LEASE_CALL_MS = 500,    /* for one answer */
    LEASE_CONNECT_MS = 500, /* for one connection */
    LEASE_PREFIX_MAX = 64,  /* bytes before each key */
};

struct lease_arbiter;

struct lease_arbiter_ops {
    const char *name; /* redis | etcd */
    enum err_code (*take)(struct lease_arbiter *arbiter, const char *key, const char *token, int64_t ttl_us,
                          struct err *err); /* ERR_CONFLICT "LOCK_HELD" */
    enum err_code (*extend)(struct lease_arbiter *arbiter, const char *key, const char *token, int64_t ttl_us,
                            struct err *err); /* ERR_NOT_FOUND "LOCK_NOT_HELD" */
    enum err_code (*drop)(struct lease_arbiter *arbiter, const char *key, const char *token,
                          struct err *err); /* ERR_NOT_FOUND "LOCK_NOT_HELD" */
    void (*free)(struct lease_arbiter *arbiter);
};

struct lease_arbiter {
    const struct lease_arbiter_ops *ops;
};

struct lease_arbiter_options {
    const struct lease_url *url; /* copied */
    const char *prefix;          /* copied: before each key, with a colon or slash; "" = none */
};

/* Do not connect yet. ERR_UNAVAILABLE names the package when the client library is not installed, ERR_INVALID what the
 * library cannot do. */
enum err_code redis_arbiter_new(const struct lease_arbiter_options *options, struct lease_arbiter **ret, struct err *err);
enum err_code etcd_arbiter_new(const struct lease_arbiter_options *options, struct lease_arbiter **ret, struct err *err);

/* Takes a key of its own and gives it back: whether the server is there, takes our name and password, and lets us write. */
enum err_code lease_arbiter_check(struct lease_arbiter *arbiter, struct err *err);
void lease_arbiter_free(struct lease_arbiter *arbiter); /* NULL allowed; not one that a provider owns */

#endif
