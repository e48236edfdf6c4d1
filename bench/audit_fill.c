/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a long audit log: audit_fill DATA COUNT DAYS adds COUNT events of the last DAYS to the segments of a server that is not
 * running, as it would have written them, each segment sealed. Every 64th event is printed as JSON, for questions that have answers. */
#include "audit/audit_record.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"
#include "trail/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SEGMENT_EVENTS = 100000, BATCH = 1000, USERS = 5000, RESOURCES = 200000, ADDRESSES = 3000, SPACES = 300 };

static const char *const subsystems[] = {"http", "http", "http", "scheduler", "auth", "database"};

static void fail(const struct err *err)
{
    (void)fprintf(stderr, "audit_fill: %s\n", err->message);
    exit(1);
}

/* The few do most of it: numbers below `n`, the small ones more often. */
static unsigned skewed(unsigned n)
{
    unsigned a = (unsigned)(id_random_fast() % n), b = (unsigned)(id_random_fast() % n);
    return (unsigned)((uint64_t)a * b / n);
}

static void set(struct audit_event *event, enum audit_text which, const char *format, unsigned number)
{
    char text[96];
    (void)snprintf(text, sizeof text, format, number);
    audit_event_set(event, which, text);
}

static void make(struct audit_record *record, int64_t number, int64_t at_ms)
{
    char resource[32], user[32], object[512];
    unsigned who = skewed(USERS), what = skewed(RESOURCES);
    (void)snprintf(resource, sizeof resource, "resource-%06u", what);
    (void)snprintf(user, sizeof user, "user-%04u", who);
    struct audit_event *event = audit_event_new((enum audit_action)skewed(AUDIT_ACTION_COUNT),
                                                (enum audit_resource_type)skewed(AUDIT_RESOURCE_COUNT), resource);
    audit_event_set_user(event, AUDIT_PRINCIPAL_USER, user, user);
    set(event, AUDIT_TEXT_CLIENT_IP, "10.20.%u.7", skewed(ADDRESSES) % 256);
    set(event, AUDIT_TEXT_REQUEST_ID, "01a20d75-160c-74d2-%012u", (unsigned)(number / 2));
    set(event, AUDIT_TEXT_SPACE_PATH, "/teams/%u", skewed(SPACES));
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, subsystems[id_random_fast() % ARRAY_LEN(subsystems)]);
    audit_event_set(event, AUDIT_TEXT_METHOD, "PUT");
    audit_event_set(event, AUDIT_TEXT_USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
    for (int i = 0; i < 2; i++) {
        int n = snprintf(object, sizeof object,
                         "{\"name\":\"%s\",\"replicas\":%u,\"image\":\"registry.example/app:%u\",\"paused\":false}", resource,
                         (unsigned)(id_random_fast() % 9), (unsigned)(id_random_fast() % 1000));
        audit_event_set_object(event, i, object, (size_t)n);
    }
    if (id_random_fast() % 33 == 0)
        audit_event_fail(event, "the quota of this team is used up");
    event->timestamp_ms = at_ms;
    audit_record_make(event, NULL, at_ms, record);
    audit_event_free(event);
}

struct fill {
    const char *folder;
    struct segment_place *place;
    struct audit_key key;
    struct segment_meta last;
    int64_t count, done, begin_ms, span_ms;
};

static void fill_segment(struct fill *fill)
{
    struct err err;
    struct segment *segment;
    static struct audit_record records[BATCH];
    int64_t left = fill->count - fill->done < SEGMENT_EVENTS ? fill->count - fill->done : SEGMENT_EVENTS;
    const struct segment_options options = {.place = fill->place,
                                            .number = fill->last.number + 1,
                                            .server = fill->last.server,
                                            .day = -1,
                                            .before = &fill->last.genesis,
                                            .key = &fill->key,
                                            .relaxed = true,
                                            .now_ms = fill->begin_ms + fill->span_ms * fill->done / fill->count};
    if (segment_create(&options, &segment, &err) != OK)
        fail(&err);
    while (left > 0) {
        size_t n = left < BATCH ? (size_t)left : BATCH;
        for (size_t i = 0; i < n; i++, fill->done++) {
            make(&records[i], fill->done, fill->begin_ms + fill->span_ms * fill->done / fill->count);
            if (fill->done % 64 == 0)
                (void)printf("%.*s\n", (int)records[i].event.n, records[i].event.p);
        }
        if (segment_append(segment, records, n, 0, &err) != OK)
            fail(&err);
        for (size_t i = 0; i < n; i++)
            audit_record_release(&records[i]);
        left -= (int64_t)n;
    }
    if (segment_set_full(segment, &err) != OK || segment_seal(segment, options.now_ms, &err) != OK)
        fail(&err);
    fill->last = *segment_meta(segment);
    segment_close(segment);
}

static void read_last(struct fill *fill)
{
    struct err err;
    int64_t *numbers;
    size_t count;
    struct db *db;
    if (segment_list(fill->place, &numbers, &count, &err) != OK)
        fail(&err);
    if (!count) {
        (void)fprintf(stderr, "audit_fill: %s has no segments: run a server there first\n", fill->folder);
        exit(1);
    }
    if (segment_open_reader(fill->place, numbers[count - 1], &db, &err) != OK || segment_read_meta(db, &fill->last, &err) != OK)
        fail(&err);
    segment_close_reader(fill->place, db);
    free(numbers);
}

int main(int argc, char **argv)
{
    struct fill fill = {0};
    struct err err;
    char folder[4096], key[4096];
    must(argc == 4);
    (void)snprintf(folder, sizeof folder, "%s/horae.db-audit", argv[1]);
    (void)snprintf(key, sizeof key, "%s/audit.key", argv[1]);
    if (audit_key_load(key, &fill.key, &err) != OK)
        fail(&err);
    fill.folder = folder;
    fill.place = segment_place_files(folder);
    fill.count = strtoll(argv[2], NULL, 10);
    fill.span_ms = strtoll(argv[3], NULL, 10) * 86400000;
    fill.begin_ms = clock_wall(clock_real()).us / US_PER_MS - fill.span_ms;
    read_last(&fill);
    while (fill.done < fill.count)
        fill_segment(&fill);
    segment_place_free(fill.place);
    return 0;
}
