/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of a request, read in one walk: those that the checks ask for, and those that may name the client. */
#ifndef HORAE_HTTP_REQUEST_HEAD_H
#define HORAE_HTTP_REQUEST_HEAD_H

#include "http/client_address.h"

#include <stdbool.h>

enum head_name {
    HEAD_CONTENT_LENGTH,
    HEAD_TRANSFER_ENCODING,
    HEAD_HOST,
    HEAD_AUTHORIZATION,
    HEAD_CONTENT_TYPE,
    HEAD_IDEMPOTENCY_KEY,
    HEAD_SINGLE, /* those before it may stand in a request once */
    HEAD_REQUEST_ID = HEAD_SINGLE,
    HEAD_CONTENT_ENCODING,
    HEAD_COUNT
};

/* Borrows from the connection: valid until the request was answered. */
struct request_head {
    const char *values[HEAD_COUNT]; /* of the first line; NULL = absent */
    const char *problem;            /* "more than one Host": what is ambiguous about where the message ends, for whom it is or who
                                     * sends it (RFC 9112 sections 6.3 and 3.2), or malformed; NULL = nothing */
    struct client_header *lines;    /* owned; bounded by the size of a request's head; in their order */
    size_t line_count, line_capacity;
};

struct http_request;

/* Fills in the head of the request, which is zeroed. The thread of the connection, once, when the head has arrived. */
void request_head_read(struct http_request *request, const struct client_address_rules *rules);
void request_head_release(struct request_head *head);

#endif
