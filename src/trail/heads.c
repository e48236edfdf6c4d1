/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/heads.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Places of the same size: the last checkpoint, then segments. An empty one is zeros. */
enum { PLACE_BYTES = 512, PLACES = HEADS_SEGMENTS_MAX + 1, READ_TRIES = 3 };

/* In the first place. */
struct noted {
    int64_t id;
    struct audit_hash hash;
    struct audit_signature signature;
};
static const char noted_prefix[] = "horae audit heads 1\n";
enum { NOTED_SIGNED = (int)sizeof noted_prefix + 8 + AUDIT_HASH_BYTES };

struct heads {
    struct mutex mutex;
    int fd;
    const struct audit_key *key;
    int64_t noted;                                 /* id of the last checkpoint that was noted */
    struct segment_meta items[HEADS_SEGMENTS_MAX]; /* number 0: free */
};

static void file_name(const char *folder, char out[SEGMENT_PATH_SIZE])
{
    (void)snprintf(out, SEGMENT_PATH_SIZE, "%.*s/heads", SEGMENT_PATH_SIZE - 8, folder);
}

/* ---- places ---- */

static void pack_noted(const struct noted *n, uint8_t out[PLACE_BYTES])
{
    uint8_t *at = out;
    memset(out, 0, PLACE_BYTES);
    memcpy(at, noted_prefix, sizeof noted_prefix);
    at += sizeof noted_prefix;
    for (int i = 0; i < 8; i++)
        *at++ = (uint8_t)((uint64_t)n->id >> 8 * i);
    memcpy(at, n->hash.b, sizeof n->hash.b);
    memcpy(at + sizeof n->hash.b, n->signature.b, sizeof n->signature.b);
}

static bool unpack_noted(const uint8_t bytes[PLACE_BYTES], const uint8_t public_key[AUDIT_PUBLIC_BYTES], struct noted *ret)
{
    const uint8_t *at = bytes + sizeof noted_prefix;
    uint64_t id = 0;
    for (int i = 0; i < 8; i++)
        id |= (uint64_t)*at++ << 8 * i;
    ret->id = (int64_t)id;
    memcpy(ret->hash.b, at, sizeof ret->hash.b);
    memcpy(ret->signature.b, at + sizeof ret->hash.b, sizeof ret->signature.b);
    return memcmp(bytes, noted_prefix, sizeof noted_prefix) == 0 &&
           audit_key_verify(public_key, bytes, NOTED_SIGNED, &ret->signature);
}

static bool is_empty(const uint8_t bytes[PLACE_BYTES])
{
    static const uint8_t zeros[PLACE_BYTES];
    return memcmp(bytes, zeros, PLACE_BYTES) == 0;
}

static bool read_places(int fd, const uint8_t public_key[AUDIT_PUBLIC_BYTES], struct heads_content *ret)
{
    uint8_t bytes[PLACES][PLACE_BYTES] = {0};
    struct noted noted = {0};
    *ret = (struct heads_content){.present = true};
    if (pread(fd, bytes, sizeof bytes, 0) < 0)
        return false;
    if (unpack_noted(bytes[0], public_key, &noted)) {
        ret->checkpoint = noted.id;
        ret->checkpoint_hash = noted.hash;
    } else if (!is_empty(bytes[0])) {
        ret->unsigned_count++;
    }
    for (int i = 1; i < PLACES; i++) {
        struct segment_meta *meta = &ret->items[ret->count];
        segment_meta_unpack(bytes[i], meta);
        if (is_empty(bytes[i]))
            continue;
        if (segment_is_signed(meta, public_key))
            ret->count++;
        else
            ret->unsigned_count++;
    }
    return ret->unsigned_count == 0;
}

void heads_read(const char *folder, const uint8_t public_key[AUDIT_PUBLIC_BYTES], struct heads_content *ret)
{
    char path[SEGMENT_PATH_SIZE];
    file_name(folder, path);
    *ret = (struct heads_content){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    for (int i = 0; i < READ_TRIES && !read_places(fd, public_key, ret); i++)
        continue; /* perhaps in the middle of a write */
    (void)close(fd);
}

/* ---- the server's ---- */

/* One write; what it says stands in the segment, too, so that a failure is none of its event's. */
static void put_place(const struct heads *heads, int place, const uint8_t bytes[PLACE_BYTES])
{
    const ssize_t n = pwrite(heads->fd, bytes, PLACE_BYTES, (off_t)place * PLACE_BYTES);
    if (n != PLACE_BYTES)
        log_warn("audit", "the file heads cannot be written: %s", n < 0 ? strerror(errno) : "the disk is full");
}

static void put_item(struct heads *heads, int i)
{
    uint8_t bytes[PLACE_BYTES] = {0};
    if (heads->items[i].number)
        segment_meta_pack(&heads->items[i], bytes);
    put_place(heads, i + 1, bytes);
}

/* Places that nobody signed are emptied: they are of no use, and would be taken for damage for ever. */
static bool take_places(struct heads *heads)
{
    uint8_t bytes[PLACES][PLACE_BYTES] = {0}, none[PLACE_BYTES] = {0};
    struct noted noted;
    if (pread(heads->fd, bytes, sizeof bytes, 0) < 0 || ftruncate(heads->fd, sizeof bytes) != 0)
        return false;
    if (unpack_noted(bytes[0], heads->key->public_key, &noted))
        heads->noted = noted.id;
    else if (!is_empty(bytes[0]))
        put_place(heads, 0, none);
    for (int i = 0; i < HEADS_SEGMENTS_MAX; i++) {
        if (is_empty(bytes[i + 1]))
            continue;
        segment_meta_unpack(bytes[i + 1], &heads->items[i]);
        if (segment_is_signed(&heads->items[i], heads->key->public_key))
            continue;
        heads->items[i].number = 0;
        put_item(heads, i);
    }
    return true;
}

enum err_code heads_open(const char *folder, const struct audit_key *key, struct heads **ret, struct err *err)
{
    char path[SEGMENT_PATH_SIZE];
    file_name(folder, path);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot make %s: %s", folder, strerror(errno));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot use %s: %s", path, strerror(errno));
    struct heads *heads = xcalloc(1, sizeof *heads);
    mutex_init(&heads->mutex);
    heads->fd = fd;
    heads->key = key;
    if (!take_places(heads)) {
        const enum err_code code = err_set(err, ERR_UNAVAILABLE, NULL, "cannot use %s: %s", path, strerror(errno));
        heads_close(heads);
        return code;
    }
    *ret = heads;
    return OK;
}

void heads_close(struct heads *heads)
{
    if (!heads)
        return;
    (void)close(heads->fd);
    mutex_release(&heads->mutex);
    free(heads);
}

/* Its place, else a free one, else that of a segment that is at its end; -1: there is none. */
static int place_for(const struct heads *heads, const struct segment_meta *meta)
{
    int found = -1;
    for (int i = 0; i < HEADS_SEGMENTS_MAX; i++) {
        const struct segment_meta *item = &heads->items[i];
        if (item->number == meta->number && memcmp(item->genesis.b, meta->genesis.b, sizeof meta->genesis.b) == 0)
            return i;
        if (!item->number && (found < 0 || heads->items[found].number))
            found = i;
        else if (found < 0 && item->state == SEGMENT_SEALED)
            found = i;
    }
    return found;
}

void heads_write(struct heads *heads, const struct segment_meta *meta)
{
    if (!heads)
        return;
    mutex_lock(&heads->mutex);
    const int i = place_for(heads, meta);
    if (i >= 0 && !(heads->items[i].number == meta->number && heads->items[i].count > meta->count)) {
        heads->items[i] = *meta;
        put_item(heads, i);
    }
    mutex_unlock(&heads->mutex);
}

void heads_drop(struct heads *heads, int64_t segment)
{
    mutex_lock(&heads->mutex);
    for (int i = 0; i < HEADS_SEGMENTS_MAX; i++)
        if (heads->items[i].number == segment) {
            heads->items[i].number = 0;
            put_item(heads, i);
        }
    mutex_unlock(&heads->mutex);
}

void heads_note_checkpoint(struct heads *heads, const struct checkpoint *last)
{
    struct noted noted = {.id = last->id};
    uint8_t bytes[PLACE_BYTES];
    checkpoint_hash(last, &noted.hash);
    pack_noted(&noted, bytes);
    audit_key_sign(heads->key, bytes, NOTED_SIGNED, &noted.signature);
    pack_noted(&noted, bytes);
    mutex_lock(&heads->mutex);
    if (last->id > heads->noted) { /* they come from several threads */
        heads->noted = last->id;
        put_place(heads, 0, bytes);
    }
    mutex_unlock(&heads->mutex);
}

int64_t heads_seq(struct heads *heads, int64_t segment)
{
    int64_t seq = 0;
    mutex_lock(&heads->mutex);
    for (int i = 0; i < HEADS_SEGMENTS_MAX; i++)
        if (heads->items[i].number == segment && heads->items[i].count > seq)
            seq = heads->items[i].count;
    mutex_unlock(&heads->mutex);
    return seq;
}

int64_t heads_last_segment(struct heads *heads)
{
    int64_t last = 0;
    mutex_lock(&heads->mutex);
    for (int i = 0; i < HEADS_SEGMENTS_MAX; i++)
        if (heads->items[i].number > last)
            last = heads->items[i].number;
    mutex_unlock(&heads->mutex);
    return last;
}
