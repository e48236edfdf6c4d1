/* SPDX-License-Identifier: Apache-2.0 */
/* How long audit events are kept (RET-02, RET-03, API-22, API-23): the next clean-up obeys it; the change and its event are one
 * transaction. */
#include "audit/audit_request.h"
#include "base/json.h"
#include "db/migrate.h"
#include "db/retention.h"
#include "http/idempotency_store.h"
#include "trail/audit_api.h"
#include "trail/pending_store.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 4096 };

/* Nobody has changed it: the default holds since there is this database. */
static enum err_code read_setting(struct db *db, struct retention_setting *ret, struct err *err)
{
    enum err_code code = retention_read(db, RETENTION_AUDIT, ret, err);
    return code == OK && !ret->updated_us ? migrate_first_time(db, &ret->updated_us, err) : code;
}

static void write_setting(struct json_writer *w, const struct retention_setting *setting, const char *message)
{
    json_begin_object(w);
    if (message)
        json_put_text(w, "message", message);
    json_key(w, "data");
    json_begin_object(w);
    json_put_int(w, "retention_days", setting->days);
    json_put_time(w, "last_updated_at", setting->updated_us, 3);
    json_put_text_unless_empty(w, "updated_by", setting->updated_by);
    json_end_object(w);
    json_end_object(w);
}

static enum err_code read_setting_op(struct db *db, void *arg, struct err *err)
{
    return read_setting(db, arg, err);
}

void audit_config_show(struct http_request *request, void *context)
{
    struct audit_api *api = context;
    struct retention_setting setting;
    struct json_writer w;
    struct buf out;
    struct err err;
    enum err_code code = store_read(api->store, read_setting_op, &setting, &err);
    if (code != OK) {
        http_answer_error(request, code, &err);
        return;
    }
    buf_init(&out, ANSWER_MAX);
    json_writer_init(&w, &out);
    write_setting(&w, &setting, NULL);
    http_answer_json(request, 200, &out);
}

/* ---- change ---- */

struct change {
    struct http_request *request;
    int64_t days, now_us;
    struct buf out;
};

static enum err_code put_event(struct db *tx, const struct change *change, int64_t old_days, struct err *err)
{
    struct audit_event *event = audit_event_of_request(change->request, "audit_config");
    const int64_t days[2] = {[AUDIT_OLD_OBJECT] = old_days, [AUDIT_NEW_OBJECT] = change->days};
    for (int i = 0; i < 2; i++) {
        char object[48];
        int n = snprintf(object, sizeof object, "{\"retention_days\":%lld}", (long long)days[i]);
        audit_event_set_object(event, i, object, (size_t)n);
    }
    enum err_code code = audit_put(tx, event, change->now_us, err);
    audit_event_free(event);
    return code;
}

static enum err_code apply(struct db *tx, void *arg, struct err *err)
{
    struct change *change = arg;
    struct retention_setting setting;
    struct json_writer w;
    const struct http_idempotency *idempotency = http_idempotency(change->request);
    enum err_code code = retention_read(tx, RETENTION_AUDIT, &setting, err);
    if (code == OK)
        code = put_event(tx, change, setting.days, err);
    if (code == OK)
        code = retention_write(tx, RETENTION_AUDIT, change->days, http_principal(change->request)->uid, change->now_us, err);
    if (code == OK)
        code = read_setting(tx, &setting, err);
    if (code != OK)
        return code;
    buf_clear(&change->out);
    json_writer_init(&w, &change->out);
    write_setting(&w, &setting, "Audit configuration updated successfully");
    return idempotency ? idempotency_save(tx, idempotency, 200, change->out.data, change->out.len, change->now_us, err) : OK;
}

/* Its words are those of RET-02, whatever is wrong with the value. */
static enum err_code read_days(const struct http_request *request, int64_t *ret, struct err *err)
{
    struct {
        const struct json *days;
    } body = {NULL};
    static const struct json_field fields[] = {{"retention_days", FIELD_ANY, 0, .required = true},
                                               {"last_updated_at", FIELD_IGNORED, 0},
                                               {"updated_by", FIELD_IGNORED, 0}};
    enum err_code code = json_read_fields(http_body_json(request), "", fields, ARRAY_LEN(fields), &body, NULL, NULL, err);
    if (code != OK)
        return code;
    if (!json_get_int(body.days, ret) || *ret < RETENTION_DAYS_MIN || *ret > RETENTION_DAYS_MAX)
        return err_param(err, "retention_days", "retention_days must be between %d and %d", RETENTION_DAYS_MIN,
                         RETENTION_DAYS_MAX);
    return OK;
}

void audit_config_change(struct http_request *request, void *context)
{
    struct audit_api *api = context;
    struct change change = {.request = request, .now_us = clock_wall(api->clock).us};
    struct err err;
    enum err_code code = read_days(request, &change.days, &err);
    buf_init(&change.out, ANSWER_MAX);
    if (code == OK)
        code = store_write(api->store, apply, &change, &err);
    if (code == OK) {
        http_answer_json(request, 200, &change.out);
        return;
    }
    buf_release(&change.out);
    http_answer_error(request, code, &err);
}
