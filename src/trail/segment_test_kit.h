/* SPDX-License-Identifier: Apache-2.0 */
/* Segments with random events, for tests of questions: few values per column, so that filters meet; times that overlap between
 * segments and stand still within them. */
#ifndef HORAE_TRAIL_SEGMENT_TEST_KIT_H
#define HORAE_TRAIL_SEGMENT_TEST_KIT_H

#include "base/mem.h"
#include "base/panic.h"
#include "db/db_priv.h"
#include "trail/event_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KIT_SEGMENTS_MAX = 16 };

struct kit_event {
    struct event_place place;
    struct uuid id;
    const char *texts[EVENT_STATUS]; /* NULL = absent */
    int failure;
    char event[160];
};

struct segment_kit {
    char folder[32];
    struct segment_meta segments[KIT_SEGMENTS_MAX];
    struct kit_event *events; /* by place, the newest first */
    size_t count, capacity, segment_count;
};

static const char kit_schema[] =
    "CREATE TABLE audit_events (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, timestamp INTEGER NOT NULL, action TEXT NOT NULL,"
    " resource_type TEXT NOT NULL, resource_id TEXT, user_uid TEXT, client_ip TEXT, request_id TEXT, status INTEGER NOT NULL,"
    " subsystem TEXT, space_path TEXT, event TEXT NOT NULL, hash BLOB);"
    "CREATE INDEX audit_events_id ON audit_events (id);"
    "CREATE INDEX audit_events_time ON audit_events (timestamp, seq, action, resource_type, resource_id, user_uid, client_ip,"
    " request_id, status, subsystem, space_path)";
static const char kit_seal[] =
    "CREATE INDEX audit_events_request ON audit_events (request_id, timestamp) WHERE request_id IS NOT NULL;"
    "CREATE INDEX audit_events_resource ON audit_events (resource_id, timestamp);"
    "CREATE INDEX audit_events_address ON audit_events (client_ip, timestamp);"
    "CREATE INDEX audit_events_user ON audit_events (user_uid, timestamp);"
    "CREATE INDEX audit_events_space ON audit_events (space_path, timestamp) WHERE space_path IS NOT NULL;"
    "CREATE INDEX audit_events_type ON audit_events (resource_type, timestamp);"
    "CREATE INDEX audit_events_action ON audit_events (action, timestamp);"
    "CREATE INDEX audit_events_subsystem ON audit_events (subsystem, timestamp);"
    "CREATE INDEX audit_events_status ON audit_events (status, timestamp);"
    "CREATE INDEX audit_events_type_action ON audit_events (resource_type, action, timestamp)";
static const struct db_sql kit_insert = {
    "INSERT INTO audit_events (seq, timestamp, id, event, status, request_id, resource_id, client_ip, user_uid, space_path,"
    " resource_type, action, subsystem) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"};

static const char *const kit_values[EVENT_STATUS][4] = {{"r-1", "r-2", "r-3", NULL},
                                                        {"thing", "other", "thing/2", "a"},
                                                        {"10.0.0.1", "10.0.0.2", "::1", NULL},
                                                        {"ann", "ben", "system", "ann"},
                                                        {"/a", "/a/b", NULL, NULL},
                                                        {"user", "pod", "secret", "user"},
                                                        {"created", "deleted", "updated", "created"},
                                                        {"http", "scheduler", NULL, "http"}};

static inline void kit_event_random(struct kit_event *event, int64_t number, int64_t seq, int64_t base_ms)
{
    *event = (struct kit_event){.place = {base_ms + (int64_t)(id_random_fast() % 40), number, seq},
                                .failure = id_random_fast() % 4 == 0};
    for (int i = 0; i < EVENT_STATUS; i++)
        event->texts[i] = kit_values[i][id_random_fast() % 4];
    event->id = uuid_v7(event->place.timestamp_ms * 1000 + seq);
    char id[UUID_TEXT_LEN + 1];
    uuid_format(&event->id, id);
    (void)snprintf(event->event, sizeof event->event, "{\"id\":\"%s\",\"data\":{\"word\":\"%s\"}}", id,
                   id_random_fast() % 5 ? "Plain \\\"text\\\"" : "a Needle, \xC3\xBC");
}

static inline enum err_code kit_store(struct db *db, const struct kit_event *event, struct err *err)
{
    struct db_stmt *st;
    enum err_code code = db_prepare(db, &kit_insert, &st, err);
    if (code != OK)
        return code;
    db_bind_int(st, 1, event->place.seq);
    db_bind_int(st, 2, event->place.timestamp_ms);
    db_bind_blob(st, 3, event->id.b, sizeof event->id.b);
    db_bind_string(st, 4, event->event);
    db_bind_int(st, 5, event->failure);
    for (int i = 0; i < EVENT_STATUS; i++)
        db_bind_string(st, 6 + i, event->texts[i]);
    return db_run(st, NULL, err);
}

static inline void kit_note(struct segment_meta *meta, const struct kit_event *event)
{
    bool first = meta->count++ == 0;
    meta->failures += event->failure;
    if (first || event->place.timestamp_ms < meta->min_ms)
        meta->min_ms = event->place.timestamp_ms;
    if (first || event->place.timestamp_ms > meta->max_ms)
        meta->max_ms = event->place.timestamp_ms;
    if (first || memcmp(&event->id, &meta->min_id, sizeof event->id) < 0)
        meta->min_id = event->id;
    if (first || memcmp(&event->id, &meta->max_id, sizeof event->id) > 0)
        meta->max_id = event->id;
}

/* The next segment, with events of 40 ms from `base_ms`. */
static inline void kit_add_segment(struct segment_kit *kit, int events, int64_t base_ms, bool sealed)
{
    char path[64];
    struct err err;
    struct db *db;
    struct segment_meta *meta = &kit->segments[kit->segment_count];
    *meta = (struct segment_meta){.number = (int64_t)++kit->segment_count, .state = sealed ? SEGMENT_SEALED : SEGMENT_OPEN};
    segment_path(kit->folder, meta->number, path, sizeof path);
    struct db_open_options options = {.path = path, .relaxed = true};
    must(db_sqlite_open(&options, &db, &err) == OK && db_exec(db, kit_schema, &err) == OK && db_exec(db, "BEGIN", &err) == OK);
    for (int i = 1; i <= events; i++) {
        if (kit->count == kit->capacity) {
            kit->capacity = kit->capacity ? 2 * kit->capacity : 1024;
            kit->events = xrealloc(kit->events, kit->capacity * sizeof *kit->events);
        }
        struct kit_event *event = &kit->events[kit->count++];
        kit_event_random(event, meta->number, i, base_ms);
        must(kit_store(db, event, &err) == OK);
        kit_note(meta, event);
    }
    must(db_exec(db, "COMMIT", &err) == OK && (!sealed || db_exec(db, kit_seal, &err) == OK));
    db_close(db);
}

static inline int kit_newest_first(const void *a, const void *b)
{
    const struct event_place *x = a, *y = b; /* the first member of both */
    int64_t by = x->timestamp_ms != y->timestamp_ms ? y->timestamp_ms - x->timestamp_ms
                 : x->segment != y->segment         ? y->segment - x->segment
                                                    : y->seq - x->seq;
    return (by > 0) - (by < 0);
}

static inline int kit_by_time(const void *a, const void *b)
{
    const struct segment_meta *x = a, *y = b;
    return (x->max_ms < y->max_ms) - (x->max_ms > y->max_ms);
}

static inline void kit_open(struct segment_kit *kit)
{
    *kit = (struct segment_kit){.folder = "/tmp/horae-segments-XXXXXX"};
    must(mkdtemp(kit->folder) != NULL);
}

/* After the last segment was added. */
static inline struct event_source kit_source(struct segment_kit *kit, struct readers *readers)
{
    qsort(kit->events, kit->count, sizeof *kit->events, kit_newest_first);
    qsort(kit->segments, kit->segment_count, sizeof *kit->segments, kit_by_time);
    return (struct event_source){readers, kit->segments, kit->segment_count};
}

static inline void kit_close(struct segment_kit *kit)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[64], file[72];
    for (size_t i = 0; i < kit->segment_count; i++)
        for (size_t e = 0; e < ARRAY_LEN(ends); e++) {
            segment_path(kit->folder, (int64_t)i + 1, path, sizeof path);
            (void)snprintf(file, sizeof file, "%s%s", path, ends[e]);
            (void)unlink(file);
        }
    (void)rmdir(kit->folder);
    free(kit->events);
}

#endif
