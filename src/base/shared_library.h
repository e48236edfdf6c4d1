/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries that are loaded on first use, so that a machine without them runs all that does not need them. */
#ifndef HORAE_BASE_SHARED_LIBRARY_H
#define HORAE_BASE_SHARED_LIBRARY_H

#include <stddef.h>

struct shared_symbol {
    const char *name;
    void *place; /* of the function pointer that is set */
};

enum shared_library_result { SHARED_LIBRARY_LOADED, SHARED_LIBRARY_MISSING, SHARED_LIBRARY_TOO_OLD };

/* Opens the first of `names` (NULL-terminated) that there is and finds all symbols in it; it stays open. Any thread. */
enum shared_library_result shared_library_load(const char *const *names, const struct shared_symbol *symbols, size_t count);

#endif
