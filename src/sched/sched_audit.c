/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_audit.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "sched/sched_task_json.h"
#include "trail/pending_store.h"

enum { OBJECT_MAX = 1 << 20 };

void sched_audit_task(struct sched_command *command, const struct sched_task *task)
{
    if (!command->audit)
        return;
    command->audited.task_uid = task->uid;
    command->audited.task_name = xstrdup(task->name);
}

void sched_audit_change(struct sched_command *command, const struct sched_task *before)
{
    if (!command->audit)
        return;
    sched_audit_task(command, before);
    command->audited.before = sched_task_clone(before);
}

/* ---- objects ---- */

struct object {
    struct buf text;
    struct json_writer w;
};

static struct json_writer *begin_object(struct object *object)
{
    buf_init(&object->text, OBJECT_MAX);
    json_writer_init(&object->w, &object->text);
    return &object->w;
}

static void set_object(struct object *object, struct audit_event *event, int which)
{
    if (!object->text.failed)
        audit_event_set_object(event, which, object->text.data, object->text.len);
    buf_release(&object->text);
}

/* As GET answers it: without the secret. */
static void put_task(struct audit_event *event, int which, const struct sched_task *task)
{
    struct object object;
    if (!task)
        return;
    sched_task_write_json(begin_object(&object), task);
    set_object(&object, event, which);
}

static void put_tasks(struct audit_event *event, const struct sched_command *command)
{
    const struct sched_task *before = command->audited.before;
    if (command->audited.unchanged)
        before = command->result_task;
    put_task(event, AUDIT_OLD_OBJECT, before);
    if (command->kind != SCHED_DELETE)
        put_task(event, AUDIT_NEW_OBJECT, command->result_task);
}

static void write_item(struct json_writer *w, const struct trigger_item *item)
{
    json_begin_object(w);
    json_put_uuid(w, "execution_uid", &item->uid);
    if (item->run_at_us)
        json_put_time(w, "run_at", item->run_at_us, 3);
    if (item->has_priority)
        json_put_int(w, "priority", item->priority);
    json_put_text_unless_empty(w, "override_data", item->override_data);
    json_put_text_unless_empty(w, "unique_key", item->unique_key);
    json_end_object(w);
}

static void put_trigger(struct audit_event *event, const struct sched_command *command)
{
    struct object object;
    write_item(begin_object(&object), &command->items[0]);
    set_object(&object, event, AUDIT_NEW_OBJECT);
    if (command->force)
        audit_event_put(event, "force", "true");
}

/* Rulings section 4: one event with its count. */
static void put_bulk(struct audit_event *event, const struct sched_command *command)
{
    struct object object;
    struct json_writer *w = begin_object(&object);
    json_begin_object(w);
    json_put_int(w, "count", (int64_t)command->item_count);
    json_key(w, "items");
    json_begin_array(w);
    for (size_t i = 0; i < command->item_count && i < SCHED_AUDIT_ITEMS; i++)
        write_item(w, &command->items[i]);
    json_end_array(w);
    json_put_uuid(w, "last_execution_uid", &command->items[command->item_count - 1].uid);
    json_end_object(w);
    set_object(&object, event, AUDIT_NEW_OBJECT);
    audit_event_put_int(event, "count", (int64_t)command->item_count);
}

static void put_state(struct audit_event *event, int which, enum execution_state state, const char *reason)
{
    struct object object;
    struct json_writer *w = begin_object(&object);
    json_begin_object(w);
    json_put_text(w, "state", execution_state_name(state));
    json_put_text_unless_empty(w, "cancel_reason", reason);
    json_end_object(w);
    set_object(&object, event, which);
}

static void put_cancel(struct audit_event *event, const struct sched_command *command)
{
    put_state(event, AUDIT_OLD_OBJECT, command->audited.state_before, NULL);
    put_state(event, AUDIT_NEW_OBJECT, command->execution_state, command->reason);
}

static void put_retry(struct audit_event *event, const struct sched_command *command)
{
    struct object object;
    struct json_writer *w = begin_object(&object);
    json_begin_object(w);
    json_put_uuid(w, "execution_uid", &command->execution_uid);
    json_put_uuid(w, "retry_of", &command->audited.execution_uid);
    json_end_object(w);
    set_object(&object, event, AUDIT_NEW_OBJECT);
}

/* ---- the event ---- */

static bool is_about_execution(const struct sched_command *command)
{
    return command->kind == SCHED_CANCEL || command->kind == SCHED_RETRY;
}

/* The uid, whatever the caller named it by; with the name, since that is what people know. */
static void set_resource(struct audit_event *event, const struct sched_command *command)
{
    char uid[UUID_TEXT_LEN + 1];
    bool execution = is_about_execution(command);
    uuid_format(execution ? &command->audited.execution_uid : &command->audited.task_uid, uid);
    audit_event_set(event, AUDIT_TEXT_RESOURCE_ID, uid);
    if (!command->audited.task_name)
        return;
    audit_event_put_resource(event, execution ? "task_name" : "name", command->audited.task_name);
    if (execution) {
        uuid_format(&command->audited.task_uid, uid);
        audit_event_put_resource(event, "task_uid", uid);
    }
}

static void put_cancelled(struct audit_event *event, const struct sched_work *work)
{
    size_t cancelled = work->cancels.count + work->finishes.count;
    if (cancelled)
        audit_event_put_int(event, "cancelled_executions", (int64_t)cancelled);
}

static void fill_in(struct audit_event *event, const struct sched_command *command, const struct sched_work *work)
{
    set_resource(event, command);
    if (command->audited.unchanged)
        audit_event_put(event, "changed", "false");
    switch (command->kind) {
    case SCHED_DECLARE:
        event->action = command->created ? AUDIT_ACTION_CREATED : AUDIT_ACTION_UPDATED;
        put_tasks(event, command);
        break;
    case SCHED_CREATE:
    case SCHED_UPDATE:
    case SCHED_ENABLE: put_tasks(event, command); break;
    case SCHED_DELETE:
    case SCHED_DISABLE:
        put_tasks(event, command);
        put_cancelled(event, work);
        break;
    case SCHED_TRIGGER: put_trigger(event, command); break;
    case SCHED_BULK: put_bulk(event, command); break;
    case SCHED_CANCEL: put_cancel(event, command); break;
    case SCHED_RETRY: put_retry(event, command); break;
    case SCHED_SETTLE: break;
    }
}

enum err_code sched_audit_put(struct db *tx, struct sched_work *work, struct err *err)
{
    struct sched_command *command = work->command;
    if (!command || !command->audit)
        return OK;
    fill_in(command->audit, command, work);
    return audit_put(tx, command->audit, work->now_us, err);
}
