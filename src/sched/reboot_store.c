/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/reboot_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const struct db_sql sql_get = {"SELECT value FROM settings WHERE key = ?1"};
static const struct db_sql sql_put = {
    "INSERT INTO settings (key, value, updated_at, updated_by) VALUES (?1, ?2, ?3, 'scheduler')"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"};

const struct db_sql *const reboot_store_sql[] = {&sql_get, &sql_put};
const size_t reboot_store_sql_count = ARRAY_LEN(reboot_store_sql);

static char boot_id[64];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_boot_id(void)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file || !fgets(boot_id, sizeof boot_id, file))
        (void)snprintf(boot_id, sizeof boot_id, "unknown");
    boot_id[strcspn(boot_id, "\n")] = '\0';
    if (file)
        (void)fclose(file);
}

const char *reboot_boot_id(void)
{
    (void)pthread_once(&once, read_boot_id);
    return boot_id;
}

void reboot_use_boot_id(const char *id)
{
    (void)pthread_once(&once, read_boot_id);
    (void)snprintf(boot_id, sizeof boot_id, "%s", id);
}

static void bind_key(struct db_stmt *st, int64_t task_id, char key[48])
{
    int n = snprintf(key, 48, "reboot:%" PRId64, task_id);
    db_bind_text(st, 1, key, (size_t)n);
}

enum err_code reboot_store_seen(struct db *db, int64_t task_id, bool *ret_seen, struct err *err)
{
    struct db_stmt *st;
    char key[48];
    bool row = false;
    enum err_code code = db_prepare(db, &sql_get, &st, err);
    if (code != OK)
        return code;
    bind_key(st, task_id, key);
    if ((code = db_step(st, &row, err)) != OK)
        return code;
    *ret_seen = row && strcmp(db_text(st, 0, NULL), reboot_boot_id()) == 0;
    db_reset(st);
    return OK;
}

enum err_code reboot_store_note(struct db *tx, int64_t task_id, int64_t now_us, struct err *err)
{
    struct db_stmt *st;
    char key[48];
    enum err_code code = db_prepare(tx, &sql_put, &st, err);
    if (code != OK)
        return code;
    bind_key(st, task_id, key);
    db_bind_text(st, 2, reboot_boot_id(), strlen(reboot_boot_id()));
    db_bind_int(st, 3, now_us);
    return db_run(st, NULL, err);
}
