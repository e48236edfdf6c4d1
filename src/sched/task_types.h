/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of task types: a table, complete before the program starts (GEN-02, GEN-03). A type is an index. */
#ifndef HORAE_SCHED_TASK_TYPES_H
#define HORAE_SCHED_TASK_TYPES_H

#include "base/json_write.h"
#include "base/str.h"
#include "sched/task_data.h"

enum task_type_flags { TASK_TYPE_INTERNAL = 1, TASK_TYPE_KEPT = 2 };

enum task_type {
#define TASK_TYPE(id, name, flags, check, description, schema) TASK_TYPE_##id,
#include "sched/task_types.def"
#undef TASK_TYPE
    TASK_TYPE_COUNT
};

const char *task_type_name(int type);
int task_type_from_name(struct str name); /* -1: no such type */
/* Ours: does not count against the instance's capacity. */
bool task_type_is_internal(int type);
/* Runs on under the keeper when the server ends. */
bool task_type_is_kept(int type);
/* A run has no effect outside and takes no time: it may be claimed and ended in one write. */
bool task_type_is_instant(int type, const char *data);
/* Result of such a run; owned by the caller, NULL = "". */
char *task_type_instant_result(const char *data);
/* `data` has at most TASK_DATA_MAX bytes and is what the type accepts. */
enum err_code task_type_validate(int type, const char *data, size_t length, struct err *err);
/* GET /scheduler/types: an array of {type, description, schema}. */
void task_types_write_json(struct json_writer *w);

#endif
