/* SPDX-License-Identifier: Apache-2.0 */
#include "app/audit_trail.h"

#include "base/log.h"
#include "base/mem.h"
#include "db/retention.h"
#include "trail/audit_live.h"
#include "trail/pending_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void collect_names(struct audit_trail *audit, const struct config *config)
{
    size_t n = audit_default_names.count;
    audit->name_items = xcalloc(n + config->audit_redact_names.count, sizeof *audit->name_items);
    memcpy(audit->name_items, audit_default_names.names, n * sizeof *audit->name_items);
    for (size_t i = 0; i < config->audit_redact_names.count; i++) {
        char *text = xstrdup(config->audit_redact_names.items[i]);
        size_t length = audit_name_plain(config->audit_redact_names.items[i], text);
        audit->name_items[n++] = (struct str){text, length};
    }
    audit->names = (struct audit_names){audit->name_items, n};
}

static void trouble(void *arg, int64_t dropped, const struct err *err)
{
    const struct audit_trail *audit = arg;
    alert_audit_trouble(audit->alerts, dropped, err);
}

static void stored(void *arg, const struct audit_record *records, size_t count)
{
    const struct audit_trail *audit = arg;
    audit_live_publish(audit->events, records, count);
}

static void removed(void *arg, int64_t segment)
{
    const struct audit_trail *audit = arg;
    if (audit->api.readers)
        readers_forget(audit->api.readers, segment);
}

enum err_code audit_trail_open(struct audit_trail *audit, const struct config *config, struct store *store,
                               const struct clock *clock, const char *store_url, const char *store_path, struct err *err)
{
    char folder[4300], key[4300];
    struct trail *trail;
    (void)snprintf(folder, sizeof folder, "%s-audit", store_path);
    (void)snprintf(key, sizeof key, "%s/audit.key", config->data);
    const bool relaxed = strcmp(config->durability, "relaxed") == 0;
    audit->place = segment_place_new(&(struct segment_place_options){.url = store_url, .folder = folder, .relaxed = relaxed});
    collect_names(audit, config);
    retention_set_default(RETENTION_AUDIT, config->audit_retention_days);
    struct trail_options options = {
        .store = store,
        .clock = clock,
        .place = audit->place,
        .folder = folder,
        .key_path = key,
        .relaxed = relaxed,
        .queue_events = (size_t)config->audit_queue_events,
        .segment_events = config->audit_segment_events,
        .rules = {.limit = (size_t)config->audit_max_object_bytes, .names = &audit->names},
        .types = {(const char *const *)config->audit_resource_types.items, config->audit_resource_types.count},
        .stored = stored,
        .removed = removed,
        .trouble = trouble,
        .arg = audit,
    };
    enum err_code code = trail_open(&options, &trail, err);
    if (code != OK)
        return code;
    audit->ingest = (struct ingest_api){.trail = trail, .clock = clock};
    audit->api = (struct audit_api){.store = store, .trail = trail, .readers = readers_new(audit->place), .clock = clock};
    struct verify_api_options verify = {
        .store = store, .trail = trail, .url = store_url, .place = audit->place, .folder = folder};
    audit->verify = verify_api_new(&verify);
    atomic_store(&audit->trail, trail);
    return OK;
}

void audit_trail_start(struct audit_trail *audit)
{
    trail_start(atomic_load(&audit->trail));
}

/* Most commits have no event: they cost a comparison. */
void audit_trail_committed(void *arg)
{
    struct audit_trail *audit = arg;
    struct trail *trail = atomic_load(&audit->trail);
    uint64_t puts = pending_store_puts();
    if (!trail || puts == audit->puts)
        return;
    audit->puts = puts;
    trail_wake(trail);
}

void audit_trail_drain(struct audit_trail *audit)
{
    verify_api_stop(audit->verify);
}

void audit_trail_stop(struct audit_trail *audit)
{
    struct trail *trail = atomic_load(&audit->trail);
    if (trail)
        trail_stop(trail);
}

void audit_trail_free(struct audit_trail *audit)
{
    trail_free(atomic_load(&audit->trail));
    verify_api_free(audit->verify);
    readers_free(audit->api.readers);
    segment_place_free(audit->place);
    for (size_t i = audit_default_names.count; i < audit->names.count; i++)
        free((char *)(uintptr_t)audit->names.names[i].p);
    free(audit->name_items);
}
