/* SPDX-License-Identifier: Apache-2.0 */
#include "db/db_priv.h"
#include "trail/segment.h"
#include <stdio.h>
#include <unistd.h>
void segment_path(const char *folder, int64_t number, char *out, size_t capacity)
{
    (void)snprintf(out, capacity, "%s/%06lld.db", folder, (long long)number);
}
enum err_code segment_open_reader(const char *folder, int64_t number, struct db **ret, struct err *err)
{
    char path[4200];
    segment_path(folder, number, path, sizeof path);
    if (access(path, F_OK) != 0)
        return err_set(err, ERR_NOT_FOUND, NULL, "gone");
    struct db_open_options o = {.path = path, .readonly = true};
    return db_sqlite_open(&o, ret, err);
}
