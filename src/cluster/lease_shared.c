/* SPDX-License-Identifier: Apache-2.0 */
/* The providers for several servers on one store. A lock is the active row of its key; whether its time has passed is said by
 * the store's clock, in the transaction that asks. An arbiter only decides who may ask, so that a crowd does not queue at the
 * store; where it loses a key (flushed, restarted, failed over) the row still keeps others away until its holder has
 * found out, which is its next renewal. */
#include "cluster/lease_arbiter.h"
#include "cluster/lease_store.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { SWEEP_US = 10 * US_PER_S, CHECK_TTL_US = 2 * US_PER_S };

struct lease_shared {
    struct lease_provider provider;
    _Atomic(struct store *) store;
    const struct clock *clock;
    char holder[LEASE_HOLDER_MAX + 1];
    struct lease_arbiter *arbiter; /* owned, NULL = none */
    _Atomic int64_t swept_us;      /* monotonic */
};

static struct lease_shared *of(struct lease_provider *p)
{
    return CONTAINER_OF(p, struct lease_shared, provider);
}

enum err_code lease_arbiter_check(struct lease_arbiter *arbiter, struct err *err)
{
    char token[UUID_TEXT_LEN + 1];
    struct uuid uuid = uuid_v7(clock_wall(clock_real()).us);
    uuid_format(&uuid, token);
    enum err_code code = arbiter->ops->take(arbiter, token, token, CHECK_TTL_US, err);
    return code == OK ? arbiter->ops->drop(arbiter, token, token, err) : code;
}

void lease_arbiter_free(struct lease_arbiter *arbiter)
{
    if (arbiter)
        arbiter->ops->free(arbiter);
}

/* ---- transactions ---- */

struct change {
    struct lease_shared *shared;
    struct lease *lease;
    const struct lease_along *along; /* NULL = nothing */
    bool sweeps;
};

static enum err_code write_acquire(struct db *tx, void *arg, struct err *err)
{
    const struct change *change = arg;
    struct lease *lease = change->lease;
    enum err_code code = lease_store_now(tx, change->shared->clock, &lease->acquired_us, err);
    lease->expires_us = lease->acquired_us + lease->ttl_us;
    if (code == OK)
        code = lease_store_sweep(tx, lease->acquired_us, err);
    return code == OK ? lease_store_acquire(tx, lease, err) : code;
}

static enum err_code write_renew(struct db *tx, void *arg, struct err *err)
{
    const struct change *change = arg;
    int64_t now;
    enum err_code code = lease_store_now(tx, change->shared->clock, &now, err);
    change->lease->expires_us = now + change->lease->ttl_us;
    if (code == OK)
        code = lease_store_renew(tx, change->lease->token, now, change->lease->expires_us, err);
    return code == OK && change->sweeps ? lease_store_sweep(tx, now, err) : code;
}

static enum err_code write_release(struct db *tx, void *arg, struct err *err)
{
    const struct change *change = arg;
    int64_t now;
    enum err_code code = lease_store_now(tx, change->shared->clock, &now, err);
    if (code == OK)
        code = lease_store_release(tx, change->lease->token, now, now, err);
    return code == OK && change->along ? change->along->run(tx, change->along->arg, err) : code;
}

/* ---- operations ---- */

static void drop(struct lease_shared *shared, const struct lease *lease)
{
    if (shared->arbiter) /* when it does not answer, the key ends by its time */
        (void)shared->arbiter->ops->drop(shared->arbiter, lease->key, lease->token, NULL);
}

static enum err_code shared_try_acquire(struct lease_provider *p, const char *key, int64_t ttl_us, const char *purpose,
                                        struct lease *ret, struct err *err)
{
    struct lease_shared *shared = of(p);
    struct uuid token = uuid_v7(clock_wall(shared->clock).us);
    struct lease lease = {.ttl_us = ttl_us};
    (void)snprintf(lease.key, sizeof lease.key, "%s", key);
    (void)snprintf(lease.holder, sizeof lease.holder, "%s", shared->holder);
    (void)snprintf(lease.purpose, sizeof lease.purpose, "%s", purpose ? purpose : "");
    uuid_format(&token, lease.token);
    enum err_code code = shared->arbiter ? shared->arbiter->ops->take(shared->arbiter, key, lease.token, ttl_us, err) : OK;
    if (code != OK)
        return code;
    struct change change = {.shared = shared, .lease = &lease};
    code = store_write(atomic_load(&shared->store), write_acquire, &change, err);
    if (code == OK)
        *ret = lease;
    else
        drop(shared, &lease);
    return code;
}

static bool must_sweep(struct lease_shared *shared)
{
    int64_t now = clock_mono(shared->clock).us, last = atomic_load(&shared->swept_us);
    return now - last >= SWEEP_US && atomic_compare_exchange_strong(&shared->swept_us, &last, now);
}

static enum err_code shared_renew(struct lease_provider *p, struct lease *lease, struct err *err)
{
    struct lease_shared *shared = of(p);
    enum err_code code = OK;
    if (shared->arbiter)
        code = shared->arbiter->ops->extend(shared->arbiter, lease->key, lease->token, lease->ttl_us, err);
    struct change change = {.shared = shared, .lease = lease, .sweeps = must_sweep(shared)};
    return code == OK ? store_write(atomic_load(&shared->store), write_renew, &change, err) : code;
}

/* The row first: with it goes what is written along, and it is what counts. */
static enum err_code shared_release(struct lease_provider *p, const struct lease *lease, const struct lease_along *along,
                                    struct err *err)
{
    struct lease_shared *shared = of(p);
    struct lease copy = *lease;
    struct change change = {.shared = shared, .lease = &copy, .along = along};
    enum err_code code = store_write(atomic_load(&shared->store), write_release, &change, err);
    if (code == OK || code == ERR_NOT_FOUND)
        drop(shared, lease);
    return code;
}

/* ---- questions: to the store alone, so that they are answered while an arbiter is away ---- */

struct question {
    struct lease_shared *shared;
    const char *key; /* NULL = all */
    void (*fn)(void *arg, const struct lease *lease);
    void *arg;
};

static enum err_code read_held(struct db *db, void *arg, struct err *err)
{
    const struct question *question = arg;
    int64_t now;
    enum err_code code = lease_store_now(db, question->shared->clock, &now, err);
    return code == OK ? lease_store_held(db, question->key, now, question->fn, question->arg, err) : code;
}

static void keep_one(void *arg, const struct lease *lease)
{
    *(struct lease *)arg = *lease;
}

static enum err_code shared_inspect(struct lease_provider *p, const char *key, struct lease *ret, struct err *err)
{
    struct lease found = {.fence = 0};
    struct question question = {of(p), key, keep_one, &found};
    enum err_code code = store_read(atomic_load(&question.shared->store), read_held, &question, err);
    if (code == OK && !found.key[0])
        return err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "nobody holds the lock %s", key);
    if (code == OK)
        *ret = found;
    return code;
}

static enum err_code shared_each(struct lease_provider *p, void (*fn)(void *arg, const struct lease *lease), void *arg,
                                 struct err *err)
{
    struct question question = {of(p), NULL, fn, arg};
    return store_read(atomic_load(&question.shared->store), read_held, &question, err);
}

static void shared_free(struct lease_provider *p)
{
    struct lease_shared *shared = of(p);
    lease_arbiter_free(shared->arbiter);
    free(shared);
}

#define SHARED_OPS(provider_name) \
    { \
        .name = provider_name, .try_acquire = shared_try_acquire, .renew = shared_renew, .release = shared_release, \
        .inspect = shared_inspect, .each = shared_each, .free = shared_free \
    }

void lease_shared_use(struct lease_provider *p, struct store *store)
{
    atomic_store(&of(p)->store, store);
}

struct lease_provider *lease_shared_new(struct store *store, const struct clock *clock, const char *holder,
                                        struct lease_arbiter *arbiter)
{
    static const struct lease_provider_ops store_ops = SHARED_OPS("store"), redis_ops = SHARED_OPS("redis"),
                                           etcd_ops = SHARED_OPS("etcd");
    struct lease_shared *shared = xcalloc(1, sizeof *shared);
    shared->provider.ops = !arbiter ? &store_ops : strcmp(arbiter->ops->name, "redis") == 0 ? &redis_ops : &etcd_ops;
    atomic_store(&shared->store, store);
    shared->clock = clock;
    shared->arbiter = arbiter;
    atomic_store(&shared->swept_us, clock_mono(clock).us);
    (void)snprintf(shared->holder, sizeof shared->holder, "%s", holder);
    return &shared->provider;
}
