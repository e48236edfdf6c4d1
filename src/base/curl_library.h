/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, loaded on first use: the functions that we call, one row each. */
#ifndef HORAE_BASE_CURL_LIBRARY_H
#define HORAE_BASE_CURL_LIBRARY_H

#include "base/err.h"

#define CURL_DISABLE_TYPECHECK /* its macros stand in the way of calls through pointers */
#include <curl/curl.h>
#include <stdbool.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

/* clang-format off */
#define CURL_FUNCTIONS(X) \
    X(curl_global_init) \
    X(curl_easy_init) \
    X(curl_easy_pause) \
    X(curl_easy_perform) \
    X(curl_easy_setopt) X(curl_easy_cleanup) X(curl_easy_getinfo) X(curl_easy_strerror) X(curl_slist_append) \
        X(curl_slist_free_all) X(curl_multi_init) X(curl_multi_cleanup) X(curl_multi_add_handle) X(curl_multi_remove_handle) \
            X(curl_multi_perform) X(curl_multi_poll) X(curl_multi_wakeup) X(curl_multi_info_read) X(curl_multi_setopt)

struct curl_library {
#define X(name) __typeof__(name) *name;
    CURL_FUNCTIONS(X)
#undef X
};

/* clang-format on */

/* NULL with ERR_UNAVAILABLE when the library is not there. Thread-safe; loaded once. */
const struct curl_library *curl_library_load(struct err *err);

#endif
