/* SPDX-License-Identifier: Apache-2.0 */
/* The segments that there are, as readers see them. */
#include "base/mem.h"
#include "trail/trail_priv.h"

#include <string.h>
#include <sys/stat.h>

struct trail_segment *trail_list_add(struct trail *trail, const struct segment_meta *meta)
{
    struct trail_segment *segment = xcalloc(1, sizeof *segment);
    segment->meta = *meta;
    segment->place = trail->place;
    mutex_lock(&trail->mutex);
    if (trail->segment_count == trail->segment_capacity) {
        trail->segment_capacity = trail->segment_capacity ? 2 * trail->segment_capacity : 16;
        trail->segments = xrealloc(trail->segments, trail->segment_capacity * sizeof(struct trail_segment *));
    }
    trail->segments[trail->segment_count++] = segment;
    mutex_unlock(&trail->mutex);
    return segment;
}

void trail_list_remove(struct trail *trail, struct trail_segment *segment)
{
    mutex_assert_held(&trail->mutex);
    size_t i = 0;
    while (trail->segments[i] != segment)
        i++;
    memmove(&trail->segments[i], &trail->segments[i + 1], (trail->segment_count - i - 1) * sizeof(struct trail_segment *));
    trail->segment_count--;
    segment->next_removed = trail->removed;
    trail->removed = segment;
}

static void free_segment(struct trail_segment *segment)
{
    segment_close(segment->open);
    trail_dedupe_release(segment);
    free(segment);
}

void trail_list_free_removed(struct trail *trail)
{
    mutex_lock(&trail->mutex);
    struct trail_segment *next = trail->removed;
    trail->removed = NULL;
    mutex_unlock(&trail->mutex);
    for (struct trail_segment *segment; (segment = next);) {
        next = segment->next_removed;
        free_segment(segment);
    }
}

void trail_list_free(struct trail *trail)
{
    trail_list_free_removed(trail);
    for (size_t i = 0; i < trail->segment_count; i++)
        free_segment(trail->segments[i]);
    free(trail->segments);
}

void trail_list_note(struct trail *trail, struct trail_segment *segment)
{
    mutex_lock(&trail->mutex);
    segment->meta = *segment_meta(segment->open);
    mutex_unlock(&trail->mutex);
}

static bool look(const struct trail *trail, int64_t number, struct stat *info)
{
    char path[4200];
    segment_path(segment_place_folder(trail->place), number, path, sizeof path);
    return stat(path, info) == 0;
}

bool trail_file_note(struct trail *trail, struct trail_segment *segment)
{
    struct stat info;
    if (!segment_place_folder(trail->place))
        return true;
    if (!look(trail, segment->meta.number, &info))
        return false;
    segment->device = info.st_dev;
    segment->inode = info.st_ino;
    return true;
}

bool trail_file_is_there(const struct trail *trail, const struct trail_segment *segment)
{
    struct stat info;
    if (!segment_place_folder(trail->place))
        return true; /* the write that finds it gone says so */
    return look(trail, segment->meta.number, &info) && info.st_dev == segment->device && info.st_ino == segment->inode;
}

bool trail_place_is_away(const struct trail *trail, enum err_code code)
{
    return !segment_place_folder(trail->place) && (code == ERR_UNAVAILABLE || code == ERR_BUSY);
}

/* ---- for readers ---- */

static int newest_first(const void *a, const void *b)
{
    const struct segment_meta *left = a, *right = b;
    if (left->max_ms != right->max_ms)
        return left->max_ms > right->max_ms ? -1 : 1;
    return (left->number < right->number) - (left->number > right->number);
}

struct trail_segments *trail_segments(struct trail *trail, int64_t from_ms, int64_t to_ms)
{
    mutex_lock(&trail->mutex);
    struct trail_segments *found = xmalloc(sizeof *found + trail->segment_count * sizeof(struct segment_meta));
    found->count = 0;
    for (size_t i = 0; i < trail->segment_count; i++) {
        const struct trail_segment *segment = trail->segments[i];
        if (!segment->unreadable && segment->meta.count && segment->meta.max_ms >= from_ms && segment->meta.min_ms <= to_ms)
            found->items[found->count++] = segment->meta;
    }
    mutex_unlock(&trail->mutex);
    qsort(found->items, found->count, sizeof found->items[0], newest_first);
    return found;
}
