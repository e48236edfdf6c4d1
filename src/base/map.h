/* SPDX-License-Identifier: Apache-2.0 */
/* Hash maps with a random seed: by text and by 64-bit number. Keys of a text map are borrowed (they live in the value). */
#ifndef HORAE_BASE_MAP_H
#define HORAE_BASE_MAP_H

#include "base/str.h"

struct map_slot {
    uint64_t hash; /* 0 = free */
    const char *key;
    size_t key_length;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t count, capacity;
    uint64_t seed;
};

void map_init(struct map *map);
void map_release(struct map *map);
void *map_get(const struct map *map, struct str key);        /* NULL when absent */
void *map_put(struct map *map, struct str key, void *value); /* the replaced value or NULL; value != NULL */
void *map_remove(struct map *map, struct str key);           /* the removed value or NULL */
/* Walks: start with *cursor = 0; NULL at the end. Do not change the map while walking. */
void *map_next(const struct map *map, size_t *cursor);

struct int_map_slot {
    int64_t key;
    void *value; /* NULL = free */
};

struct int_map {
    struct int_map_slot *slots;
    size_t count, capacity;
};

void int_map_init(struct int_map *map);
void int_map_release(struct int_map *map);
void *int_map_get(const struct int_map *map, int64_t key);
void *int_map_put(struct int_map *map, int64_t key, void *value);
void *int_map_remove(struct int_map *map, int64_t key);
/* Walks the values, from *cursor = 0; NULL at the end. The value just returned may be removed when the cursor is then stepped
 * back by one: the removal may move another value to its place. Nothing else may change during the walk. */
void *int_map_next(const struct int_map *map, size_t *cursor);

#endif
