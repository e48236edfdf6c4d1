/* SPDX-License-Identifier: Apache-2.0 */
/* gzip of answers (RFC 1952), for clients that accept it. One compressor per thread, kept between answers. */
#ifndef HORAE_HTTP_GZIP_H
#define HORAE_HTTP_GZIP_H

#include "base/buf.h"

enum { GZIP_LEAST = 1400, GZIP_MOST = 4 << 20 }; /* below it does not pay, above it would hold up others */

struct gzip;

/* Whether the value of Accept-Encoding allows gzip (RFC 9110 section 12.5.3: weights, q=0); NULL = absent. Pure. */
bool gzip_is_accepted(const char *accept_encoding);
/* Compresses into `out` (which is taken as empty). *gzip is made on first use. False: not smaller, or no memory. */
bool gzip_compress(struct gzip **gzip, const void *bytes, size_t n, struct buf *out);
void gzip_free(struct gzip *gzip); /* NULL allowed */

#endif
