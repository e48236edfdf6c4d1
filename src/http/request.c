/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers read of a request, and what its first line says. */
#include "base/mem.h"
#include "base/panic.h"
#include "http/http_priv.h"

#include <string.h>

/* ---- the first line ---- */

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

void request_set_method(struct http_request *request, const char *name)
{
    request->is_head = strcmp(name, "HEAD") == 0;
    if (request->is_head)
        name = "GET";
    for (int i = 0; i < HTTP_METHOD_COUNT; i++)
        if (strcmp(name, method_names[i]) == 0) {
            request->method = (enum http_method)i;
            request->method_known = true;
        }
}

/* The absolute form names a host too, which does not matter here (RFC 9112 section 3.2.2). */
static const char *skip_origin(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (strncmp(target, schemes[i], n) == 0)
            return target + n + strcspn(target + n, "/?");
    }
    return target;
}

void request_set_target(struct http_request *request, const char *target)
{
    const char *origin_form = skip_origin(target);
    size_t n = strcspn(origin_form, "?");
    bool no_path = n == 0 && origin_form != target; /* "http://host" asks for "/" */
    request->target = xstrdup(target);
    request->path = no_path ? xstrdup("/") : xstrndup(origin_form, n);
    request->query = origin_form[n] ? xstrdup(origin_form + n + 1) : NULL;
}

/* ---- what handlers read ---- */

enum http_method http_method(const struct http_request *request)
{
    return request->method;
}

const char *http_path(const struct http_request *request)
{
    return request->path;
}

const char *http_path_id(const struct http_request *request, int index)
{
    return request->ids[index];
}

struct str http_body(const struct http_request *request)
{
    return (struct str){request->body.len ? request->body.data : "", request->body.len};
}

bool http_body_was_taken(const struct http_request *request)
{
    return request->taken;
}

void http_set_state(struct http_request *request, void *state, void (*release)(void *state))
{
    must(!request->release_state);
    request->state = state;
    request->release_state = release;
}

void *http_state(const struct http_request *request)
{
    return request->state;
}

const struct json *http_body_json(const struct http_request *request)
{
    return request->json ? json_root(request->json) : NULL;
}

const struct http_principal *http_principal(const struct http_request *request)
{
    return &request->principal;
}

const char *http_request_id(const struct http_request *request)
{
    return request->request_id;
}

const char *http_peer_address(const struct http_request *request)
{
    return request->peer_address;
}

const struct http_route *http_route_of(const struct http_request *request)
{
    return request->route;
}

const char *http_client_address(const struct http_request *request)
{
    return request->client_address;
}

int64_t http_arrived_us(const struct http_request *request)
{
    return request->arrived_us;
}

bool http_is_tls(const struct http_request *request)
{
    return http_server_options(request->server)->tls_cert_file != NULL;
}

const struct http_idempotency *http_idempotency(const struct http_request *request)
{
    return request->has_idempotency ? &request->idempotency : NULL;
}
