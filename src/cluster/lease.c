/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/lease.h"

#include "base/metrics.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* ---- several tries ---- */

static void sleep_thread(void *arg, int64_t us)
{
    (void)arg;
    struct timespec left = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};
    while (nanosleep(&left, &left) != 0)
        ;
}

static enum err_code put_space(const struct lease_request *request, char *key, size_t capacity, struct err *err)
{
    bool spaced = request->space && request->space[0];
    int n = snprintf(key, capacity, "%s%s%s", spaced ? request->space : "", spaced ? "/" : "", request->key);
    return n < 0 || (size_t)n >= capacity ? check_key("", err) : OK;
}

/* Before another try: OK, or why there is none. `deadline_us` 0 = none. */
static enum err_code may_try(const struct lease_request *request, int64_t deadline_us, struct err *err)
{
    if (request->is_cancelled && request->is_cancelled(request->arg))
        return err_set(err, ERR_CANCELLED, "LOCK_CANCELLED", "waiting for the lock %s was cancelled", request->key);
    if (deadline_us && clock_mono(request->clock).us >= deadline_us)
        return err_set(err, ERR_TIMEOUT, "LOCK_TIMED_OUT", "the lock %s was not free in time", request->key);
    return OK;
}

enum err_code lease_acquire(struct lease_provider *p, const struct lease_request *request, struct lease *ret, struct err *err)
{
    char key[LEASE_KEY_MAX + 1];
    int tries = request->tries > 1 ? request->tries : 1;
    int64_t deadline_us = request->timeout_us ? clock_mono(request->clock).us + request->timeout_us : 0;
    enum err_code code = put_space(request, key, sizeof key, err);
    for (int n = 0; code == OK; n++) {
        if ((code = may_try(request, deadline_us, err)) != OK)
            break;
        code = lease_try_acquire(p, key, request->ttl_us, request->purpose, ret, err);
        if (code != ERR_CONFLICT)
            break;
        if (n + 1 == tries)
            return tries == 1
                       ? code
                       : err_set(err, code, "LOCK_RETRIES_EXHAUSTED", "the lock %s was held at each of %d tries", key, tries);
        (request->pause ? request->pause : sleep_thread)(request->arg, request->delay_us);
        code = OK;
    }
    return code;
}

enum err_code lease_renew(struct lease_provider *p, struct lease *lease, struct err *err)
{
    int64_t begun = begin();
    return end(p, "renew", begun, p->ops->renew(p, lease, err));
}

enum err_code lease_release(struct lease_provider *p, const struct lease *lease, const struct lease_along *along, struct err *err)
{
    int64_t begun = begin();
    return end(p, "release", begun, p->ops->release(p, lease, along, err));
}

enum err_code lease_inspect(struct lease_provider *p, const char *key, struct lease *ret, struct err *err)
{
    int64_t begun = begin();
    return end(p, "inspect", begun, p->ops->inspect(p, key, ret, err));
}

enum err_code lease_each(struct lease_provider *p, void (*fn)(void *arg, const struct lease *lease), void *arg, struct err *err)
{
    int64_t begun = begin();
    return end(p, "list", begun, p->ops->each(p, fn, arg, err));
}

void lease_provider_free(struct lease_provider *p)
{
    if (p)
        p->ops->free(p);
}
