/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_api.h"

#include "alert/alert_store.h"
#include "alert/alerts_priv.h"
#include "audit/audit_request.h"
#include "http/idempotency_store.h"
#include "http/page.h"
#include "trail/pending_store.h"

#include <stdio.h>

enum { ANSWER_MAX = 8 << 20 };

static const struct http_param_spec list_params[] = {
    PAGE_PARAMS,
    {"state", HTTP_PARAM_CHOICE, 0, ALERT_STATE_COUNT, alert_state_names},
    {"kind", HTTP_PARAM_CHOICE, 0, ALERT_KIND_COUNT, alert_kind_names},
    {"channel", HTTP_PARAM_CHOICE, 0, ALERT_CHANNEL_COUNT, alert_channel_names},
    {NULL, HTTP_PARAM_TEXT, 0, 0, NULL},
};

/* ---- reading ---- */

struct reading {
    struct http_request *request;
    struct json_writer w;
    struct buf out;
};

static void answer_read(struct alerts *alerts, struct http_request *request, store_run_fn read)
{
    struct reading reading = {.request = request};
    struct err err;
    buf_init(&reading.out, ANSWER_MAX);
    json_writer_init(&reading.w, &reading.out);
    enum err_code code = store_read(alerts->options.store, read, &reading, &err);
    if (code == OK) {
        http_answer_json(request, 200, &reading.out);
        return;
    }
    buf_release(&reading.out);
    http_answer_error(request, code, &err);
}

static enum err_code read_list(struct db *db, void *arg, struct err *err)
{
    struct reading *r = arg;
    struct page page;
    struct row_count total;
    bool more = false;
    int64_t last = 0;
    enum err_code code = page_read(r->request, &page, err);
    if (code != OK)
        return code;
    struct alert_filter filter = {.state = (int)http_param_int(r->request, "state", -1),
                                  .kind = (int)http_param_int(r->request, "kind", -1),
                                  .channel = (int)http_param_int(r->request, "channel", -1),
                                  .before_id = page.cursor,
                                  .offset = page.offset,
                                  .limit = (int)page.size};
    json_begin_object(&r->w);
    json_key(&r->w, "data");
    json_begin_array(&r->w);
    code = alert_store_list(db, &filter, &r->w, &more, &last, err);
    json_end_array(&r->w);
    if (code == OK && !page.cursor)
        code = alert_store_count(db, &filter, &total, err);
    page_write(&r->w, &page, page.cursor || code != OK ? NULL : &total, more ? last : 0);
    json_end_object(&r->w);
    return code;
}

static void list(struct http_request *request, void *context)
{
    answer_read(context, request, read_list);
}

static enum err_code id_of(const struct http_request *request, int64_t *ret, struct err *err)
{
    return str_to_int(str_of(http_path_id(request, 0)), 1, INT64_MAX, ret)
               ? OK
               : err_set(err, ERR_NOT_FOUND, NULL, "Resource not found");
}

static enum err_code read_one(struct db *db, void *arg, struct err *err)
{
    struct reading *r = arg;
    int64_t id;
    enum err_code code = id_of(r->request, &id, err);
    json_begin_object(&r->w);
    json_key(&r->w, "data");
    if (code == OK)
        code = alert_store_get(db, id, &r->w, err);
    if (code == OK)
        json_end_object(&r->w);
    return code;
}

static void show(struct http_request *request, void *context)
{
    answer_read(context, request, read_one);
}

/* ---- again ---- */

static const char again_message[] = "The alert is sent again";

/* With its event of the audit log, and its record for a repeat of the request, in one transaction. */
static enum err_code run_retry(struct db *tx, void *arg, struct err *err)
{
    struct http_request *request = arg;
    int64_t id, now_us = http_arrived_us(request);
    char body[80];
    int length = snprintf(body, sizeof body, "{\"message\":\"%s\"}", again_message);
    enum err_code code = id_of(request, &id, err);
    if (code == OK)
        code = alert_store_retry(tx, id, now_us, err);
    if (code != OK)
        return code;
    struct audit_event *event = audit_event_of_request(request, NULL);
    code = audit_put(tx, event, now_us, err);
    audit_event_free(event);
    const struct http_idempotency *idempotency = http_idempotency(request);
    return code == OK && idempotency ? idempotency_save(tx, idempotency, 202, body, (size_t)length, now_us, err) : code;
}

static void retry(struct http_request *request, void *context)
{
    struct alerts *alerts = context;
    struct err err;
    enum err_code code = store_write(alerts->options.store, run_retry, request, &err);
    if (code != OK) {
        http_answer_error(request, code, &err);
        return;
    }
    alerts_wake(alerts);
    http_answer_message(request, 202, again_message);
}

/* ---- routes ---- */

static const struct http_route routes[] = {
    {HTTP_GET, "/api/v1/alerts", list, HTTP_MAY_READ, 0, 0, list_params, "alerts, newest first"},
    {HTTP_GET, "/api/v1/alerts/{id}", show, HTTP_MAY_READ, 0, 0, NULL, "one alert"},
    {HTTP_POST, "/api/v1/alerts/{id}/retry", retry, HTTP_MAY_ADMIN, HTTP_IDEMPOTENT_SAVE, 0, NULL, "send a dead alert again",
     AUDITS(TRIGGERED, ALERT)},
};

struct http_routes alert_routes(struct alerts *alerts)
{
    return (struct http_routes){routes, ARRAY_LEN(routes), alerts};
}
