/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of the system read whole, and a hash for names. Used on both sides. */
#ifndef HORAE_KEEPER_FILES_H
#define HORAE_KEEPER_FILES_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum { FILES_TEXT_MAX = 1 << 20 };

/* The beginning of the file, at most capacity − 1 bytes, NUL-terminated. */
bool file_read_text(const char *path, char *out, size_t capacity);
/* FNV-1a, 64 bits: tells apart, protects against nothing. */
uint64_t file_hash(const void *bytes, size_t length);

#endif
