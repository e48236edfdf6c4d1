/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the two ways of sending events: ingest_api.c (JSON), ingest_lines.c (NDJSON). */
#ifndef HORAE_TRAIL_INGEST_H
#define HORAE_TRAIL_INGEST_H

#include "trail/ingest_api.h"

/* What an answer says of an event. */
struct ingest_result {
    struct uuid id;
    uint8_t truncated;
};

/* The event as the request brings it: checked, completed with the caller's address, redacted and cut. `what` names it in errors. */
enum err_code ingest_record(struct ingest_api *api, struct http_request *request, const struct json *value, const char *what,
                            struct audit_record *ret, struct err *err);
/* ?ack=queued: the caller does not wait, and what cannot be stored is dropped and counted. */
bool ingest_is_queued(const struct http_request *request);
/* ?dedupe=all: an id that was stored at any time is not stored again (MIG-05); else of the last day. */
bool ingest_dedupes_all(const struct http_request *request);
/* Refuses with 503 and Retry-After: too much waits. */
void ingest_refuse_full(struct http_request *request);

/* NDJSON: a route's taker and handler. */
enum err_code ingest_lines_take(struct http_request *request, void *context, const char *bytes, size_t count, struct err *err);
void ingest_lines_handle(struct http_request *request, struct ingest_api *api);

#endif
