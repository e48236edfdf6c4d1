/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_engine.h"

#include "base/buf.h"
#include "db/store.h"

#include <string.h>

static const struct {
    const char *scheme, *form;
    const struct db_engine *engine;
} engines[] = {
#define ENGINE(name, scheme, form) {scheme, form, &db_##name##_engine},
#include "db/db_engines.def"
#undef ENGINE
};

const char *store_url_forms(void)
{
    static const char forms[] = ""
#define ENGINE(name, scheme, form) " or " form
#include "db/db_engines.def"
#undef ENGINE
        ;
    return &forms[strlen(" or ")];
}

/* Behind the scheme there may be a password. */
static int shown_length(const char *url)
{
    const char *rest = strstr(url, "://");
    return (int)(rest ? (size_t)(rest - url) + 3 : strlen(url));
}

enum err_code db_engine_of(const char *url, const struct db_engine **ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        size_t length = strlen(engines[i].scheme);
        if (strncmp(url, engines[i].scheme, length) == 0 && url[length]) {
            *ret = engines[i].engine;
            return OK;
        }
    }
    int shown = shown_length(url);
    return err_set(err, ERR_INVALID, NULL, "store \"%.*s%s\" is not allowed; it must be %s", shown, url, url[shown] ? "…" : "",
                   store_url_forms());
}

enum err_code store_url_check(const char *url, struct err *err)
{
    const struct db_engine *engine;
    return db_engine_of(url, &engine, err);
}
