/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding; nothing here trusts a length. */
#include "keeper/keeper_protocol.h"

#include "base/mem.h"
#include "base/panic.h"

#include <stdio.h>
#include <string.h>

static const uint32_t NO_TEXT = 0xFFFFFFFFu;

static const struct message_rule {
    uint16_t type;
    enum keeper_side sender;
    uint32_t least, most;
} rules[] = {
#define KEEPER_MESSAGE(name, number, from, least, most) {(number), KEEPER_SIDE_##from, (least), (most)},
#include "keeper/keeper_protocol.def"
#undef KEEPER_MESSAGE
};

static uint16_t version_of(uint16_t type)
{
    return type == KEEPER_MESSAGE_HELLO || type == KEEPER_MESSAGE_REFUSED ? KEEPER_VERSION_ANY : KEEPER_PROTOCOL_VERSION;
}

bool keeper_header_read(const char bytes[KEEPER_HEADER_BYTES], enum keeper_side sender, struct keeper_header *ret)
{
    struct keeper_header header;
    _Static_assert(sizeof header == KEEPER_HEADER_BYTES, "the header has no padding");
    memcpy(&header, bytes, sizeof header);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct message_rule *rule = &rules[i];
        if (rule->type != header.type || rule->sender != sender)
            continue;
        if (header.version != version_of(header.type) || header.length < rule->least || header.length > rule->most)
            return false;
        *ret = header;
        return true;
    }
    return false;
}

static void take(struct wire *wire, void *out, size_t size)
{
    if (wire->bad || wire->left < size) {
        wire->bad = true;
        memset(out, 0, size);
        return;
    }
    memcpy(out, wire->p, size);
    wire->p += size;
    wire->left -= size;
}

int32_t wire_i32(struct wire *wire)
{
    int32_t value;
    take(wire, &value, sizeof value);
    return value;
}

uint32_t wire_u32(struct wire *wire)
{
    uint32_t value;
    take(wire, &value, sizeof value);
    return value;
}

int64_t wire_i64(struct wire *wire)
{
    int64_t value;
    take(wire, &value, sizeof value);
    return value;
}

bool wire_bool(struct wire *wire)
{
    uint8_t value;
    take(wire, &value, sizeof value);
    wire->bad |= value > 1;
    return value == 1;
}

char *wire_text(struct wire *wire, size_t *ret_length)
{
    uint32_t length = wire_u32(wire);
    if (wire->bad || length == NO_TEXT) {
        if (ret_length)
            *ret_length = 0;
        return NULL;
    }
    char *text = wire->p;
    if (wire->left <= length || text[length] != '\0' || (!ret_length && strlen(text) != length)) {
        wire->bad = true;
        if (ret_length)
            *ret_length = 0;
        return NULL;
    }
    wire->p += length + 1;
    wire->left -= length + 1;
    if (ret_length)
        *ret_length = length;
    return text;
}

bool wire_done(const struct wire *wire)
{
    return !wire->bad && wire->left == 0;
}

size_t message_begin(struct buf *out, enum keeper_message type)
{
    struct keeper_header header = {.type = (uint16_t)type, .version = version_of((uint16_t)type)};
    size_t begin = out->len;
    buf_add(out, &header, sizeof header);
    return begin;
}

void message_end(struct buf *out, size_t begin)
{
    if (out->failed)
        return;
    must(out->len >= begin + KEEPER_HEADER_BYTES);
    uint32_t length = (uint32_t)(out->len - begin - KEEPER_HEADER_BYTES);
    memcpy(out->data + begin + offsetof(struct keeper_header, length), &length, sizeof length);
}

void put_i32(struct buf *out, int32_t value)
{
    buf_add(out, &value, sizeof value);
}

void put_u32(struct buf *out, uint32_t value)
{
    buf_add(out, &value, sizeof value);
}

void put_i64(struct buf *out, int64_t value)
{
    buf_add(out, &value, sizeof value);
}

void put_bool(struct buf *out, bool value)
{
    uint8_t byte = value ? 1 : 0;
    buf_add(out, &byte, 1);
}

void put_text(struct buf *out, const char *text, size_t length)
{
    if (!text) {
        put_u32(out, NO_TEXT);
        return;
    }
    if (length >= KEEPER_MESSAGE_MAX) {
        out->failed = true;
        return;
    }
    put_u32(out, (uint32_t)length);
    buf_add(out, text, length);
    buf_add_char(out, '\0');
}

/* ---- START ---- */

static void put_string(struct buf *out, const char *text)
{
    put_text(out, text, text ? strlen(text) : 0);
}

static void put_strings(struct buf *out, char *const *strings)
{
    uint32_t count = 0;
    while (strings && strings[count] && count < KEEPER_STRINGS_MAX)
        count++;
    if (strings && strings[count])
        out->failed = true;
    put_u32(out, count);
    for (uint32_t i = 0; i < count; i++)
        put_string(out, strings[i]);
}

void keeper_start_encode(const struct keeper_start *start, struct buf *out)
{
    size_t begin = message_begin(out, KEEPER_MESSAGE_START);
    put_i64(out, start->id);
    put_i32(out, start->attempt);
    put_i64(out, start->log_limit);
    put_i64(out, start->limits.memory_bytes);
    put_i64(out, start->limits.cpu_percent);
    put_i64(out, start->limits.pids);
    put_string(out, start->cwd);
    put_string(out, start->user);
    put_string(out, start->log_path);
    put_text(out, start->stdin_data, start->stdin_length);
    put_strings(out, start->argv);
    put_strings(out, start->env);
    message_end(out, begin);
}

/* The array ends with NULL. Each text takes five bytes at least, so the count is bounded by what is left. */
static char **wire_strings(struct wire *wire)
{
    uint32_t count = wire_u32(wire);
    if (wire->bad || count > KEEPER_STRINGS_MAX || count > wire->left / 5) {
        wire->bad = true;
        return NULL;
    }
    char **strings = xcalloc((size_t)count + 1, sizeof *strings);
    for (uint32_t i = 0; i < count; i++) {
        strings[i] = wire_text(wire, NULL);
        if (!strings[i])
            wire->bad = true;
    }
    return strings;
}

/* Both lists move into one block, so that the caller frees one thing. */
static char **join_lists(char **first, char **second, size_t *ret_second_at)
{
    size_t n = 0, m = 0;
    while (first[n])
        n++;
    while (second[m])
        m++;
    char **joined = xcalloc(n + m + 2, sizeof *joined);
    memcpy(joined, first, n * sizeof *joined);
    memcpy(joined + n + 1, second, m * sizeof *joined);
    *ret_second_at = n + 1;
    return joined;
}

bool keeper_start_decode(struct wire *wire, struct keeper_start *ret, char ***ret_arrays)
{
    struct keeper_start start = {.id = wire_i64(wire)};
    start.attempt = wire_i32(wire);
    start.log_limit = wire_i64(wire);
    start.limits.memory_bytes = wire_i64(wire);
    start.limits.cpu_percent = wire_i64(wire);
    start.limits.pids = wire_i64(wire);
    start.cwd = wire_text(wire, NULL);
    start.user = wire_text(wire, NULL);
    start.log_path = wire_text(wire, NULL);
    start.stdin_data = wire_text(wire, &start.stdin_length);
    char **argv = wire_strings(wire);
    char **env = wire->bad ? NULL : wire_strings(wire);
    bool good = wire_done(wire) && argv && argv[0] && env && start.log_path && start.log_path[0] == '/';
    if (good) {
        size_t env_at;
        *ret_arrays = join_lists(argv, env, &env_at);
        start.argv = *ret_arrays;
        start.env = *ret_arrays + env_at;
        *ret = start;
    }
    free(argv);
    free(env);
    return good;
}

/* ---- LISTING ---- */

static void take_reason(struct wire *wire, char out[KEEPER_REASON_MAX])
{
    const char *text = wire_text(wire, NULL);
    (void)snprintf(out, KEEPER_REASON_MAX, "%s", text ? text : "");
}

bool keeper_listing_decode(struct wire *wire, struct keeper_hello_answer *ret)
{
    struct keeper_abilities abilities = {.limits = wire_bool(wire)};
    abilities.trees = wire_bool(wire);
    take_reason(wire, abilities.no_limits);
    take_reason(wire, abilities.no_trees);
    uint32_t count = wire_u32(wire);
    if (wire->bad || wire->left != (size_t)count * KEEPER_LISTING_BYTES)
        return false;
    struct keeper_listing *listing = xcalloc(count, sizeof *listing);
    for (uint32_t i = 0; i < count; i++) {
        listing[i].id = wire_i64(wire);
        listing[i].attempt = wire_i32(wire);
        listing[i].exited = wire_bool(wire);
        listing[i].pid = wire_i64(wire);
        listing[i].started_us = wire_i64(wire);
    }
    if (!wire_done(wire)) {
        free(listing);
        return false;
    }
    *ret = (struct keeper_hello_answer){abilities, listing, count};
    return true;
}
