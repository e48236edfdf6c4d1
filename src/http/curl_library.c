/* SPDX-License-Identifier: Apache-2.0 */
#include "http/curl_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static struct curl_library library;
static bool loaded;
static char reason[200];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool find_function(void *handle, const char *name, void *place)
{
    void *symbol = dlsym(handle, name);
    memcpy(place, &symbol, sizeof symbol); /* from an object pointer to a function pointer, as POSIX intends */
    return symbol != NULL;
}

static void load(void)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *handle = NULL;
    for (size_t i = 0; i < ARRAY_LEN(names) && !handle; i++)
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    bool fine = handle != NULL;
#define X(name) fine = fine && find_function(handle, #name, &library.name);
    CURL_FUNCTIONS(X)
#undef X
    loaded = fine && library.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!loaded)
        (void)strncpy(reason, handle ? "libcurl is too old" : "libcurl (package libcurl4) is not installed", sizeof reason - 1);
}

const struct curl_library *curl_library_load(struct err *err)
{
    (void)pthread_once(&once, load);
    if (loaded)
        return &library;
    (void)err_set(err, ERR_UNAVAILABLE, NULL, "HTTP requests cannot be sent: %s", reason);
    return NULL;
}
