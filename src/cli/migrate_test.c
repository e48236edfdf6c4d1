/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of old audit tables as events (MIG-01..03, MIG-05): words, times, users, changes, ids. */
#include "audit/audit_event.h"
#include "base/compiler.h"
#include "base/mem.h"
#include "cli/migrate_changes.h"
#include "cli/migrate_map.h"
#include "cli/migrate_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW_MS INT64_C(1760860800000) /* 2025-10-19T08:00:00Z */
static const struct migrate_rules rules = {.from_ms = NOW_MS - 90 * INT64_C(86400000), .now_ms = NOW_MS};

struct pair {
    const char *column, *value;
};

static void fill(struct old_row *row, enum old_table table, const struct pair *pairs, size_t count)
{
    old_row_clear(row, table);
    for (size_t i = 0; i < count; i++) {
        int column = old_column_of(table, str_of(pairs[i].column));
        assert_true(column >= 0);
        old_row_set(row, column, str_of(pairs[i].value));
    }
}

/* The event, read back as the server reads it. */
static struct audit_event *event_of(const struct old_row *row)
{
    struct buf out;
    struct uuid id;
    struct str word;
    struct json_doc *doc;
    struct audit_event *event;
    struct err err;
    buf_init(&out, OLD_ROW_MAX);
    assert_int_equal(migrate_map(row, &rules, &out, &id, &word), MIGRATE_EVENT);
    assert_int_equal(json_parse_exact(out.data, out.len, &doc, &err), OK);
    if (audit_event_read(json_root(doc), "", NULL, NOW_MS, &event, &err) != OK)
        fail_msg("%s: %s", err.message, out.data);
    assert_memory_equal(&event->id, &id, sizeof id);
    json_doc_free(doc);
    buf_release(&out);
    return event;
}

static enum migrate_outcome outcome_of(enum old_table table, const struct pair *pairs, size_t count)
{
    struct old_row row;
    struct buf out;
    struct uuid id;
    struct str word;
    old_row_init(&row);
    buf_init(&out, OLD_ROW_MAX);
    fill(&row, table, pairs, count);
    buf_add_char(&out, '[');
    enum migrate_outcome outcome = migrate_map(&row, &rules, &out, &id, &word);
    assert_true(outcome == MIGRATE_EVENT || out.len == 1); /* nothing else is written */
    old_row_release(&row);
    buf_release(&out);
    return outcome;
}

static const char *datum(const struct audit_pairs *pairs, const char *key)
{
    for (size_t i = 0; pairs && i < pairs->count; i++)
        if (strcmp(pairs->items[i].key, key) == 0)
            return pairs->items[i].value;
    return "";
}

static void every_column_has_its_place(void **state)
{
    (void)state;
    static const struct pair pairs[] = {{"id", "9f0c"},
                                        {"user_id", "u-1"},
                                        {"username", "ann"},
                                        {"cluster_id", "7"},
                                        {"cluster_name", "east"},
                                        {"action", "update"},
                                        {"resource_type", "Deployments"},
                                        {"resource_id", "d-9"},
                                        {"resource_name", "web"},
                                        {"description", "scaled"},
                                        {"changes", "{\"replicas\":{\"old\":1,\"new\":12345678901234567890}}"},
                                        {"ip_address", "192.0.2.7"},
                                        {"user_agent", "curl/8"},
                                        {"request_id", "r-1"},
                                        {"status", "failed"},
                                        {"error_message", "quota"},
                                        {"created_at", "2025-10-19 09:30:00.25+02:00"}};
    struct old_row row;
    old_row_init(&row);
    fill(&row, OLD_AUDIT_LOGS, pairs, ARRAY_LEN(pairs));
    struct audit_event *event = event_of(&row);
    assert_int_equal(event->timestamp_ms, NOW_MS - 30 * 60000 + 250);
    assert_int_equal(event->action, AUDIT_ACTION_UPDATED);
    assert_string_equal(event->resource_type, "deployment");
    assert_string_equal(event->texts[AUDIT_TEXT_RESOURCE_ID], "d-9");
    assert_string_equal(datum(event->resource_data, "resourceName"), "web");
    assert_int_equal(event->user_type, AUDIT_PRINCIPAL_USER);
    assert_string_equal(event->texts[AUDIT_TEXT_USER_UID], "u-1");
    assert_string_equal(event->texts[AUDIT_TEXT_USERNAME], "ann");
    assert_string_equal(event->texts[AUDIT_TEXT_CLIENT_IP], "192.0.2.7");
    assert_string_equal(event->texts[AUDIT_TEXT_USER_AGENT], "curl/8");
    assert_string_equal(event->texts[AUDIT_TEXT_REQUEST_ID], "r-1");
    assert_null(event->texts[AUDIT_TEXT_METHOD]); /* empty rather than invented */
    assert_true(event->failure);
    assert_string_equal(event->texts[AUDIT_TEXT_ERROR], "quota");
    assert_string_equal(event->objects[AUDIT_OLD_OBJECT], "{\"replicas\":1}");
    assert_string_equal(event->objects[AUDIT_NEW_OBJECT], "{\"replicas\":12345678901234567890}");
    assert_string_equal(datum(event->data, "clusterName"), "east");
    assert_string_equal(datum(event->data, "clusterId"), "7");
    assert_string_equal(datum(event->data, "description"), "scaled");
    assert_string_equal(datum(event->data, "oldAction"), "update");
    assert_string_equal(datum(event->data, "migratedFrom"), "audit_logs");
    assert_string_equal(datum(event->data, "migratedId"), "9f0c");
    audit_event_free(event);
    old_row_release(&row);
}

static void what_is_missing_has_a_name(void **state)
{
    (void)state;
    static const struct pair pairs[] = {{"id", "1"},
                                        {"username", "bob"},
                                        {"action", "login"},
                                        {"resource_type", "user"},
                                        {"resource_id", ""},
                                        {"ip_address", "unknown host"},
                                        {"changes", "free text"},
                                        {"status", "success"},
                                        {"error_message", "odd"},
                                        {"created_at", "1760860800"}};
    struct old_row row;
    old_row_init(&row);
    fill(&row, OLD_AUDIT_LOGS, pairs, ARRAY_LEN(pairs));
    struct audit_event *event = event_of(&row);
    assert_string_equal(event->texts[AUDIT_TEXT_RESOURCE_ID], "unknown");
    assert_string_equal(event->texts[AUDIT_TEXT_USER_UID], "anonymous");
    assert_string_equal(event->texts[AUDIT_TEXT_USERNAME], "bob");
    assert_int_equal(event->user_type, AUDIT_PRINCIPAL_ANONYMOUS);
    assert_null(event->texts[AUDIT_TEXT_CLIENT_IP]);
    assert_false(event->failure);
    assert_null(event->objects[0]);
    assert_null(event->objects[1]);
    assert_string_equal(datum(event->data, "changes"), "free text");
    assert_string_equal(datum(event->data, "clientIp"), "unknown host");
    assert_string_equal(datum(event->data, "errorMessage"), "odd");
    audit_event_free(event);
    old_row_release(&row);
}

static void the_two_other_tables_become_events_too(void **state)
{
    (void)state;
    static const struct pair minio[] = {{"id", "m1"},
                                        {"instance_id", "i1"},
                                        {"operation_type", "upload"},
                                        {"resource_type", "file"},
                                        {"resource_name", "a/b.txt"},
                                        {"action", "create"},
                                        {"operator_id", "u2"},
                                        {"operator_name", "eve"},
                                        {"client_ip", "::1"},
                                        {"status", "success"},
                                        {"details", "{\"size\":5}"},
                                        {"created_at", "2025-10-19"}};
    static const struct pair db[] = {
        {"id", "d1"},           {"operator", "root"}, {"action", "database.create"}, {"target_type", "database_user"},
        {"target_name", "app"}, {"success", "0"},     {"error_message", "exists"},   {"created_at", "2025-10-18T23:59:59Z"}};
    struct old_row row;
    old_row_init(&row);
    fill(&row, OLD_MINIO_AUDIT_LOGS, minio, ARRAY_LEN(minio));
    struct audit_event *event = event_of(&row);
    assert_string_equal(event->resource_type, "minio");
    assert_string_equal(event->texts[AUDIT_TEXT_RESOURCE_ID], "a/b.txt");
    assert_string_equal(datum(event->resource_data, "resourceType"), "file");
    assert_string_equal(event->texts[AUDIT_TEXT_SUBSYSTEM], "minio");
    assert_string_equal(event->texts[AUDIT_TEXT_USERNAME], "eve");
    assert_string_equal(datum(event->data, "details"), "{\"size\":5}");
    audit_event_free(event);
    fill(&row, OLD_DB_AUDIT_LOGS, db, ARRAY_LEN(db));
    event = event_of(&row);
    assert_string_equal(event->resource_type, "databaseUser");
    assert_int_equal(event->action, AUDIT_ACTION_CREATED);
    assert_string_equal(event->texts[AUDIT_TEXT_USER_UID], "root");
    assert_true(event->failure);
    assert_string_equal(event->texts[AUDIT_TEXT_SUBSYSTEM], "database");
    audit_event_free(event);
    old_row_release(&row);
}

static void what_is_no_event_says_why(void **state)
{
    (void)state;
#define ROW(...) \
    outcome_of(OLD_AUDIT_LOGS, (const struct pair[]){__VA_ARGS__}, \
               sizeof((const struct pair[]){__VA_ARGS__}) / sizeof(struct pair))
    assert_int_equal(ROW({"action", "create"}, {"resource_type", "user"}, {"created_at", "2025-10-19"}), MIGRATE_NO_ID);
    assert_int_equal(ROW({"id", "1"}, {"action", "create"}, {"resource_type", "user"}), MIGRATE_NO_TIME);
    assert_int_equal(ROW({"id", "1"}, {"action", "create"}, {"resource_type", "user"}, {"created_at", "yesterday"}),
                     MIGRATE_NO_TIME);
    assert_int_equal(ROW({"id", "1"}, {"action", "create"}, {"resource_type", "user"}, {"created_at", "0"}), MIGRATE_NO_TIME);
    assert_int_equal(ROW({"id", "1"}, {"action", "create"}, {"resource_type", "user"}, {"created_at", "2025-10-21"}),
                     MIGRATE_NO_TIME);
    assert_int_equal(ROW({"id", "1"}, {"action", "create"}, {"resource_type", "user"}, {"created_at", "2025-07-20"}),
                     MIGRATE_OLDER);
    assert_int_equal(ROW({"id", "1"}, {"action", "modified"}, {"resource_type", "user"}, {"created_at", "2025-10-19"}),
                     MIGRATE_NO_VERB);
    assert_int_equal(ROW({"id", "1"}, {"action", "create"}, {"resource_type", "docker_container"}, {"created_at", "2025-10-19"}),
                     MIGRATE_NO_TYPE);
#undef ROW
}

static void texts_are_cut_to_what_the_server_takes(void **state)
{
    (void)state;
    struct old_row row;
    old_row_init(&row);
    char *large = xmalloc(20001);
    for (int kind = 0; kind < 3; kind++) {
        for (int i = 0; i < 10000; i++)
            memcpy(large + (ptrdiff_t)2 * i,
                   kind == 0   ? "ab"
                   : kind == 1 ? "\xC3\xA4"
                               : "\xFF\xFE",
                   2); /* ASCII, UTF-8, neither */
        large[20000] = '\0';
        const struct pair pairs[] = {{"id", large},
                                     {"user_id", large},
                                     {"username", large},
                                     {"action", "create"},
                                     {"resource_type", "user"},
                                     {"resource_id", large},
                                     {"resource_name", large},
                                     {"description", large},
                                     {"changes", large},
                                     {"ip_address", large},
                                     {"user_agent", large},
                                     {"request_id", large},
                                     {"status", "failure"},
                                     {"error_message", large},
                                     {"created_at", "2025-10-19"}};
        fill(&row, OLD_AUDIT_LOGS, pairs, ARRAY_LEN(pairs));
        struct audit_event *event = event_of(&row); /* refuses what is over a limit */
        const char *agent = event->texts[AUDIT_TEXT_USER_AGENT];
        assert_in_range(strlen(agent), 300, AUDIT_USER_AGENT_MAX);
        assert_string_equal(agent + strlen(agent) - 14, "...[truncated]");
        audit_event_free(event);
    }
    free(large);
    old_row_release(&row);
}

static void words_of_the_caller_beat_the_table(void **state)
{
    (void)state;
    struct migrate_words none = {.count = 0}, given = {.count = 2};
    given.items[0].from = "docker_container=pod";
    given.items[0].to = given.items[0].from + 17;
    given.items[1].from = "create=imported";
    given.items[1].to = given.items[1].from + 7;
    static const struct pair actions[] = {
        {"CREATE", "created"},      {"delete", "deleted"},  {"create_container", "created"}, {"user.login", "login"},
        {"forcepush", "forcePush"}, {"Updated", "updated"}, {"list_images", "read"},         {"get", "read"}};
    static const struct pair types[] = {{"user", "user"},
                                        {"Users", "user"},
                                        {"config_maps", "configMap"},
                                        {"redis", "redis"},
                                        {"postgres", "postgresql"},
                                        {"scheduled-task", "scheduledTask"},
                                        {"DatabaseInstance", "databaseInstance"}};
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        assert_string_equal(migrate_action(&none, str_of(actions[i].column)), actions[i].value);
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        assert_string_equal(migrate_type(&none, str_of(types[i].column)), types[i].value);
    assert_null(migrate_action(&none, str_of("modified")));
    assert_null(migrate_action(&none, str_of("")));
    assert_null(migrate_type(&none, str_of("docker_container")));
    assert_null(migrate_type(&none, str_of("s")));
    assert_null(migrate_type(&none, str_of("")));
    assert_string_equal(migrate_type(&given, str_of("docker_container")), "pod");
    assert_string_equal(migrate_action(&given, str_of("create")), "imported");
    assert_string_equal(migrate_action(&given, str_of("create_pod")), "created");
}

static void changes_in_all_their_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *before, *after;
    } rows[] = {
        {"{\"old\":{\"a\":1},\"new\":{\"a\":2}}", "{\"a\":1}", "{\"a\":2}"},
        {"{\"before\":null,\"after\":{\"a\":2}}", "", "{\"a\":2}"},
        {"{\"new\":{\"a\":2}}", "", "{\"a\":2}"},
        {"{\"a\":{\"old\":1.50,\"new\":2},\"b\":{\"new\":[1]}}", "{\"a\":1.50}", "{\"a\":2,\"b\":[1]}"},
        {"[{\"field\":\"a\",\"old\":1,\"new\":\"x\"}]", "{\"a\":1}", "{\"a\":\"x\"}"},
        {"[{\"path\":\"a.b\",\"from\":1,\"to\":2},{\"name\":\"c\",\"to\":3}]", "{\"a.b\":1}", "{\"a.b\":2,\"c\":3}"},
    };
    static const char *const others[] = {"",
                                         "x",
                                         "1",
                                         "{}",
                                         "[]",
                                         "{\"a\":1}",
                                         "{\"old\":1,\"new\":2,\"by\":3}",
                                         "{\"a\":{\"old\":1},\"b\":2}",
                                         "[1]",
                                         "[{\"old\":1}]",
                                         "{\"old\":1"};
    for (size_t i = 0; i < ARRAY_LEN(rows) + ARRAY_LEN(others); i++) {
        bool known = i < ARRAY_LEN(rows);
        const char *text = known ? rows[i].text : others[i - ARRAY_LEN(rows)];
        struct buf before, after;
        buf_init(&before, 1000);
        buf_init(&after, 1000);
        if (migrate_changes(str_of(text), &before, &after) != known)
            fail_msg("%s", text);
        assert_string_equal(before.data ? before.data : "", known ? rows[i].before : "");
        assert_string_equal(after.data ? after.data : "", known ? rows[i].after : "");
        buf_release(&before);
        buf_release(&after);
    }
}

static void sides_that_do_not_belong_to_the_verb(
    void **state) /* AUD-02, MIG-03: a side of nulls goes, one that says something stays as text */
{
    (void)state;
    static const struct {
        const char *verb, *changes;
        bool old_object, new_object, text;
    } cases[] = {
        {"create", "{\"a\":{\"old\":null,\"new\":1},\"b\":{\"old\":\"\",\"new\":2}}", false, true, false},
        {"create", "{\"a\":{\"old\":5,\"new\":1}}", false, false, true},
        {"delete", "{\"old\":{\"a\":1},\"new\":{}}", true, false, false},
        {"delete", "{\"old\":{\"a\":1},\"new\":[1]}", false, false, true},
        {"read", "{\"old\":{\"a\":1},\"new\":null}", false, false, true},
        {"update", "{\"old\":{\"a\":1},\"new\":{}}", true, true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct pair pairs[] = {{"id", "1"},
                                     {"action", cases[i].verb},
                                     {"resource_type", "user"},
                                     {"changes", cases[i].changes},
                                     {"created_at", "1760860800"}};
        struct old_row row;
        old_row_init(&row);
        fill(&row, OLD_AUDIT_LOGS, pairs, ARRAY_LEN(pairs));
        struct audit_event *event = event_of(&row);
        assert_int_equal(event->objects[0] != NULL, cases[i].old_object);
        assert_int_equal(event->objects[1] != NULL, cases[i].new_object);
        assert_string_equal(datum(event->data, "changes"), cases[i].text ? cases[i].changes : "");
        audit_event_free(event);
        old_row_release(&row);
    }
}

static void times_as_databases_write_them(void **state)
{
    (void)state;
    static const char *const same[] = {"2025-10-19 08:00:00",
                                       "2025-10-19T08:00:00Z",
                                       "2025-10-19 10:00:00+02",
                                       "2025-10-19 03:30:00-04:30",
                                       "2025-10-19 08:00",
                                       "2025-10-19 16:00:00.000000 +0800 CST",
                                       "2025-10-19 08:00:00 +0000 UTC m=+0.012",
                                       "1760860800",
                                       "1760860800000",
                                       "1760860800000000",
                                       "1760860800000000000",
                                       " 2025-10-19t08:00:00.000z "};
    static const char *const none[] = {"",
                                       "now",
                                       "2025-13-01",
                                       "2025-02-29",
                                       "2025-10-19 24:00:00",
                                       "2025-10-19 08:00:00+24",
                                       "2025-10-19 08:00:00 noon",
                                       "19.10.2025",
                                       "-5"};
    int64_t ms;
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (!old_time_parse(str_of(same[i]), &ms) || ms != NOW_MS)
            fail_msg("%s: %lld", same[i], (long long)ms);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (old_time_parse(str_of(none[i]), &ms))
            fail_msg("%s: %lld", none[i], (long long)ms);
    assert_true(old_time_parse(str_of("2024-02-29 23:59:59.9999"), &ms));
    assert_int_equal(ms, INT64_C(1709251199999));
}

static void a_row_has_one_id(void **state)
{
    (void)state;
    struct uuid a = migrate_id("audit_logs", str_of("1"), 5), same = migrate_id("audit_logs", str_of("1"), 5),
                table = migrate_id("db_audit_logs", str_of("1"), 5), row = migrate_id("audit_logs", str_of("2"), 5),
                time = migrate_id("audit_logs", str_of("1"), 6);
    assert_memory_equal(&a, &same, sizeof a);
    assert_true(memcmp(&a, &table, sizeof a) && memcmp(&a, &row, sizeof a) && memcmp(&a, &time, sizeof a));
    assert_int_equal(a.b[6] >> 4, 8);
    assert_int_equal(a.b[8] >> 6, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_column_has_its_place),
                                       cmocka_unit_test(what_is_missing_has_a_name),
                                       cmocka_unit_test(the_two_other_tables_become_events_too),
                                       cmocka_unit_test(what_is_no_event_says_why),
                                       cmocka_unit_test(texts_are_cut_to_what_the_server_takes),
                                       cmocka_unit_test(words_of_the_caller_beat_the_table),
                                       cmocka_unit_test(changes_in_all_their_forms),
                                       cmocka_unit_test(sides_that_do_not_belong_to_the_verb),
                                       cmocka_unit_test(times_as_databases_write_them),
                                       cmocka_unit_test(a_row_has_one_id)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
