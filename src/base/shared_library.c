/* SPDX-License-Identifier: Apache-2.0 */
#include "base/shared_library.h"

#include <dlfcn.h>
#include <string.h>

enum shared_library_result shared_library_load(const char *const *names, const struct shared_symbol *symbols, size_t count)
{
    void *handle = NULL;
    for (; *names && !handle; names++)
        handle = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return SHARED_LIBRARY_MISSING;
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (!symbol)
            return SHARED_LIBRARY_TOO_OLD;
        memcpy(symbols[i].place, &symbol, sizeof symbol); /* from an object pointer to a function pointer, as POSIX intends */
    }
    return SHARED_LIBRARY_LOADED;
}
