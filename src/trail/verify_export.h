/* SPDX-License-Identifier: Apache-2.0 */
/* Proof of an export (export_line.h), without the log that it came from. */
#ifndef HORAE_TRAIL_VERIFY_EXPORT_H
#define HORAE_TRAIL_VERIFY_EXPORT_H

#include "trail/verify.h"

enum { VERIFY_LINE_MAX = 256 << 20 };

struct verify_export_options {
    int fd;                           /* of the file, at its beginning; borrowed */
    const uint8_t *public_key;        /* whose signature is expected; NULL: of the key that the export names, which proves less */
    const struct checkpoint *outside; /* kept elsewhere; signed by the same key */
    size_t outside_count;
    void (*progress)(void *arg, int64_t events); /* now and then; may be NULL */
    void *arg;
};

/* ERR_INVALID: it is no export, a filtered one (FILTERED_EXPORT), or signed by another key; ERR_UNAVAILABLE: it cannot be read;
 * ERR_LIMIT: a line is too long. */
enum err_code verify_export(const struct verify_export_options *options, struct verify_result *ret,
                            uint8_t ret_public_key[AUDIT_PUBLIC_BYTES], struct err *err);

#endif
