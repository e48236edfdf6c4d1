/* SPDX-License-Identifier: Apache-2.0 */
/* REST of the proof: GET /api/v1/audit/verify and /api/v1/audit/checkpoints (contract section 7). One verification at a time, on
 * threads of its own, so that it holds up no other request. */
#ifndef HORAE_TRAIL_VERIFY_API_H
#define HORAE_TRAIL_VERIFY_API_H

#include "db/store.h"
#include "http/http.h"
#include "trail/trail.h"

struct verify_api;

struct verify_api_options {
    struct store *store;         /* borrowed */
    struct trail *trail;         /* borrowed */
    const char *url;             /* of the store; copied, as the next */
    const char *folder;          /* of the file heads */
    struct segment_place *place; /* borrowed; of the segments */
};

struct verify_api *verify_api_new(const struct verify_api_options *options);
/* One that runs is ended, and its request answered; later ones are refused. Before the HTTP server stops. */
void verify_api_stop(struct verify_api *api); /* NULL allowed */
void verify_api_free(struct verify_api *api); /* after the HTTP server has stopped; NULL allowed */

struct http_routes verify_routes(struct verify_api *api);

#endif
