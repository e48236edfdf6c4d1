/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/audit_api.h"

#include "audit/audit_request.h"
#include "base/mem.h"
#include "http/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 30 }; /* one event always fits; pages end at AUDIT_PAGE_BYTES */

const char *const audit_status_names[2] = {"success", "failure"};

/* ---- what is asked ---- */

static enum err_code check_type(const struct audit_types *types, const char *name, struct err *err)
{
    struct buf list;
    if (!name || audit_type_is_known(types, str_of(name)))
        return OK;
    buf_init(&list, 65536);
    for (int i = 0; i < AUDIT_RESOURCE_COUNT; i++)
        buf_printf(&list, "%s%s", i ? ", " : "", audit_resource_names[i]);
    for (size_t i = 0; i < types->count; i++)
        buf_printf(&list, ", %s", types->names[i]);
    enum err_code code = err_param(err, "resource_type", "resource_type must be one of: %s", list.data);
    buf_release(&list);
    return code;
}

/* Parameters are microseconds, events have milliseconds: the range is what lies inside. */
static void read_range(const struct http_request *request, struct event_filter *filter)
{
    const struct http_param *start = http_param(request, "start_time"), *end = http_param(request, "end_time");
    filter->from_ms = start ? (start->number + (start->number > 0 ? US_PER_MS - 1 : 0)) / US_PER_MS : INT64_MIN;
    filter->to_ms = end ? (end->number - (end->number < 0 ? US_PER_MS - 1 : 0)) / US_PER_MS : INT64_MAX;
}

enum err_code audit_question_read(const struct audit_api *api, const struct http_request *request, struct audit_question *ret,
                                  struct err *err)
{
    static const char *const names[EVENT_STATUS] = {
        [EVENT_REQUEST_ID] = "request_id", [EVENT_RESOURCE_ID] = "resource_id", [EVENT_CLIENT_IP] = "client_ip",
        [EVENT_USER_UID] = "user_uid",     [EVENT_SPACE_PATH] = "space_path",   [EVENT_RESOURCE_TYPE] = "resource_type",
        [EVENT_ACTION] = "action",         [EVENT_SUBSYSTEM] = "subsystem",
    };
    const char *text = http_param_text(request, "q");
    *ret = (struct audit_question){.filter = {.failure = (int)http_param_int(request, "status", -1)}, .has_text = text != NULL};
    for (int i = 0; i < EVENT_STATUS; i++)
        ret->filter.texts[i] = http_param_text(request, names[i]);
    if (ret->filter.texts[EVENT_CLIENT_IP]) { /* as it is stored (AUD-26) */
        if (!client_address_text(str_of(ret->filter.texts[EVENT_CLIENT_IP]), ret->client_ip))
            return err_param(err, "client_ip", "client_ip must be an IP address");
        ret->filter.texts[EVENT_CLIENT_IP] = ret->client_ip;
    }
    read_range(request, &ret->filter);
    if (text && !http_param(request, "start_time"))
        return err_param(err, "start_time", "start_time is required with q: free text is searched inside a range of time");
    const struct http_param *start = http_param(request, "start_time"), *end = http_param(request, "end_time");
    if (start && end && start->number > end->number) /* that no millisecond lies between them is no mistake */
        return err_param(err, "end_time", "end_time must not be before start_time");
    if (text)
        event_text_init(&ret->text, text);
    return check_type(trail_types(api->trail), ret->filter.texts[EVENT_RESOURCE_TYPE], err);
}

/* ---- list ---- */

static const struct http_param_spec list_params[] = {PAGE_PARAMS_TEXT, AUDIT_FILTER_PARAMS, {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};

struct listing {
    struct audit_api *api;
    struct event_source source;
    struct page page;
    struct audit_question question;
    struct event_request request;
    struct buf out;
    struct json_writer w;
};

static bool add_event(void *arg, struct str event)
{
    struct listing *list = arg;
    if (list->out.len > 64 && list->out.len + event.n > AUDIT_PAGE_BYTES)
        return false;
    json_raw(&list->w, event.p, event.n);
    return true;
}

/* A search that came to the end has seen them all; one by free text knows what it has found so far, and no more. */
static enum err_code count(const struct listing *list, const struct event_page *page, struct row_count *ret, struct err *err)
{
    if (page->more && !list->question.has_text)
        return event_search_count(&list->source, &list->question.filter, ret, err);
    *ret = (struct row_count){page->found, page->more};
    return OK;
}

static enum err_code fill(struct listing *list, struct err *err)
{
    struct event_page page;
    struct row_count total;
    char cursor[EVENT_CURSOR_LEN];
    json_begin_object(&list->w);
    json_key(&list->w, "data");
    json_begin_array(&list->w);
    enum err_code code = event_search(&list->source, &list->request, add_event, list, &page, err);
    json_end_array(&list->w);
    if (code == OK && !list->page.cursor)
        code = count(list, &page, &total, err);
    if (code != OK)
        return code;
    event_cursor_write(&page.next, cursor);
    page_write_text(&list->w, &list->page, list->page.cursor ? NULL : &total, page.more ? cursor : NULL);
    json_end_object(&list->w);
    return OK;
}

static enum err_code read_request(struct listing *list, const struct http_request *request, struct err *err)
{
    const char *cursor = http_param_text(request, "cursor");
    enum err_code code = page_read(request, &list->page, err);
    if (code == OK)
        code = audit_question_read(list->api, request, &list->question, err);
    if (code != OK)
        return code;
    list->request = (struct event_request){.filter = list->question.filter,
                                           .text = list->question.has_text ? &list->question.text : NULL,
                                           .has_after = cursor != NULL,
                                           .offset = list->page.offset,
                                           .limit = (int)list->page.size};
    if (cursor && !event_cursor_read(cursor, &list->request.after))
        return err_param(err, "cursor", "cursor must be the next_cursor of a page of this list");
    return OK;
}

static void list_events(struct http_request *request, void *context)
{
    struct listing list = {.api = context};
    struct err err;
    enum err_code code = read_request(&list, request, &err);
    if (code != OK) {
        http_answer_error(request, code, &err);
        return;
    }
    trail_settle(list.api->trail, AUDIT_SETTLE_MS);
    struct trail_segments *segments = trail_segments(list.api->trail, list.question.filter.from_ms, list.question.filter.to_ms);
    list.source = (struct event_source){list.api->readers, segments->items, segments->count};
    buf_init(&list.out, ANSWER_MAX);
    json_writer_init(&list.w, &list.out);
    if ((code = fill(&list, &err)) == OK) {
        http_answer_json(request, 200, &list.out);
    } else {
        buf_release(&list.out);
        http_answer_error(request, code, &err);
    }
    free(segments);
}

/* ---- one event ---- */

static void put_data(void *arg, struct str event)
{
    struct json_writer w;
    json_writer_init(&w, arg);
    json_begin_object(&w);
    json_key(&w, "data");
    json_raw(&w, event.p, event.n);
    json_end_object(&w);
}

static void show_event(struct http_request *request, void *context)
{
    struct audit_api *api = context;
    const char *text = http_path_id(request, 0);
    struct uuid id;
    struct err err;
    struct buf out;
    if (!uuid_parse(text, strlen(text), &id)) {
        http_answer_error(request, err_set(&err, ERR_NOT_FOUND, NULL, "Resource not found"), &err);
        return;
    }
    trail_settle(api->trail, AUDIT_SETTLE_MS);
    struct trail_segments *segments = trail_segments(api->trail, INT64_MIN, INT64_MAX);
    const struct event_source source = {api->readers, segments->items, segments->count};
    buf_init(&out, ANSWER_MAX);
    enum err_code code = event_search_find(&source, &id, put_data, &out, &err);
    free(segments);
    if (code == OK) {
        http_answer_json(request, 200, &out);
        return;
    }
    buf_release(&out);
    http_answer_error(request, code, &err);
}

/* ---- routes ---- */

static const char *const formats[] = {"ndjson", "csv"};
static const struct http_param_spec export_params[] = {
    AUDIT_FILTER_PARAMS, {"format", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(formats), formats}, {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};

#define EVENTS "/api/v1/audit/events"
#define CONFIG "/api/v1/audit/config"

static const struct http_route routes[] = {
    {HTTP_GET, EVENTS, list_events, HTTP_MAY_AUDIT, 0, 0, list_params, "audit events, newest first", 0},
    {HTTP_GET, EVENTS "/export", audit_export_handle, HTTP_MAY_AUDIT, 0, 0, export_params,
     "all audit events of a filter, oldest first", AUDITS(EXPORTED, AUDIT_CONFIG)},
    {HTTP_GET, EVENTS "/{id}", show_event, HTTP_MAY_AUDIT, 0, 0, NULL, "one audit event", 0},
    {HTTP_GET, CONFIG, audit_config_show, HTTP_MAY_AUDIT, 0, 0, NULL, "how long audit events are kept", 0},
    {HTTP_PUT, CONFIG, audit_config_change, HTTP_MAY_ADMIN, HTTP_JSON_BODY | HTTP_BODY_REQUIRED | HTTP_IDEMPOTENT_SAVE, 0, NULL,
     "change how long audit events are kept", AUDITS(UPDATED, AUDIT_CONFIG)},
};

struct http_routes audit_routes(struct audit_api *api)
{
    return (struct http_routes){routes, ARRAY_LEN(routes), api};
}
