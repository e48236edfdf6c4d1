/* SPDX-License-Identifier: Apache-2.0 */
/* etcd's JSON gateway: one call, at one of several servers. */
#ifndef HORAE_CLUSTER_ETCD_GATEWAY_H
#define HORAE_CLUSTER_ETCD_GATEWAY_H

#include "base/buf.h"
#include "base/json.h"
#include "cluster/lease_url.h"

struct etcd_gateway;

enum { ETCD_ANSWER_MAX = 65536 };

/* Codes of gRPC that callers tell apart. */
enum etcd_status { ETCD_OK = 0, ETCD_NOT_FOUND = 5, ETCD_FAILED_PRECONDITION = 9, ETCD_OTHER = -1 };

/* Copies the url. ERR_UNAVAILABLE names the package when libcurl is not installed. */
enum err_code etcd_gateway_new(const struct lease_url *url, struct etcd_gateway **ret, struct err *err);
void etcd_gateway_free(struct etcd_gateway *gateway);

/* POST of a JSON body to "/v3/…"; one thread at a time. Servers are tried from the one that answered last; each has a bounded
 * time; a call whose answer was lost may be carried out twice. OK: an answer of etcd, *ret_status says which, *ret_doc (owned by the
 * caller) is there with ETCD_OK only. ERR_UNAVAILABLE: no server answered well. ERR_DENIED: name or password are wrong. */
enum err_code etcd_gateway_call(struct etcd_gateway *gateway, const char *path, const char *body, enum etcd_status *ret_status,
                                struct json_doc **ret_doc, struct err *err);

/* As the gateway wants keys and values: base64 with padding. */
void etcd_put_base64(struct buf *out, const char *text);

#endif
