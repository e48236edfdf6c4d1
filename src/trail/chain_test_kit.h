/* SPDX-License-Identifier: Apache-2.0 */
/* A folder with a key and segments in it, for tests. Include after cmocka.h. */
#ifndef HORAE_TRAIL_CHAIN_TEST_KIT_H
#define HORAE_TRAIL_CHAIN_TEST_KIT_H

#include "base/mem.h"
#include "trail/heads.h"
#include "trail/segment.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIT_NOW INT64_C(1772936400123)

struct segment_kit {
    char folder[32], key_path[48];
    struct segment_place *place; /* files, unless a test has put another one here */
    struct audit_key key;
    struct heads *heads;
    int made; /* events so far */
};

static inline void segment_kit_open(struct segment_kit *kit)
{
    struct err err;
    *kit = (struct segment_kit){.made = 0};
    (void)snprintf(kit->folder, sizeof kit->folder, "/tmp/horae-trail-XXXXXX");
    assert_non_null(mkdtemp(kit->folder));
    (void)snprintf(kit->key_path, sizeof kit->key_path, "%s/audit.key", kit->folder);
    kit->place = segment_place_files(kit->folder);
    assert_int_equal(audit_key_load(kit->key_path, &kit->key, &err), OK);
    assert_int_equal(heads_open(kit->folder, &kit->key, &kit->heads, &err), OK);
}

static inline void segment_kit_close(struct segment_kit *kit)
{
    DIR *dir = opendir(kit->folder);
    heads_close(kit->heads);
    segment_place_free(kit->place);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[320];
        (void)snprintf(path, sizeof path, "%s/%s", kit->folder, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(dir);
    assert_int_equal(rmdir(kit->folder), 0);
}

static inline struct segment_options segment_kit_options(struct segment_kit *kit, int64_t number)
{
    return (struct segment_options){.place = kit->place,
                                    .number = number,
                                    .server = "test",
                                    .day = -1,
                                    .key = &kit->key,
                                    .heads = kit->heads,
                                    .relaxed = true,
                                    .now_ms = KIT_NOW};
}

static inline struct segment *segment_kit_create(struct segment_kit *kit, int64_t number, const struct audit_hash *before)
{
    struct segment_options options = segment_kit_options(kit, number);
    struct segment *segment;
    struct err err;
    options.before = before;
    if (segment_create(&options, &segment, &err) != OK)
        fail_msg("%s", err.message);
    return segment;
}

/* Events that differ; release each. */
static inline struct audit_record *segment_kit_records(struct segment_kit *kit, size_t count)
{
    struct audit_record *records = xcalloc(count, sizeof *records);
    for (size_t i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "task-%d", ++kit->made);
        struct audit_event *event = audit_event_new(AUDIT_ACTION_CREATED, AUDIT_RESOURCE_SCHEDULED_TASK, name);
        audit_event_set_object(event, AUDIT_NEW_OBJECT, "{\"a\":1}", 7);
        audit_event_set(event, AUDIT_TEXT_REQUEST_ID, name);
        audit_event_set(event, AUDIT_TEXT_SPACE_PATH, "/kit");
        event->timestamp_ms = KIT_NOW + kit->made;
        audit_record_make(event, NULL, KIT_NOW, &records[i]);
        audit_event_free(event);
    }
    return records;
}

static inline void segment_kit_free(struct audit_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        audit_record_release(&records[i]);
    free(records);
}

static inline void segment_kit_append(struct segment_kit *kit, struct segment *segment, size_t count)
{
    struct audit_record *records = segment_kit_records(kit, count);
    struct err err;
    if (segment_append(segment, records, count, 0, &err) != OK)
        fail_msg("%s", err.message);
    segment_kit_free(records, count);
}

#endif
