/* SPDX-License-Identifier: Apache-2.0 */
/* Locks with an end (LCK-01..03, LCK-05): one interface, several providers, chosen by configuration. A provider only
 * decides who may hold a key; the fencing number comes from the store, in the transaction that records the lock, so
 * that it never turns back (rulings section 3). Functions may block; any thread.
 * Error kinds (LCK-03): ERR_CONFLICT "LOCK_HELD" held by another, the same code with "LOCK_RETRIES_EXHAUSTED" after the
 * last of several tries, ERR_NOT_FOUND "LOCK_NOT_HELD" not ours (any more), ERR_TIMEOUT "LOCK_TIMED_OUT", ERR_CANCELLED
 * "LOCK_CANCELLED"; anything else is the provider's (ERR_UNAVAILABLE: it is away). Making a token does not fail: where the
 * system gives no random numbers the process ends. */
#ifndef HORAE_CLUSTER_LEASE_H
#define HORAE_CLUSTER_LEASE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "db/store.h"

enum { LEASE_KEY_MAX = 255, LEASE_HOLDER_MAX = 255, LEASE_PURPOSE_MAX = 255 };
#define LEASE_PLANNER_KEY "scheduler_global" /* DATA-21 */

struct lease {
    char key[LEASE_KEY_MAX + 1], holder[LEASE_HOLDER_MAX + 1], purpose[LEASE_PURPOSE_MAX + 1];
    char token[UUID_TEXT_LEN + 1];
    int64_t fence;                   /* grows with every new holder of the key */
    int64_t acquired_us, expires_us; /* wall time, for people */
    int64_t ttl_us;                  /* of the acquisition */
    int64_t left_us;                 /* of lease_inspect: until it ends, by the clock that decides that */
};

/* What is written in the transaction that records a release: there is neither without the other. */
struct lease_along {
    store_run_fn run;
    void *arg;
};

struct lease_provider;

struct lease_provider_ops {
    const char *name; /* as in --lock and in metrics: local | store | redis | etcd */
    enum err_code (*try_acquire)(struct lease_provider *p, const char *key, int64_t ttl_us, const char *purpose,
                                 struct lease *ret, struct err *err);
    /* Extends by the ttl of the acquisition. */
    enum err_code (*renew)(struct lease_provider *p, struct lease *lease, struct err *err);
    /* By token: somebody else's lock under the same key is never released. */
    enum err_code (*release)(struct lease_provider *p, const struct lease *lease, const struct lease_along *along,
                             struct err *err);
    enum err_code (*inspect)(struct lease_provider *p, const char *key, struct lease *ret, struct err *err);
    /* All that are held now. */
    enum err_code (*each)(struct lease_provider *p, void (*fn)(void *arg, const struct lease *lease), void *arg, struct err *err);
    void (*free)(struct lease_provider *p);
};

struct lease_provider {
    const struct lease_provider_ops *ops;
};

/* These time the operation (horae_lock_seconds) and check the key. */
enum err_code lease_try_acquire(struct lease_provider *p, const char *key, int64_t ttl_us, const char *purpose, struct lease *ret,
                                struct err *err);

/* How a lock is asked for (LCK-02). All but key and ttl may be zero. */
struct lease_request {
    const char *key, *purpose;
    const char *space; /* namespace: the key becomes "space/key", together at most LEASE_KEY_MAX bytes; NULL = none */
    int64_t ttl_us;
    int tries;                            /* at most; 0 = one */
    int64_t delay_us;                     /* between two tries */
    int64_t timeout_us;                   /* for all tries together, by `clock`; 0 = none */
    const struct clock *clock;            /* borrowed; needed with a timeout */
    void (*pause)(void *arg, int64_t us); /* NULL = the thread sleeps */
    bool (*is_cancelled)(void *arg);      /* asked before every try; NULL = never */
    void *arg;                            /* of the two */
};
/* Tries again only while another holds the lock; errors of the provider end it. */
enum err_code lease_acquire(struct lease_provider *p, const struct lease_request *request, struct lease *ret, struct err *err);
enum err_code lease_renew(struct lease_provider *p, struct lease *lease, struct err *err);
enum err_code lease_release(struct lease_provider *p, const struct lease *lease,
                            const struct lease_along *along, /* NULL = nothing */
                            struct err *err);
enum err_code lease_inspect(struct lease_provider *p, const char *key, struct lease *ret, struct err *err);
enum err_code lease_each(struct lease_provider *p, void (*fn)(void *arg, const struct lease *lease), void *arg, struct err *err);
void lease_provider_free(struct lease_provider *p); /* NULL allowed */

/* For one server on its own store: holders are threads of this process. Locks of an earlier process are closed as
 * expired. History goes to the store. */
enum err_code lease_local_new(struct store *store, const struct clock *clock, const char *holder, struct lease_provider **ret,
                              struct err *err);

/* For several servers on a shared store: who holds what is the recorded row, decided by the store's clock. With an arbiter
 * (lease_arbiter.h; owned, freed with the provider) a key must be had there first; the row and the fence stay the truth. */
struct lease_arbiter;
struct lease_provider *lease_shared_new(struct store *store, const struct clock *clock, const char *holder,
                                        struct lease_arbiter *arbiter /* NULL: the provider `store` */);
/* From now on it works on `store`, another opening of the same one. Whoever closes the former one has seen to it that nobody asks there. */
void lease_shared_use(struct lease_provider *p, struct store *store);

#endif
