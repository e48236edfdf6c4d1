/* SPDX-License-Identifier: Apache-2.0 */
#include "access/throttle.h"

#include "base/id.h"
#include "base/mem.h"

enum { PROBES = 8 };

void throttle_init(struct throttle *throttle, const struct clock *clock)
{
    mutex_init(&throttle->mutex);
    throttle->clock = clock;
    throttle->entries = xcalloc(THROTTLE_ENTRIES, sizeof *throttle->entries);
    id_random_bytes(&throttle->seed, sizeof throttle->seed);
}

void throttle_release(struct throttle *throttle)
{
    mutex_release(&throttle->mutex);
    free(throttle->entries);
}

static uint64_t key_of(const struct throttle *throttle, char kind, const char *text)
{
    uint64_t h = throttle->seed ^ (uint64_t)(unsigned char)kind;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    h ^= h >> 29;
    return h ? h : 1;
}

static bool is_stale(const struct throttle_entry *entry, int64_t now_us)
{
    return !entry->key || now_us - entry->last_us > (int64_t)THROTTLE_FORGET_S * US_PER_S;
}

/* The entry of a key; `make` takes a free, stale or the oldest one of its neighbourhood. */
static struct throttle_entry *find(struct throttle *throttle, uint64_t key, int64_t now_us, bool make)
{
    struct throttle_entry *oldest = NULL;
    for (uint64_t i = 0; i < PROBES; i++) {
        struct throttle_entry *entry = &throttle->entries[(key + i) % THROTTLE_ENTRIES];
        if (entry->key == key && !is_stale(entry, now_us))
            return entry;
        if (!oldest || is_stale(entry, now_us) || entry->last_us < oldest->last_us)
            oldest = entry;
    }
    if (make)
        *oldest = (struct throttle_entry){.key = key};
    return make ? oldest : NULL;
}

enum err_code throttle_check(struct throttle *throttle, const char *address, const char *username, struct err *err)
{
    const uint64_t keys[] = {key_of(throttle, 'a', address), key_of(throttle, 'u', username)};
    int64_t now = clock_mono(throttle->clock).us, until = 0;
    mutex_lock(&throttle->mutex);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct throttle_entry *entry = find(throttle, keys[i], now, false);
        if (entry && entry->blocked_until_us > until)
            until = entry->blocked_until_us;
    }
    mutex_unlock(&throttle->mutex);
    if (until <= now)
        return OK;
    int64_t left_s = (until - now) / US_PER_S + 1;
    return err_set(err, ERR_LIMIT, "RATE_LIMITED", "too many failed sign-ins: try again in %lld s", (long long)left_s);
}

static void note_failure(struct throttle_entry *entry, int64_t now_us)
{
    entry->last_us = now_us;
    if (++entry->failures < THROTTLE_FREE_TRIES)
        return;
    int doublings = entry->failures - THROTTLE_FREE_TRIES;
    int64_t wait_s = doublings >= 10 ? THROTTLE_WAIT_MAX_S : INT64_C(1) << doublings;
    entry->blocked_until_us = now_us + (wait_s < THROTTLE_WAIT_MAX_S ? wait_s : THROTTLE_WAIT_MAX_S) * US_PER_S;
}

void throttle_note(struct throttle *throttle, const char *address, const char *username, bool success)
{
    const uint64_t keys[] = {key_of(throttle, 'a', address), key_of(throttle, 'u', username)};
    int64_t now = clock_mono(throttle->clock).us;
    mutex_lock(&throttle->mutex);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct throttle_entry *entry = find(throttle, keys[i], now, !success);
        if (success && entry && i == 1) /* the name is proven; an address may still be guessing others */
            entry->failures = 0;
        else if (!success)
            note_failure(entry, now);
    }
    mutex_unlock(&throttle->mutex);
}
