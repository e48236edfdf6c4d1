/* SPDX-License-Identifier: Apache-2.0 */
/* Where the body of a request ends (RFC 9112 sections 6 and 7), and its bytes without their framing. What could be read in
 * two ways is refused: Content-Length with Transfer-Encoding, repeated lengths, codings other than chunked. Pure. */
#ifndef HORAE_HTTP_BODY_H
#define HORAE_HTTP_BODY_H

#include "base/str.h"
#include "http/head.h"

#include <stdint.h>

enum { BODY_EXTENSIONS_MAX = 8192 /* bytes of chunk extensions and trailers */ };

enum body_state {
    BODY_DATA,        /* `left` bytes of data follow */
    BODY_SIZE,        /* in the size of a chunk */
    BODY_EXTENSION,   /* after the size, until CR */
    BODY_SIZE_END,    /* LF after a size */
    BODY_DATA_CR,     /* after a chunk */
    BODY_DATA_LF,
    BODY_TRAILER,     /* begin of a line after the last chunk */
    BODY_TRAILER_IN,  /* in such a line */
    BODY_TRAILER_END, /* its LF */
    BODY_LAST_LF,     /* LF of the empty line */
    BODY_DONE,
    BODY_BAD,
};

struct body_reader {
    enum body_state state;
    bool chunked;
    uint64_t left;  /* of the data, or the size as far as it was read */
    int digits;     /* of the size */
    size_t ignored; /* bytes of extensions and trailers so far */
};

/* From the head. ERR_INVALID or ERR_LIMIT: refuse and close. */
enum err_code body_begin(const struct head *head, struct body_reader *ret, struct err *err);
/* Takes bytes from the connection until a piece of data, the end or nothing is left; returns how many. *ret_data is the
 * piece, inside `bytes`. Then state says BODY_DONE, BODY_BAD, or to go on. */
size_t body_take(struct body_reader *body, const char *bytes, size_t n, struct str *ret_data);
/* Declared length; 0 when chunked or none. */
uint64_t body_declared(const struct body_reader *body);

#endif
