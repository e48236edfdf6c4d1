/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/checkpoint.h"

#include "base/clock.h"
#include "base/hex.h"
#include "base/panic.h"

#include <string.h>

static const char prefix[] = "horae audit checkpoint 1\n";

/* Everything but the signature: numbers, hashes, the reason with its length. */
enum { PACKED_MAX = (int)sizeof prefix + 7 * 8 + 3 * AUDIT_HASH_BYTES + 8 + CHECKPOINT_REASON_MAX };

static const char *const kind_names[CHECKPOINT_KINDS] = {"head", "sealed", "purged", "recovered"};

const char *checkpoint_kind_name(enum checkpoint_kind kind)
{
    return kind_names[kind];
}

bool checkpoint_kind_from(struct str name, enum checkpoint_kind *ret)
{
    for (int i = 0; i < CHECKPOINT_KINDS; i++)
        if (str_equal(name, kind_names[i])) {
            *ret = (enum checkpoint_kind)i;
            return true;
        }
    return false;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, size_t count)
{
    memcpy(at, bytes, count);
    return at + count;
}

static uint8_t *put_number(uint8_t *at, int64_t value)
{
    for (int i = 0; i < 8; i++)
        *at++ = (uint8_t)((uint64_t)value >> 8 * i);
    return at;
}

static size_t pack(const struct checkpoint *c, uint8_t out[PACKED_MAX + AUDIT_SIGNATURE_BYTES])
{
    const size_t reason = strnlen(c->reason, CHECKPOINT_REASON_MAX);
    uint8_t *at = put_bytes(out, prefix, sizeof prefix);
    at = put_number(at, c->id);
    at = put_number(at, c->kind);
    at = put_number(at, c->segment);
    at = put_number(at, c->seq);
    at = put_bytes(at, c->genesis.b, sizeof c->genesis.b);
    at = put_bytes(at, c->head.b, sizeof c->head.b);
    at = put_number(at, c->min_ms);
    at = put_number(at, c->max_ms);
    at = put_number(at, c->created_ms);
    at = put_bytes(at, c->before.b, sizeof c->before.b);
    at = put_number(at, (int64_t)reason);
    at = put_bytes(at, c->reason, reason);
    must(at <= out + PACKED_MAX);
    return (size_t)(at - out);
}

void checkpoint_sign(struct checkpoint *c, const struct audit_key *key)
{
    uint8_t bytes[PACKED_MAX + AUDIT_SIGNATURE_BYTES];
    audit_key_sign(key, bytes, pack(c, bytes), &c->signature);
}

bool checkpoint_is_signed(const struct checkpoint *c, const uint8_t public_key[AUDIT_PUBLIC_BYTES])
{
    uint8_t bytes[PACKED_MAX + AUDIT_SIGNATURE_BYTES];
    return audit_key_verify(public_key, bytes, pack(c, bytes), &c->signature);
}

void checkpoint_hash(const struct checkpoint *c, struct audit_hash *ret)
{
    uint8_t bytes[PACKED_MAX + AUDIT_SIGNATURE_BYTES];
    const size_t n = pack(c, bytes);
    memcpy(bytes + n, c->signature.b, sizeof c->signature.b);
    audit_hash_of(bytes, n + sizeof c->signature.b, ret);
}

/* ---- JSON ---- */

static void put_hex(struct json_writer *w, const char *key, const void *bytes, size_t count)
{
    char text[2 * AUDIT_SIGNATURE_BYTES + 1];
    hex_format(bytes, count, text);
    json_put_text(w, key, text);
}

void checkpoint_write(const struct checkpoint *c, const uint8_t public_key[AUDIT_PUBLIC_BYTES], struct json_writer *w)
{
    json_begin_object(w);
    json_put_int(w, "id", c->id);
    json_put_text(w, "kind", kind_names[c->kind]);
    json_put_int(w, "segment", c->segment);
    json_put_int(w, "seq", c->seq);
    put_hex(w, "genesis", c->genesis.b, sizeof c->genesis.b);
    put_hex(w, "head", c->head.b, sizeof c->head.b);
    json_put_int(w, "min_timestamp", c->min_ms);
    json_put_int(w, "max_timestamp", c->max_ms);
    json_put_text(w, "reason", c->reason);
    json_put_time(w, "created_at", c->created_ms * US_PER_MS, 3);
    put_hex(w, "before", c->before.b, sizeof c->before.b);
    put_hex(w, "signature", c->signature.b, sizeof c->signature.b);
    put_hex(w, "public_key", public_key, AUDIT_PUBLIC_BYTES);
    json_end_object(w);
}

struct members {
    int64_t id, segment, seq, min_ms, max_ms, created_us;
    int kind;
    struct str genesis, head, reason, before, signature, public_key;
};
#define NUMBER(name, member, min) \
    { \
        name, FIELD_INT, offsetof(struct members, member), min, INT64_MAX, .required = true \
    }
#define HEX(name, member, bytes) \
    { \
        name, FIELD_TEXT, offsetof(struct members, member), 2 * (bytes), 2 * (bytes), .required = true \
    }
static const struct json_field fields[] = {
    NUMBER("id", id, 1),
    NUMBER("segment", segment, 1),
    NUMBER("seq", seq, 0),
    NUMBER("min_timestamp", min_ms, INT64_MIN),
    NUMBER("max_timestamp", max_ms, INT64_MIN),
    {"created_at", FIELD_TIME, offsetof(struct members, created_us), .required = true},
    {"kind", FIELD_CHOICE, offsetof(struct members, kind), 0, CHECKPOINT_KINDS, kind_names, .required = true},
    {"reason", FIELD_TEXT, offsetof(struct members, reason), 0, CHECKPOINT_REASON_MAX, .required = true},
    HEX("genesis", genesis, AUDIT_HASH_BYTES),
    HEX("head", head, AUDIT_HASH_BYTES),
    HEX("before", before, AUDIT_HASH_BYTES),
    HEX("signature", signature, AUDIT_SIGNATURE_BYTES),
    HEX("public_key", public_key, AUDIT_PUBLIC_BYTES),
};
#undef NUMBER
#undef HEX

enum err_code checkpoint_read(const struct json *object, struct checkpoint *ret, uint8_t ret_public_key[AUDIT_PUBLIC_BYTES],
                              struct err *err)
{
    struct members m = {0};
    if (!json_is_object(object))
        return err_set(err, ERR_INVALID, NULL, "a checkpoint must be an object");
    enum err_code code = json_read_fields(object, "", fields, ARRAY_LEN(fields), &m, NULL, NULL, err);
    if (code != OK)
        return code;
    *ret = (struct checkpoint){.id = m.id,
                               .kind = (enum checkpoint_kind)m.kind,
                               .segment = m.segment,
                               .seq = m.seq,
                               .min_ms = m.min_ms,
                               .max_ms = m.max_ms,
                               .created_ms = m.created_us / US_PER_MS};
    memcpy(ret->reason, m.reason.p, m.reason.n);
    if (!hex_parse(m.genesis, ret->genesis.b, sizeof ret->genesis.b) || !hex_parse(m.head, ret->head.b, sizeof ret->head.b) ||
        !hex_parse(m.before, ret->before.b, sizeof ret->before.b) ||
        !hex_parse(m.signature, ret->signature.b, sizeof ret->signature.b) ||
        !hex_parse(m.public_key, ret_public_key, AUDIT_PUBLIC_BYTES))
        return err_set(err, ERR_INVALID, NULL, "a hash or signature of the checkpoint is not in hexadecimal digits");
    return OK;
}
