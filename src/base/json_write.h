/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming JSON writer onto a bounded buffer: commas and escapes are its business. Text must be UTF-8; bytes that
 * are not become U+FFFD, so that an answer is always valid JSON. Nesting at most 32. */
#ifndef HORAE_BASE_JSON_WRITE_H
#define HORAE_BASE_JSON_WRITE_H

#include "base/buf.h"
#include "base/id.h"

struct json_writer {
    struct buf *out;    /* borrowed */
    uint32_t has_items; /* bit per depth: an element was written */
    int depth;
    bool after_key;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);                    /* the key needs no escaping: it is ours */
void json_key_any(struct json_writer *w, const char *key, size_t length); /* a caller's key */
void json_text(struct json_writer *w, const char *text);
void json_text_n(struct json_writer *w, const char *text, size_t length);
void json_int(struct json_writer *w, int64_t value);
void json_number(struct json_writer *w, double value); /* up to 6 decimals; not finite prints null */
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, const char *text, size_t length); /* already JSON */

/* key and value in one */
void json_put_text(struct json_writer *w, const char *key, const char *text);
void json_put_text_unless_empty(struct json_writer *w, const char *key, const char *text); /* NULL and "" left out */
void json_put_int(struct json_writer *w, const char *key, int64_t value);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_time(struct json_writer *w, const char *key, int64_t us, int fraction);         /* RFC 3339, Z */
void json_put_time_or_null(struct json_writer *w, const char *key, int64_t us, int fraction); /* 0 prints null */
void json_put_uuid(struct json_writer *w, const char *key, const struct uuid *uuid);

#endif
