/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/task_types.h"

#include "base/panic.h"
#include "sched/sched_task.h"

#include <string.h>

struct type_row {
    const char *name;
    unsigned flags;
    enum err_code (*check)(const char *data, struct err *err);
    const char *description, *schema;
};

static const struct type_row rows[] = {
#define TASK_TYPE(id, name, flags, check, description, schema) {name, flags, check, description, schema},
#include "sched/task_types.def"
#undef TASK_TYPE
};

static const struct type_row *row_of(int type)
{
    must(type >= 0 && type < TASK_TYPE_COUNT);
    return &rows[type];
}

const char *task_type_name(int type)
{
    return row_of(type)->name;
}

int task_type_from_name(struct str name)
{
    for (int i = 0; i < TASK_TYPE_COUNT; i++)
        if (str_equal(name, rows[i].name))
            return i;
    return -1;
}

bool task_type_is_internal(int type)
{
    return row_of(type)->flags & TASK_TYPE_INTERNAL;
}

bool task_type_is_kept(int type)
{
    return row_of(type)->flags & TASK_TYPE_KEPT;
}

bool task_type_is_instant(int type, const char *data)
{
    struct noop_data noop;
    struct err err;
    if (type != TASK_TYPE_NOOP || noop_data_parse(data, &noop, &err) != OK)
        return false;
    bool instant = !noop.sleep_ms && !noop.fail_attempts;
    noop_data_release(&noop);
    return instant;
}

char *task_type_instant_result(const char *data)
{
    struct noop_data noop;
    struct err err;
    return noop_data_parse(data, &noop, &err) == OK ? noop.result : NULL;
}

enum err_code task_type_validate(int type, const char *data, size_t length, struct err *err)
{
    if (length > TASK_DATA_MAX)
        return err_param(err, "data", "data must have at most %d bytes; it has %zu", TASK_DATA_MAX, length);
    struct err inner;
    if (row_of(type)->check(data, &inner) == OK)
        return OK;
    bool inside = inner.param[0] && strcmp(inner.param, "data") != 0;
    return err_param(err, "data", "%s%s", inside ? "data: " : "", inner.message);
}

void task_types_write_json(struct json_writer *w)
{
    json_begin_array(w);
    for (int i = 0; i < TASK_TYPE_COUNT; i++) {
        json_begin_object(w);
        json_put_text(w, "type", rows[i].name);
        json_put_text(w, "description", rows[i].description);
        json_key(w, "schema");
        json_raw(w, rows[i].schema, strlen(rows[i].schema));
        json_end_object(w);
    }
    json_end_array(w);
}
