/* SPDX-License-Identifier: Apache-2.0 */
/* Start and stop of the server in the audit log, each in the transaction that signs it on or off. */
#ifndef HORAE_APP_SERVER_EVENTS_H
#define HORAE_APP_SERVER_EVENTS_H

#include "app/config.h"
#include "db/db.h"

struct server_life {
    const struct config *config;
    const char *instance_id;
    const char *store_path;
    int64_t now_us;
    bool alone;            /* no other instance uses the store */
    bool handover, failed; /* stop: commands run on; the start had failed */
};

/* Before the instance is signed on: where it is alone, those that are still signed on did not stop, and the event says so. With the settings in
 * force, without secrets. Before it stands what commands did while
 * no server ran (audit_notes.h). Writer's transaction; may run again. */
enum err_code server_event_started(struct db *tx, const struct server_life *life, struct err *err);
enum err_code server_event_stopped(struct db *tx, const struct server_life *life, struct err *err);

#endif
