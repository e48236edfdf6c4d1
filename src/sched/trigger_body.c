/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/trigger_body.h"

#include "base/mem.h"

#include <stdio.h>

struct trigger_fields {
    struct str override_data, unique_key, task_uid;
    int64_t run_at_us, priority;
    bool force;
    const struct json *items;
};
#define F(member) offsetof(struct trigger_fields, member)
#define TRIGGER_ITEM_FIELDS \
    {"override_data", FIELD_TEXT, F(override_data), 0, TASK_DATA_MAX, .nullable = true}, \
        {"unique_key", FIELD_TEXT, F(unique_key), 1, 255, .nullable = true}, \
        {"run_at", FIELD_TIME, F(run_at_us), .nullable = true}, \
    { \
        "priority", FIELD_INT, F(priority), -TASK_PRIORITY_MAX, TASK_PRIORITY_MAX, .nullable = true \
    }
static const struct json_field item_fields[] = {TRIGGER_ITEM_FIELDS};
static const struct json_field trigger_fields[] = {TRIGGER_ITEM_FIELDS, {"force", FIELD_BOOL, F(force), .nullable = true}};
static const struct json_field bulk_fields[] = {
    {"task_uid", FIELD_TEXT, F(task_uid), 1, TASK_NAME_MAX, .required = true},
    {"items", FIELD_ARRAY, F(items), 1, SCHEDULER_BULK_MAX, .required = true},
    {"force", FIELD_BOOL, F(force), .nullable = true},
};
#undef F

static void fill_item(struct trigger_item *item, const struct trigger_fields *f, uint64_t present)
{
    enum { PRIORITY_BIT = 3 };
    item->override_data = f->override_data.p ? xstrndup(f->override_data.p, f->override_data.n) : NULL;
    item->unique_key = f->unique_key.p ? xstrndup(f->unique_key.p, f->unique_key.n) : NULL;
    item->run_at_us = f->run_at_us;
    item->has_priority = present >> PRIORITY_BIT & 1;
    item->priority = (int32_t)f->priority;
}

enum err_code trigger_body_read(const struct json *body, struct sched_command *command, struct err *err)
{
    struct trigger_fields f = {0};
    uint64_t present = 0;
    enum err_code code =
        body ? json_read_fields(body, "", trigger_fields, ARRAY_LEN(trigger_fields), &f, &present, NULL, err) : OK;
    if (code != OK)
        return code;
    command->items = xcalloc(1, sizeof *command->items);
    command->item_count = 1;
    command->force = f.force;
    fill_item(&command->items[0], &f, present);
    return OK;
}

static enum err_code read_items(const struct json *items, struct sched_command *command, struct err *err)
{
    struct json_walk walk = {0};
    const struct json *item;
    command->items = xcalloc(json_count(items), sizeof *command->items);
    while (json_walk_array(items, &walk, &item)) {
        struct trigger_fields f = {0};
        uint64_t present;
        char what[32];
        (void)snprintf(what, sizeof what, "items[%zu]", command->item_count);
        enum err_code code = json_read_fields(item, what, item_fields, ARRAY_LEN(item_fields), &f, &present, NULL, err);
        if (code != OK)
            return code;
        fill_item(&command->items[command->item_count++], &f, present);
    }
    return OK;
}

enum err_code bulk_body_read(const struct json *body, struct sched_command *command, struct err *err)
{
    struct trigger_fields f = {0};
    enum err_code code = json_read_fields(body, "", bulk_fields, ARRAY_LEN(bulk_fields), &f, NULL, NULL, err);
    if (code != OK)
        return code;
    command->task_ref = xstrndup(f.task_uid.p, f.task_uid.n);
    command->force = f.force;
    return read_items(f.items, command, err);
}
