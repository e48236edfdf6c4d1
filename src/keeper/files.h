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
/* FOLDER/NAME into `out`; false when it does not fit. */
bool file_join(char *out, size_t capacity, const char *folder, const char *name);
bool file_read_in(const char *folder, const char *name, char *out, size_t capacity);
/* One write; makes the file when it is missing (a fake tree of control groups has none). False: errno says why. */
bool file_write_in(const char *folder, const char *name, const char *text);
/* FNV-1a, 64 bits: tells apart, protects against nothing. */
uint64_t file_hash(const void *bytes, size_t length);

#endif
