/* SPDX-License-Identifier: Apache-2.0 */
/* One session with a PostgreSQL server: made, spoken to with limits of time, and made again after it was lost. What its errors
 * mean for the store. Used by db_postgres.c alone. */
#ifndef HORAE_DB_PG_CONNECTION_H
#define HORAE_DB_PG_CONNECTION_H

#include "db/db_engine.h"
#include "db/pg_url.h"
#include "db/pq_library.h"

#include <stdbool.h>
#include <stdint.h>

enum { PG_VERSION_MIN = 130000 };

struct pg_connection {
    const struct pq_library *pq;
    struct pg_url url; /* owned */
    char name[64];     /* of this process, to the server */
    bool readonly, relaxed, leads, anywhere;
    bool is_patient;     /* answers may take an hour */
    PGconn *handle;      /* NULL while there is none */
    uint64_t generation; /* grows with each session: what was prepared in an older one is gone */
};

/* Without a session yet. ERR_INVALID, ERR_UNAVAILABLE: no libpq. */
enum err_code pg_connection_init(struct pg_connection *c, const struct db_open_options *options, struct err *err);
void pg_connection_release(struct pg_connection *c);
/* Makes a session where there is none: ERR_UNAVAILABLE, at once while a server that was away is given time. */
enum err_code pg_connection_need(struct pg_connection *c, struct err *err);
/* Ends the session. */
void pg_connection_drop(struct pg_connection *c);

/* The next result of what was sent, waiting half a minute at most unless it is patient; NULL with OK: there are no more. When the session is lost it is
 * dropped. A result that tells an error is returned as any other. */
enum err_code pg_connection_result(struct pg_connection *c, PGresult **ret, struct err *err);
/* All results of what was sent: the last one, or the error of the first that failed. `ret` may be NULL. */
enum err_code pg_connection_finish(struct pg_connection *c, PGresult **ret, struct err *err);
/* Sends statements without parameters, and takes their results. */
enum err_code pg_connection_exec(struct pg_connection *c, const char *sql, PGresult **ret, struct err *err);
/* What a call that could not send means; the session is dropped when it is lost. */
enum err_code pg_connection_failed(struct pg_connection *c, struct err *err);
/* OK, or what a result that tells an error means. */
enum err_code pg_result_code(const struct pg_connection *c, const PGresult *result, struct err *err);

#endif
