/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/lease.h"

#include "base/metrics.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

static int64_t begin(void)
{
    return clock_mono(clock_real()).us;
}

static enum err_code end(const struct lease_provider *p, const char *op, int64_t begun_us, enum err_code code)
{
    char labels[64];
    (void)snprintf(labels, sizeof labels, "provider=\"%s\",op=\"%s\"", p->ops->name, op);
    metric_observe(metric_get(METRIC_HISTOGRAM, "horae_lock_seconds", "Time of lock operations.", labels),
                   clock_mono(clock_real()).us - begun_us);
    return code;
}

static enum err_code check_key(const char *key, struct err *err)
{
    size_t n = strlen(key);
    if (n < 1 || n > LEASE_KEY_MAX || !str_is_utf8(key, n))
        return err_param(err, "key", "a lock's key must have 1 to %d bytes of UTF-8", LEASE_KEY_MAX);
    return OK;
}

enum err_code lease_try_acquire(struct lease_provider *p, const char *key, int64_t ttl_us, const char *purpose, struct lease *ret,
                                struct err *err)
{
    enum err_code code = check_key(key, err);
    if (code == OK && ttl_us <= 0)
        code = err_param(err, "ttl", "a lock's time must be positive");
    if (code != OK)
        return code;
    int64_t begun = begin();
    return end(p, "acquire", begun, p->ops->try_acquire(p, key, ttl_us, purpose, ret, err));
}

enum err_code lease_renew(struct lease_provider *p, struct lease *lease, struct err *err)
{
    int64_t begun = begin();
    return end(p, "renew", begun, p->ops->renew(p, lease, err));
}

enum err_code lease_release(struct lease_provider *p, const struct lease *lease, struct err *err)
{
    int64_t begun = begin();
    return end(p, "release", begun, p->ops->release(p, lease, err));
}

enum err_code lease_inspect(struct lease_provider *p, const char *key, struct lease *ret, struct err *err)
{
    int64_t begun = begin();
    return end(p, "inspect", begun, p->ops->inspect(p, key, ret, err));
}

enum err_code lease_each(struct lease_provider *p, void (*fn)(void *arg, const struct lease *lease), void *arg, struct err *err)
{
    return p->ops->each(p, fn, arg, err);
}

void lease_provider_free(struct lease_provider *p)
{
    if (p)
        p->ops->free(p);
}
