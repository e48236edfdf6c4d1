/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"
#include "base/panic.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t seeded_state;
static bool is_seeded;

void id_random_seed(uint64_t seed)
{
    seeded_state = seed;
    is_seeded = true;
}

void id_random_bytes(void *out, size_t count)
{
    uint8_t *p = out;
    for (; is_seeded && count; count--)
        *p++ = (uint8_t)splitmix(&seeded_state);
    while (count) {
        ssize_t n = getrandom(p, count, 0);
        if (n < 0 && errno == EINTR)
            continue;
        must(n > 0);
        p += n;
        count -= (size_t)n;
    }
}

uint64_t id_random_fast(void)
{
    if (is_seeded)
        return splitmix(&seeded_state);
    static _Thread_local uint64_t state;
    static _Thread_local bool seeded;
    if (!seeded) {
        id_random_bytes(&state, sizeof state);
        seeded = true;
    }
    return splitmix(&state);
}

static struct uuid v7(int64_t wall_us, uint64_t rand_a, uint64_t rand_b)
{
    uint64_t ms = (uint64_t)(wall_us / 1000);
    struct uuid uuid;
    for (int i = 0; i < 6; i++)
        uuid.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    uuid.b[6] = (uint8_t)(0x70 | ((rand_a >> 8) & 0x0F));
    uuid.b[7] = (uint8_t)rand_a;
    for (int i = 0; i < 8; i++)
        uuid.b[8 + i] = (uint8_t)(rand_b >> (56 - 8 * i));
    uuid.b[8] = (uint8_t)((uuid.b[8] & 0x3F) | 0x80);
    return uuid;
}

struct uuid uuid_v7(int64_t wall_us)
{
    return v7(wall_us, id_random_fast(), id_random_fast());
}

/* rand_b (62 bits) = 22 random bits, then the number's 40 bits masked by a mix of those bits and rand_a. */
static uint64_t number_mask(uint64_t rand_a12, uint64_t high22)
{
    uint64_t state = (rand_a12 << 22) | high22;
    return splitmix(&state) & 0xFFFFFFFFFFu;
}

struct uuid uuid_v7_numbered(int64_t wall_us, int64_t number)
{
    must(number > 0 && number < ((int64_t)1 << 40));
    uint64_t random = id_random_fast();
    uint64_t a = random & 0xFFF, high = (random >> 12) & 0x3FFFFF;
    return v7(wall_us, a, (high << 40) | ((uint64_t)number ^ number_mask(a, high)));
}

int64_t uuid_number(const struct uuid *uuid)
{
    uint64_t a = ((uint64_t)(uuid->b[6] & 0x0F) << 8) | uuid->b[7], b = 0;
    for (int i = 0; i < 8; i++)
        b = (b << 8) | uuid->b[8 + i];
    b &= 0x3FFFFFFFFFFFFFFFu;
    return (int64_t)((b & 0xFFFFFFFFFFu) ^ number_mask(a, b >> 40));
}

void uuid_format(const struct uuid *uuid, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[uuid->b[i] >> 4];
        *out++ = digits[uuid->b[i] & 15];
    }
    *out = '\0';
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(const char *text, size_t length, struct uuid *ret)
{
    if (length != UUID_TEXT_LEN)
        return false;
    struct uuid uuid;
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return false;
        int high = hex(text[at]), low = hex(text[at + 1]);
        if (high < 0 || low < 0)
            return false;
        uuid.b[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret = uuid;
    return true;
}
