/* SPDX-License-Identifier: Apache-2.0 */
/* What is signed of a segment: as bytes, as JSON, and the beginning of its chain. */
#include "base/hex.h"
#include "base/panic.h"
#include "trail/segment.h"

#include <string.h>

static const char signed_prefix[] = "horae audit segment 1\n";
static const char genesis_prefix[] = "horae audit genesis 1\n";
enum { SIGNED_BYTES = SEGMENT_META_BYTES - AUDIT_SIGNATURE_BYTES };

static const char *const state_names[] = {"open", "full", "sealed"};

struct packer {
    uint8_t *at;
};

static void pack_bytes(struct packer *p, const void *bytes, size_t count)
{
    memcpy(p->at, bytes, count);
    p->at += count;
}

static void pack_number(struct packer *p, int64_t value)
{
    for (int i = 0; i < 8; i++)
        *p->at++ = (uint8_t)((uint64_t)value >> 8 * i);
}

static int64_t unpack_number(const uint8_t **at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t) * (*at)++ << 8 * i;
    return (int64_t)value;
}

static void unpack_bytes(const uint8_t **at, void *out, size_t count)
{
    memcpy(out, *at, count);
    *at += count;
}

void segment_meta_pack(const struct segment_meta *meta, uint8_t out[SEGMENT_META_BYTES])
{
    struct packer p = {out};
    char server[sizeof meta->server] = ""; /* what lies behind its end is not ours to sign */
    memcpy(server, meta->server, strnlen(meta->server, sizeof server - 1));
    pack_number(&p, meta->number);
    pack_number(&p, meta->state);
    pack_bytes(&p, server, sizeof server);
    pack_number(&p, meta->day);
    pack_number(&p, meta->opened_ms);
    pack_number(&p, meta->sealed_ms);
    pack_bytes(&p, meta->genesis.b, sizeof meta->genesis.b);
    pack_number(&p, meta->count);
    pack_bytes(&p, meta->head.b, sizeof meta->head.b);
    pack_number(&p, meta->min_ms);
    pack_number(&p, meta->max_ms);
    pack_bytes(&p, meta->min_id.b, sizeof meta->min_id.b);
    pack_bytes(&p, meta->max_id.b, sizeof meta->max_id.b);
    pack_number(&p, meta->pending_id);
    pack_number(&p, meta->failures);
    must(p.at == out + SIGNED_BYTES);
    pack_bytes(&p, meta->signature.b, sizeof meta->signature.b);
}

void segment_meta_unpack(const uint8_t bytes[SEGMENT_META_BYTES], struct segment_meta *ret)
{
    const uint8_t *at = bytes;
    *ret = (struct segment_meta){.number = unpack_number(&at)};
    const int64_t state = unpack_number(&at);
    ret->state = state >= SEGMENT_OPEN && state <= SEGMENT_SEALED ? (enum segment_state)state : SEGMENT_OPEN;
    unpack_bytes(&at, ret->server, sizeof ret->server);
    ret->server[sizeof ret->server - 1] = '\0';
    ret->day = unpack_number(&at);
    ret->opened_ms = unpack_number(&at);
    ret->sealed_ms = unpack_number(&at);
    unpack_bytes(&at, ret->genesis.b, sizeof ret->genesis.b);
    ret->count = unpack_number(&at);
    unpack_bytes(&at, ret->head.b, sizeof ret->head.b);
    ret->min_ms = unpack_number(&at);
    ret->max_ms = unpack_number(&at);
    unpack_bytes(&at, ret->min_id.b, sizeof ret->min_id.b);
    unpack_bytes(&at, ret->max_id.b, sizeof ret->max_id.b);
    ret->pending_id = unpack_number(&at);
    ret->failures = unpack_number(&at);
    unpack_bytes(&at, ret->signature.b, sizeof ret->signature.b);
}

void segment_genesis(const struct segment_meta *meta, const struct audit_hash *before, struct audit_hash *ret)
{
    uint8_t bytes[sizeof genesis_prefix + sizeof meta->server + 3 * 8 + AUDIT_HASH_BYTES] = {0};
    static const struct audit_hash none = {{0}};
    char server[sizeof meta->server] = "";
    struct packer p = {bytes};
    memcpy(server, meta->server, strnlen(meta->server, sizeof server - 1));
    pack_bytes(&p, genesis_prefix, sizeof genesis_prefix);
    pack_bytes(&p, server, sizeof server);
    pack_number(&p, meta->number);
    pack_number(&p, meta->day);
    pack_number(&p, meta->opened_ms);
    pack_bytes(&p, before ? before->b : none.b, AUDIT_HASH_BYTES);
    audit_hash_of(bytes, sizeof bytes, ret);
}

static void pack_signed(const struct segment_meta *meta, uint8_t out[sizeof signed_prefix + SEGMENT_META_BYTES])
{
    memcpy(out, signed_prefix, sizeof signed_prefix);
    segment_meta_pack(meta, out + sizeof signed_prefix);
}

void segment_sign(struct segment_meta *meta, const struct audit_key *key)
{
    uint8_t bytes[sizeof signed_prefix + SEGMENT_META_BYTES];
    pack_signed(meta, bytes);
    audit_key_sign(key, bytes, sizeof signed_prefix + SIGNED_BYTES, &meta->signature);
}

bool segment_is_signed(const struct segment_meta *meta, const uint8_t public_key[AUDIT_PUBLIC_BYTES])
{
    uint8_t bytes[sizeof signed_prefix + SEGMENT_META_BYTES];
    pack_signed(meta, bytes);
    return audit_key_verify(public_key, bytes, sizeof signed_prefix + SIGNED_BYTES, &meta->signature);
}

/* ---- JSON ---- */

static void put_hex(struct json_writer *w, const char *key, const void *bytes, size_t count)
{
    char text[2 * AUDIT_SIGNATURE_BYTES + 1];
    hex_format(bytes, count, text);
    json_put_text(w, key, text);
}

void segment_meta_write(const struct segment_meta *meta, struct json_writer *w)
{
    json_put_int(w, "segment", meta->number);
    json_put_int(w, "seq", meta->count);
    put_hex(w, "hash", meta->head.b, sizeof meta->head.b);
    put_hex(w, "signature", meta->signature.b, sizeof meta->signature.b);
    json_put_text(w, "state", state_names[meta->state]);
    put_hex(w, "genesis", meta->genesis.b, sizeof meta->genesis.b);
    json_put_text(w, "server", meta->server);
    json_put_int(w, "day", meta->day);
    json_put_int(w, "opened_at", meta->opened_ms);
    json_put_int(w, "sealed_at", meta->sealed_ms);
    json_put_int(w, "min_timestamp", meta->min_ms);
    json_put_int(w, "max_timestamp", meta->max_ms);
    json_put_uuid(w, "min_id", &meta->min_id);
    json_put_uuid(w, "max_id", &meta->max_id);
    json_put_int(w, "pending", meta->pending_id);
    json_put_int(w, "failures", meta->failures);
}

static bool get_number(const struct json *object, const char *name, int64_t *ret)
{
    const struct json *value = json_member(object, name);
    return value && json_get_int(value, ret);
}

static struct str get_text(const struct json *object, const char *name)
{
    const struct json *value = json_member(object, name);
    return value ? json_get_text(value) : (struct str){"", 0};
}

static bool get_hex(const struct json *object, const char *name, void *out, size_t count)
{
    return hex_parse(get_text(object, name), out, count);
}

static bool get_uuid(const struct json *object, const char *name, struct uuid *ret)
{
    const struct str text = get_text(object, name);
    return uuid_parse(text.p, text.n, ret);
}

static bool get_state(const struct json *object, enum segment_state *ret)
{
    const struct str text = get_text(object, "state");
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
        if (str_equal(text, state_names[i])) {
            *ret = (enum segment_state)i;
            return true;
        }
    return false;
}

enum err_code segment_meta_from_json(const struct json *object, struct segment_meta *ret, struct err *err)
{
    *ret = (struct segment_meta){0};
    const struct str server = get_text(object, "server");
    if (server.n >= sizeof ret->server || !get_state(object, &ret->state) || !get_number(object, "segment", &ret->number) ||
        !get_number(object, "seq", &ret->count) || !get_number(object, "day", &ret->day) ||
        !get_number(object, "opened_at", &ret->opened_ms) || !get_number(object, "sealed_at", &ret->sealed_ms) ||
        !get_number(object, "min_timestamp", &ret->min_ms) || !get_number(object, "max_timestamp", &ret->max_ms) ||
        !get_number(object, "pending", &ret->pending_id) || !get_number(object, "failures", &ret->failures) ||
        !get_uuid(object, "min_id", &ret->min_id) || !get_uuid(object, "max_id", &ret->max_id) ||
        !get_hex(object, "hash", ret->head.b, sizeof ret->head.b) ||
        !get_hex(object, "genesis", ret->genesis.b, sizeof ret->genesis.b) ||
        !get_hex(object, "signature", ret->signature.b, sizeof ret->signature.b))
        return err_set(err, ERR_INVALID, NULL, "not the state of a segment of the audit log");
    (void)str_copy(ret->server, sizeof ret->server, server.p, server.n);
    return OK;
}
