/* SPDX-License-Identifier: Apache-2.0 */
/* Outgoing HTTP: many requests on one thread, through libcurl, which is loaded with the first request (a server that
 * never calls out does not carry it). The thread starts with the first request too. */
#ifndef HORAE_HTTP_HTTP_CLIENT_H
#define HORAE_HTTP_HTTP_CLIENT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_CLIENT_REQUESTS_MAX = 100000, /* under way at once; whoever sends has limits of its own below that */
    HTTP_CLIENT_HEADERS_MAX = 96,
    HTTP_CLIENT_CONNECT_MS = 10000,
    HTTP_CLIENT_READ_ON = 1 << 20, /* bytes read beyond response_max before the connection is closed on the rest */
};

struct http_client;

struct http_client_result {
    bool failed; /* no answer: `message` says why */
    bool timed_out;
    char message[400];
    long status;
    const char *body; /* borrowed during the call */
    size_t length;
    bool truncated; /* there was more than response_max: its status counts, the rest is not waited for without end */
};

struct http_client_request {
    const char *method, *url;   /* copied, like all below */
    const char *const *headers; /* "Name: value", NULL-terminated */
    const char *body;           /* NULL = none */
    size_t body_length;
    int64_t timeout_ms;
    long max_redirects;                                                            /* 0 = redirects are answers */
    size_t response_max;                                                           /* bytes kept, the beginning */
    int64_t key;                                                                   /* for http_client_cancel */
    void (*done)(void *arg, int64_t key, const struct http_client_result *result); /* client thread, exactly once */
    void *arg;
};

struct http_client *http_client_new(void);
/* ERR_LIMIT: too many under way; ERR_UNAVAILABLE: libcurl is not installed. Any thread. */
enum err_code http_client_send(struct http_client *client, const struct http_client_request *request, struct err *err);
/* `done` comes soon, failed with "cancelled", unless it came already. Any thread. */
void http_client_cancel(struct http_client *client, int64_t key);
void http_client_free(struct http_client *client); /* ends what is under way, without `done` */

#endif
