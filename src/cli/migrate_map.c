/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/migrate_map.h"

#include "access/secret.h"
#include "audit/audit_event.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/migrate_changes.h"
#include "cli/migrate_words.h"
#include "http/client_address.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const migrate_outcome_names[MIGRATE_OUTCOME_COUNT] = {
    [MIGRATE_EVENT] = "event",
    [MIGRATE_OLDER] = "older than the days asked for",
    [MIGRATE_NO_ID] = "without an id",
    [MIGRATE_NO_TIME] = "without a time that can be read",
    [MIGRATE_NO_VERB] = "unknown action",
    [MIGRATE_NO_TYPE] = "unknown resource type",
    [MIGRATE_TOO_LARGE] = "too large",
};

static const char cut_mark[] = "...[truncated]";

struct uuid migrate_id(const char *table, struct str id, int64_t timestamp_ms)
{
    struct uuid uuid;
    struct buf text;
    buf_init(&text, OLD_VALUE_MAX + 256);
    buf_printf(&text, "horae audit migrate\n%s\n%" PRId64 "\n", table, timestamp_ms);
    for (size_t i = 0; i < id.n; i++) /* a U+0000 would end the text */
        buf_add_char(&text, id.p[i] ? id.p[i] : '\n');
    struct token_hash hash = secret_hash_token(text.failed ? table : text.data);
    buf_release(&text);
    memcpy(uuid.b, hash.b, sizeof uuid.b);
    uuid.b[6] = (uint8_t)((uuid.b[6] & 0x0F) | 0x80); /* version 8 */
    uuid.b[8] = (uint8_t)((uuid.b[8] & 0x3F) | 0x80);
    return uuid;
}

/* ---- texts ---- */

/* As valid UTF-8 without U+0000; a little more than `max` bytes are enough. */
static void repair(struct buf *out, struct str value, size_t max)
{
    for (size_t i = 0; i < value.n && out->len <= max;) {
        size_t n = str_utf8_next(value.p + i, value.n - i);
        if (!n)
            buf_add_text(out, "\xEF\xBF\xBD");
        else if (value.p[i])
            buf_add(out, value.p + i, n);
        else
            buf_add_char(out, ' ');
        i += n ? n : 1;
    }
}

/* A text that the server takes: at most `max` bytes, marked when it was cut. */
static void add_text(struct json_writer *w, struct str value, size_t max)
{
    struct buf text;
    buf_init(&text, max + 8);
    repair(&text, value, max);
    if (text.len > max) {
        text.len = str_utf8_cut(text.data, text.len, max - (sizeof cut_mark - 1));
        buf_add_text(&text, cut_mark);
    }
    json_text_n(w, text.data, text.len);
    buf_release(&text);
}

static void put_text(struct json_writer *w, const char *key, struct str value, size_t max)
{
    if (!value.n)
        return;
    json_key(w, key);
    add_text(w, value, max);
}

static struct str first_of(struct str a, struct str b)
{
    return a.n ? a : b;
}

/* ---- members ---- */

static void put_columns(struct json_writer *w, const struct old_row *row, enum old_role role)
{
    const struct old_column *column;
    for (int i = 0; (column = old_column(row->table, i)); i++)
        if (column->role == role)
            put_text(w, column->member, old_row_column(row, i), AUDIT_PAIR_VALUE_MAX);
}

static void put_resource(struct json_writer *w, const struct old_row *row, const char *type)
{
    struct str identifier = first_of(old_row_get(row, OLD_ROLE_IDENTIFIER), old_row_get(row, OLD_ROLE_NAME));
    json_key(w, "resource");
    json_begin_object(w);
    json_put_text(w, "type", type);
    put_text(w, "identifier", first_of(identifier, str_of("unknown")), AUDIT_IDENTIFIER_MAX);
    json_key(w, "data");
    json_begin_object(w);
    put_columns(w, row, OLD_ROLE_RESOURCE_DATA);
    json_end_object(w);
    json_end_object(w);
}

/* MIG-03: nobody is anonymous, with a name when there was one. */
static void put_user(struct json_writer *w, const struct old_row *row)
{
    struct str uid = old_row_get(row, OLD_ROLE_UID), anonymous = str_of(AUDIT_ANONYMOUS_UID);
    json_key(w, "user");
    json_begin_object(w);
    put_text(w, "uid", first_of(uid, anonymous), AUDIT_UID_MAX);
    put_text(w, "username", first_of(old_row_get(row, OLD_ROLE_USERNAME), first_of(uid, anonymous)), AUDIT_USERNAME_MAX);
    json_put_text(w, "type", audit_principal_names[uid.n ? AUDIT_PRINCIPAL_USER : AUDIT_PRINCIPAL_ANONYMOUS]);
    json_end_object(w);
}

static bool is_failure(const struct old_row *row)
{
    static const char *const words[] = {"failure", "failed", "fail", "error", "denied", "forbidden", "unauthorized"};
    static const char *const untrue[] = {"0", "false", "f", "no", "n"};
    struct str status = old_row_get(row, OLD_ROLE_STATUS), success = old_row_get(row, OLD_ROLE_SUCCESS);
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_equal_ignoring_case(status, words[i]))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(untrue); i++)
        if (str_equal_ignoring_case(success, untrue[i]))
            return true;
    return false;
}

/* An address is not cut: what is none goes to `data`. */
static bool is_address(struct str text)
{
    char address[CLIENT_ADDRESS_MAX];
    return text.n <= AUDIT_CLIENT_IP_MAX && client_address_text(text, address);
}

static const char *member_of_changes(const struct old_row *row)
{
    const struct old_column *column;
    for (int i = 0; (column = old_column(row->table, i)); i++)
        if (column->role == OLD_ROLE_CHANGES)
            return column->member;
    return "changes";
}

/* What has no place of its own: further columns, and what could not be carried over as it was. */
static void put_data(struct json_writer *w, const struct old_row *row, bool failure, bool changes_are_text, const char *action)
{
    struct str changes = old_row_get(row, OLD_ROLE_CHANGES), ip = old_row_get(row, OLD_ROLE_IP),
               verb = old_row_get(row, OLD_ROLE_ACTION), type = old_row_get(row, OLD_ROLE_TYPE);
    json_key(w, "data");
    json_begin_object(w);
    json_put_text(w, "migratedFrom", old_table_name(row->table));
    put_text(w, "migratedId", old_row_get(row, OLD_ROLE_ID), AUDIT_PAIR_VALUE_MAX);
    if (!str_equal(verb, action))
        put_text(w, "oldAction", verb, AUDIT_PAIR_VALUE_MAX);
    put_text(w, "oldResourceType", type, AUDIT_PAIR_VALUE_MAX);
    put_columns(w, row, OLD_ROLE_DATA);
    if (changes_are_text)
        put_text(w, member_of_changes(row), changes, AUDIT_PAIR_VALUE_MAX);
    if (!is_address(ip))
        put_text(w, "clientIp", ip, AUDIT_PAIR_VALUE_MAX);
    if (!failure)
        put_text(w, "errorMessage", old_row_get(row, OLD_ROLE_ERROR), AUDIT_PAIR_VALUE_MAX);
    json_end_object(w);
}

static bool says_nothing(struct str changes)
{
    changes = str_trim(changes);
    return !changes.n || str_equal(changes, "null") || str_equal(changes, "{}") || str_equal(changes, "[]");
}

/* AUD-02: a creation has no object before it, a deletion none after it; readings have none. Old tables wrote a side of nulls there,
 * which goes. False: that side says something, so the whole is kept as it was. */
static bool keep_sides(const char *name, struct buf sides[2])
{
    static const unsigned bits[2] = {AUDIT_OLD, AUDIT_NEW};
    enum audit_action action;
    const unsigned wanted = audit_action_from(str_of(name), &action) ? audit_action_objects(action) : AUDIT_OLD | AUDIT_NEW;
    for (int side = 0; side < 2; side++) {
        if (wanted & bits[side] || !sides[side].len)
            continue;
        if (!migrate_side_is_empty((struct str){sides[side].data, sides[side].len}))
            return false;
        buf_clear(&sides[side]);
    }
    return true;
}

static void put_changes_and_data(struct json_writer *w, const struct old_row *row, bool failure, const char *action)
{
    struct str changes = old_row_get(row, OLD_ROLE_CHANGES);
    struct buf sides[2];
    static const char *const members[2] = {"old_object", "new_object"};
    for (int side = 0; side < 2; side++)
        buf_init(&sides[side], OLD_ROW_MAX);
    bool nothing = says_nothing(changes),
         pairs = !nothing && migrate_changes(changes, &sides[0], &sides[1]) && keep_sides(action, sides);
    for (int side = 0; side < 2; side++) {
        if (pairs && sides[side].len && !sides[side].failed) {
            json_key(w, members[side]);
            json_raw(w, sides[side].data, sides[side].len);
        }
        buf_release(&sides[side]);
    }
    put_data(w, row, failure, !nothing && !pairs, action);
}

static void write_event(struct json_writer *w, const struct old_row *row, const struct uuid *id, int64_t timestamp_ms,
                        const char *action, const char *type)
{
    bool failure = is_failure(row);
    struct str ip = old_row_get(row, OLD_ROLE_IP);
    json_begin_object(w);
    json_put_uuid(w, "id", id);
    json_put_int(w, "timestamp", timestamp_ms);
    json_put_text(w, "action", action);
    put_resource(w, row, type);
    put_user(w, row);
    json_key(w, "client_ip"); /* also when it is empty: else the server would take the address of this call */
    json_text_n(w, ip.p, is_address(ip) ? ip.n : 0);
    put_text(w, "user_agent", old_row_get(row, OLD_ROLE_AGENT), AUDIT_USER_AGENT_MAX);
    put_text(w, "request_id", old_row_get(row, OLD_ROLE_REQUEST_ID), AUDIT_REQUEST_ID_MAX);
    json_put_text_unless_empty(w, "subsystem", old_table_subsystem(row->table));
    json_put_text(w, "status", failure ? "failure" : "success");
    if (failure)
        put_text(w, "error_message", old_row_get(row, OLD_ROLE_ERROR), AUDIT_ERROR_MAX);
    put_changes_and_data(w, row, failure, action);
    json_end_object(w);
}

static const char *type_of(const struct old_row *row, const struct migrate_rules *rules)
{
    const char *fixed = old_table_type(row->table);
    return fixed[0] ? fixed : migrate_type(&rules->types, old_row_get(row, OLD_ROLE_TYPE));
}

enum migrate_outcome migrate_map(const struct old_row *row, const struct migrate_rules *rules, struct buf *out,
                                 struct uuid *ret_id, struct str *ret_word)
{
    struct str id = old_row_get(row, OLD_ROLE_ID);
    int64_t timestamp_ms;
    struct json_writer w;
    if (row->text.failed)
        return MIGRATE_TOO_LARGE;
    if (!id.n)
        return MIGRATE_NO_ID;
    if (!old_time_parse(old_row_get(row, OLD_ROLE_TIME), &timestamp_ms) || timestamp_ms <= 0 ||
        timestamp_ms > rules->now_ms + AUDIT_FUTURE_MAX_S * INT64_C(1000))
        return MIGRATE_NO_TIME;
    if (timestamp_ms < rules->from_ms)
        return MIGRATE_OLDER;
    *ret_word = old_row_get(row, OLD_ROLE_ACTION);
    const char *action = migrate_action(&rules->actions, *ret_word), *type = type_of(row, rules);
    if (!action)
        return MIGRATE_NO_VERB;
    *ret_word = old_row_get(row, OLD_ROLE_TYPE);
    if (!type)
        return MIGRATE_NO_TYPE;
    size_t before = out->len;
    *ret_id = migrate_id(old_table_name(row->table), id, timestamp_ms);
    json_writer_init(&w, out);
    write_event(&w, row, ret_id, timestamp_ms, action, type);
    if (!out->failed)
        return MIGRATE_EVENT;
    out->failed = false;
    out->len = before;
    return MIGRATE_TOO_LARGE;
}
