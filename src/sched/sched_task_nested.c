/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_task_nested.h"

#include "base/mem.h"

#include <string.h>

const struct retry_backoff task_backoff_default = {.base_ms = 1000, .cap_ms = 300000, .jitter_percent = 10};

/* ---- labels ---- */

static void free_label(struct sched_label *label)
{
    free(label->name);
    free(label->value);
}

void task_labels_clear(struct sched_task *task)
{
    for (size_t i = 0; i < task->label_count; i++)
        free_label(&task->labels[i]);
    task->label_count = 0;
}

static struct sched_label *find_label(const struct sched_task *task, struct str name)
{
    for (size_t i = 0; i < task->label_count; i++)
        if (str_equal(name, task->labels[i].name))
            return &task->labels[i];
    return NULL;
}

static void drop_label(struct sched_task *task, struct sched_label *label)
{
    free_label(label);
    *label = task->labels[--task->label_count];
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const struct sched_label *)a)->name, ((const struct sched_label *)b)->name);
}

/* Names and values stand in queries (label=name=value) and in lists: short, one line, no "=" in a name. */
static enum err_code check_label(struct str name, const struct json *value, struct err *err)
{
    struct str text = json_get_text(value);
    bool fine = name.n && name.n <= LABEL_NAME_MAX && !memchr(name.p, 0, name.n) && !memchr(name.p, '=', name.n);
    if (!fine)
        return err_param(err, "labels", "labels: a name must have 1 to %d bytes and no \"=\"", LABEL_NAME_MAX);
    if (!json_is_text(value) || text.n > LABEL_VALUE_MAX || memchr(text.p, 0, text.n))
        return err_param(err, "labels", "labels.%.*s must be a string of at most %d bytes", (int)name.n, name.p, LABEL_VALUE_MAX);
    return OK;
}

static bool is_given_twice(const struct json *labels, struct str name)
{
    struct json_walk walk = {0};
    struct str other;
    const struct json *value;
    int times = 0;
    while (json_walk_object(labels, &walk, &other, &value))
        times += other.n == name.n && memcmp(other.p, name.p, name.n) == 0;
    return times > 1;
}

static enum err_code take_label(struct sched_task *task, const struct json *labels, struct str name, const struct json *value,
                                bool merge, struct err *err)
{
    struct sched_label *present = find_label(task, name);
    if (merge && json_is_null(value)) {
        if (present)
            drop_label(task, present);
        return OK;
    }
    enum err_code code = check_label(name, value, err);
    if (code != OK)
        return code;
    if (is_given_twice(labels, name))
        return err_param(err, "labels", "labels.%.*s is given twice", (int)name.n, name.p);
    if (present)
        drop_label(task, present);
    struct str text = json_get_text(value);
    task->labels[task->label_count++] = (struct sched_label){xstrndup(name.p, name.n), xstrndup(text.p, text.n)};
    return OK;
}

enum err_code task_labels_read(struct sched_task *task, const struct json *labels, bool merge, struct err *err)
{
    size_t given = json_count(labels);
    if (!merge)
        task_labels_clear(task);
    if (given > (merge ? 2 : 1) * TASK_LABELS_MAX)
        return err_param(err, "labels", "labels must have at most %d members", TASK_LABELS_MAX);
    task->labels = xrealloc(task->labels, (task->label_count + given + 1) * sizeof *task->labels);
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    enum err_code code = OK;
    while (code == OK && json_walk_object(labels, &walk, &name, &value))
        code = take_label(task, labels, name, value, merge, err);
    if (code == OK && task->label_count > TASK_LABELS_MAX)
        code = err_param(err, "labels", "labels must have at most %d members", TASK_LABELS_MAX);
    if (task->label_count)
        qsort(task->labels, task->label_count, sizeof *task->labels, compare_labels);
    return code;
}

/* ---- retry_backoff, limits ---- */

static int64_t unless_null(uint64_t null, int bit, int64_t value, int64_t otherwise)
{
    return null >> bit & 1 ? otherwise : value;
}

enum err_code task_backoff_read(struct sched_task *task, const struct json *backoff, struct err *err)
{
    const int64_t most = (int64_t)TASK_DURATION_MAX_S * 1000;
    const struct json_field fields[] = {
        {"base_ms", FIELD_INT, offsetof(struct retry_backoff, base_ms), 0, most, .nullable = true},
        {"cap_ms", FIELD_INT, offsetof(struct retry_backoff, cap_ms), 0, most, .nullable = true},
        {"jitter_percent", FIELD_INT, offsetof(struct retry_backoff, jitter_percent), 0, 100, .nullable = true},
    };
    struct retry_backoff read = task->backoff;
    uint64_t null = 0;
    enum err_code code = json_read_fields(backoff, "retry_backoff", fields, ARRAY_LEN(fields), &read, NULL, &null, err);
    if (code != OK)
        return code;
    task->backoff = (struct retry_backoff){unless_null(null, 0, read.base_ms, task_backoff_default.base_ms),
                                           unless_null(null, 1, read.cap_ms, task_backoff_default.cap_ms),
                                           unless_null(null, 2, read.jitter_percent, task_backoff_default.jitter_percent)};
    return OK;
}

struct limits {
    int64_t memory_bytes, cpu_percent, pids;
};

enum err_code task_limits_read(struct sched_task *task, const struct json *limits, struct err *err)
{
    static const struct json_field fields[] = {
        {"memory_bytes", FIELD_INT, offsetof(struct limits, memory_bytes), 0, INT64_C(1) << 50, .nullable = true},
        {"cpu_percent", FIELD_INT, offsetof(struct limits, cpu_percent), 0, 100000, .nullable = true},
        {"pids", FIELD_INT, offsetof(struct limits, pids), 0, 4194304, .nullable = true},
    };
    struct limits read = {task->memory_bytes, task->cpu_percent, task->pids};
    uint64_t null = 0;
    enum err_code code = json_read_fields(limits, "limits", fields, ARRAY_LEN(fields), &read, NULL, &null, err);
    if (code != OK)
        return code;
    task->memory_bytes = unless_null(null, 0, read.memory_bytes, 0);
    task->cpu_percent = unless_null(null, 1, read.cpu_percent, 0);
    task->pids = unless_null(null, 2, read.pids, 0);
    return OK;
}
