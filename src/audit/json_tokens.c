/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/json_tokens.h"

#include "audit/json_encoded.h"
#include "base/mem.h"
#include "base/panic.h"

#include <string.h>

enum { SLACK_BYTES = 64, NODES_AT_FIRST = 64, HIGH_BEGIN = 0xD800, LOW_BEGIN = 0xDC00, LOW_END = 0xDFFF };

#define HIDDEN_VALUE "\"***\""
#define MARKER_VALUE "\"" JSON_MARKER "\""

enum expect { EXPECT_VALUE, EXPECT_FIRST_ITEM, EXPECT_FIRST_KEY, EXPECT_KEY, EXPECT_NEXT, EXPECT_END };
/* A part that is read, but replaced by something else at its end. */
enum mute { MUTE_NONE, MUTE_HIDDEN, MUTE_TOO_DEEP };

struct reader {
    struct json_tokens *t;
    const struct json_rules *rules;
    const char *at, *end;
    enum expect expect;
    uint32_t depth;     /* containers that are open */
    uint8_t *is_object; /* owned; a bit for each of them */
    size_t bits_bytes;
    uint32_t open; /* the innermost that has a node */
    uint32_t key, name, start;
    bool hide_next;
    enum mute mute;
    uint32_t mute_depth;
};

/* Room for `count` bytes that the input does not pay for. Canonical text is never longer than what it was read from, so that
 * nothing else asks for room. */
static void make_room(struct reader *r, size_t count)
{
    struct json_tokens *t = r->t;
    const size_t need = t->length + count + (size_t)(r->end - r->at) + SLACK_BYTES;
    if (need <= t->capacity)
        return;
    t->capacity = need + need / 2;
    must(t->capacity < UINT32_MAX);
    t->text = xrealloc(t->text, t->capacity);
}

static void put(struct reader *r, const char *text, size_t length)
{
    memcpy(r->t->text + r->t->length, text, length);
    r->t->length += length;
}

static void put_char(struct reader *r, char c)
{
    r->t->text[r->t->length++] = c;
}

static void add_node(struct reader *r, uint32_t count)
{
    struct json_tokens *t = r->t;
    if (t->count == t->node_capacity) {
        t->node_capacity = t->node_capacity ? t->node_capacity + t->node_capacity / 2 : NODES_AT_FIRST;
        t->nodes = xrealloc(t->nodes, t->node_capacity * sizeof t->nodes[0]);
    }
    t->nodes[t->count++] = (struct json_node){r->start, (uint32_t)t->length, r->open, r->name, count, 0};
}

static void begin_value(struct reader *r)
{
    if (r->mute)
        return;
    r->start = (uint32_t)r->t->length;
    r->name = 0;
    if (r->open != JSON_NO_NODE) {
        struct json_node *parent = &r->t->nodes[r->open];
        r->name = r->t->text[parent->start] == '{' ? r->key : parent->count;
        parent->count++;
    }
    if (r->hide_next) {
        r->mute = MUTE_HIDDEN;
        r->mute_depth = r->depth;
    }
    r->hide_next = false;
}

static void end_value(struct reader *r)
{
    r->expect = r->depth ? EXPECT_NEXT : EXPECT_END;
    if (!r->mute || r->depth != r->mute_depth)
        return;
    r->t->length = r->start;
    if (r->mute == MUTE_HIDDEN) {
        make_room(r, strlen(HIDDEN_VALUE));
        put(r, HIDDEN_VALUE, strlen(HIDDEN_VALUE));
        r->t->hidden++;
    } else {
        make_room(r, strlen(MARKER_VALUE));
        put(r, MARKER_VALUE, strlen(MARKER_VALUE));
        add_node(r, 1);
    }
    r->mute = MUTE_NONE;
}

/* --- strings --- */

static bool read_hex(struct reader *r, uint32_t *ret)
{
    *ret = 0;
    if (r->end - r->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        const char c = *r->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
        *ret = *ret << 4 | digit;
    }
    return true;
}

/* Behind "\u": a character, or half a pair that stays alone. */
static bool read_unicode_escape(struct reader *r)
{
    uint32_t c, low;
    if (!read_hex(r, &c))
        return false;
    if (c >= HIGH_BEGIN && c < LOW_BEGIN && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u') {
        const char *second = r->at;
        r->at += 2;
        if (!read_hex(r, &low))
            return false;
        if (low >= LOW_BEGIN && low <= LOW_END)
            c = 0x10000 + ((c - HIGH_BEGIN) << 10) + (low - LOW_BEGIN);
        else
            r->at = second;
    }
    r->t->length += json_encode_code_point(c, r->t->text + r->t->length);
    return true;
}

static bool read_escape(struct reader *r)
{
    if (r->end - r->at < 2)
        return false;
    const char c = r->at[1];
    r->at += 2;
    switch (c) {
    case 'u': return read_unicode_escape(r);
    case '/': put_char(r, '/'); return true;
    case '"':
    case '\\':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        put_char(r, '\\');
        put_char(r, c);
        return true;
    default: return false;
    }
}

/* Bytes that stand for themselves, up to the next quote or escape. False: one that may not stand in a string. */
static bool read_plain(struct reader *r)
{
    const char *at = r->at;
    bool good = true;
    while (at < r->end) {
        const unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\')
            break;
        const size_t n = c < 0x80 ? (c >= 0x20) : str_utf8_next(at, (size_t)(r->end - at));
        good = n != 0;
        if (!good)
            break;
        at += n;
    }
    put(r, r->at, (size_t)(at - r->at));
    r->at = at;
    return good;
}

/* From the opening quote to behind the closing one. */
static bool read_string(struct reader *r)
{
    put_char(r, *r->at++);
    while (read_plain(r) && r->at < r->end) {
        if (*r->at == '"') {
            put_char(r, *r->at++);
            return true;
        }
        if (!read_escape(r))
            return false;
    }
    return false;
}

static void rewrite_string(struct reader *r)
{
    struct json_tokens *t = r->t;
    struct buf other;
    buf_init(&other, UINT32_MAX / 2);
    if (r->rules->rewrite(r->rules->arg, (struct str){t->text + r->start + 1, t->length - r->start - 2}, &other)) {
        t->length = r->start + 1;
        make_room(r, other.len + 1);
        put(r, other.data, other.len);
        put_char(r, '"');
        t->hidden++;
    }
    buf_release(&other);
}

static bool string_value(struct reader *r)
{
    begin_value(r);
    if (!read_string(r))
        return false;
    if (!r->mute && r->rules->rewrite)
        rewrite_string(r);
    if (!r->mute && r->t->length - r->start > JSON_MARKER_BYTES + 2)
        add_node(r, 0);
    end_value(r);
    return true;
}

/* --- other values --- */

static bool literal(struct reader *r, const char *word)
{
    const size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return false;
    begin_value(r);
    put(r, word, n);
    r->at += n;
    end_value(r);
    return true;
}

static const char *skip_digits(const struct reader *r, const char *at)
{
    while (at < r->end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* The end of the number that begins here, NULL when there is none. */
static const char *number_end(const struct reader *r)
{
    const char *at = r->at + (*r->at == '-'), *digits = at;
    at = skip_digits(r, at);
    if (at == digits || (*digits == '0' && at > digits + 1))
        return NULL;
    if (at < r->end && *at == '.') {
        digits = ++at;
        at = skip_digits(r, at);
        if (at == digits)
            return NULL;
    }
    if (at < r->end && (*at | 0x20) == 'e') {
        at++;
        at += at < r->end && (*at == '+' || *at == '-');
        digits = at;
        at = skip_digits(r, at);
        if (at == digits)
            return NULL;
    }
    return at;
}

static bool number(struct reader *r)
{
    const char *end = number_end(r);
    if (!end)
        return false;
    begin_value(r);
    put(r, r->at, (size_t)(end - r->at));
    r->at = end;
    end_value(r);
    return true;
}

/* --- containers --- */

static bool in_object(const struct reader *r)
{
    const uint32_t top = r->depth - 1;
    return r->is_object[top / 8] >> top % 8 & 1;
}

static void push(struct reader *r, bool object)
{
    const size_t byte = r->depth / 8;
    if (byte == r->bits_bytes) {
        r->bits_bytes = r->bits_bytes ? r->bits_bytes * 2 : SLACK_BYTES;
        r->is_object = xrealloc(r->is_object, r->bits_bytes);
    }
    const uint8_t bit = (uint8_t)(1u << r->depth % 8);
    r->is_object[byte] = (uint8_t)(object ? r->is_object[byte] | bit : r->is_object[byte] & ~bit);
    r->depth++;
}

static bool open_container(struct reader *r)
{
    const char c = *r->at++;
    begin_value(r);
    if (!r->mute && r->depth == r->rules->depth_max) {
        r->mute = MUTE_TOO_DEEP;
        r->mute_depth = r->depth;
    }
    put_char(r, c);
    if (!r->mute) {
        add_node(r, 0);
        r->open = (uint32_t)r->t->count - 1;
    }
    push(r, c == '{');
    r->expect = c == '{' ? EXPECT_FIRST_KEY : EXPECT_FIRST_ITEM;
    return true;
}

static bool close_container(struct reader *r)
{
    struct json_tokens *t = r->t;
    if (*r->at != (in_object(r) ? '}' : ']'))
        return false;
    put_char(r, *r->at++);
    r->depth--;
    if (!r->mute) {
        struct json_node *node = &t->nodes[r->open];
        node->end = (uint32_t)t->length;
        r->open = node->parent;
        t->count -= node->count == 0; /* nothing can be taken out of it */
    }
    end_value(r);
    return true;
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static bool read_key(struct reader *r)
{
    struct json_tokens *t = r->t;
    const uint32_t key = (uint32_t)t->length;
    if (*r->at != '"' || !read_string(r))
        return false;
    skip_blanks(r);
    if (r->at == r->end || *r->at++ != ':')
        return false;
    if (!r->mute) {
        r->key = key;
        r->hide_next = r->rules->hide && r->rules->hide(r->rules->arg, (struct str){t->text + key + 1, t->length - key - 2});
    }
    put_char(r, ':');
    r->expect = EXPECT_VALUE;
    return true;
}

static bool read_value(struct reader *r)
{
    switch (*r->at) {
    case '"': return string_value(r);
    case '{':
    case '[': return open_container(r);
    case 't': return literal(r, "true");
    case 'f': return literal(r, "false");
    case 'n': return literal(r, "null");
    default: return number(r);
    }
}

static bool read_next(struct reader *r)
{
    if (*r->at != ',')
        return close_container(r);
    put_char(r, *r->at++);
    r->expect = in_object(r) ? EXPECT_KEY : EXPECT_VALUE;
    return true;
}

/* One token. */
static bool step(struct reader *r)
{
    switch (r->expect) {
    case EXPECT_FIRST_ITEM: return *r->at == ']' ? close_container(r) : read_value(r);
    case EXPECT_VALUE: return read_value(r);
    case EXPECT_FIRST_KEY: return *r->at == '}' ? close_container(r) : read_key(r);
    case EXPECT_KEY: return read_key(r);
    case EXPECT_NEXT: return read_next(r);
    case EXPECT_END: return false; /* something behind the value */
    }
    unreachable("no such state");
}

bool json_tokens_read(struct json_tokens *ret, const char *text, size_t length, const struct json_rules *rules)
{
    must(rules->depth_max > 0);
    *ret = (struct json_tokens){0};
    if (length == 0 || length > JSON_TOKENS_INPUT_MAX)
        return false;
    struct reader r = {.t = ret, .rules = rules, .at = text, .end = text + length, .open = JSON_NO_NODE};
    make_room(&r, 0);
    bool good = true;
    for (skip_blanks(&r); good && r.at < r.end; skip_blanks(&r))
        good = step(&r);
    free(r.is_object);
    return good && r.expect == EXPECT_END;
}

void json_tokens_release(struct json_tokens *t)
{
    free(t->text);
    free(t->nodes);
    *t = (struct json_tokens){0};
}
