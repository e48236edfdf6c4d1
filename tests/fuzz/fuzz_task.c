/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that create and change tasks (API-30, API-32, API-35, RFC 7396): refused by name, or a definition within its
 * limits that comes back from its own printing, from the store, and from the same change made twice.
 * Input: 0 PUT, 1 merge patch; the body that creates, up to the first line end; then the body that changes. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "refusal.h"
#include "sched/sched_task_check.h"
#include "sched/sched_task_json.h"
#include "sched/task_types.h"

enum { TEXT_MAX = 1 << 20 };
static const int64_t now_us = INT64_C(1767225600000000); /* 2026-01-01 */
static const struct sched_task_defaults defaults = {3600, 3, 30};

static void check_refused(enum err_code code, const struct err *err)
{
    CHECK(code == ERR_INVALID || code == ERR_CONFLICT, "code %d", (int)code);
    if (strcmp(err->api_code, "INVALID_JSON") == 0)
        check_line(err->message);
    else
        check_refusal(code, err);
}

/* ---- a definition ---- */

/* All of it: as stored, and what stands in columns. */
static char *write_all(const struct sched_task *task)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEXT_MAX);
    json_writer_init(&w, &out);
    json_begin_array(&w);
    sched_task_write_stored(&w, task);
    json_text(&w, task_type_name(task->type));
    json_bool(&w, task->enabled);
    json_int(&w, task->priority);
    json_int(&w, task->version);
    json_end_array(&w);
    return buf_take(&out);
}

static char *write_answer(struct sched_task *task)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEXT_MAX);
    json_writer_init(&w, &out);
    task->next_run_us = task->run_at_us; /* the scheduler's part for those that run once */
    sched_task_write_json(&w, task);
    return buf_take(&out);
}

static void check_text(const char *text, size_t max)
{
    size_t n = text ? strlen(text) : 0;
    CHECK(!text || (n >= 1 && n <= max && str_is_utf8(text, n)), "a text of %zu bytes", n);
}

static void check_number(const char *name, int64_t value, int64_t min, int64_t max)
{
    CHECK(value >= min && value <= max, "%s is %lld", name, (long long)value);
}

static void check_labels(const struct sched_task *t)
{
    CHECK(t->label_count <= TASK_LABELS_MAX, "%zu labels", t->label_count);
    for (size_t i = 0; i < t->label_count; i++) {
        const char *name = t->labels[i].name;
        CHECK(name[0] && strlen(name) <= LABEL_NAME_MAX && !strchr(name, '='), "the label \"%s\"", name);
        CHECK(strlen(t->labels[i].value) <= LABEL_VALUE_MAX, "a long value of \"%s\"", name);
        CHECK(!i || strcmp(t->labels[i - 1].name, name) < 0, "labels are not in order");
    }
}

static void check_limits(const struct sched_task *t)
{
    struct err err = {.message = ""};
    CHECK(t->name, "no name");
    check_text(t->name, TASK_NAME_MAX);
    check_text(t->description, TASK_DESCRIPTION_MAX);
    check_text(t->cron_expr, TASK_CRON_MAX);
    check_text(t->calendar, TASK_CRON_MAX);
    check_text(t->data, TASK_DATA_MAX);
    check_text(t->secret, TASK_SECRET_MAX);
    check_labels(t);
    check_number("interval", t->interval_s, 0, TASK_DURATION_MAX_S);
    check_number("max_duration", t->max_duration_s, 1, TASK_DURATION_MAX_S);
    check_number("grace", t->timeout_grace_period_s, 0, t->max_duration_s - 1);
    check_number("retries", t->max_retries, 0, TASK_RETRIES_MAX);
    check_number("concurrent", t->max_concurrent, 1, TASK_CONCURRENT_MAX);
    check_number("priority", t->priority, -TASK_PRIORITY_MAX, TASK_PRIORITY_MAX);
    check_number("base_ms", t->backoff.base_ms, 0, t->backoff.cap_ms);
    check_number("jitter_percent", t->backoff.jitter_percent, 0, 100);
    check_number("anchor", t->anchor_us, TIME_MS_MIN * US_PER_MS, TIME_MS_MAX * US_PER_MS + 999);
    if (t->run_at_us)
        check_number("next_run", t->run_at_us, now_us - 60 * US_PER_S, TIME_MS_MAX * US_PER_MS + 999);
    CHECK(!t->is_recurring || !t->run_at_us, "a recurring task that runs once");
    CHECK(sched_task_check(t, &err) == OK, "refused now: %s", err.message);
}

/* ---- changes ---- */

static struct sched_task *change(const char *body, size_t length, enum sched_task_json_mode mode, const struct sched_task *base,
                                 struct err *err)
{
    struct sched_task *task = NULL;
    char *before = base ? write_all(base) : NULL;
    enum err_code code = sched_task_from_json(body, length, mode, base, &defaults, now_us, &task, err);
    if (before) {
        char *after = write_all(base);
        CHECK(strcmp(before, after) == 0, "the present definition was changed");
        free(before);
        free(after);
    }
    CHECK((code == OK) == (task != NULL), "a task of code %d", (int)code);
    if (code != OK)
        check_refused(code, err);
    return task;
}

static void check_same(const char *expected, struct sched_task *task, const char *body, const struct err *err)
{
    CHECK(task, "refused: %s (%s)", err->message, body);
    char *all = write_all(task);
    CHECK(strcmp(all, expected) == 0, "%s\nmakes of %s\n%s", body, expected, all);
    free(all);
    sched_task_free(task);
}

/* What GET shows may be sent back: by PUT, by PATCH, and as the body of another task. */
static void check_shown(struct sched_task *task)
{
    struct err err;
    char *all = write_all(task), *shown = write_answer(task);
    size_t n = strlen(shown);
    check_same(all, change(shown, n, SCHED_TASK_JSON_PUT, task, &err), shown, &err);
    check_same(all, change(shown, n, SCHED_TASK_JSON_MERGE_PATCH, task, &err), shown, &err);
    check_same(all, change("{}", 2, SCHED_TASK_JSON_MERGE_PATCH, task, &err), "{}", &err);
    struct sched_task *other = change(shown, n, SCHED_TASK_JSON_CREATE, NULL, &err);
    CHECK(other, "refused: %s (%s)", err.message, shown);
    sched_task_free(other);
    free(all);
    free(shown);
}

static void check_stored(const struct sched_task *task)
{
    struct buf out;
    struct json_writer w;
    struct err err;
    struct schedule schedule;
    buf_init(&out, TEXT_MAX);
    json_writer_init(&w, &out);
    sched_task_write_stored(&w, task);
    struct sched_task *again = xcalloc(1, sizeof *again);
    enum err_code code = sched_task_from_stored(out.data, out.len, again, &err);
    CHECK(code == OK, "%s: %s", err.message, out.data);
    again->type = task->type; /* columns */
    again->enabled = task->enabled;
    again->priority = task->priority;
    again->version = task->version;
    char *all = write_all(task);
    check_same(all, again, out.data, &err);
    CHECK(schedule_from_json(out.data, out.len, &schedule, &err) == OK, "%s", err.message);
    free(all);
    buf_release(&out);
}

static void check_task(struct sched_task *task)
{
    check_limits(task);
    check_stored(task);
    check_shown(task);
}

/* A change that was made may be made again, and changes nothing more. */
static void check_change(const char *body, size_t length, enum sched_task_json_mode mode, const struct sched_task *base)
{
    struct err err;
    struct sched_task *changed = change(body, length, mode, base, &err);
    if (!changed)
        return;
    check_task(changed);
    CHECK(memcmp(&changed->uid, &base->uid, sizeof changed->uid) == 0 && changed->created_at_us == base->created_at_us,
          "another uid or creation");
    char *all = write_all(changed);
    if (!base->run_at_us || base->enabled || !changed->enabled) /* the null of a disabled one means what it has */
        check_same(all, change(body, length, mode, changed, &err), "the same body", &err);
    free(all);
    sched_task_free(changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct err err;
    const bool patch = fuzz_choice(&input, 2);
    id_random_seed(1);
    const uint8_t *end = input.left ? memchr(input.at, '\n', input.left) : NULL;
    struct fuzz_input first = {input.at, end ? (size_t)(end - input.at) : input.left};
    struct fuzz_input second = {input.at + first.left + (end != NULL), input.left - first.left - (end != NULL)};
    char *body = fuzz_rest(&first), *next = fuzz_rest(&second);
    struct sched_task *task = change(body, first.left, SCHED_TASK_JSON_CREATE, NULL, &err);
    if (task) {
        check_task(task);
        check_change(next, second.left, patch ? SCHED_TASK_JSON_MERGE_PATCH : SCHED_TASK_JSON_PUT, task);
    }
    sched_task_free(task);
    free(body);
    free(next);
    return 0;
}
