/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/kept_lease.h"

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

/* The caller holds the mutex. */
static enum err_code take(struct kept_lease *kept, const char *key, const char *purpose, struct err *err)
{
    struct lease taken;
    struct lease_request request = {.key = key, .purpose = purpose, .ttl_us = kept->ttl_us};
    enum err_code code = lease_acquire(kept->provider, &request, &taken, err);
    kept->held = code == OK;
    if (kept->held) {
        kept->lease = taken;
        kept->tried_us = clock_mono(kept->clock).us;
    }
    return code;
}

enum err_code kept_lease_acquire(struct kept_lease *kept, const char *key, int64_t ttl_us, const char *purpose, struct err *err)
{
    mutex_lock(&kept->mutex);
    kept->ttl_us = ttl_us;
    enum err_code code = take(kept, key, purpose, err);
    mutex_unlock(&kept->mutex);
    return code;
}

enum err_code kept_lease_renew(struct kept_lease *kept, struct err *err)
{
    enum err_code code = OK;
    mutex_lock(&kept->mutex);
    int64_t now = clock_mono(kept->clock).us;
    if (kept->lease.key[0] && now - kept->tried_us >= kept->ttl_us / 3) {
        kept->tried_us = now;
        code = kept->held ? lease_renew(kept->provider, &kept->lease, err) : ERR_NOT_FOUND;
        if (code == ERR_NOT_FOUND) { /* its time had passed, perhaps while the machine stood still */
            struct lease former = kept->lease;
            code = take(kept, former.key, former.purpose, err);
        }
    }
    mutex_unlock(&kept->mutex);
    return code;
}

enum err_code kept_lease_retake(struct kept_lease *kept, const char *key, const struct lease_along *along, struct err *err)
{
    mutex_lock(&kept->mutex);
    enum err_code code = OK;
    if (!kept->held || strcmp(kept->lease.key, key) != 0)
        code = err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "the lock %s is not kept here", key);
    if (code == OK)
        code = lease_release(kept->provider, &kept->lease, along, err);
    if (code == OK) {
        struct lease former = kept->lease;
        code = take(kept, former.key, former.purpose, err);
    }
    mutex_unlock(&kept->mutex);
    return code;
}

enum err_code kept_lease_release(struct kept_lease *kept, struct err *err)
{
    mutex_lock(&kept->mutex);
    enum err_code code = kept->held ? lease_release(kept->provider, &kept->lease, NULL, err) : OK;
    kept->held = false;
    kept->lease.key[0] = '\0'; /* and is not taken again */
    mutex_unlock(&kept->mutex);
    return code;
}
