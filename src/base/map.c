/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing, linear probing, backward-shift deletion (no tombstones), load at most 3/4. */
#include "base/map.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/panic.h"

#include <string.h>

enum { FIRST_CAPACITY = 16 };

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t hash_text(uint64_t seed, struct str key)
{
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.n; i++)
        h = (h ^ (unsigned char)key.p[i]) * 0x100000001b3u;
    h = mix(h ^ seed);
    return h ? h : 1;
}

void map_init(struct map *map)
{
    *map = (struct map){0};
    id_random_bytes(&map->seed, sizeof map->seed);
}

void map_release(struct map *map)
{
    free(map->slots);
    map->slots = NULL;
    map->count = map->capacity = 0;
}

/* The slot of the key, or the free one where it belongs. Needs at least one free slot. */
static size_t find(const struct map *map, uint64_t hash, struct str key)
{
    size_t i = hash & (map->capacity - 1);
    while (map->slots[i].hash) {
        const struct map_slot *slot = &map->slots[i];
        if (slot->hash == hash && slot->key_length == key.n && memcmp(slot->key, key.p, key.n) == 0)
            break;
        i = (i + 1) & (map->capacity - 1);
    }
    return i;
}

static void grow(struct map *map)
{
    struct map old = *map;
    map->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    map->slots = xcalloc(map->capacity, sizeof *map->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].hash) {
            struct str key = {old.slots[i].key, old.slots[i].key_length};
            map->slots[find(map, old.slots[i].hash, key)] = old.slots[i];
        }
    free(old.slots);
}

void *map_get(const struct map *map, struct str key)
{
    if (!map->count)
        return NULL;
    return map->slots[find(map, hash_text(map->seed, key), key)].value;
}

void *map_put(struct map *map, struct str key, void *value)
{
    must(value);
    if ((map->count + 1) * 4 > map->capacity * 3)
        grow(map);
    uint64_t hash = hash_text(map->seed, key);
    struct map_slot *slot = &map->slots[find(map, hash, key)];
    void *old = slot->hash ? slot->value : NULL;
    if (!slot->hash)
        map->count++;
    *slot = (struct map_slot){hash, key.p, key.n, value};
    return old;
}

void *map_remove(struct map *map, struct str key)
{
    if (!map->count)
        return NULL;
    size_t i = find(map, hash_text(map->seed, key), key);
    if (!map->slots[i].hash)
        return NULL;
    void *old = map->slots[i].value;
    size_t mask = map->capacity - 1;
    for (size_t j = (i + 1) & mask; map->slots[j].hash; j = (j + 1) & mask) {
        size_t home = map->slots[j].hash & mask;
        if (((j - home) & mask) >= ((j - i) & mask)) {
            map->slots[i] = map->slots[j];
            i = j;
        }
    }
    map->slots[i] = (struct map_slot){0};
    map->count--;
    return old;
}

void *map_next(const struct map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        const struct map_slot *slot = &map->slots[(*cursor)++];
        if (slot->hash)
            return slot->value;
    }
    return NULL;
}

void int_map_init(struct int_map *map)
{
    *map = (struct int_map){0};
}

void int_map_release(struct int_map *map)
{
    free(map->slots);
    int_map_init(map);
}

static size_t int_home(const struct int_map *map, int64_t key)
{
    return mix((uint64_t)key) & (map->capacity - 1);
}

static size_t int_find(const struct int_map *map, int64_t key)
{
    size_t i = int_home(map, key);
    while (map->slots[i].value && map->slots[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return i;
}

static void int_grow(struct int_map *map)
{
    struct int_map old = *map;
    map->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    map->slots = xcalloc(map->capacity, sizeof *map->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].value)
            map->slots[int_find(map, old.slots[i].key)] = old.slots[i];
    free(old.slots);
}

void *int_map_get(const struct int_map *map, int64_t key)
{
    return map->count ? map->slots[int_find(map, key)].value : NULL;
}

void *int_map_put(struct int_map *map, int64_t key, void *value)
{
    must(value);
    if ((map->count + 1) * 4 > map->capacity * 3)
        int_grow(map);
    struct int_map_slot *slot = &map->slots[int_find(map, key)];
    void *old = slot->value;
    if (!old)
        map->count++;
    *slot = (struct int_map_slot){key, value};
    return old;
}

void *int_map_remove(struct int_map *map, int64_t key)
{
    if (!map->count)
        return NULL;
    size_t i = int_find(map, key);
    void *old = map->slots[i].value;
    if (!old)
        return NULL;
    size_t mask = map->capacity - 1;
    for (size_t j = (i + 1) & mask; map->slots[j].value; j = (j + 1) & mask) {
        size_t home = int_home(map, map->slots[j].key);
        if (((j - home) & mask) >= ((j - i) & mask)) {
            map->slots[i] = map->slots[j];
            i = j;
        }
    }
    map->slots[i] = (struct int_map_slot){0};
    map->count--;
    return old;
}

void *int_map_next(const struct int_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        const struct int_map_slot *slot = &map->slots[(*cursor)++];
        if (slot->value)
            return slot->value;
    }
    return NULL;
}
