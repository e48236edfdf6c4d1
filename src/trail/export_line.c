/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/export_line.h"

#include "base/hex.h"
#include "base/mem.h"
#include "base/panic.h"

#include <stdio.h>
#include <string.h>

/* No string can hold these bytes: its quotes would be escaped. So the last one in a line is the member. */
#define CHAIN ",\"chain\":{\"segment\":"
#define MANIFEST "{\"manifest\":"
#define SIGNATURE ",\"signature\":\""

enum {
    HASH_DIGITS = 2 * AUDIT_HASH_BYTES,
    SIGNATURE_DIGITS = 2 * AUDIT_SIGNATURE_BYTES,
    CHAIN_TAIL_MAX = 512, /* bytes of the member */
    MANIFEST_MAX = 256 << 20,
};

/* ---- lines ---- */

void export_line_write(struct buf *out, struct str event, const struct export_chain *chain)
{
    char hash[HASH_DIGITS + 1], before[HASH_DIGITS + 1];
    must(event.n > 2 && event.p[event.n - 1] == '}');
    hex_format(chain->hash.b, sizeof chain->hash.b, hash);
    hex_format(chain->before.b, sizeof chain->before.b, before);
    buf_add(out, event.p, event.n - 1);
    buf_add(out, CHAIN, sizeof CHAIN - 1);
    buf_add_int(out, chain->segment);
    buf_add_text(out, ",\"seq\":");
    buf_add_int(out, chain->seq);
    buf_add_text(out, ",\"hash\":\"");
    buf_add(out, hash, HASH_DIGITS);
    buf_add_text(out, "\",\"before\":\"");
    buf_add(out, before, HASH_DIGITS);
    buf_add_text(out, "\"}}\n");
}

/* Takes the expected text off the front. */
static bool skip(struct str *at, const char *text)
{
    if (!str_starts_with(*at, text))
        return false;
    at->p += strlen(text);
    at->n -= strlen(text);
    return true;
}

static bool take_int(struct str *at, int64_t *ret)
{
    size_t n = 0;
    while (n < at->n && at->p[n] >= '0' && at->p[n] <= '9')
        n++;
    const bool good = str_to_int((struct str){at->p, n}, 0, INT64_MAX, ret) && (n == 1 || at->p[0] != '0');
    at->p += n;
    at->n -= n;
    return good;
}

static bool take_hash(struct str *at, struct audit_hash *ret)
{
    if (at->n < HASH_DIGITS || !hex_parse((struct str){at->p, HASH_DIGITS}, ret->b, sizeof ret->b))
        return false;
    at->p += HASH_DIGITS;
    at->n -= HASH_DIGITS;
    return true;
}

/* Where the last CHAIN begins, or NULL: it is near the end. */
static char *find_chain(char *line, size_t length)
{
    const size_t size = sizeof CHAIN - 1, from = length > CHAIN_TAIL_MAX ? length - CHAIN_TAIL_MAX : 0;
    for (size_t i = length; i-- > from;)
        if (line[i] == ',' && length - i >= size && memcmp(line + i, CHAIN, size) == 0)
            return line + i;
    return NULL;
}

bool export_line_read(char *line, size_t length, struct str *ret_event, struct export_chain *ret)
{
    char *found = find_chain(line, length);
    if (!found)
        return false;
    struct str at = {found + sizeof CHAIN - 1, length - (size_t)(found - line) - (sizeof CHAIN - 1)};
    if (!take_int(&at, &ret->segment) || !skip(&at, ",\"seq\":") || !take_int(&at, &ret->seq) || !skip(&at, ",\"hash\":\"") ||
        !take_hash(&at, &ret->hash) || !skip(&at, "\",\"before\":\"") || !take_hash(&at, &ret->before) || !skip(&at, "\"}}") ||
        at.n)
        return false;
    *found = '}';
    *ret_event = (struct str){line, (size_t)(found - line) + 1};
    return true;
}

/* ---- the manifest ---- */

static void write_parts(const struct export_manifest *m, struct json_writer *w)
{
    json_key(w, "segments");
    json_begin_array(w);
    for (size_t i = 0; i < m->count; i++) {
        json_begin_object(w);
        segment_meta_write(&m->parts[i].meta, w);
        json_put_int(w, "first_seq", m->parts[i].first_seq);
        json_put_int(w, "last_seq", m->parts[i].last_seq);
        json_end_object(w);
    }
    json_end_array(w);
}

void export_manifest_write(struct buf *out, const struct export_manifest *manifest, const struct audit_key *key)
{
    struct buf text;
    struct json_writer w;
    struct audit_signature signature;
    char digits[SIGNATURE_DIGITS + 1];
    buf_init(&text, MANIFEST_MAX);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_put_bool(&w, "filtered", manifest->filtered);
    json_put_int(&w, "events", manifest->events);
    write_parts(manifest, &w);
    hex_format(key->public_key, sizeof key->public_key, digits);
    json_put_text(&w, "public_key", digits);
    json_end_object(&w);
    must(!text.failed);
    audit_key_sign(key, text.data, text.len, &signature);
    hex_format(signature.b, sizeof signature.b, digits);
    buf_add_text(out, MANIFEST);
    buf_add(out, text.data, text.len);
    buf_add_text(out, SIGNATURE);
    buf_add_text(out, digits);
    buf_add_text(out, "\"}\n");
    buf_release(&text);
}

bool export_line_is_manifest(struct str line)
{
    return str_starts_with(line, MANIFEST);
}

static enum err_code read_parts(const struct json *list, struct export_manifest *ret, struct err *err)
{
    struct json_walk walk = {0};
    const struct json *item;
    enum err_code code = OK;
    ret->parts = xcalloc(json_count(list) + 1, sizeof ret->parts[0]);
    while (code == OK && json_walk_array(list, &walk, &item)) {
        struct export_part *part = &ret->parts[ret->count++];
        const struct json *first = json_member(item, "first_seq"), *last = json_member(item, "last_seq");
        code = segment_meta_from_json(item, &part->meta, err);
        if (code == OK && (!first || !last || !json_get_int(first, &part->first_seq) || !json_get_int(last, &part->last_seq)))
            code = err_set(err, ERR_INVALID, NULL, "the manifest lacks first_seq or last_seq");
    }
    return code;
}

static enum err_code read_members(const struct json *root, struct export_manifest *ret, struct err *err)
{
    const struct json *filtered = json_member(root, "filtered"), *events = json_member(root, "events");
    const struct json *segments = json_member(root, "segments"), *key = json_member(root, "public_key");
    auto_free char *flag = filtered ? json_print(filtered) : NULL;
    if (!flag || !events || !json_get_int(events, &ret->events) || !segments || !json_is_array(segments) || !key ||
        !hex_parse(json_get_text(key), ret->public_key, sizeof ret->public_key))
        return err_set(err, ERR_INVALID, NULL, "the manifest of the export is damaged");
    ret->filtered = strcmp(flag, "false") != 0;
    return read_parts(segments, ret, err);
}

enum err_code export_manifest_read(struct str line, struct export_manifest *ret, struct err *err)
{
    const size_t tail = sizeof SIGNATURE - 1 + SIGNATURE_DIGITS + 2;
    struct audit_signature signature;
    struct json_doc *doc = NULL;
    *ret = (struct export_manifest){0};
    const struct str at = {line.p + (line.n > tail ? line.n - tail : 0), tail};
    if (!export_line_is_manifest(line) || line.n < sizeof MANIFEST - 1 + tail ||
        memcmp(at.p, SIGNATURE, sizeof SIGNATURE - 1) != 0 || memcmp(at.p + tail - 2, "\"}", 2) != 0 ||
        !hex_parse((struct str){at.p + sizeof SIGNATURE - 1, SIGNATURE_DIGITS}, signature.b, sizeof signature.b))
        return err_set(err, ERR_INVALID, NULL, "the manifest of the export is damaged");
    const struct str text = {line.p + sizeof MANIFEST - 1, line.n - (sizeof MANIFEST - 1) - tail};
    enum err_code code = json_parse(text.p, text.n, &doc, err);
    if (code != OK)
        return code;
    code = read_members(json_root(doc), ret, err);
    json_doc_free(doc);
    if (code == OK && !audit_key_verify(ret->public_key, text.p, text.n, &signature))
        code = err_set(err, ERR_INVALID, NULL, "the manifest of the export was changed: it is not what its key signed");
    if (code != OK) {
        free(ret->parts);
        ret->parts = NULL;
    }
    return code;
}
