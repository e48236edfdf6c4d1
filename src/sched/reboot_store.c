/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/reboot_store.h"

#include "sched/notes_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

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

static void key_of(int64_t task_id, char key[NOTE_KEY_MAX])
{
    (void)snprintf(key, NOTE_KEY_MAX, "reboot:%" PRId64, task_id);
}

enum err_code reboot_store_seen(struct db *db, int64_t task_id, bool *ret_seen, struct err *err)
{
    char key[NOTE_KEY_MAX], seen[NOTE_VALUE_MAX];
    key_of(task_id, key);
    enum err_code code = notes_store_get(db, key, seen, err);
    if (code == OK)
        *ret_seen = strcmp(seen, reboot_boot_id()) == 0;
    return code;
}

enum err_code reboot_store_note(struct db *tx, int64_t task_id, int64_t now_us, struct err *err)
{
    char key[NOTE_KEY_MAX];
    key_of(task_id, key);
    return notes_store_put(tx, key, reboot_boot_id(), now_us, err);
}
