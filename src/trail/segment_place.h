/* SPDX-License-Identifier: Apache-2.0 */
/* Where the segments of a log lie: in files of a folder, or in the database of the store where that is on a server (decision 18).
 * All that reads or writes segments goes through it. Thread-safe. */
#ifndef HORAE_TRAIL_SEGMENT_PLACE_H
#define HORAE_TRAIL_SEGMENT_PLACE_H

#include "db/db.h"

struct segment_options;
struct segment_place;
struct store_fault;

enum { SEGMENT_PATH_SIZE = 4200 };

/* For the store of this url; `folder` is where the files are or would be; both are copied. `relaxed` and `fault` (borrowed, may be NULL)
 * are of writes in a database; those of a file come with each segment. */
struct segment_place_options {
    const char *url, *folder;
    bool relaxed;
    const struct store_fault *fault;
};
struct segment_place *segment_place_new(const struct segment_place_options *options);
/* Files, whatever the store. */
struct segment_place *segment_place_files(const char *folder);
void segment_place_free(struct segment_place *place); /* NULL allowed; all readers were given back */

/* The folder of files; NULL: they lie in the database. */
const char *segment_place_folder(const struct segment_place *place);
/* Numbers, ascending. `*ret` is owned (free). A folder or table that is not there holds none. */
enum err_code segment_list(struct segment_place *place, int64_t **ret, size_t *ret_count, struct err *err);
/* A connection that cannot write; in a database, one snapshot until it is closed. ERR_NOT_FOUND; ERR_BUSY: too many are out. */
enum err_code segment_open_reader(struct segment_place *place, int64_t number, struct db **ret, struct err *err);
void segment_close_reader(struct segment_place *place, struct db *db); /* NULL allowed */
bool segment_is_there(struct segment_place *place, int64_t number);
/* Removes a segment (retention only: a tombstone was written before). */
enum err_code segment_remove(struct segment_place *place, int64_t number, struct err *err);

/* Of a file: FOLDER/000001.db. */
void segment_path(const char *folder, int64_t number, char *out, size_t capacity);

/* ---- for segment.c ---- */

typedef enum err_code (*segment_run_fn)(struct db *tx, void *arg, struct err *err);

/* What a kind of place does. `db` is what `open` gave, for the life of a struct segment; NULL where each write takes a session. */
struct segment_place_kind {
    void (*free)(struct segment_place *place);
    enum err_code (*list)(struct segment_place *place, int64_t **ret, size_t *ret_count, struct err *err);
    enum err_code (*open_reader)(struct segment_place *place, int64_t number, struct db **ret, struct err *err);
    void (*close_reader)(struct segment_place *place, struct db *db);
    bool (*is_there)(struct segment_place *place, int64_t number);
    enum err_code (*remove)(struct segment_place *place, int64_t number, struct err *err);
    /* Room for a segment, which `run` makes in one transaction: all of it, or nothing. ERR_CONFLICT: it exists. */
    enum err_code (*create)(struct segment_place *place, const struct segment_options *options, segment_run_fn run, void *arg,
                            struct err *err);
    enum err_code (*open)(struct segment_place *place, const struct segment_options *options, struct db **ret, struct err *err);
    void (*close)(struct db *db);
    /* In one transaction. */
    enum err_code (*write)(struct segment_place *place, struct db *db, int64_t number, segment_run_fn run, void *arg,
                           struct err *err);
    void (*settle)(struct segment_place *place, struct db *db, int64_t number); /* it is sealed */
};

struct segment_place {
    const struct segment_place_kind *kind;
    char *folder; /* of files, owned by the kind; NULL: none */
};

/* In the database. */
struct segment_place *segment_server_new(const struct segment_place_options *options);

#endif
