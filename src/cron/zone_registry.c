/* SPDX-License-Identifier: Apache-2.0 */
/* The zones of the process by name. Entries are made under a lock and never removed, so a pointer to a zone stays good. A
 * zone comes from the machine's file, or else from the copy in the program. UTC needs neither. */
#include "base/log.h"
#include "base/map.h"
#include "cron/zone_builtin.h"
#include "cron/zone_priv.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map zones; /* name → cron_zone */
static bool is_ready;
static size_t reloads;
static uint64_t last_change; /* number of the last refresh that changed a zone */

static struct zone_change utc_change = {ZONE_TIME_MIN, 0};
static const struct zone_table utc_table = {.changes = &utc_change, .count = 1, .cycle_end_s = ZONE_TIME_MAX};
static const struct cron_zone utc = {.name = "UTC", .table = &utc_table};

const struct cron_zone *zone_utc(void)
{
    return &utc;
}

const char *zone_name(const struct cron_zone *zone)
{
    return zone->name;
}

const struct zone_table *zone_rules(const struct cron_zone *zone)
{
    return atomic_load_explicit(&zone->table, memory_order_acquire);
}

/* A file that is there but damaged makes the zone unknown: another copy might tell other times. */
static struct cron_zone *load(const char *name)
{
    bool exists;
    struct zone_file_id id = {0};
    struct zone_table *table = zone_file_load(name, &id, &exists);
    if (table == NULL && !exists)
        table = zone_builtin_load(name);
    if (table == NULL)
        return NULL;
    struct cron_zone *zone = calloc(1, sizeof(*zone));
    if (zone == NULL) {
        zone_table_free(table);
        return NULL;
    }
    (void)snprintf(zone->name, sizeof(zone->name), "%s", name);
    atomic_init(&zone->table, table);
    zone->file = id;
    return zone;
}

static const struct cron_zone *find_locked(const char *name, size_t len)
{
    if (!is_ready) {
        map_init(&zones);
        is_ready = true;
    }
    struct cron_zone *zone = map_get(&zones, (struct str){name, len});
    if (zone != NULL || zones.count >= CRON_ZONES_MAX)
        return zone;
    zone = load(name);
    if (zone != NULL)
        (void)map_put(&zones, str_of(zone->name), zone);
    return zone;
}

const struct cron_zone *zone_find(const char *name, size_t len)
{
    if (!zone_name_is_safe(name, len))
        return NULL;
    char copy[CRON_ZONE_NAME_MAX + 1];
    memcpy(copy, name, len);
    copy[len] = '\0';
    if (strcmp(copy, "UTC") == 0)
        return &utc;
    (void)pthread_mutex_lock(&lock);
    const struct cron_zone *zone = find_locked(copy, len);
    (void)pthread_mutex_unlock(&lock);
    return zone;
}

bool cron_zone_exists(const char *name)
{
    return zone_find(name, strlen(name)) != NULL;
}

/* --- newer files --- */

/* True when the zone has other rules now. A file that went away or is damaged leaves the zone as it is. */
static bool reload(struct cron_zone *zone)
{
    struct zone_file_id id = {0};
    bool exists;
    if (!zone_file_look(zone->name, &id) || zone_file_same(&id, &zone->file))
        return false;
    struct zone_table *table = zone_file_load(zone->name, &id, &exists);
    if (table == NULL) {
        log_error("cron", "the file of time zone %s is damaged; its rules stay as they were", zone->name);
        zone->file = id; /* said once */
        return false;
    }
    zone->file = id;
    if (zone_tables_equal(table, zone_rules(zone)) || reloads >= CRON_ZONE_RELOADS_MAX) {
        zone_table_free(table);
        return false;
    }
    if (++reloads == CRON_ZONE_RELOADS_MAX)
        log_error("cron", "time zones were replaced %d times; further changes need a restart", CRON_ZONE_RELOADS_MAX);
    table->replaced = zone_rules(zone);
    atomic_store_explicit(&zone->table, table, memory_order_release);
    return true;
}

uint64_t cron_zones_refresh(void)
{
    (void)pthread_mutex_lock(&lock);
    size_t cursor = 0, changed = 0;
    for (struct cron_zone *zone; is_ready && (zone = map_next(&zones, &cursor)) != NULL;)
        changed += reload(zone);
    if (changed > 0)
        last_change++;
    const uint64_t number = last_change;
    (void)pthread_mutex_unlock(&lock);
    return number;
}
