/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/ingest_api.h"

#include "base/mem.h"
#include "http/client_address.h"
#include "trail/ingest.h"
#include "trail/trail_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20 };

bool ingest_is_queued(const struct http_request *request)
{
    const struct http_param *ack = http_param(request, "ack");
    return ack && ack->number == 1;
}

bool ingest_dedupes_all(const struct http_request *request)
{
    const struct http_param *dedupe = http_param(request, "dedupe");
    return dedupe && dedupe->number == 1;
}

void ingest_refuse_full(struct http_request *request)
{
    struct err err;
    (void)err_set(&err, ERR_UNAVAILABLE, "UNAVAILABLE", "too many audit events wait to be stored: try again in a moment");
    http_answer_error(request, ERR_UNAVAILABLE, &err);
}

/* Addresses are stored in one form, in which they are searched for; "" is of those that have none (DATA-30). */
static enum err_code read_address(const struct http_request *request, const struct json *value, const char *what,
                                  struct audit_event *event, struct err *err)
{
    char address[CLIENT_ADDRESS_MAX], name[72];
    const struct json *given = json_member(value, "client_ip");
    const bool is_text = given && json_is_text(given);
    struct str text = is_text ? json_get_text(given) : (struct str){"", 0};
    if (!is_text) {
        const char *address_of_caller = http_client_address(request), *peer = http_peer_address(request);
        audit_event_set(event, AUDIT_TEXT_CLIENT_IP, address_of_caller);
        if (strcmp(peer, address_of_caller) != 0) /* AUD-28: a header said so */
            audit_event_put(event, "peer_ip", peer);
    } else if (text.n) {
        (void)snprintf(name, sizeof name, "%s%sclient_ip", what, what[0] ? "." : "");
        if (!client_address_text(text, address))
            return err_param(err, name, "%s must be an IP address, or \"\"", name);
        audit_event_set(event, AUDIT_TEXT_CLIENT_IP, address);
    }
    return OK;
}

enum err_code ingest_record(struct ingest_api *api, struct http_request *request, const struct json *value, const char *what,
                            struct audit_record *ret, struct err *err)
{
    struct audit_event *event;
    int64_t now_ms = clock_wall(api->clock).us / US_PER_MS;
    enum err_code code = audit_event_read(value, what, trail_types(api->trail), now_ms, &event, err);
    if (code != OK)
        return code;
    code = read_address(request, value, what, event, err);
    if (code == OK)
        audit_record_make(event, trail_rules(api->trail), now_ms, ret);
    audit_event_free(event);
    return code;
}

/* ---- one event, or an array ---- */

struct ingest {
    struct trail_batch batch;
    struct http_request *request; /* NULL: it was answered */
    struct trail *trail;
    struct buf answer;
    struct audit_record records[];
};

static void free_ingest(struct ingest *ingest)
{
    for (size_t i = 0; i < ingest->batch.count; i++)
        audit_record_release(&ingest->records[i]);
    buf_release(&ingest->answer);
    free(ingest);
}

static void write_answer(struct ingest *ingest)
{
    struct json_writer w;
    buf_init(&ingest->answer, ANSWER_MAX);
    json_writer_init(&w, &ingest->answer);
    json_begin_object(&w);
    json_key(&w, "data");
    json_begin_object(&w);
    json_key(&w, "ids");
    json_begin_array(&w);
    for (size_t i = 0; i < ingest->batch.count; i++) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(&ingest->records[i].id, id);
        json_text_n(&w, id, UUID_TEXT_LEN);
    }
    json_end_array(&w);
    json_key(&w, "truncated");
    json_begin_array(&w);
    for (size_t i = 0; i < ingest->batch.count; i++)
        json_bool(&w, ingest->records[i].truncated);
    json_end_array(&w);
    json_end_object(&w);
    json_end_object(&w);
}

/* Writer's thread. */
static void stored(struct trail_batch *batch, enum err_code code, const struct err *err)
{
    struct ingest *ingest = CONTAINER_OF(batch, struct ingest, batch);
    if (!ingest->request && code != OK)
        trail_count_dropped(ingest->trail, (int64_t)batch->count, err);
    else if (ingest->request && code != OK)
        http_answer_error(ingest->request, code, err);
    else if (ingest->request)
        http_answer_json(ingest->request, 201, &ingest->answer);
    free_ingest(ingest);
}

static void submit(struct ingest *ingest)
{
    struct http_request *request = ingest->request;
    bool queued = ingest_is_queued(request);
    struct buf answer = ingest->answer;
    if (queued) {
        ingest->request = NULL; /* the writer may be done with it at any time from now on */
        buf_init(&ingest->answer, ANSWER_MAX);
    }
    bool taken = trail_submit(ingest->trail, &ingest->batch);
    if (queued && !taken) /* AUD-34: the caller never fails */
        trail_count_dropped(ingest->trail, (int64_t)ingest->batch.count, NULL);
    if (!taken)
        free_ingest(ingest);
    if (queued)
        http_answer_json(request, 202, &answer);
    else if (!taken)
        ingest_refuse_full(request);
}

static enum err_code read_all(struct ingest *ingest, struct ingest_api *api, const struct json *root, struct err *err)
{
    const struct json *item;
    struct json_walk walk = {0};
    enum err_code code = OK;
    char what[40];
    if (!json_is_array(root)) {
        code = ingest_record(api, ingest->request, root, "", &ingest->records[0], err);
        ingest->batch.count = code == OK;
        return code;
    }
    while (code == OK && json_walk_array(root, &walk, &item)) {
        (void)snprintf(what, sizeof what, "events[%zu]", ingest->batch.count);
        code = ingest_record(api, ingest->request, item, what, &ingest->records[ingest->batch.count], err);
        ingest->batch.count += code == OK;
    }
    return code;
}

static void post_json(struct http_request *request, struct ingest_api *api)
{
    const struct json *root = http_body_json(request);
    size_t count = json_is_array(root) ? json_count(root) : 1;
    struct err err;
    if (count < 1 || count > INGEST_ARRAY_MAX) {
        (void)err_param(&err, "events", "an array must have 1 to %d events", INGEST_ARRAY_MAX);
        http_answer_error(request, ERR_INVALID, &err);
        return;
    }
    struct ingest *ingest = xcalloc(1, sizeof *ingest + count * sizeof ingest->records[0]);
    ingest->request = request;
    ingest->trail = api->trail;
    ingest->batch = (struct trail_batch){.records = ingest->records, .dedupe_all = ingest_dedupes_all(request), .done = stored};
    enum err_code code = read_all(ingest, api, root, &err);
    if (code != OK) {
        free_ingest(ingest);
        http_answer_error(request, code, &err);
        return;
    }
    write_answer(ingest);
    submit(ingest);
}

static void post_events(struct http_request *request, void *context)
{
    if (http_body_was_taken(request))
        ingest_lines_handle(request, context);
    else
        post_json(request, context);
}

static const char *const acks[] = {"stored", "queued"}, *const dedupes[] = {"recent", "all"};
static const struct http_param_spec params[] = {{"ack", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(acks), acks},
                                                {"dedupe", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(dedupes), dedupes},
                                                {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};
static const struct http_body_taker lines = {"application/x-ndjson", ingest_lines_take};
static const struct http_route routes[] = {
    {HTTP_POST, "/api/v1/audit/events", post_events, HTTP_MAY_OPERATE, HTTP_JSON_BODY | HTTP_BODY_REQUIRED | HTTP_JSON_EXACT,
     HTTP_BODY_BULK_MAX, params, "store events of other systems", 0, &lines},
};

struct http_routes ingest_routes(struct ingest_api *api)
{
    return (struct http_routes){routes, ARRAY_LEN(routes), api};
}
