/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as hexadecimal digits, lower case. */
#ifndef HORAE_BASE_HEX_H
#define HORAE_BASE_HEX_H

#include "base/str.h"

/* `out` has 2 × count + 1 bytes. */
void hex_format(const void *bytes, size_t count, char *out);
/* False: not exactly 2 × count digits (either case). */
bool hex_parse(struct str text, void *out, size_t count);

#endif
