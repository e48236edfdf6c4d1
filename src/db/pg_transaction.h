/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of a PostgreSQL connection: where they begin and end, what became of one whose end was not answered, and whether the
 * store is still the one that this server knows. Used by db_postgres.c alone. */
#ifndef HORAE_DB_PG_TRANSACTION_H
#define HORAE_DB_PG_TRANSACTION_H

#include "db/pg_connection.h"

enum { PG_XID_SIZE = 24 };

/* What begins or ends a transaction does not go to the server as it is. */
enum pg_control { PG_CONTROL_NONE, PG_CONTROL_BEGIN, PG_CONTROL_COMMIT, PG_CONTROL_ROLLBACK };

struct pg_db {
    struct db base;
    struct pg_connection c;
    bool in_transaction;   /* begun by us, and not ended */
    bool in_doubt;         /* whether the last transaction was committed is not known */
    int64_t epoch;         /* of the leader that writes; 0 = its transactions are nobody's in particular */
    bool lost;             /* for good: the store has another leader, or is an older state of itself */
    char xid[PG_XID_SIZE]; /* of the last transaction, when it writes; "" = it does not */
    int64_t mark;          /* its row in store_commits; random at first, then growing */
    int64_t last_mark;     /* of the last one that was committed; 0 = none yet */
    uint64_t generation;   /* of the session in which it was */
    unsigned begins;       /* of transactions that write */
    int64_t until_us;      /* monotonic; see db_limit_time */
    unsigned names;        /* given to prepared statements */
};

enum pg_control pg_control_of(const char *sql);
/* `marked`: a transaction whose end must be known (migrations run before there is a place for marks; they are looked at anew). */
enum err_code pg_run_control(struct pg_db *db, enum pg_control control, const char *sql, bool marked, struct err *err);
/* Before anything is sent: outside of a transaction a lost session is made again; in one, the transaction is lost with it. */
enum err_code pg_need_session(struct pg_db *db, struct err *err);
/* See struct db_engine. */
enum err_code pg_outcome(struct db *base, bool *ret_committed, struct err *err);

#endif
