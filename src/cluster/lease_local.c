/* SPDX-License-Identifier: Apache-2.0 */
/* The provider for one server: who holds what is memory, ended by monotonic time; the record and the fence are the
 * store's. The store's file lock keeps a second server away. */
#include "cluster/lease_store.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "db/store.h"

#include <stdio.h>
#include <string.h>

struct held {
    struct lease lease;
    int64_t ends_us; /* monotonic */
};

struct lease_local {
    struct lease_provider provider;
    struct store *store;
    const struct clock *clock;
    char holder[LEASE_HOLDER_MAX + 1];
    struct mutex mutex; /* guards by_key; held across the store's write, so that two callers cannot both win */
    struct map by_key;
};

static struct lease_local *of(struct lease_provider *p)
{
    return CONTAINER_OF(p, struct lease_local, provider);
}

static enum err_code write_acquire(struct db *tx, void *arg, struct err *err)
{
    return lease_store_acquire(tx, arg, err);
}

struct ending {
    const char *token;
    int64_t now_us, expired_us;      /* expired_us: where its time passed */
    const struct lease_along *along; /* of a release; NULL = nothing */
};

static enum err_code write_release(struct db *tx, void *arg, struct err *err)
{
    const struct ending *release = arg;
    enum err_code code = lease_store_release(tx, release->token, release->now_us, 0, err);
    return code == OK && release->along ? release->along->run(tx, release->along->arg, err) : code;
}

static enum err_code write_expire(struct db *tx, void *arg, struct err *err)
{
    const struct ending *ending = arg;
    return lease_store_expire(tx, ending->token, ending->now_us, ending->expired_us, err);
}

static enum err_code write_expire_all(struct db *tx, void *arg, struct err *err)
{
    return lease_store_expire_all(tx, *(const int64_t *)arg, err);
}

static bool has_ended(const struct lease_local *local, const struct held *held)
{
    return clock_mono(local->clock).us >= held->ends_us;
}

static void extend(const struct lease_local *local, struct held *held)
{
    held->ends_us = clock_mono(local->clock).us + held->lease.ttl_us;
    held->lease.expires_us = clock_wall(local->clock).us + held->lease.ttl_us;
}

static void forget(struct lease_local *local, struct held *held)
{
    (void)map_remove(&local->by_key, str_of(held->lease.key));
    free(held);
}

static enum err_code acquire_free(struct lease_local *local, struct held *held, struct err *err)
{
    struct held *old = map_get(&local->by_key, str_of(held->lease.key));
    if (old && !has_ended(local, old))
        return err_set(err, ERR_CONFLICT, "LOCK_HELD", "the lock %s is held already", held->lease.key);
    if (old) {
        struct ending expired = {
            .token = old->lease.token, .now_us = clock_wall(local->clock).us, .expired_us = old->lease.expires_us};
        enum err_code code = store_write(local->store, write_expire, &expired, err);
        if (code != OK)
            return code;
        forget(local, old);
    }
    return store_write(local->store, write_acquire, &held->lease, err);
}

static enum err_code local_try_acquire(struct lease_provider *p, const char *key, int64_t ttl_us, const char *purpose,
                                       struct lease *ret, struct err *err)
{
    struct lease_local *local = of(p);
    struct held *held = xcalloc(1, sizeof *held);
    int64_t now = clock_wall(local->clock).us;
    struct uuid token = uuid_v7(now);
    held->lease.ttl_us = ttl_us;
    held->lease.acquired_us = now;
    (void)snprintf(held->lease.key, sizeof held->lease.key, "%s", key);
    (void)snprintf(held->lease.holder, sizeof held->lease.holder, "%s", local->holder);
    (void)snprintf(held->lease.purpose, sizeof held->lease.purpose, "%s", purpose ? purpose : "");
    uuid_format(&token, held->lease.token);
    mutex_lock(&local->mutex);
    extend(local, held);
    enum err_code code = acquire_free(local, held, err);
    if (code == OK) {
        (void)map_put(&local->by_key, str_of(held->lease.key), held);
        *ret = held->lease;
    } else {
        free(held);
    }
    mutex_unlock(&local->mutex);
    return code;
}

/* The caller holds the mutex. */
static struct held *find_ours(struct lease_local *local, const struct lease *lease)
{
    struct held *held = map_get(&local->by_key, str_of(lease->key));
    return held && strcmp(held->lease.token, lease->token) == 0 && !has_ended(local, held) ? held : NULL;
}

static enum err_code not_held(const struct lease *lease, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "the lock %s is not held by this holder", lease->key);
}

static enum err_code local_renew(struct lease_provider *p, struct lease *lease, struct err *err)
{
    struct lease_local *local = of(p);
    mutex_lock(&local->mutex);
    struct held *held = find_ours(local, lease);
    if (held) {
        extend(local, held);
        lease->expires_us = held->lease.expires_us;
    }
    mutex_unlock(&local->mutex);
    return held ? OK : not_held(lease, err);
}

static enum err_code local_release(struct lease_provider *p, const struct lease *lease, const struct lease_along *along,
                                   struct err *err)
{
    struct lease_local *local = of(p);
    mutex_lock(&local->mutex);
    struct held *held = find_ours(local, lease);
    enum err_code code = held ? OK : not_held(lease, err);
    if (held) {
        struct ending release = {.token = held->lease.token, .now_us = clock_wall(local->clock).us, .along = along};
        code = store_write(local->store, write_release, &release, err);
        if (code == OK)
            forget(local, held);
    }
    mutex_unlock(&local->mutex);
    return code;
}

static enum err_code local_inspect(struct lease_provider *p, const char *key, struct lease *ret, struct err *err)
{
    struct lease_local *local = of(p);
    mutex_lock(&local->mutex);
    const struct held *held = map_get(&local->by_key, str_of(key));
    bool found = held && !has_ended(local, held);
    if (found) {
        *ret = held->lease;
        ret->left_us = held->ends_us - clock_mono(local->clock).us;
    }
    mutex_unlock(&local->mutex);
    return found ? OK : err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "nobody holds the lock %s", key);
}

static enum err_code local_each(struct lease_provider *p, void (*fn)(void *arg, const struct lease *lease), void *arg,
                                struct err *err)
{
    (void)err;
    struct lease_local *local = of(p);
    size_t cursor = 0;
    mutex_lock(&local->mutex);
    for (const struct held *held; (held = map_next(&local->by_key, &cursor));)
        if (!has_ended(local, held))
            fn(arg, &held->lease);
    mutex_unlock(&local->mutex);
    return OK;
}

static void local_free(struct lease_provider *p)
{
    struct lease_local *local = of(p);
    size_t cursor = 0;
    for (struct held *held; (held = map_next(&local->by_key, &cursor));)
        free(held);
    map_release(&local->by_key);
    mutex_release(&local->mutex);
    free(local);
}

static const struct lease_provider_ops local_ops = {.name = "local",
                                                    .try_acquire = local_try_acquire,
                                                    .renew = local_renew,
                                                    .release = local_release,
                                                    .inspect = local_inspect,
                                                    .each = local_each,
                                                    .free = local_free};

enum err_code lease_local_new(struct store *store, const struct clock *clock, const char *holder, struct lease_provider **ret,
                              struct err *err)
{
    int64_t now = clock_wall(clock).us;
    enum err_code code = store_write(store, write_expire_all, &now, err);
    if (code != OK)
        return code;
    struct lease_local *local = xcalloc(1, sizeof *local);
    local->provider.ops = &local_ops;
    local->store = store;
    local->clock = clock;
    (void)snprintf(local->holder, sizeof local->holder, "%s", holder);
    mutex_init(&local->mutex);
    map_init(&local->by_key);
    *ret = &local->provider;
    return OK;
}
