/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of audit events, whatever comes: the result is JSON, fits, and is a fixed point; what fits is not cut; L is the
 * greatest (AUD-05), found here by trying; strings that are not cut stay as they were (AUD-07).
 * Input: two digits for the limit, one for the depth, one for redaction, one for a text in a document; then the text. */
#include "fuzz.h"

#include "audit/audit_cut.h"
#include "audit/audit_object.h"
#include "audit/json_encoded.h"

enum { LIMIT_STEP = 23, DEPTHS = 10, TEXT_MAX = 1 << 24 };

static const struct json_rules plain_rules = {.depth_max = UINT32_MAX};

/* The object with at most `most` bytes in each string; boundaries are looked for forward, where the code looks backward. */
static void cut_at(const struct json_tokens *t, size_t most, struct buf *out)
{
    size_t done = 0;
    buf_clear(out);
    for (size_t i = 0; i < t->count; i++) {
        const struct str s = json_node_string(t, &t->nodes[i]);
        if (!json_node_is_string(t, &t->nodes[i]) || s.n <= most)
            continue;
        size_t prefix = 0, step;
        for (size_t at = 0; at + JSON_MARKER_BYTES <= most; at += step) {
            prefix = at;
            step = s.p[at] != '\\' ? str_utf8_next(s.p + at, s.n - at) : s.p[at + 1] == 'u' ? 6 : 2;
            CHECK(step > 0, "no character in a canonical string");
        }
        buf_add(out, t->text + done, (size_t)(s.p - t->text) + prefix - done);
        buf_add_text(out, JSON_MARKER);
        done = (size_t)(s.p - t->text) + s.n;
    }
    buf_add(out, t->text + done, t->length - done);
}

/* Where strings alone can do it, the result is that of the greatest L, byte for byte. */
static void check_greatest(const struct json_tokens *all, const struct audit_object *object, size_t limit)
{
    struct buf expected;
    buf_init(&expected, TEXT_MAX);
    size_t most = limit;
    do
        cut_at(all, most, &expected);
    while (expected.len > limit && most-- > JSON_MARKER_BYTES);
    if (expected.len <= limit)
        CHECK(object->length == expected.len && memcmp(object->text, expected.data, expected.len) == 0,
              "not as with L = %zu: %.*s", most, (int)object->length, object->text);
    buf_release(&expected);
}

static void check_fixed_point(const struct audit_object *object, struct audit_rules rules)
{
    struct audit_object again;
    rules.in_document = false;
    audit_object_make(object->text, object->length, &rules, &again);
    CHECK(!again.truncated && !again.raw && again.length == object->length && memcmp(again.text, object->text, again.length) == 0,
          "once more: %.*s", (int)(again.length > 2000 ? 2000 : again.length), again.text);
    audit_object_release(&again);
}

static void check_paths(const struct audit_object *object)
{
    struct buf out;
    struct json_tokens list;
    buf_init(&out, TEXT_MAX);
    audit_paths_write(&object->paths, &out);
    CHECK(object->truncated == (object->paths.count > 0), "truncated, but nowhere");
    CHECK(json_tokens_read(&list, out.data, out.len, &plain_rules), "paths are no JSON: %s", out.data);
    json_tokens_release(&list);
    for (size_t i = 0; i < object->paths.count && i < 200; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(object->paths.items[i].n != object->paths.items[j].n ||
                      memcmp(object->paths.items[i].p, object->paths.items[j].p, object->paths.items[i].n) != 0,
                  "a path stands twice");
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct audit_object object;
    struct json_tokens all;
    struct audit_rules rules = {.limit = 0};
    rules.limit = AUDIT_LIMIT_MIN + fuzz_choice(&input, 64) * LIMIT_STEP + fuzz_choice(&input, LIMIT_STEP);
    const unsigned depth = fuzz_choice(&input, DEPTHS);
    rules.depth_max = depth; /* 0: the default */
    rules.no_redaction = fuzz_choice(&input, 2) != 0;
    rules.in_document = fuzz_choice(&input, 2) != 0;
    char *text = fuzz_rest(&input);
    audit_object_make(text, input.left, &rules, &object);
    CHECK(object.length <= rules.limit, "%zu bytes, at most %zu", object.length, rules.limit);
    check_fixed_point(&object, rules);
    check_paths(&object);
    const bool json = json_tokens_read(&all, text, input.left, &plain_rules);
    CHECK(json != object.raw || (json && all.text[0] == '"' && rules.in_document), "raw, and yet JSON, or the other way round");
    if (json && !rules.in_document && rules.no_redaction && depth == 0) {
        CHECK((all.length <= rules.limit) == !object.truncated, "%zu bytes at a limit of %zu", all.length, rules.limit);
        CHECK(object.truncated || (object.length == all.length && memcmp(object.text, all.text, all.length) == 0), "changed");
        check_greatest(&all, &object, rules.limit);
    }
    json_tokens_release(&all);
    audit_object_release(&object);
    free(text);
    return 0;
}
