/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched_task_json.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sched/sched_task_check.h"
#include "sched/sched_task_nested.h"
#include "sched/task_types.h"

#include <stdio.h>
#include <string.h>

/* What a body says, before it is put into a task. */
struct fields {
    struct str name, type, description, cron_expr, calendar, timezone, data, secret, seed, group_id;
    bool is_recurring, enabled;
    int64_t interval_s, run_at_us, max_duration_s, max_retries, grace_s, max_concurrent, priority, start_deadline_s, jitter_s,
        anchor_us, version, created_us;
    int misfire, overlap, gap, fold;
    const struct json *labels, *backoff, *limits, *exact;
};

/* The number of a field is its bit in `present`. In the order in which tasks are written: json_read_fields looks for the next
 * name first. */
enum field_id {
    F_NAME,
    F_TYPE,
    F_ENABLED,
    F_PRIORITY,
    F_RECURRING,
    F_CRON,
    F_CALENDAR,
    F_TIMEZONE,
    F_INTERVAL,
    F_GAP,
    F_FOLD,
    F_ANCHOR,
    F_SEED,
    F_JITTER,
    F_DESCRIPTION,
    F_DURATION,
    F_RETRIES,
    F_GRACE,
    F_CONCURRENT,
    F_LABELS,
    F_DATA,
    F_GROUP,
    F_MISFIRE,
    F_DEADLINE,
    F_OVERLAP,
    F_BACKOFF,
    F_LIMITS,
    F_SECRET,
    F_NEXT_RUN,
    F_VERSION,
    F_CREATED,
    F_READ_ONLY,
    F_EXACT = F_READ_ONLY + 12 /* behind the names of a body: only the stored form has it */
};
#define AT(member) .offset = offsetof(struct fields, member)
static const struct json_field task_fields[] = {
    [F_NAME] = {"name", FIELD_TEXT, AT(name), 1, TASK_NAME_MAX},
    [F_TYPE] = {"type", FIELD_TEXT, AT(type), 1, 255},
    [F_ENABLED] = {"enabled", FIELD_BOOL, AT(enabled), .nullable = true},
    [F_PRIORITY] = {"priority", FIELD_INT, AT(priority), -TASK_PRIORITY_MAX, TASK_PRIORITY_MAX, .nullable = true},
    [F_RECURRING] = {"is_recurring", FIELD_BOOL, AT(is_recurring), .nullable = true},
    [F_CRON] = {"cron_expr", FIELD_TEXT, AT(cron_expr), 0, TASK_CRON_MAX, .nullable = true},
    [F_CALENDAR] = {"calendar", FIELD_TEXT, AT(calendar), 0, TASK_CRON_MAX, .nullable = true},
    [F_TIMEZONE] = {"timezone", FIELD_TEXT, AT(timezone), 1, CRON_ZONE_NAME_MAX, .nullable = true},
    [F_INTERVAL] = {"interval", FIELD_INT, AT(interval_s), 0, TASK_DURATION_MAX_S, .nullable = true},
    [F_GAP] = {"gap", FIELD_CHOICE, AT(gap), 0, ARRAY_LEN(gap_names), gap_names, .nullable = true},
    [F_FOLD] = {"fold", FIELD_CHOICE, AT(fold), 0, ARRAY_LEN(fold_names), fold_names, .nullable = true},
    [F_ANCHOR] = {"anchor", FIELD_TIME, AT(anchor_us), .nullable = true},
    [F_SEED] = {"seed", FIELD_TEXT, AT(seed), 1, 255, .nullable = true},
    [F_JITTER] = {"jitter_seconds", FIELD_INT, AT(jitter_s), 0, TASK_DURATION_MAX_S, .nullable = true},
    [F_DESCRIPTION] = {"description", FIELD_TEXT, AT(description), 0, TASK_DESCRIPTION_MAX, .nullable = true},
    [F_DURATION] = {"max_duration_seconds", FIELD_INT, AT(max_duration_s), 1, TASK_DURATION_MAX_S, .nullable = true},
    [F_RETRIES] = {"max_retries", FIELD_INT, AT(max_retries), 0, TASK_RETRIES_MAX, .nullable = true},
    [F_GRACE] = {"timeout_grace_period", FIELD_INT, AT(grace_s), 0, TASK_DURATION_MAX_S, .nullable = true},
    [F_CONCURRENT] = {"max_concurrent", FIELD_INT, AT(max_concurrent), 1, TASK_CONCURRENT_MAX, .nullable = true},
    [F_LABELS] = {"labels", FIELD_OBJECT, AT(labels), .nullable = true},
    [F_DATA] = {"data", FIELD_TEXT, AT(data), 0, TASK_DATA_MAX, .nullable = true},
    [F_GROUP] = {"group_id", FIELD_TEXT, AT(group_id), 0, 255, .nullable = true},
    [F_MISFIRE] = {"misfire_policy", FIELD_CHOICE, AT(misfire), 0, ARRAY_LEN(misfire_names), misfire_names, .nullable = true},
    [F_DEADLINE] = {"start_deadline_seconds", FIELD_INT, AT(start_deadline_s), 0, TASK_DURATION_MAX_S, .nullable = true},
    [F_OVERLAP] = {"overlap", FIELD_CHOICE, AT(overlap), 0, ARRAY_LEN(overlap_names), overlap_names, .nullable = true},
    [F_BACKOFF] = {"retry_backoff", FIELD_OBJECT, AT(backoff), .nullable = true},
    [F_LIMITS] = {"limits", FIELD_OBJECT, AT(limits), .nullable = true},
    [F_SECRET] = {"secret", FIELD_TEXT, AT(secret), 0, TASK_SECRET_MAX, .nullable = true},
    [F_NEXT_RUN] = {"next_run", FIELD_TIME, AT(run_at_us), .nullable = true},
    [F_VERSION] = {"version", FIELD_INT, AT(version), 1, INT64_MAX, .nullable = true},
    [F_CREATED] = {"created_at", FIELD_TIME, AT(created_us)},
    /* shown, not settable: GET, edit, PUT must work (rulings, Writes) */
    [F_READ_ONLY] = {"uid", FIELD_IGNORED, 0},
    {"updated_at", FIELD_IGNORED, 0},
    {"last_executed_at", FIELD_IGNORED, 0},
    {"last_failure_error", FIELD_IGNORED, 0},
    {"total_executions", FIELD_IGNORED, 0},
    {"success_executions", FIELD_IGNORED, 0},
    {"failure_executions", FIELD_IGNORED, 0},
    {"timeout_executions", FIELD_IGNORED, 0},
    {"skipped_executions", FIELD_IGNORED, 0},
    {"consecutive_failures", FIELD_IGNORED, 0},
    {"health", FIELD_IGNORED, 0},
    {"has_secret", FIELD_IGNORED, 0},
    [F_EXACT] = {"x", FIELD_ARRAY, AT(exact), 4, 4, .required = true},
};
#undef AT
_Static_assert(ARRAY_LEN(task_fields) == F_EXACT + 1, "F_EXACT is the last one");

static bool has(uint64_t bits, enum field_id id)
{
    return bits >> id & 1;
}

/* ---- into a task ---- */

static void set_text(char **place, struct str text)
{
    free(*place);
    *place = text.n ? xstrndup(text.p, text.n) : NULL;
}

static void set_texts(struct sched_task *task, const struct fields *f, uint64_t set)
{
    const struct {
        enum field_id id;
        char **place;
        struct str text;
    } texts[] = {
        {F_NAME, &task->name, f->name},
        {F_DESCRIPTION, &task->description, f->description},
        {F_CRON, &task->cron_expr, f->cron_expr},
        {F_CALENDAR, &task->calendar, f->calendar},
        {F_TIMEZONE, &task->timezone, f->timezone},
        {F_DATA, &task->data, f->data},
        {F_SECRET, &task->secret, f->secret},
        {F_SEED, &task->seed, f->seed},
        {F_GROUP, &task->group_id, f->group_id},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (has(set, texts[i].id))
            set_text(texts[i].place, texts[i].text);
}

static void set_numbers(struct sched_task *task, const struct fields *f, uint64_t set)
{
    const struct {
        enum field_id id;
        int64_t *place, value;
    } numbers[] = {
        {F_INTERVAL, &task->interval_s, f->interval_s},
        {F_DURATION, &task->max_duration_s, f->max_duration_s},
        {F_RETRIES, &task->max_retries, f->max_retries},
        {F_GRACE, &task->timeout_grace_period_s, f->grace_s},
        {F_CONCURRENT, &task->max_concurrent, f->max_concurrent},
        {F_DEADLINE, &task->start_deadline_s, f->start_deadline_s},
        {F_JITTER, &task->jitter_s, f->jitter_s},
        {F_ANCHOR, &task->anchor_us, f->anchor_us},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (has(set, numbers[i].id))
            *numbers[i].place = numbers[i].value;
    if (has(set, F_PRIORITY))
        task->priority = (int32_t)f->priority;
    if (has(set, F_RECURRING))
        task->is_recurring = f->is_recurring;
    if (has(set, F_ENABLED))
        task->enabled = f->enabled;
    if (has(set, F_MISFIRE))
        task->misfire = (enum misfire_policy)f->misfire;
    if (has(set, F_OVERLAP))
        task->overlap = (enum overlap_policy)f->overlap;
    if (has(set, F_GAP))
        task->gap = (enum cron_gap)f->gap;
    if (has(set, F_FOLD))
        task->fold = (enum cron_fold)f->fold;
}

static enum err_code set_objects(struct sched_task *task, const struct fields *f, uint64_t present, uint64_t null, bool merge,
                                 struct err *err)
{
    enum err_code code = OK;
    if (has(null, F_LABELS))
        task_labels_clear(task);
    if (has(present, F_LABELS))
        code = task_labels_read(task, f->labels, merge, err);
    if (has(null, F_BACKOFF))
        task->backoff = task_backoff_default;
    if (code == OK && has(present, F_BACKOFF))
        code = task_backoff_read(task, f->backoff, err);
    if (has(null, F_LIMITS))
        task->memory_bytes = task->cpu_percent = task->pids = 0;
    if (code == OK && has(present, F_LIMITS))
        code = task_limits_read(task, f->limits, err);
    return code;
}

static struct sched_task *blank(const struct sched_task_defaults *defaults, int64_t now_us)
{
    struct sched_task *task = xcalloc(1, sizeof *task);
    task->enabled = true;
    task->max_duration_s = defaults->max_duration_s;
    task->max_retries = defaults->max_retries;
    task->max_concurrent = 1;
    task->backoff = task_backoff_default;
    task->uid = uuid_v7(now_us);
    task->created_at_us = task->updated_at_us = now_us;
    task->version = 1;
    return task;
}

/* What a request starts from. */
static struct sched_task *starting_point(enum sched_task_json_mode mode, const struct sched_task *base,
                                         const struct sched_task_defaults *defaults, int64_t now_us)
{
    if (mode == SCHED_TASK_JSON_MERGE_PATCH)
        return sched_task_clone(base);
    struct sched_task *task = blank(defaults, now_us);
    if (mode == SCHED_TASK_JSON_CREATE)
        return task;
    task->id = base->id;
    task->uid = base->uid;
    task->type = base->type;
    task->secret = base->secret ? xstrdup(base->secret) : NULL; /* write-only: a GET cannot give it back */
    task->created_at_us = base->created_at_us;
    task->version = base->version;
    sched_task_keep_runtime(task, base);
    return task;
}

/* A null resets; the blank task knows what to. */
static void fill_defaults(struct fields *f, const struct sched_task_defaults *defaults)
{
    f->enabled = true;
    f->max_duration_s = defaults->max_duration_s;
    f->max_retries = defaults->max_retries;
    f->max_concurrent = 1;
}

static enum err_code check_required(enum sched_task_json_mode mode, uint64_t present, struct err *err)
{
    if (mode == SCHED_TASK_JSON_MERGE_PATCH)
        return OK;
    if (!has(present, F_NAME))
        return err_param(err, "name", "name is required");
    return has(present, F_TYPE) ? OK : err_param(err, "type", "type is required");
}

static enum err_code set_type(struct sched_task *task, struct str type, struct err *err)
{
    int index = task_type_from_name(type);
    if (index < 0) {
        char list[200] = "";
        for (int i = 0; i < TASK_TYPE_COUNT; i++) {
            size_t n = strlen(list);
            (void)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", task_type_name(i));
        }
        return err_param(err, "type", "type must be one of: %s", list);
    }
    task->type = index;
    return OK;
}

/* Whether a given schedule makes a task recurring: a caller who names one and forgets the flag means it. */
static void infer_recurring(struct sched_task *task, uint64_t said, enum sched_task_json_mode mode)
{
    if (!has(said, F_RECURRING) && mode != SCHED_TASK_JSON_MERGE_PATCH)
        task->is_recurring = task->cron_expr || task->calendar || task->interval_s;
}

/* Times are shown in milliseconds: one that is sent back is the one that was shown. */
static bool is_shown_as(int64_t us, int64_t sent_us)
{
    int64_t rest = us % US_PER_MS;
    return us == sent_us || us - (rest < 0 ? rest + US_PER_MS : rest) == sent_us;
}

static enum err_code set_anchor(struct sched_task *task, const struct fields *f, uint64_t present, const struct sched_task *base,
                                struct err *err)
{
    if (!has(present, F_ANCHOR))
        return OK;
    if (!f->anchor_us)
        return err_param(
            err, "anchor",
            "anchor must not be 1970-01-01T00:00:00Z, which stands for none; any later instant of the same lattice will do");
    task->anchor_us = base && is_shown_as(base->anchor_us, f->anchor_us) ? base->anchor_us : f->anchor_us;
    return OK;
}

/* `next_run` is the schedule of a one-shot task (SCH-20) and read-only for the others. A disabled one shows null for it
 * (API-32): null sent back is no change, or GET, edit, PUT would lose the time. */
static enum err_code set_run_at(struct sched_task *task, const struct fields *f, uint64_t present, uint64_t null,
                                const struct sched_task *base, int64_t now_us, struct err *err)
{
    enum { LATE_MAX_US = 60 * US_PER_S };
    if (task->is_recurring || has(null, F_NEXT_RUN))
        task->run_at_us = task->is_recurring || !base || base->enabled || base->is_recurring ? 0 : base->run_at_us;
    if (task->is_recurring || !has(present, F_NEXT_RUN))
        return OK;
    int64_t at = f->run_at_us;
    if (base && base->run_at_us && is_shown_as(base->run_at_us, at))
        at = base->run_at_us;
    else if (at < now_us - LATE_MAX_US)
        return err_param(err, "next_run", "next_run must not lie in the past");
    else if (at <= now_us)
        at = now_us + US_PER_MS;
    task->run_at_us = at;
    return OK;
}

/* Absent: the default, or as much of it as fits below the duration (rulings section 1). */
static void fit_grace(struct sched_task *task, uint64_t present, uint64_t null, enum sched_task_json_mode mode,
                      const struct sched_task_defaults *defaults)
{
    int64_t most = task->max_duration_s - 1;
    if (has(present, F_GRACE))
        return;
    if (mode != SCHED_TASK_JSON_MERGE_PATCH || has(null, F_GRACE))
        task->timeout_grace_period_s = defaults->grace_s;
    if (task->timeout_grace_period_s > most)
        task->timeout_grace_period_s = most;
}

static enum err_code apply(const struct json *root, enum sched_task_json_mode mode, const struct sched_task *base,
                           const struct sched_task_defaults *defaults, int64_t now_us, struct sched_task *task, struct err *err)
{
    struct fields f = {0};
    uint64_t present = 0, null = 0;
    fill_defaults(&f, defaults);
    enum err_code code = json_read_fields(root, "", task_fields, F_EXACT, &f, &present, &null, err);
    if (code == OK)
        code = check_required(mode, present, err);
    if (code == OK && base && has(present, F_VERSION) && f.version != base->version)
        return err_set(err, ERR_CONFLICT, "CONFLICT", "the task has version %lld by now, not %lld: read it again",
                       (long long)base->version, (long long)f.version);
    if (code == OK && has(present, F_TYPE))
        code = set_type(task, f.type, err);
    if (code != OK)
        return code;
    set_texts(task, &f, present | null);
    set_numbers(task, &f, present | null);
    code = set_objects(task, &f, present, null, mode == SCHED_TASK_JSON_MERGE_PATCH, err);
    infer_recurring(task, present | null, mode);
    fit_grace(task, present, null, mode, defaults);
    if (code == OK)
        code = set_anchor(task, &f, present, base, err);
    if (code == OK)
        code = set_run_at(task, &f, present, null, base, now_us, err);
    return code == OK ? sched_task_check(task, err) : code;
}

enum err_code sched_task_from_json(const char *text, size_t length, enum sched_task_json_mode mode, const struct sched_task *base,
                                   const struct sched_task_defaults *defaults, int64_t now_us, struct sched_task **ret,
                                   struct err *err)
{
    must((base == NULL) == (mode == SCHED_TASK_JSON_CREATE));
    struct json_doc *doc;
    enum err_code code = json_parse(text, length, &doc, err);
    if (code != OK)
        return code;
    struct sched_task *task = starting_point(mode, base, defaults, now_us);
    code = apply(json_root(doc), mode, base, defaults, now_us, task, err);
    json_doc_free(doc);
    if (code != OK) {
        sched_task_free(task);
        return code;
    }
    *ret = task;
    return OK;
}

/* ---- stored ---- */

static enum err_code read_exact(const struct json *exact, struct sched_task *task, struct err *err)
{
    struct str uid = json_get_text(json_item(exact, 0));
    if (json_count(exact) == 4 && uuid_parse(uid.p, uid.n, &task->uid) &&
        json_get_int(json_item(exact, 1), &task->created_at_us) && json_get_int(json_item(exact, 2), &task->run_at_us) &&
        json_get_int(json_item(exact, 3), &task->anchor_us))
        return OK;
    return err_set(err, ERR_CORRUPT, NULL, "a stored task definition is damaged");
}

static enum err_code read_stored(const struct json *root, struct sched_task *task, struct err *err)
{
    struct fields f = {0};
    uint64_t present = 0, null = 0;
    enum err_code code = json_read_fields(root, "", task_fields, ARRAY_LEN(task_fields), &f, &present, &null, err);
    if (code != OK)
        return code;
    set_texts(task, &f, present);
    set_numbers(task, &f, present);
    code = set_objects(task, &f, present, null, false, err);
    return code == OK ? read_exact(f.exact, task, err) : code;
}

enum err_code sched_task_from_stored(const char *text, size_t length, struct sched_task *task, struct err *err)
{
    struct json_doc *doc;
    struct err inner;
    enum err_code code = json_parse(text, length, &doc, &inner);
    if (code == OK) {
        code = read_stored(json_root(doc), task, &inner);
        json_doc_free(doc);
    }
    return code == OK ? OK : err_set(err, ERR_CORRUPT, NULL, "a stored task definition is damaged: %s", inner.message);
}

enum err_code schedule_from_json(const char *text, size_t length, struct schedule *ret, struct err *err)
{
    struct sched_task *task = xcalloc(1, sizeof *task);
    enum err_code code = sched_task_from_stored(text, length, task, err);
    if (code == OK)
        schedule_from_task(task, ret);
    sched_task_free(task);
    return code;
}
