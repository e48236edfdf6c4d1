/* SPDX-License-Identifier: Apache-2.0 */
/* REST of tasks: API-10..14, API-18, contract section 3. */
#include "sched/sched_api_priv.h"

#include "audit/audit_request.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "sched/sched_store.h"
#include "sched/task_types.h"
#include "sched/trigger_body.h"

#include <stdio.h>
#include <string.h>

/* ---- list and show ---- */

static const char *const type_names[] = {
#define TASK_TYPE(id, name, flags, check, description, schema) name,
#include "sched/task_types.def"
#undef TASK_TYPE
};

static const struct http_param_spec list_params[] = {
    PAGE_PARAMS,
    {"enabled", HTTP_PARAM_BOOL, 0, 0, NULL},
    {"type", HTTP_PARAM_CHOICE, 0, ARRAY_LEN(type_names), type_names},
    {"name", HTTP_PARAM_TEXT, 1, TASK_NAME_MAX, NULL},
    {"label", HTTP_PARAM_TEXT, 1, LABEL_NAME_MAX + 1 + LABEL_VALUE_MAX, NULL},
    API_PARAMS_END,
};

struct task_list {
    struct json_writer *w;
    int64_t count, size, last_id;
};

static enum err_code write_listed(void *arg, const struct task_row *row, struct err *err)
{
    (void)err;
    struct task_list *list = arg;
    if (list->count++ < list->size) { /* one more was read: it tells whether there is another page */
        sched_task_write_json(list->w, row->task);
        list->last_id = row->task->id;
    }
    sched_task_free(row->task);
    return OK;
}

static enum err_code read_list(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    struct page page;
    enum err_code code = page_read(read->request, &page, err);
    if (code != OK)
        return code;
    const char *label = http_param_text(read->request, "label");
    char label_name[LABEL_NAME_MAX + LABEL_VALUE_MAX + 2] = "";
    if (label)
        (void)snprintf(label_name, sizeof label_name, "%s", label);
    char *value = strchr(label_name, '=');
    if (value)
        *value++ = '\0';
    if (label && (!value || !label_name[0]))
        return err_param(err, "label", "label must be name=value");
    struct task_filter filter = {.name = http_param_text(read->request, "name"),
                                 .type = http_param_text(read->request, "type"),
                                 .label_name = label ? label_name : NULL,
                                 .label_value = value,
                                 .enabled = (int)http_param_int(read->request, "enabled", -1),
                                 .after_id = page.cursor,
                                 .offset = page.offset,
                                 .limit = (int)page.size + 1};
    struct task_list list = {.w = &read->w, .size = page.size};
    struct row_count total;
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    json_begin_array(&read->w);
    code = task_store_list(db, &filter, write_listed, &list, err);
    json_end_array(&read->w);
    if (code == OK && !page.cursor)
        code = task_store_count(db, &filter, &total, err);
    page_write(&read->w, &page, page.cursor ? NULL : &total, list.count > page.size ? list.last_id : 0);
    json_end_object(&read->w);
    return code;
}

static void list_tasks(struct http_request *request, void *context)
{
    api_read(context, request, read_list);
}

static enum err_code read_task(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    struct task_row row;
    enum err_code code = task_store_get(db, http_path_id(read->request, 0), &row, err);
    if (code != OK)
        return code;
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    sched_task_write_json(&read->w, row.task);
    json_end_object(&read->w);
    sched_task_free(row.task);
    return OK;
}

static void show_task(struct http_request *request, void *context)
{
    api_read(context, request, read_task);
}

/* ---- create, change, delete ---- */

static void write_result(struct sched_command *command, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "data");
    sched_task_write_json(&w, command->result_task);
    json_end_object(&w);
}

static int answer_created(struct sched_command *command, struct buf *out)
{
    write_result(command, out);
    return 201;
}

static int answer_changed(struct sched_command *command, struct buf *out)
{
    write_result(command, out);
    return 200;
}

static int answer_deleted(struct sched_command *command, struct buf *out)
{
    (void)command, (void)out;
    return 204;
}

static void create_task(struct http_request *request, void *context)
{
    struct sched_api *api = context;
    struct str body = http_body(request);
    struct sched_task *task;
    struct err err;
    if (sched_task_from_json(body.p, body.n, SCHED_TASK_JSON_CREATE, NULL, &api->defaults, clock_wall(api->clock).us, &task,
                             &err) != OK) {
        api_refuse(request, &err);
        return;
    }
    struct sched_command *command = api_command(request, SCHED_CREATE, answer_created);
    command->task = task;
    api_submit(api, command);
}

static void change_task(struct http_request *request, struct sched_api *api, bool merge_patch)
{
    struct sched_command *command = api_command(request, SCHED_UPDATE, answer_changed);
    struct str body = http_body(request);
    api_set_task(command, request);
    command->body = xstrndup(body.p, body.n);
    command->body_length = body.n;
    command->merge_patch = merge_patch;
    api_submit(api, command);
}

static void put_task(struct http_request *request, void *context)
{
    change_task(request, context, false);
}

static void patch_task(struct http_request *request, void *context)
{
    change_task(request, context, true);
}

static void delete_task(struct http_request *request, void *context)
{
    struct sched_command *command = api_command(request, SCHED_DELETE, answer_deleted);
    api_set_task(command, request);
    api_submit(context, command);
}

/* ---- enable, disable ---- */

static int write_message(struct buf *out, int status, const char *message)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "message", message);
    json_end_object(&w);
    return status;
}

static int answer_enabled(struct sched_command *command, struct buf *out)
{
    (void)command;
    return write_message(out, 200, "Task enabled successfully");
}

static int answer_disabled(struct sched_command *command, struct buf *out)
{
    (void)command;
    return write_message(out, 200, "Task disabled successfully");
}

static void enable_task(struct http_request *request, void *context)
{
    struct sched_command *command = api_command(request, SCHED_ENABLE, answer_enabled);
    api_set_task(command, request);
    api_submit(context, command);
}

static const struct http_param_spec disable_params[] = {{"cancel_running", HTTP_PARAM_BOOL, 0, 0, NULL}, API_PARAMS_END};

static void disable_task(struct http_request *request, void *context)
{
    static const struct json_field fields[] = {{"cancel_running", FIELD_BOOL, 0, 0, 0, .nullable = true}};
    bool cancel = http_param_int(request, "cancel_running", 0) != 0;
    const struct json *body = http_body_json(request);
    struct err err;
    if (body && json_read_fields(body, "", fields, ARRAY_LEN(fields), &cancel, NULL, NULL, &err) != OK) {
        api_refuse(request, &err);
        return;
    }
    struct sched_command *command = api_command(request, SCHED_DISABLE, answer_disabled);
    api_set_task(command, request);
    command->cancel_running = cancel;
    api_submit(context, command);
}

/* ---- trigger ---- */

static void write_uid(struct json_writer *w, const struct uuid *uid)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(uid, text);
    json_text(w, text);
}

static int answer_triggered(struct sched_command *command, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "message", "Task triggered successfully");
    json_key(&w, "execution_uid");
    write_uid(&w, &command->execution_uid);
    json_end_object(&w);
    return 202;
}

static void trigger_task(struct http_request *request, void *context)
{
    struct sched_command *command = api_command(request, SCHED_TRIGGER, answer_triggered);
    api_set_task(command, request);
    struct err err;
    if (trigger_body_read(http_body_json(request), command, &err) == OK) {
        api_submit(context, command);
        return;
    }
    sched_command_free(command);
    api_refuse(request, &err);
}

static int answer_bulk(struct sched_command *command, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "message", "Executions queued successfully");
    json_put_int(&w, "count", (int64_t)command->item_count);
    json_key(&w, "execution_uids");
    json_begin_array(&w);
    for (size_t i = 0; i < command->item_count; i++)
        write_uid(&w, &command->items[i].uid);
    json_end_array(&w);
    json_end_object(&w);
    return 202;
}

static void bulk_trigger(struct http_request *request, void *context)
{
    struct sched_command *command = api_command(request, SCHED_BULK, answer_bulk);
    struct err err;
    if (bulk_body_read(http_body_json(request), command, &err) == OK) {
        api_submit(context, command);
        return;
    }
    sched_command_free(command);
    api_refuse(request, &err);
}

/* ---- routes ---- */

#define TASK "/api/v1/scheduler/tasks/{id}"
enum { SAVES = HTTP_IDEMPOTENT_SAVE, BODY = HTTP_JSON_BODY | HTTP_BODY_REQUIRED | SAVES };

const struct http_route task_api_routes[] = {
    {HTTP_GET, "/api/v1/scheduler/tasks", list_tasks, HTTP_MAY_READ, 0, 0, list_params, "tasks, a page"},
    {HTTP_POST, "/api/v1/scheduler/tasks", create_task, HTTP_MAY_OPERATE, BODY, 0, NULL, "create a task",
     AUDITS(CREATED, SCHEDULED_TASK)},
    {HTTP_GET, TASK, show_task, HTTP_MAY_READ, 0, 0, NULL, "one task"},
    {HTTP_PUT, TASK, put_task, HTTP_MAY_OPERATE, BODY, 0, NULL, "replace a task's definition", AUDITS(UPDATED, SCHEDULED_TASK)},
    {HTTP_PATCH, TASK, patch_task, HTTP_MAY_OPERATE, BODY, 0, NULL, "change a task (JSON merge patch)",
     AUDITS(UPDATED, SCHEDULED_TASK)},
    {HTTP_DELETE, TASK, delete_task, HTTP_MAY_OPERATE, SAVES, 0, NULL, "delete a task; its history stays",
     AUDITS(DELETED, SCHEDULED_TASK)},
    {HTTP_POST, TASK "/enable", enable_task, HTTP_MAY_OPERATE, SAVES, 0, NULL, "enable a task", AUDITS(ENABLED, SCHEDULED_TASK)},
    {HTTP_POST, TASK "/disable", disable_task, HTTP_MAY_OPERATE, HTTP_JSON_BODY | SAVES, 0, disable_params, "disable a task",
     AUDITS(DISABLED, SCHEDULED_TASK)},
    {HTTP_POST, TASK "/trigger", trigger_task, HTTP_MAY_OPERATE, HTTP_JSON_BODY | SAVES, 0, NULL, "run a task now or at a time",
     AUDITS(TRIGGERED, SCHEDULED_TASK)},
    {HTTP_POST, "/api/v1/scheduler/executions", bulk_trigger, HTTP_MAY_OPERATE, BODY, HTTP_BODY_BULK_MAX, NULL,
     "queue many executions of one task", AUDITS(TRIGGERED, SCHEDULED_TASK)},
};
const size_t task_api_route_count = ARRAY_LEN(task_api_routes);
