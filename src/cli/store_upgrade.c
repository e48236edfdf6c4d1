/* SPDX-License-Identifier: Apache-2.0 */
/* horae store migrate: what is missing is applied, or only named. */
#include "cli/cli.h"
#include "cli/store_commands.h"
#include "db/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct telling {
    bool dry_run;
    int count;
};

static void tell(void *arg, int64_t number, const char *name)
{
    struct telling *telling = arg;
    telling->count++;
    (void)printf("%s %04" PRId64 "_%s\n", telling->dry_run ? "missing" : "applied", number, name);
}

int store_upgrade(const char *url, bool dry_run)
{
    struct err err;
    struct telling telling = {.dry_run = dry_run};
    const struct store_migrate_options options = {dry_run, tell, &telling};
    if (store_migrate(url, &options, &err) != OK) {
        (void)fprintf(stderr, "horae: %s\n", err.message);
        return CLI_FAILED;
    }
    char *name = store_name(url);
    if (!telling.count)
        (void)printf("%s is up to date\n", name);
    else if (dry_run)
        (void)printf("%s would be brought up to date\n", name);
    else
        (void)printf("%s is up to date now\n", name);
    free(name);
    return CLI_DONE;
}
