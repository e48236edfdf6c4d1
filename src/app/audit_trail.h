/* SPDX-License-Identifier: Apache-2.0 */
/* The server's trail: made from the settings, woken by the store, stopped before the store is closed. */
#ifndef HORAE_APP_AUDIT_TRAIL_H
#define HORAE_APP_AUDIT_TRAIL_H

#include "alert/alerts.h"
#include "app/config.h"
#include "http/event_stream.h"
#include "trail/audit_api.h"
#include "trail/ingest_api.h"
#include "trail/verify_api.h"

#include <stdatomic.h>

struct audit_trail {
    _Atomic(struct trail *) trail; /* NULL: not there yet; the store may look for it on its own thread */
    struct segment_place *place;   /* owned */
    struct ingest_api ingest;
    struct audit_api api;
    struct verify_api *verify;
    struct event_hub *events; /* borrowed; told of what was stored */
    struct audit_names names; /* that are redacted: the default ones and those of the settings */
    struct str *name_items;   /* owned, and their texts */
    struct alerts *alerts;    /* borrowed; told of trouble */
    uint64_t puts;            /* of audit_put, when the trail was last woken; store's thread */
};

/* `store_path`: what the store's files begin with (store_files); segments lie in PATH-audit, or in a server's database, the
 * key in the folder of the data. */
enum err_code audit_trail_open(struct audit_trail *audit, const struct config *config, struct store *store,
                               const struct clock *clock, const char *store_url, const char *store_path, struct err *err);
void audit_trail_start(struct audit_trail *audit);
/* `committed` of the store's options. */
void audit_trail_committed(void *audit);
/* Long work for requests is ended; before the HTTP server stops. */
void audit_trail_drain(struct audit_trail *audit);
void audit_trail_stop(struct audit_trail *audit); /* what waits is stored; before the store is closed */
void audit_trail_free(struct audit_trail *audit); /* after that */

#endif
