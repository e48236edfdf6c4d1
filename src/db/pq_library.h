/* SPDX-License-Identifier: Apache-2.0 */
/* libpq, loaded on first use: the functions that we call, one row each. A machine without it runs the embedded store. */
#ifndef HORAE_DB_PQ_LIBRARY_H
#define HORAE_DB_PQ_LIBRARY_H

#include "base/err.h"

#include <libpq-fe.h>

/* clang-format off */
#define PQ_FUNCTIONS(X) \
    X(PQconnectStartParams) X(PQconnectPoll) X(PQconninfoParse) X(PQconninfoFree) X(PQfreemem) X(PQstatus) X(PQsocket) X(PQfinish) \
    X(PQerrorMessage) X(PQtransactionStatus) X(PQserverVersion) X(PQparameterStatus) X(PQsetnonblocking) X(PQsetNoticeReceiver) \
    X(PQsetErrorVerbosity) \
    X(PQsendQuery) X(PQsendPrepare) X(PQsendDescribePrepared) X(PQsendQueryPrepared) X(PQflush) X(PQconsumeInput) X(PQisBusy) \
    X(PQgetResult) X(PQclear) X(PQresultStatus) X(PQresultErrorField) X(PQresultErrorMessage) X(PQcmdTuples) X(PQcmdStatus) \
    X(PQntuples) X(PQnfields) X(PQparamtype) X(PQftype) X(PQgetvalue) X(PQgetlength) X(PQgetisnull) \
    X(PQenterPipelineMode) X(PQexitPipelineMode) X(PQpipelineSync) X(PQpipelineStatus)

struct pq_library {
#define X(name) __typeof__(name) *name;
    PQ_FUNCTIONS(X)
#undef X
};

/* clang-format on */

/* NULL with ERR_UNAVAILABLE, which names the package, when the library is not there. Thread-safe; loaded once. */
const struct pq_library *pq_library_load(struct err *err);

#endif
