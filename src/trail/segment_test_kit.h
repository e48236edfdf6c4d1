/* SPDX-License-Identifier: Apache-2.0 */
/* Segments with random events, for tests of questions: few values per column, so that filters meet; times that overlap between
 * segments and stand still within them. */
#ifndef HORAE_TRAIL_SEGMENT_TEST_KIT_H
#define HORAE_TRAIL_SEGMENT_TEST_KIT_H

#include "base/mem.h"
#include "base/panic.h"
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
    struct segment_place *place;
    struct audit_key key;
    struct segment_meta segments[KIT_SEGMENTS_MAX];
    struct kit_event *events; /* by place, the newest first */
    size_t count, capacity, segment_count;
};

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

static inline struct str kit_str(const char *text)
{
    return text ? str_of(text) : (struct str){"", 0};
}

static inline struct audit_record kit_record(const struct kit_event *event)
{
    return (struct audit_record){.id = event->id,
                                 .timestamp_ms = event->place.timestamp_ms,
                                 .action = kit_str(event->texts[EVENT_ACTION]),
                                 .resource_type = kit_str(event->texts[EVENT_RESOURCE_TYPE]),
                                 .resource_id = kit_str(event->texts[EVENT_RESOURCE_ID]),
                                 .user_uid = kit_str(event->texts[EVENT_USER_UID]),
                                 .client_ip = kit_str(event->texts[EVENT_CLIENT_IP]),
                                 .request_id = kit_str(event->texts[EVENT_REQUEST_ID]),
                                 .subsystem = kit_str(event->texts[EVENT_SUBSYSTEM]),
                                 .space_path = kit_str(event->texts[EVENT_SPACE_PATH]),
                                 .failure = event->failure,
                                 .event = kit_str(event->event)};
}

/* The next segment, with events of 40 ms from `base_ms`. */
static inline void kit_add_segment(struct segment_kit *kit, int events, int64_t base_ms, bool sealed)
{
    struct err err;
    struct segment *segment;
    const struct segment_options options = {.place = kit->place,
                                            .number = (int64_t)kit->segment_count + 1,
                                            .server = "kit",
                                            .day = -1,
                                            .before = kit->segment_count ? &kit->segments[kit->segment_count - 1].genesis : NULL,
                                            .key = &kit->key,
                                            .relaxed = true,
                                            .now_ms = base_ms};
    must(segment_create(&options, &segment, &err) == OK);
    for (int i = 1; i <= events; i++) {
        if (kit->count == kit->capacity) {
            kit->capacity = kit->capacity ? 2 * kit->capacity : 1024;
            kit->events = xrealloc(kit->events, kit->capacity * sizeof *kit->events);
        }
        struct kit_event *event = &kit->events[kit->count++];
        kit_event_random(event, options.number, i, base_ms);
        struct audit_record record = kit_record(event);
        must(segment_append(segment, &record, 1, 0, &err) == OK);
    }
    must(!sealed || (segment_set_full(segment, &err) == OK && segment_seal(segment, base_ms, &err) == OK));
    kit->segments[kit->segment_count++] = *segment_meta(segment);
    segment_close(segment);
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

/* `place` becomes the kit's; NULL: files of a folder of its own. */
static inline void kit_open(struct segment_kit *kit, struct segment_place *place)
{
    char path[64];
    *kit = (struct segment_kit){.folder = "/tmp/horae-segments-XXXXXX"};
    must(mkdtemp(kit->folder) != NULL);
    kit->place = place ? place : segment_place_files(kit->folder);
    (void)snprintf(path, sizeof path, "%s/key", kit->folder);
    must(audit_key_load(path, &kit->key, NULL) == OK);
    (void)unlink(path);
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
    for (size_t i = 0; i < kit->segment_count; i++)
        (void)segment_remove(kit->place, kit->segments[i].number, NULL);
    segment_place_free(kit->place);
    (void)rmdir(kit->folder);
    free(kit->events);
}

#endif
