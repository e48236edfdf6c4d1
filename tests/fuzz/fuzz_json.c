/* SPDX-License-Identifier: Apache-2.0 */
/* JSON texts: refused with a position, or a document that prints as itself, whose views agree, and which a table of
 * fields takes within its limits or refuses by name. Input: one JSON text. */
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "refusal.h"

/* ---- documents ---- */

static bool same(const struct json *a, const struct json *b, int depth);

static bool same_object(const struct json *a, const struct json *b, int depth)
{
    struct json_walk first = {0}, second = {0};
    struct str name, other;
    const struct json *value, *other_value;
    size_t count = 0;
    for (; json_walk_object(a, &first, &name, &value); count++) {
        CHECK(json_walk_object(b, &second, &other, &other_value), "member %zu is missing", count);
        if (name.n != other.n || memcmp(name.p, other.p, name.n) != 0 || !same(value, other_value, depth + 1))
            return false;
        if (!memchr(name.p, 0, name.n))
            CHECK(json_member(a, name.p), "\"%s\" is not found", name.p);
    }
    CHECK(count == json_count(a), "%zu members are walked, %zu counted", count, json_count(a));
    return count == json_count(b);
}

static bool same_array(const struct json *a, const struct json *b, int depth)
{
    struct json_walk walk = {0};
    const struct json *item;
    size_t count = 0;
    for (; json_walk_array(a, &walk, &item); count++) {
        CHECK(count > 20 || json_item(a, count) == item, "item %zu is another one", count);
        if (count >= json_count(b) || (count <= 20 && !same(item, json_item(b, count), depth + 1)))
            return false;
    }
    CHECK(count == json_count(a), "%zu items are walked, %zu counted", count, json_count(a));
    return count == json_count(b);
}

static bool same(const struct json *a, const struct json *b, int depth)
{
    int64_t n = 0, m = 0;
    CHECK(depth <= JSON_DEPTH_MAX, "it nests deeper than allowed");
    if (json_is_object(a))
        return json_is_object(b) && same_object(a, b, depth);
    if (json_is_array(a))
        return json_is_array(b) && same_array(a, b, depth);
    if (json_is_text(a)) {
        struct str text = json_get_text(a), other = json_get_text(b);
        CHECK(str_is_utf8(text.p, text.n), "a text is not UTF-8");
        return json_is_text(b) && text.n == other.n && memcmp(text.p, other.p, text.n) == 0;
    }
    return json_is_null(a) == json_is_null(b) && json_get_int(a, &n) == json_get_int(b, &m) && n == m;
}

static struct json_doc *parse(const char *text, size_t length)
{
    struct json_doc *doc = NULL;
    struct err err;
    enum err_code code = json_parse(text, length, &doc, &err);
    CHECK(code == OK, "what was printed is refused: %s", err.message);
    return doc;
}

static void check_printing(const struct json *root)
{
    char *printed = json_print(root);
    struct json_doc *again = parse(printed, strlen(printed));
    CHECK(same(root, json_root(again), 0), "another document is printed: %s", printed);
    char *twice = json_print(json_root(again));
    CHECK(strcmp(printed, twice) == 0, "%s prints as %s", printed, twice);
    free(printed);
    free(twice);
    json_doc_free(again);
}

/* Any bytes become a text that is valid JSON; UTF-8 comes back as it was. */
static void check_writing(const char *bytes, size_t length)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 20);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key_any(&w, bytes, length);
    json_text_n(&w, bytes, length);
    json_end_object(&w);
    struct json_doc *doc = parse(out.data, out.len);
    struct json_walk walk = {0};
    struct str name = {NULL, 0};
    const struct json *value = NULL;
    CHECK(json_walk_object(json_root(doc), &walk, &name, &value), "the member is missing");
    struct str text = json_get_text(value);
    CHECK(text.n == name.n && memcmp(text.p, name.p, text.n) == 0, "a key is written unlike a text");
    if (str_is_utf8(bytes, length))
        CHECK(text.n == length && memcmp(text.p, bytes, length) == 0, "%zu bytes came back as %zu", length, text.n);
    json_doc_free(doc);
    buf_release(&out);
}

/* ---- tables of fields ---- */

static const char *const colours[] = {"red", "green", "blue"};
struct taken {
    struct str text;
    int64_t number, time;
    bool truth;
    int colour;
    const struct json *object, *array, *any;
};
enum { TEXT, INT, BOOL, TIME, CHOICE, OBJECT, ARRAY, ANY, IGNORED };
#define AT(member) .offset = offsetof(struct taken, member)
static const struct json_field fields[] = {
    [TEXT] = {"text", FIELD_TEXT, AT(text), 1, 8, .nullable = true},
    [INT] = {"int", FIELD_INT, AT(number), -5, 1000, .required = true},
    [BOOL] = {"bool", FIELD_BOOL, AT(truth)},
    [TIME] = {"time", FIELD_TIME, AT(time), .nullable = true},
    [CHOICE] = {"choice", FIELD_CHOICE, AT(colour), 0, ARRAY_LEN(colours), colours},
    [OBJECT] = {"object", FIELD_OBJECT, AT(object)},
    [ARRAY] = {"array", FIELD_ARRAY, AT(array), 1, 3},
    [ANY] = {"any", FIELD_ANY, AT(any)},
    [IGNORED] = {"ignored", FIELD_IGNORED, 0},
};
#undef AT

static void check_time(int64_t us)
{
    char text[40];
    int64_t again = 0;
    size_t n = time_format_utc(us, 6, text, sizeof text);
    CHECK(time_parse(text, n, &again) && again == us, "the time %lld us is printed as %s", (long long)us, text);
}

static void check_taken(const struct json *root, const struct taken *t, uint64_t present, uint64_t null)
{
    const uint64_t nullable = 1u << TEXT | 1u << TIME | 1u << IGNORED;
    CHECK(!(present & null) && !(null & ~nullable), "bits %llx are present, %llx null", (unsigned long long)present,
          (unsigned long long)null);
    CHECK(present >> INT & 1 && t->number >= -5 && t->number <= 1000, "the number is %lld", (long long)t->number);
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    for (size_t count = 0; json_walk_object(root, &walk, &name, &value); count++)
        CHECK(count < ARRAY_LEN(fields), "more members than the table has");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        CHECK((json_member(root, fields[i].name) != NULL) == ((present | null) >> i & 1), "%s is there or not", fields[i].name);
    if (present >> TEXT & 1)
        CHECK(t->text.n >= 1 && t->text.n <= 8 && !memchr(t->text.p, 0, t->text.n), "a text of %zu bytes", t->text.n);
    if (present >> TIME & 1) {
        struct str given = json_get_text(json_member(root, "time"));
        CHECK(!given.n || !memchr(given.p, 0, given.n), "a time with U+0000");
        check_time(t->time);
    }
    if (present >> CHOICE & 1)
        CHECK(str_equal(json_get_text(json_member(root, "choice")), colours[t->colour]), "choice %d", t->colour);
    if (present >> ARRAY & 1)
        CHECK(json_is_array(t->array) && json_count(t->array) >= 1 && json_count(t->array) <= 3, "an array of another length");
    if (present >> OBJECT & 1)
        CHECK(json_is_object(t->object), "not an object");
}

static void check_table(const struct json *root)
{
    struct taken taken = {.number = -100};
    uint64_t present = 0, null = 0;
    struct err err;
    enum err_code code = json_read_fields(root, "", fields, ARRAY_LEN(fields), &taken, &present, &null, &err);
    if (code == OK) {
        check_taken(root, &taken, present, null);
        return;
    }
    check_refusal(code, &err);
}

static void check_position(size_t length, const struct err *err)
{
    const char *at = strstr(err->message, "at byte ");
    CHECK(strcmp(err->api_code, "INVALID_JSON") == 0, "the code is %s", err->api_code);
    CHECK(at || length == 0 || strstr(err->message, "deeper"), "no position: %s", err->message);
    CHECK(!at || strtoull(at + 8, NULL, 10) <= length, "%s in %zu bytes", err->message, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct json_doc *doc = NULL;
    struct err err;
    char *text = fuzz_rest(&input);
    int64_t us;
    if (time_parse(text, size, &us))
        check_time(us);
    check_writing(text, size);
    enum err_code code = json_parse(text, size, &doc, &err);
    if (code == OK) {
        check_printing(json_root(doc));
        check_table(json_root(doc));
        json_doc_free(doc);
    } else {
        check_line(err.message);
        check_position(size, &err);
    }
    free(text);
    return 0;
}
