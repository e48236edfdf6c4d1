/* SPDX-License-Identifier: Apache-2.0 */
/* Strings as they stand between the quotes of canonical JSON (AUD-04): raw UTF-8; only the quote, the backslash and control
 * characters are escaped, each in one way (\" \\ \b \f \n \r \t, else \u00xx in lower case); a surrogate without its other half
 * stays an escape. An escape so has 2 or 6 bytes. Pure. */
#ifndef HORAE_AUDIT_JSON_ENCODED_H
#define HORAE_AUDIT_JSON_ENCODED_H

#include "base/buf.h"
#include "base/str.h"

enum { JSON_ESCAPE_MAX = 6 };

/* Writes one character and returns its bytes, at most JSON_ESCAPE_MAX. Surrogates are allowed, and become escapes. */
size_t json_encode_code_point(uint32_t code_point, char *out);
/* Appends any bytes; those that are no UTF-8 become U+FFFD, one for each part that could have begun a character (as Unicode
 * recommends). At most 6 bytes for each byte. */
void json_encode(const char *text, size_t length, struct buf *out);
/* Appends what the string means. False: it holds half a surrogate pair, which UTF-8 cannot say. */
bool json_decode(struct str encoded, struct buf *out);
/* The greatest length ≤ `limit` that cuts neither a character nor an escape (AUD-06). */
size_t json_encoded_cut(struct str encoded, size_t limit);

#endif
