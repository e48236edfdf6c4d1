/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/kept_lease.h"

#include <stdio.h>
#include <string.h>

void kept_lease_init(struct kept_lease *kept, struct lease_provider *provider, const struct clock *clock)
{
    *kept = (struct kept_lease){.provider = provider, .clock = clock};
    mutex_init(&kept->mutex);
}

void kept_lease_release_memory(struct kept_lease *kept)
{
    mutex_release(&kept->mutex);
}

/* ---- the caller holds the mutex ---- */

static int64_t now_us(const struct kept_lease *kept)
{
    return clock_mono(kept->clock).us;
}

/* `asked_us`: before the request was sent. */
static void has_until(struct kept_lease *kept, int64_t asked_us)
{
    atomic_store(&kept->safe_until_us, asked_us + kept->ttl_us - kept->ttl_us / KEPT_LEASE_MARGIN);
    kept->next_us = asked_us + kept->ttl_us / 3;
}

static void lose(struct kept_lease *kept)
{
    atomic_store(&kept->safe_until_us, 0);
    kept->held = false;
}

static enum err_code take(struct kept_lease *kept, struct err *err)
{
    struct lease_request request = {.key = kept->key, .purpose = kept->purpose, .ttl_us = kept->ttl_us};
    int64_t asked = now_us(kept);
    enum err_code code = lease_acquire(kept->provider, &request, &kept->lease, err);
    kept->held = code == OK;
    if (kept->held)
        has_until(kept, asked);
    else
        kept->next_us = now_us(kept) + KEPT_LEASE_WAIT_US;
    return code;
}

/* Whoever waits sleeps until the present lease may have ended: its holder has renewed it by then, or is gone. */
static enum err_code take_when_free(struct kept_lease *kept, struct err *err)
{
    struct lease other;
    enum err_code code = lease_inspect(kept->provider, kept->key, &other, err);
    if (code == ERR_NOT_FOUND)
        return take(kept, err);
    int64_t wait = code == OK ? other.left_us : KEPT_LEASE_WAIT_US;
    kept->next_us = now_us(kept) + (wait < US_PER_MS ? US_PER_MS : wait > kept->ttl_us ? kept->ttl_us : wait);
    return code == OK ? err_set(err, ERR_CONFLICT, "LOCK_HELD", "the lock %s is held by %s", kept->key, other.holder) : code;
}

static enum err_code renew_held(struct kept_lease *kept, struct err *err)
{
    int64_t asked = now_us(kept);
    enum err_code code = lease_renew(kept->provider, &kept->lease, err);
    if (code == OK) {
        has_until(kept, asked);
    } else if (code == ERR_NOT_FOUND) { /* its time had passed, perhaps while the machine stood still; or the arbiter lost it */
        lose(kept);
        (void)lease_release(kept->provider, &kept->lease, NULL, NULL); /* what is recorded of it */
        code = take_when_free(kept, err);
    } else {
        kept->next_us = now_us(kept) + kept->ttl_us / KEPT_LEASE_MARGIN;
    }
    return code;
}

/* ---- for everybody ---- */

enum err_code kept_lease_acquire(struct kept_lease *kept, const char *key, int64_t ttl_us, const char *purpose, struct err *err)
{
    mutex_lock(&kept->mutex);
    (void)snprintf(kept->key, sizeof kept->key, "%s", key);
    (void)snprintf(kept->purpose, sizeof kept->purpose, "%s", purpose);
    kept->ttl_us = ttl_us;
    kept->wanted = true;
    enum err_code code = take_when_free(kept, err);
    mutex_unlock(&kept->mutex);
    return code;
}

enum err_code kept_lease_renew(struct kept_lease *kept, struct err *err)
{
    enum err_code code = OK;
    mutex_lock(&kept->mutex);
    if (kept->wanted && now_us(kept) >= kept->next_us)
        code = kept->held ? renew_held(kept, err) : take_when_free(kept, err);
    mutex_unlock(&kept->mutex);
    return code;
}

int64_t kept_lease_next(struct kept_lease *kept)
{
    mutex_lock(&kept->mutex);
    int64_t next = kept->wanted ? kept->next_us : INT64_MAX;
    mutex_unlock(&kept->mutex);
    return next;
}

int64_t kept_lease_fence(struct kept_lease *kept)
{
    mutex_lock(&kept->mutex);
    int64_t fence = kept->lease.fence;
    mutex_unlock(&kept->mutex);
    return fence;
}

bool kept_lease_is_safe(const struct kept_lease *kept)
{
    return clock_mono(kept->clock).us < atomic_load(&kept->safe_until_us);
}

enum err_code kept_lease_retake(struct kept_lease *kept, const char *key, const struct lease_along *along, struct err *err)
{
    mutex_lock(&kept->mutex);
    enum err_code code = OK;
    if (!kept->held || strcmp(kept->key, key) != 0)
        code = err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "the lock %s is not kept here", key);
    if (code == OK) {
        int64_t until = atomic_exchange(&kept->safe_until_us, 0); /* before it ends */
        code = lease_release(kept->provider, &kept->lease, along, err);
        if (code == OK)
            code = take(kept, err);
        else
            atomic_store(&kept->safe_until_us, until);
    }
    mutex_unlock(&kept->mutex);
    return code;
}

enum err_code kept_lease_release(struct kept_lease *kept, struct err *err)
{
    mutex_lock(&kept->mutex);
    bool held = kept->held;
    lose(kept);
    kept->wanted = false;
    enum err_code code = held ? lease_release(kept->provider, &kept->lease, NULL, err) : OK;
    mutex_unlock(&kept->mutex);
    return code;
}
