/* SPDX-License-Identifier: Apache-2.0 */
#include "http/in_flight.h"

#include "base/mem.h"
#include "http/http_priv.h"

#include <stdio.h>

struct in_flight_key {
    char text[sizeof(((struct http_idempotency *)0)->principal) + IDEMPOTENCY_KEY_MAX + 2];
    struct list waiting; /* requests */
    void (*go_on)(struct http_request *request, void *arg);
};

void in_flight_init(struct in_flight *in_flight)
{
    mutex_init(&in_flight->mutex);
    map_init(&in_flight->by_key);
}

void in_flight_release(struct in_flight *in_flight)
{
    map_release(&in_flight->by_key);
    mutex_release(&in_flight->mutex);
}

static void name_key(const struct http_request *request, char *out, size_t capacity)
{
    (void)snprintf(out, capacity, "%s\n%s", request->idempotency.principal, request->idempotency.key);
}

bool in_flight_enter(struct in_flight *in_flight, struct http_request *request,
                     void (*go_on)(struct http_request *request, void *arg))
{
    struct in_flight_key *key = xcalloc(1, sizeof *key);
    name_key(request, key->text, sizeof key->text);
    mutex_lock(&in_flight->mutex);
    struct in_flight_key *present = map_get(&in_flight->by_key, str_of(key->text));
    if (present) {
        list_push_back(&present->waiting, &request->waiting);
        free(key);
    } else {
        list_init(&key->waiting);
        key->go_on = go_on;
        (void)map_put(&in_flight->by_key, str_of(key->text), key);
        request->in_flight = true;
    }
    mutex_unlock(&in_flight->mutex);
    return !present;
}

void in_flight_leave(struct in_flight *in_flight, struct http_request *request)
{
    char text[sizeof(((struct in_flight_key *)0)->text)];
    if (!request->in_flight)
        return;
    request->in_flight = false;
    name_key(request, text, sizeof text);
    mutex_lock(&in_flight->mutex);
    struct in_flight_key *key = map_remove(&in_flight->by_key, str_of(text));
    mutex_unlock(&in_flight->mutex);
    for (struct list_node *node; (node = list_pop_front(&key->waiting));)
        http_continue(CONTAINER_OF(node, struct http_request, waiting), key->go_on, NULL);
    free(key);
}
