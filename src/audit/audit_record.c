/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_record.h"

#include "audit/audit_diff.h"
#include "audit/json_encoded.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"

#include <sodium.h>
#include <string.h>

/* Everything that an event may hold has a limit of its own; all of them together stay far below this. */
enum { TEXT_MAX_BYTES = 1 << 30, TEXT_AT_FIRST = 1024 };

#define OBJECT_ENCODING "object_encoding" /* member of `data` (AUD-11) */
#define HIDDEN "***"                      /* as in objects (AUD-13) */
#define UNKNOWN "unknown"

static const char *const status_names[] = {"success", "failure"};

/* The columns that are copies of texts, in the order in which they are hashed. */
enum column { ACTION, RESOURCE_TYPE, RESOURCE_ID, USER_UID, CLIENT_IP, REQUEST_ID, SUBSYSTEM, SPACE_PATH, COLUMNS };
_Static_assert((int)COLUMNS == (int)AUDIT_RECORD_COLUMNS, "the head of a record has a length for each");

static struct str *column_of(struct audit_record *record, enum column column)
{
    struct str *const columns[COLUMNS] = {&record->action,    &record->resource_type, &record->resource_id, &record->user_uid,
                                          &record->client_ip, &record->request_id,    &record->subsystem,   &record->space_path};
    return columns[column];
}

/* ---- making ---- */

struct making {
    struct buf text;
    struct json_writer w;
    const struct audit_event *event;
    const struct audit_names *redacted; /* NULL: no redaction */
    struct json_rules rules;            /* of texts in strings */
};

/* Bytes that are no UTF-8 become U+FFFD in the event; a column has to say the same. */
static void add_clean(struct buf *out, const char *text, size_t length)
{
    if (str_is_utf8(text, length)) {
        buf_add(out, text, length);
        return;
    }
    for (size_t i = 0, step; i < length; i += step ? step : 1) {
        step = str_utf8_next(text + i, length - i);
        if (step)
            buf_add(out, text + i, step);
        else
            buf_add_text(out, "\xEF\xBF\xBD");
    }
}

static void put_text(struct making *m, const char *key, enum audit_text which)
{
    json_put_text_unless_empty(&m->w, key, m->event->texts[which]);
}

/* A value of `data`: secret by its key, or the text of an object with secrets in it (AUD-13). */
static void put_value(struct making *m, const struct audit_pair *pair)
{
    const struct str value = str_of(pair->value);
    struct buf encoded, changed;
    if (m->redacted && audit_name_is_redacted(m->redacted, str_of(pair->key))) {
        json_text(&m->w, HIDDEN);
        return;
    }
    if (!m->redacted || !strpbrk(pair->value, "{[")) {
        json_text_n(&m->w, value.p, value.n);
        return;
    }
    buf_init(&encoded, TEXT_MAX_BYTES);
    buf_init(&changed, TEXT_MAX_BYTES);
    json_encode(value.p, value.n, &encoded);
    buf_add_char(&changed, '"');
    if (m->rules.rewrite(m->rules.arg, (struct str){encoded.data, encoded.len}, &changed)) {
        buf_add_char(&changed, '"');
        json_raw(&m->w, changed.data, changed.len);
    } else {
        json_text_n(&m->w, value.p, value.n);
    }
    buf_release(&changed);
    buf_release(&encoded);
}

static void put_pairs(struct making *m, const struct audit_pairs *pairs, bool raw)
{
    if (!pairs && !raw)
        return;
    json_key(&m->w, "data");
    json_begin_object(&m->w);
    for (size_t i = 0; pairs && i < pairs->count; i++) {
        if (raw && strcmp(pairs->items[i].key, OBJECT_ENCODING) == 0)
            continue;
        json_key_any(&m->w, pairs->items[i].key, strlen(pairs->items[i].key));
        put_value(m, &pairs->items[i]);
    }
    if (raw)
        json_put_text(&m->w, OBJECT_ENCODING, "raw");
    json_end_object(&m->w);
}

/* What queries filter by, and what must not be missing (DATA-30): horae's own events may lack it. */
static struct str text_of(const struct making *m, enum audit_text which, const char *absent)
{
    const char *text = m->event->texts[which];
    return str_of(text ? text : absent);
}

static void put_str(struct making *m, const char *key, struct str value)
{
    json_key(&m->w, key);
    json_text_n(&m->w, value.p, value.n);
}

static void put_parties(struct making *m)
{
    const struct str uid = text_of(m, AUDIT_TEXT_USER_UID, AUDIT_ANONYMOUS_UID);
    json_put_text(&m->w, "action", audit_action_names[m->event->action]);
    json_put_text(&m->w, "resource_type", m->event->resource_type);
    json_key(&m->w, "resource");
    json_begin_object(&m->w);
    json_put_text(&m->w, "type", m->event->resource_type);
    put_str(m, "identifier", text_of(m, AUDIT_TEXT_RESOURCE_ID, UNKNOWN));
    put_pairs(m, m->event->resource_data, false);
    json_end_object(&m->w);
    json_key(&m->w, "user");
    json_begin_object(&m->w);
    put_str(m, "uid", uid);
    put_str(m, "username", text_of(m, AUDIT_TEXT_USERNAME, uid.p));
    json_put_text(&m->w, "type", audit_principal_names[m->event->user_type]);
    json_end_object(&m->w);
    put_text(m, "space_path", AUDIT_TEXT_SPACE_PATH);
}

static struct str object_of(const struct audit_event *event, int which)
{
    return (struct str){event->objects[which], event->object_lengths[which]};
}

/* Returns whether one of them is raw text (AUD-11). An event without objects has no such member. */
static bool put_objects(struct making *m, const struct audit_rules *rules, bool *ret_truncated)
{
    const struct str old_object = object_of(m->event, AUDIT_OLD_OBJECT), new_object = object_of(m->event, AUDIT_NEW_OBJECT);
    struct audit_diff diff;
    bool raw = false;
    *ret_truncated = false;
    if (!old_object.p && !new_object.p)
        return false;
    audit_diff_make(m->event->action, old_object, new_object, rules, &diff);
    if (diff.has | diff.left_out) {
        json_key(&m->w, "diff_object");
        audit_diff_write(&diff, &m->w);
        raw = (diff.has & AUDIT_OLD && diff.old_object.raw) || (diff.has & AUDIT_NEW && diff.new_object.raw);
        *ret_truncated = diff.fields.count > 0;
    }
    audit_diff_release(&diff);
    return raw;
}

static void put_rest(struct making *m, bool raw, int64_t now_ms)
{
    json_put_text(&m->w, "client_ip", text_of(m, AUDIT_TEXT_CLIENT_IP, "").p);
    put_text(m, "user_agent", AUDIT_TEXT_USER_AGENT);
    put_text(m, "request_method", AUDIT_TEXT_METHOD);
    put_text(m, "request_id", AUDIT_TEXT_REQUEST_ID);
    put_pairs(m, m->event->data, raw);
    json_put_text(&m->w, "status", status_names[m->event->failure]);
    put_text(m, "error_message", AUDIT_TEXT_ERROR);
    put_text(m, "subsystem", AUDIT_TEXT_SUBSYSTEM);
    json_put_time(&m->w, "created_at", now_ms * US_PER_MS, 3);
}

/* Behind the event in the same memory, which moves while it grows: so lengths first, views in the end. */
static void add_columns(struct making *m, size_t length[COLUMNS])
{
    const struct str columns[COLUMNS] = {
        [ACTION] = str_of(audit_action_names[m->event->action]),
        [RESOURCE_TYPE] = str_of(m->event->resource_type),
        [RESOURCE_ID] = text_of(m, AUDIT_TEXT_RESOURCE_ID, UNKNOWN),
        [USER_UID] = text_of(m, AUDIT_TEXT_USER_UID, AUDIT_ANONYMOUS_UID),
        [CLIENT_IP] = text_of(m, AUDIT_TEXT_CLIENT_IP, ""),
        [REQUEST_ID] = text_of(m, AUDIT_TEXT_REQUEST_ID, ""),
        [SUBSYSTEM] = text_of(m, AUDIT_TEXT_SUBSYSTEM, ""),
        [SPACE_PATH] = text_of(m, AUDIT_TEXT_SPACE_PATH, ""),
    };
    for (int i = 0; i < COLUMNS; i++) {
        const size_t before = m->text.len;
        add_clean(&m->text, columns[i].p, columns[i].n);
        length[i] = m->text.len - before;
    }
}

static void set_views(struct audit_record *record, size_t event, const size_t length[COLUMNS])
{
    const char *at = record->owned + event;
    record->event = (struct str){record->owned, event};
    for (int i = 0; i < COLUMNS; i++) {
        *column_of(record, (enum column)i) = (struct str){at, length[i]};
        at += length[i];
    }
}

void audit_record_make(const struct audit_event *event, const struct audit_rules *given, int64_t now_ms, struct audit_record *ret)
{
    struct audit_rules rules = given ? *given : (struct audit_rules){0};
    struct making m = {.event = event};
    size_t length[COLUMNS];
    rules.in_document = true;
    if (!rules.no_redaction) {
        m.redacted = rules.names ? rules.names : &audit_default_names;
        audit_redact(&m.rules, m.redacted);
    }
    *ret = (struct audit_record){.id = event->has_id ? event->id : uuid_v7(now_ms * US_PER_MS),
                                 .timestamp_ms = event->timestamp_ms ? event->timestamp_ms : now_ms,
                                 .failure = event->failure,
                                 .has_id = event->has_id};
    buf_init(&m.text, TEXT_MAX_BYTES);
    (void)buf_reserve(&m.text, TEXT_AT_FIRST + event->object_lengths[0] + event->object_lengths[1]);
    json_writer_init(&m.w, &m.text);
    json_begin_object(&m.w);
    json_put_uuid(&m.w, "id", &ret->id);
    json_put_int(&m.w, "timestamp", ret->timestamp_ms);
    put_parties(&m);
    put_rest(&m, put_objects(&m, &rules, &ret->truncated), now_ms);
    json_end_object(&m.w);
    const size_t end = m.text.len;
    add_columns(&m, length);
    must(!m.text.failed);
    ret->owned = buf_take(&m.text);
    set_views(ret, end, length);
}

void audit_record_release(struct audit_record *record)
{
    free(record->owned);
    *record = (struct audit_record){0};
}

/* ---- as bytes ---- */

void audit_record_describe(const struct audit_record *record, struct audit_record_head *ret)
{
    struct audit_record columns = *record;
    *ret = (struct audit_record_head){.id = record->id,
                                      .timestamp_ms = record->timestamp_ms,
                                      .failure = record->failure,
                                      .truncated = record->truncated,
                                      .has_id = record->has_id,
                                      .length = record->event.n,
                                      .event = record->event.n};
    for (int i = 0; i < COLUMNS; i++)
        ret->length += ret->columns[i] = column_of(&columns, (enum column)i)->n;
}

void audit_record_restore(const struct audit_record_head *head, char *owned, struct audit_record *ret)
{
    *ret = (struct audit_record){.id = head->id,
                                 .timestamp_ms = head->timestamp_ms,
                                 .failure = head->failure,
                                 .truncated = head->truncated,
                                 .has_id = head->has_id,
                                 .owned = owned};
    set_views(ret, head->event, head->columns);
}

/* ---- from a text ---- */

/* What the columns are made of: member, member of it or NULL. */
static const struct {
    const char *member, *inner;
    bool required;
} sources[COLUMNS] = {
    [ACTION] = {"action", NULL, true},
    [RESOURCE_TYPE] = {"resource_type", NULL, true},
    [RESOURCE_ID] = {"resource", "identifier", true},
    [USER_UID] = {"user", "uid", true},
    [CLIENT_IP] = {"client_ip", NULL, false},
    [REQUEST_ID] = {"request_id", NULL, false},
    [SUBSYSTEM] = {"subsystem", NULL, false},
    [SPACE_PATH] = {"space_path", NULL, false},
};

static enum err_code refuse(struct err *err, const char *member)
{
    return err_param(err, member, "not an audit event: \"%s\" is missing or wrong", member);
}

static enum err_code find_columns(const struct json *root, struct str columns[COLUMNS], struct err *err)
{
    for (int i = 0; i < COLUMNS; i++) {
        const struct json *value = json_member(root, sources[i].member);
        if (value && sources[i].inner)
            value = json_member(value, sources[i].inner);
        if (value ? !json_is_text(value) : sources[i].required)
            return refuse(err, sources[i].member);
        columns[i] = value ? json_get_text(value) : (struct str){"", 0};
        if (sources[i].required && !columns[i].n)
            return refuse(err, sources[i].member);
    }
    return OK;
}

static enum err_code find_head(const struct json *root, struct audit_record *ret, struct err *err)
{
    const struct json *id = json_member(root, "id"), *timestamp = json_member(root, "timestamp");
    const struct json *status = json_member(root, "status");
    const struct str text = id ? json_get_text(id) : (struct str){"", 0};
    if (!uuid_parse(text.p, text.n, &ret->id))
        return refuse(err, "id");
    if (!timestamp || !json_get_int(timestamp, &ret->timestamp_ms))
        return refuse(err, "timestamp");
    if (!status)
        return refuse(err, "status");
    ret->failure = str_equal(json_get_text(status), status_names[1]);
    if (!ret->failure && !str_equal(json_get_text(status), status_names[0]))
        return refuse(err, "status");
    return OK;
}

static bool is_cut(const struct json *root)
{
    const struct json *diff = json_member(root, "diff_object");
    const struct json *fields = diff ? json_member(diff, "truncated_fields") : NULL;
    return fields && json_is_array(fields) && json_count(fields) > 0;
}

/* One piece of memory, as audit_record_make has it. */
static void copy_all(struct str text, const struct str columns[COLUMNS], struct audit_record *ret)
{
    size_t length[COLUMNS], total = text.n;
    for (int i = 0; i < COLUMNS; i++)
        total += length[i] = columns[i].n;
    char *at = ret->owned = xmalloc(total + 1);
    memcpy(at, text.p, text.n);
    at += text.n;
    for (int i = 0; i < COLUMNS; i++) {
        memcpy(at, columns[i].p, columns[i].n);
        at += columns[i].n;
    }
    *at = '\0';
    set_views(ret, text.n, length);
}

enum err_code audit_record_from_text(struct str text, struct audit_record *ret, struct err *err)
{
    struct json_doc *doc;
    struct str columns[COLUMNS];
    *ret = (struct audit_record){0};
    enum err_code code = json_parse_exact(text.p, text.n, &doc, err);
    if (code != OK)
        return code;
    const struct json *root = json_root(doc);
    if (!json_is_object(root))
        code = err_set(err, ERR_INVALID, NULL, "not an audit event: it is no object");
    if (code == OK)
        code = find_head(root, ret, err);
    if (code == OK)
        code = find_columns(root, columns, err);
    if (code == OK) {
        ret->truncated = is_cut(root);
        copy_all(text, columns, ret);
    }
    json_doc_free(doc);
    return code;
}

/* ---- the chain ---- */

static void add_number(crypto_generichash_state *state, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    (void)crypto_generichash_update(state, bytes, sizeof bytes);
}

static void add_column(crypto_generichash_state *state, struct str column)
{
    add_number(state, column.n);
    if (column.n)
        (void)crypto_generichash_update(state, (const unsigned char *)column.p, column.n);
}

void audit_record_hash(const struct audit_hash *before, int64_t seq, const struct audit_record *record, struct audit_hash *ret)
{
    crypto_generichash_state state;
    struct audit_record columns = *record;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof ret->b);
    (void)crypto_generichash_update(&state, before->b, sizeof before->b);
    add_number(&state, (uint64_t)seq);
    (void)crypto_generichash_update(&state, record->id.b, sizeof record->id.b);
    add_number(&state, (uint64_t)record->timestamp_ms);
    add_number(&state, record->failure);
    for (int i = 0; i < COLUMNS; i++)
        add_column(&state, *column_of(&columns, (enum column)i));
    add_column(&state, record->event);
    (void)crypto_generichash_final(&state, ret->b, sizeof ret->b);
}

void audit_hash_of(const void *bytes, size_t count, struct audit_hash *ret)
{
    (void)crypto_generichash(ret->b, sizeof ret->b, bytes, count, NULL, 0);
}
