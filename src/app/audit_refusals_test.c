/* SPDX-License-Identifier: Apache-2.0 */
#include "app/audit_refusals.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* ---- a request, without a server ---- */

struct http_request {
    int64_t arrived_us;
};

static const struct http_route route = {.method = HTTP_GET, .path = "/api/v1/users", .permission = HTTP_MAY_ADMIN};
static const struct http_principal nobody;

enum http_method http_method(const struct http_request *request)
{
    (void)request;
    return HTTP_GET;
}

const char *http_path(const struct http_request *request)
{
    (void)request;
    return route.path;
}

const char *http_path_id(const struct http_request *request, int index)
{
    (void)request, (void)index;
    return NULL;
}

const char *http_header(const struct http_request *request, const char *name)
{
    (void)request, (void)name;
    return NULL;
}

const struct http_principal *http_principal(const struct http_request *request)
{
    (void)request;
    return &nobody;
}

const struct http_route *http_route_of(const struct http_request *request)
{
    (void)request;
    return &route;
}

const struct json *http_body_json(const struct http_request *request)
{
    (void)request;
    return NULL;
}

const char *http_request_id(const struct http_request *request)
{
    (void)request;
    return "r";
}

const char *http_client_address(const struct http_request *request)
{
    (void)request;
    return "127.0.0.1";
}

const char *http_peer_address(const struct http_request *request)
{
    return http_client_address(request);
}

int64_t http_arrived_us(const struct http_request *request)
{
    return request->arrived_us;
}

/* ---- what is posted ---- */

static int64_t posted;
static char told[24]; /* how many were not recorded, by the last event */

static void take(void *arg, struct audit_event *event)
{
    (void)arg;
    posted++;
    told[0] = '\0';
    for (size_t i = 0; i < event->data->count; i++)
        if (strcmp(event->data->items[i].key, "not_recorded_before") == 0)
            (void)snprintf(told, sizeof told, "%s", event->data->items[i].value);
    assert_true(event->failure);
    assert_int_equal(event->action, AUDIT_ACTION_DENIED);
    assert_string_equal(event->resource_type, "user");
    assert_string_equal(event->texts[AUDIT_TEXT_USER_UID], AUDIT_ANONYMOUS_UID);
    audit_event_free(event);
}

static void refuse(struct audit_refusals *refusals, int64_t second)
{
    const struct http_request request = {second * US_PER_S};
    audit_refused(refusals, &request, 401, "Unauthorized");
}

/* Nobody fills the disk with calls that are refused: what is beyond the limit is counted, and the count is told. */
static void a_flood_is_counted_beyond_its_limit(void **state)
{
    (void)state;
    struct audit_refusals refusals = {.post = take};
    for (int i = 0; i < REFUSALS_PER_SECOND + 500; i++)
        refuse(&refusals, 7);
    assert_int_equal(posted, REFUSALS_PER_SECOND);
    assert_string_equal(told, "");
    refuse(&refusals, 8);
    assert_int_equal(posted, REFUSALS_PER_SECOND + 1);
    assert_string_equal(told, "500");
    refuse(&refusals, 8);
    assert_string_equal(told, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_flood_is_counted_beyond_its_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
