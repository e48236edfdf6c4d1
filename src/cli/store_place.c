/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/store_place.h"

#include "base/url_text.h"
#include "db/store.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEPT_MAX = 1000 };

static const char *given(const char *text)
{
    return text && text[0] ? text : NULL;
}

static const char *data_folder(const struct options *o)
{
    const char *data = given(options_value(o, "--data"));
    return data ? data : given(getenv("HORAE_DATA"));
}

void store_place_url(const struct options *o, char *url, size_t capacity)
{
    const char *store = given(options_value(o, "--store")), *data = data_folder(o);
    if (!store && !options_value(o, "--data"))
        store = given(getenv("HORAE_STORE"));
    if (store)
        (void)snprintf(url, capacity, "%s", store);
    else
        (void)snprintf(url, capacity, "sqlite:%s/horae.db", data ? data : "./data");
    if (store && store == options_value(o, "--store"))
        (void)url_text_hide_in_place((char *)(uintptr_t)store); /* an argument of this process: it may be written to */
}

void store_place_files(const struct options *o, const char *url, char *path, size_t capacity)
{
    const char *data = data_folder(o);
    store_files(url, data ? data : "./data", path, capacity);
}

void store_place_data(const struct options *o, const char *database, char *folder, size_t capacity)
{
    const char *data = data_folder(o), *slash = strrchr(database, '/');
    char key[STORE_PLACE_SIZE];
    (void)snprintf(folder, capacity, "%.*s", slash ? (int)(slash - database) : 1, slash ? database : ".");
    (void)snprintf(key, sizeof key, "%.4100s/audit.key", folder);
    if (data || access(key, F_OK) != 0)
        (void)snprintf(folder, capacity, "%s", data ? data : "./data");
}

bool store_place_kept(const char *path, const char *word, char *kept, size_t capacity)
{
    for (int i = 1; i <= KEPT_MAX; i++) {
        if (i == 1)
            (void)snprintf(kept, capacity, "%.4100s.before-%s", path, word);
        else
            (void)snprintf(kept, capacity, "%.4100s.before-%s.%d", path, word, i);
        if (access(kept, F_OK) != 0)
            return true;
    }
    return false;
}
