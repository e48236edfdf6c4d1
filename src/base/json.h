/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON: documents are parsed by yyjson (RFC 8259, strict), and objects are read by tables of fields, so that
 * every body has the same errors: an unknown member, a wrong type and a value out of range are refused by name. */
#ifndef HORAE_BASE_JSON_H
#define HORAE_BASE_JSON_H

#include "base/err.h"
#include "base/str.h"

enum { JSON_DEPTH_MAX = 64, JSON_FIELDS_MAX = 64 };

struct json_doc;
struct json; /* a value inside a document; borrowed from it */

/* Parses all of `text`. ERR_INVALID with INVALID_JSON and the position when it is not one JSON value, is not UTF-8 or
 * nests deeper than JSON_DEPTH_MAX. The document copies the text. */
enum err_code json_parse(const char *text, size_t length, struct json_doc **ret, struct err *err);
/* The same with any depth, and numbers kept digit for digit by json_print (json_get_int reads them, too). The caller does not
 * walk the values with recursion. */
enum err_code json_parse_exact(const char *text, size_t length, struct json_doc **ret, struct err *err);
void json_doc_free(struct json_doc *doc); /* NULL allowed */
const struct json *json_root(const struct json_doc *doc);

bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);
bool json_is_text(const struct json *value);
bool json_is_null(const struct json *value);
bool json_get_int(const struct json *value, int64_t *ret);                   /* integers only */
struct str json_get_text(const struct json *value);                          /* empty when it is not text; may hold U+0000 */
const struct json *json_member(const struct json *object, const char *name); /* NULL when absent */
size_t json_count(const struct json *array_or_object);
const struct json *json_item(const struct json *array, size_t index); /* linear */

/* Walks members or items. Start with a zeroed iterator. */
struct json_walk {
    size_t index;
    const void *place;
};
bool json_walk_object(const struct json *object, struct json_walk *walk, struct str *ret_name, const struct json **ret_value);
bool json_walk_array(const struct json *array, struct json_walk *walk, const struct json **ret_value);

/* The value's text again, compact. Owned by the caller (free). */
char *json_print(const struct json *value);

enum json_field_kind {
    FIELD_TEXT,   /* struct str, borrowed; min…max bytes, no U+0000 */
    FIELD_INT,    /* int64_t in min…max */
    FIELD_BOOL,   /* bool */
    FIELD_TIME,   /* int64_t microseconds; RFC 3339 or Unix milliseconds */
    FIELD_CHOICE, /* int: index in `choices`; max is their number */
    FIELD_OBJECT, /* const struct json * */
    FIELD_ARRAY,  /* const struct json * of min…max items */
    FIELD_ANY,    /* const struct json * */
    FIELD_IGNORED,
};

struct json_field {
    const char *name;
    enum json_field_kind kind;
    size_t offset; /* in the struct that is filled in */
    int64_t min, max;
    const char *const *choices;
    bool required, nullable;
};

/* Fills `out` from the members that are present; bit i of *ret_present (may be NULL) says that field i was and is
 * not null, of *ret_null (may be NULL) that it was null. `what` names the object in errors, "" = the body. */
enum err_code json_read_fields(const struct json *object, const char *what, const struct json_field *fields, size_t count,
                               void *out, uint64_t *ret_present, uint64_t *ret_null, struct err *err);

#endif
