/* SPDX-License-Identifier: Apache-2.0 */
#include "db/pq_library.h"

#include "base/shared_library.h"

#include <pthread.h>

static struct pq_library library;
static enum shared_library_result result;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    static const char *const names[] = {"libpq.so.5", NULL};
    static const struct shared_symbol symbols[] = {
#define X(name) {#name, &library.name},
        PQ_FUNCTIONS(X)
#undef X
    };
    result = shared_library_load(names, symbols, ARRAY_LEN(symbols));
}

const struct pq_library *pq_library_load(struct err *err)
{
    (void)pthread_once(&once, load);
    if (result == SHARED_LIBRARY_LOADED)
        return &library;
    (void)err_set(err, ERR_UNAVAILABLE, NULL, "PostgreSQL cannot be reached from this machine: %s",
                  result == SHARED_LIBRARY_TOO_OLD ? "its libpq is older than version 14 (package libpq5)"
                                                   : "libpq is not installed (package libpq5)");
    return NULL;
}
