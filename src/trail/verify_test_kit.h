/* SPDX-License-Identifier: Apache-2.0 */
/* A log of three segments with its checkpoints, ways to tamper with it, and what verification should say. Include after cmocka.h. */
#ifndef HORAE_TRAIL_VERIFY_TEST_KIT_H
#define HORAE_TRAIL_VERIFY_TEST_KIT_H

#include "db/store.h"
#include "trail/chain_test_kit.h"
#include "trail/checkpoint_store.h"
#include "trail/verify.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SEGMENTS = 3, EVENTS = 10 };

/* A log of three segments: two sealed, one open with a checkpoint at 5 of its 10 events. */
struct log {
    struct segment_kit kit;
    char database[64];
    struct uuid ids[SEGMENTS + 1][EVENTS + 1];
    struct segment_meta metas[SEGMENTS + 1];
    struct checkpoint checkpoints[8];
    size_t checkpoint_count;
};

struct adding {
    const struct audit_key *key;
    struct checkpoint *c;
};

static inline enum err_code run_add(struct db *tx, void *arg, struct err *err)
{
    struct adding *adding = arg;
    return checkpoint_store_add(tx, adding->key, adding->c, err);
}

static inline void vouch(struct log *log, enum checkpoint_kind kind, const struct segment_meta *meta)
{
    char url[80];
    struct store *store;
    struct checkpoint *c = &log->checkpoints[log->checkpoint_count++];
    struct adding adding = {&log->kit.key, c};
    const struct store_options options = {.url = url, .relaxed = true, .readers = 1};
    struct err err;
    (void)snprintf(url, sizeof url, "sqlite:%s", log->database);
    *c = (struct checkpoint){.kind = kind,
                             .segment = meta->number,
                             .seq = meta->count,
                             .genesis = meta->genesis,
                             .head = meta->head,
                             .min_ms = meta->min_ms,
                             .max_ms = meta->max_ms,
                             .created_ms = KIT_NOW,
                             .reason = "why"};
    assert_int_equal(store_open(&options, &store, &err), OK);
    assert_int_equal(store_write(store, run_add, &adding, &err), OK);
    store_close(store);
    heads_note_checkpoint(log->kit.heads, c);
}

static inline void add_events(struct log *log, struct segment *segment, size_t count)
{
    struct audit_record *records = segment_kit_records(&log->kit, count);
    const struct segment_meta *meta = segment_meta(segment);
    for (size_t i = 0; i < count; i++)
        log->ids[meta->number][meta->count + 1 + (int64_t)i] = records[i].id;
    assert_int_equal(segment_append(segment, records, count, 0, NULL), OK);
    segment_kit_free(records, count);
}

static inline void fill(struct log *log)
{
    for (int n = 1; n <= SEGMENTS; n++) {
        struct segment *segment = segment_kit_create(&log->kit, n, n > 1 ? &log->metas[n - 1].genesis : NULL);
        vouch(log, CHECKPOINT_HEAD, segment_meta(segment));
        add_events(log, segment, 5);
        if (n == SEGMENTS)
            vouch(log, CHECKPOINT_HEAD, segment_meta(segment));
        add_events(log, segment, 5);
        if (n < SEGMENTS) {
            assert_int_equal(segment_seal(segment, KIT_NOW, NULL), OK);
            vouch(log, CHECKPOINT_SEALED, segment_meta(segment));
            heads_drop(log->kit.heads, n);
        }
        log->metas[n] = *segment_meta(segment);
        segment_close(segment);
    }
}

/* Made once, then copied. */
static struct log template;

static inline void log_open(struct log *log)
{
    char command[128];
    *log = template;
    (void)snprintf(log->kit.folder, sizeof log->kit.folder, "/tmp/horae-trail-XXXXXX");
    assert_non_null(mkdtemp(log->kit.folder));
    log->kit.place = segment_place_files(log->kit.folder);
    (void)snprintf(command, sizeof command, "cp -p %s/* %s", template.kit.folder, log->kit.folder);
    assert_int_equal(system(command), 0);
    (void)snprintf(log->database, sizeof log->database, "%s/horae.db", log->kit.folder);
    assert_int_equal(heads_open(log->kit.folder, &log->kit.key, &log->kit.heads, NULL), OK);
}

static inline int make_template(void **state)
{
    (void)state;
    segment_kit_open(&template.kit);
    (void)snprintf(template.database, sizeof template.database, "%s/horae.db", template.kit.folder);
    fill(&template);
    return 0;
}

static inline int remove_template(void **state)
{
    (void)state;
    segment_kit_close(&template.kit);
    return 0;
}

static inline void verify(const struct log *log, struct verify_options options, struct verify_result *ret)
{
    struct err err;
    options.place = log->kit.place;
    options.folder = log->kit.folder;
    char url[80];
    (void)snprintf(url, sizeof url, "sqlite:%s", log->database);
    options.store = url;
    options.public_key = log->kit.key.public_key;
    if (!options.from_ms && !options.to_ms) {
        options.from_ms = INT64_MIN;
        options.to_ms = INT64_MAX;
    }
    if (verify_store(&options, ret, &err) != OK)
        fail_msg("%s", err.message);
}

static inline void expect_good(const struct log *log, int64_t checked)
{
    struct verify_result result;
    verify(log, (struct verify_options){.threads = 2}, &result);
    if (!result.ok)
        fail_msg("%s at %lld.%lld: %s", verify_reason_name(result.first_bad.reason), (long long)result.first_bad.segment,
                 (long long)result.first_bad.seq, result.first_bad.detail);
    assert_int_equal(result.checked, checked);
    verify_result_release(&result);
}

static inline void expect(const struct log *log, const char *what, enum verify_reason reason, int64_t segment, int64_t seq,
                          const struct uuid *id)
{
    struct verify_result result;
    verify(log, (struct verify_options){.threads = 2}, &result);
    const struct verify_bad *bad = &result.first_bad;
    if (result.ok || bad->reason != reason || bad->segment != segment || bad->seq != seq || bad->has_id != (id != NULL) ||
        (id && memcmp(id, &bad->id, sizeof *id) != 0))
        fail_msg("%s: %s at %lld.%lld, id %d: %s", what, result.ok ? "all well" : verify_reason_name(bad->reason),
                 (long long)bad->segment, (long long)bad->seq, bad->has_id, bad->detail);
    verify_result_release(&result);
}

/* By hand, with the triggers out of the way. */
static inline void tamper(const char *path, const char *sql)
{
    sqlite3 *db;
    char *why = NULL;
    (void)chmod(path, 0600);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    static const char *const triggers[] = {"audit_events_insert",      "audit_events_update",     "audit_events_delete",
                                           "audit_segment_update",     "audit_segment_delete",    "audit_checkpoints_update",
                                           "audit_checkpoints_delete", "audit_checkpoints_insert"};
    for (size_t i = 0; i < ARRAY_LEN(triggers); i++) {
        char drop[80];
        (void)snprintf(drop, sizeof drop, "DROP TRIGGER IF EXISTS %s", triggers[i]);
        assert_int_equal(sqlite3_exec(db, drop, NULL, NULL, NULL), SQLITE_OK);
    }
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline void path_of(const struct log *log, int64_t number, char path[SEGMENT_PATH_SIZE])
{
    segment_path(log->kit.folder, number, path, SEGMENT_PATH_SIZE);
}

static inline void tamper_segment(const struct log *log, int64_t number, const char *sql)
{
    char path[SEGMENT_PATH_SIZE];
    path_of(log, number, path);
    tamper(path, sql);
}

#endif
