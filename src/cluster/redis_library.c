/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/redis_library.h"

#include "base/shared_library.h"

#include <pthread.h>
#include <stdbool.h>

#define TEXT_OF(x) #x
#define SONAME_TEXT(x) TEXT_OF(x)
#define SONAME SONAME_TEXT(HIREDIS_SONAME) /* its structures change with it: another one would be misread */

static struct redis_library library;
static enum shared_library_result result;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    static const char *const names[] = {"libhiredis.so." SONAME, NULL};
    static const struct shared_symbol symbols[] = {
#define X(name) {#name, &library.name},
        REDIS_FUNCTIONS(X)
#undef X
    };
    result = shared_library_load(names, symbols, ARRAY_LEN(symbols));
}

const struct redis_library *redis_library_load(struct err *err)
{
    (void)pthread_once(&once, load);
    if (result == SHARED_LIBRARY_LOADED)
        return &library;
    (void)err_set(err, ERR_UNAVAILABLE, "LOCK_LIBRARY_MISSING",
                  "Redis cannot be used: libhiredis.so." SONAME " (package libhiredis" SONAME ") is %s",
                  result == SHARED_LIBRARY_MISSING ? "not installed" : "too old");
    return NULL;
}
