/* SPDX-License-Identifier: Apache-2.0 */
#include "base/curl_library.h"

#include "base/shared_library.h"

#include <pthread.h>

static struct curl_library library;
static const char *reason; /* NULL once it is loaded */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};
    static const struct shared_symbol symbols[] = {
#define X(name) {#name, &library.name},
        CURL_FUNCTIONS(X)
#undef X
    };
    enum shared_library_result result = shared_library_load(names, symbols, ARRAY_LEN(symbols));
    if (result == SHARED_LIBRARY_MISSING)
        reason = "libcurl (package libcurl4) is not installed";
    else if (result != SHARED_LIBRARY_LOADED || library.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        reason = "libcurl is too old";
}

const struct curl_library *curl_library_load(struct err *err)
{
    (void)pthread_once(&once, load);
    if (!reason)
        return &library;
    (void)err_set(err, ERR_UNAVAILABLE, NULL, "HTTP requests cannot be sent: %s", reason);
    return NULL;
}
