/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

struct json_doc {
    yyjson_doc *doc;
};

static yyjson_val *raw(const struct json *value)
{
    return (yyjson_val *)(uintptr_t)value;
}

static const struct json *wrap(const yyjson_val *value)
{
    return (const struct json *)value;
}

/* Depth by a scan over brackets outside of text: the parser itself does not recurse, but what walks its values does. */
static bool too_deep(const char *text, size_t length)
{
    static const bool counts[256] = {['"'] = true, ['\\'] = true, ['['] = true, ['{'] = true, [']'] = true, ['}'] = true};
    int depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (!counts[(unsigned char)c])
            continue;
        if (c == '"')
            in_text = !in_text;
        else if (in_text)
            i += c == '\\';
        else if ((c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
            return true;
        else if (c == ']' || c == '}')
            depth--;
    }
    return false;
}

static enum err_code parse(const char *text, size_t length, yyjson_read_flag flags, struct json_doc **ret, struct err *err)
{
    yyjson_read_err why;
    yyjson_doc *doc = length ? yyjson_read_opts((char *)(uintptr_t)text, length, flags, NULL, &why) : NULL;
    if (!length)
        return err_set(err, ERR_INVALID, "INVALID_JSON", "not JSON: the text is empty");
    if (!doc)
        return err_set(err, ERR_INVALID, "INVALID_JSON", "not JSON at byte %zu: %s", why.pos, why.msg);
    *ret = xmalloc(sizeof **ret);
    (*ret)->doc = doc;
    return OK;
}

enum err_code json_parse(const char *text, size_t length, struct json_doc **ret, struct err *err)
{
    if (too_deep(text, length))
        return err_set(err, ERR_INVALID, "INVALID_JSON", "the JSON text nests deeper than %d", JSON_DEPTH_MAX);
    return parse(text, length, YYJSON_READ_NOFLAG, ret, err);
}

enum err_code json_parse_exact(const char *text, size_t length, struct json_doc **ret, struct err *err)
{
    return parse(text, length, YYJSON_READ_NUMBER_AS_RAW, ret, err);
}

void json_doc_free(struct json_doc *doc)
{
    if (!doc)
        return;
    yyjson_doc_free(doc->doc);
    free(doc);
}

const struct json *json_root(const struct json_doc *doc)
{
    return wrap(yyjson_doc_get_root(doc->doc));
}

bool json_is_object(const struct json *value)
{
    return yyjson_is_obj(raw(value));
}

bool json_is_array(const struct json *value)
{
    return yyjson_is_arr(raw(value));
}

bool json_is_text(const struct json *value)
{
    return yyjson_is_str(raw(value));
}

bool json_is_null(const struct json *value)
{
    return yyjson_is_null(raw(value));
}

bool json_get_int(const struct json *value, int64_t *ret)
{
    yyjson_val *v = raw(value);
    if (yyjson_is_raw(v))
        return str_to_int((struct str){yyjson_get_raw(v), yyjson_get_len(v)}, INT64_MIN, INT64_MAX, ret);
    if (!yyjson_is_int(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
        return false;
    *ret = yyjson_get_sint(v);
    return true;
}

struct str json_get_text(const struct json *value)
{
    yyjson_val *v = raw(value);
    return yyjson_is_str(v) ? (struct str){yyjson_get_str(v), yyjson_get_len(v)} : (struct str){"", 0};
}

const struct json *json_member(const struct json *object, const char *name)
{
    return wrap(yyjson_obj_get(raw(object), name));
}

size_t json_count(const struct json *array_or_object)
{
    yyjson_val *v = raw(array_or_object);
    return yyjson_is_arr(v) ? yyjson_arr_size(v) : yyjson_obj_size(v);
}

const struct json *json_item(const struct json *array, size_t index)
{
    return wrap(yyjson_arr_get(raw(array), index));
}

bool json_walk_object(const struct json *object, struct json_walk *walk, struct str *ret_name, const struct json **ret_value)
{
    yyjson_val *v = raw(object);
    if (walk->index >= yyjson_obj_size(v))
        return false;
    yyjson_val *name = walk->index ? (yyjson_val *)(uintptr_t)walk->place : unsafe_yyjson_get_first(v);
    if (!name)
        return false;
    yyjson_val *value = name + 1;
    *ret_name = (struct str){yyjson_get_str(name), yyjson_get_len(name)};
    *ret_value = wrap(value);
    walk->place = unsafe_yyjson_get_next(value);
    walk->index++;
    return true;
}

bool json_walk_array(const struct json *array, struct json_walk *walk, const struct json **ret_value)
{
    yyjson_val *v = raw(array);
    if (walk->index >= yyjson_arr_size(v))
        return false;
    yyjson_val *value = walk->index ? (yyjson_val *)(uintptr_t)walk->place : unsafe_yyjson_get_first(v);
    if (!value)
        return false;
    *ret_value = wrap(value);
    walk->place = unsafe_yyjson_get_next(value);
    walk->index++;
    return true;
}

char *json_print(const struct json *value)
{
    char *text = yyjson_val_write(raw(value), 0, NULL);
    must(text);
    return text;
}

/* ---- fields ---- */

static enum err_code wrong(struct err *err, const char *name, const char *rule)
{
    return err_param(err, name, "%s must be %s", name, rule);
}

static void *place_of(void *out, const struct json_field *field)
{
    return (char *)out + field->offset;
}

static enum err_code read_text(const struct json *value, const struct json_field *f, const char *name, void *place,
                               struct err *err)
{
    if (!json_is_text(value))
        return wrong(err, name, "a string");
    struct str text = json_get_text(value);
    if (memchr(text.p, 0, text.n))
        return wrong(err, name, "without U+0000");
    if ((int64_t)text.n < f->min)
        return f->min == 1 ? wrong(err, name, "not empty")
                           : err_param(err, name, "%s must have %lld bytes or more", name, (long long)f->min);
    if ((int64_t)text.n > f->max)
        return err_param(err, name, "%s must have at most %lld bytes; it has %zu", name, (long long)f->max, text.n);
    memcpy(place, &text, sizeof text);
    return OK;
}

static enum err_code read_int(const struct json *value, const struct json_field *f, const char *name, void *place,
                              struct err *err)
{
    int64_t number;
    bool whole = json_get_int(value, &number);
    if (!whole || number < f->min || number > f->max) /* RET-02 wants these words */
        return err_param(err, name, "%s must be %sbetween %lld and %lld", name, whole ? "" : "an integer ", (long long)f->min,
                         (long long)f->max);
    memcpy(place, &number, sizeof number);
    return OK;
}

static enum err_code read_time(const struct json *value, const char *name, void *place, struct err *err)
{
    int64_t us, ms;
    bool fine = false;
    if (json_is_text(value)) {
        struct str text = json_get_text(value);
        fine = time_parse(text.p, text.n, &us);
    } else if (json_get_int(value, &ms) && ms >= 0 && ms <= TIME_MS_MAX) {
        us = ms * US_PER_MS;
        fine = true;
    }
    if (!fine)
        return wrong(err, name, "a time: RFC 3339, or Unix milliseconds");
    memcpy(place, &us, sizeof us);
    return OK;
}

static enum err_code read_choice(const struct json *value, const struct json_field *f, const char *name, void *place,
                                 struct err *err)
{
    struct str text = json_get_text(value);
    for (int i = 0; json_is_text(value) && i < f->max; i++)
        if (str_equal(text, f->choices[i])) {
            memcpy(place, &i, sizeof i);
            return OK;
        }
    char list[256] = "";
    for (int i = 0; i < f->max; i++) {
        size_t n = strlen(list);
        (void)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", f->choices[i]);
    }
    return err_param(err, name, "%s must be one of: %s", name, list);
}

static enum err_code read_array(const struct json *value, const struct json_field *f, const char *name, void *place,
                                struct err *err)
{
    if (!json_is_array(value))
        return wrong(err, name, "an array");
    int64_t count = (int64_t)json_count(value);
    if (count < f->min || count > f->max)
        return err_param(err, name, "%s must have %lld to %lld items; it has %lld", name, (long long)f->min, (long long)f->max,
                         (long long)count);
    memcpy(place, &value, sizeof(const struct json *));
    return OK;
}

static enum err_code read_field(const struct json *value, const struct json_field *f, const char *name, void *place,
                                struct err *err)
{
    bool truth;
    switch (f->kind) {
    case FIELD_TEXT: return read_text(value, f, name, place, err);
    case FIELD_INT: return read_int(value, f, name, place, err);
    case FIELD_TIME: return read_time(value, name, place, err);
    case FIELD_CHOICE: return read_choice(value, f, name, place, err);
    case FIELD_ARRAY: return read_array(value, f, name, place, err);
    case FIELD_BOOL:
        if (!yyjson_is_bool(raw(value)))
            return wrong(err, name, "true or false");
        truth = yyjson_get_bool(raw(value));
        memcpy(place, &truth, sizeof truth);
        return OK;
    case FIELD_OBJECT:
        if (!json_is_object(value))
            return wrong(err, name, "an object");
        memcpy(place, &value, sizeof(const struct json *));
        return OK;
    case FIELD_ANY: memcpy(place, &value, sizeof(const struct json *)); return OK;
    case FIELD_IGNORED: return OK;
    }
    unreachable("field kind");
}

static void full_name(const char *what, struct str name, char *out, size_t capacity)
{
    size_t n = str_utf8_cut(name.p, name.n, capacity - 2 - strlen(what));
    (void)snprintf(out, capacity, "%s%s%.*s", what, what[0] ? "." : "", (int)n, name.p);
}

/* Of an object that is being read. */
struct reading {
    const char *what;
    const struct json_field *fields;
    size_t count, guess; /* guess: the field after the last one; members mostly come in the order of the table */
    uint64_t present, null;
};

static bool find_field(struct reading *reading, struct str name, size_t *ret)
{
    for (size_t n = 0; n < reading->count; n++) {
        size_t i = reading->guess + n < reading->count ? reading->guess + n : reading->guess + n - reading->count;
        if (name.n && name.p[0] == reading->fields[i].name[0] && str_equal(name, reading->fields[i].name)) {
            *ret = i;
            reading->guess = i + 1 < reading->count ? i + 1 : 0;
            return true;
        }
    }
    return false;
}

/* The full name is made only for an error: it is in nearly none of the calls. */
static enum err_code read_member(struct reading *reading, struct str name, const struct json *value, void *out, struct err *err)
{
    char full[128];
    size_t i;
    bool known = find_field(reading, name, &i), twice = known && (reading->present | reading->null) >> i & 1;
    if (!known || twice) {
        full_name(reading->what, name, full, sizeof full);
        return twice ? err_param(err, full, "%s is given twice", full) : err_param(err, full, "unknown member \"%s\"", full);
    }
    const struct json_field *field = &reading->fields[i];
    if (json_is_null(value) && (field->nullable || field->kind == FIELD_IGNORED)) {
        reading->null |= UINT64_C(1) << i;
        return OK;
    }
    reading->present |= UINT64_C(1) << i;
    if (read_field(value, field, "", place_of(out, field), NULL) == OK)
        return OK;
    full_name(reading->what, name, full, sizeof full);
    return read_field(value, field, full, place_of(out, field), err);
}

enum err_code json_read_fields(const struct json *object, const char *what, const struct json_field *fields, size_t count,
                               void *out, uint64_t *ret_present, uint64_t *ret_null, struct err *err)
{
    must(count <= JSON_FIELDS_MAX);
    if (!json_is_object(object))
        return what[0] ? wrong(err, what, "an object")
                       : err_set(err, ERR_INVALID, "INVALID_PARAMETER", "the body must be a JSON object");
    struct reading reading = {.what = what, .fields = fields, .count = count};
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    while (json_walk_object(object, &walk, &name, &value)) {
        enum err_code code = read_member(&reading, name, value, out, err);
        if (code != OK)
            return code;
    }
    for (size_t i = 0; i < count; i++)
        if (fields[i].required && !(reading.present >> i & 1)) {
            char full[128];
            full_name(what, str_of(fields[i].name), full, sizeof full);
            return err_param(err, full, "%s is required", full);
        }
    if (ret_present)
        *ret_present = reading.present;
    if (ret_null)
        *ret_null = reading.null;
    return OK;
}
