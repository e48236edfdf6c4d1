/* SPDX-License-Identifier: Apache-2.0 */
/* REST of a task's slots: those to come, and those that were, with their verdicts (contract section 3, rulings section 1). */
#include "sched/sched_api_priv.h"

#include "base/clock.h"
#include "sched/execution_query.h"
#include "sched/ledger_store.h"
#include "sched/sched_store.h"

enum { NEXT_MAX = 1000, NEXT_DEFAULT = 10 };

/* ---- next ---- */

static const struct http_param_spec next_params[] = {
    {"count", HTTP_PARAM_INT, 1, NEXT_MAX, NULL}, {"from", HTTP_PARAM_TIME, 0, 0, NULL}, API_PARAMS_END};

static enum err_code read_next(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    struct task_row row;
    enum err_code code = task_store_get(db, http_path_id(read->request, 0), &row, err);
    if (code != OK)
        return code;
    struct schedule schedule;
    schedule_from_task(row.task, &schedule);
    sched_task_free(row.task);
    const struct http_param *from = http_param(read->request, "from");
    int64_t at = from ? from->number - 1 : clock_wall(read->api->clock).us;
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    json_begin_array(&read->w);
    for (int64_t n = http_param_int(read->request, "count", NEXT_DEFAULT); n > 0; n--) {
        at = schedule_next(&schedule, at);
        if (at == SCHEDULE_NEVER)
            break;
        char text[40];
        (void)time_format_utc(at, 3, text, sizeof text);
        json_text(&read->w, text);
    }
    json_end_array(&read->w);
    json_end_object(&read->w);
    return OK;
}

static void next_times(struct http_request *request, void *context)
{
    api_read(context, request, read_next);
}

/* ---- occurrences ---- */

static const struct http_param_spec occurrence_params[] = {
    PAGE_PARAMS, {"from", HTTP_PARAM_TIME, 0, 0, NULL}, {"to", HTTP_PARAM_TIME, 0, 0, NULL}, API_PARAMS_END};

static void write_summary(struct json_writer *w, int64_t expected, const struct verdict_counts *counts)
{
    json_key(w, "summary");
    json_begin_object(w);
    json_put_int(w, "expected", expected);
    for (int v = 0; v < VERDICT_COUNT; v++)
        json_put_int(w, verdict_name((enum verdict)v), counts->n[v]);
    json_end_object(w);
}

/* Counts of the whole range that was asked for, whatever page of it is shown. */
static enum err_code summarise(struct db *db, struct occurrence_request *request, bool whole, bool counted, int64_t settled_us,
                               struct occurrence_summary *summary, int64_t *ret_expected, struct err *err)
{
    if (whole) /* the counters outlive the rows (rulings, Occurrences) */
        return task_store_verdicts(db, request->task_id, &summary->verdicts, ret_expected, err);
    enum err_code code = OK;
    if (!counted) {
        request->limit = 0;
        request->counting = OCCURRENCES_ALL;
        code = occurrence_query(db, request, NULL, summary, err);
    }
    return code == OK ? epoch_expected(db, request->task_id, request->from_us, request->to_us, settled_us, ret_expected, err)
                      : code;
}

static enum err_code check_range(const struct http_request *request, struct err *err)
{
    bool fine = http_param_int(request, "from", INT64_MIN) <= http_param_int(request, "to", INT64_MAX);
    return fine ? OK : err_param(err, "to", "to must not be before from");
}

static enum err_code write_occurrences(struct db *db, struct api_read *read, const struct page *page, const struct task_row *row,
                                       struct err *err)
{
    struct occurrence_request request = {.task_id = row->task->id,
                                         .offset = page->offset,
                                         .limit = (int)page->size,
                                         .from_us = http_param_int(read->request, "from", 0),
                                         .to_us = http_param_int(read->request, "to", INT64_MAX)};
    bool whole = !http_param(read->request, "from") && !http_param(read->request, "to");
    struct occurrence_request part = request;
    part.counting = page->cursor ? OCCURRENCES_NONE : whole ? OCCURRENCES_BOUNDED : OCCURRENCES_ALL;
    if (page->cursor >= part.from_us)
        part.from_us = page->cursor + 1;
    struct occurrence_summary shown = {0};
    int64_t expected = 0;
    json_begin_object(&read->w);
    json_key(&read->w, "data");
    json_begin_array(&read->w);
    enum err_code code = occurrence_query(db, &part, &read->w, &shown, err);
    json_end_array(&read->w);
    struct occurrence_summary summary = shown;
    if (code == OK)
        code = summarise(db, &request, whole, !page->cursor, row->settled_us, &summary, &expected, err);
    write_summary(&read->w, expected, &summary.verdicts);
    page_write(&read->w, page, page->cursor ? NULL : &shown.total, shown.more ? shown.last_us : 0);
    json_end_object(&read->w);
    return code;
}

static enum err_code read_occurrences(struct db *db, void *arg, struct err *err)
{
    struct api_read *read = arg;
    struct page page;
    struct task_row row;
    enum err_code code = page_read(read->request, &page, err);
    if (code == OK)
        code = check_range(read->request, err);
    if (code == OK)
        code = task_store_get(db, http_path_id(read->request, 0), &row, err);
    if (code != OK)
        return code;
    code = write_occurrences(db, read, &page, &row, err);
    sched_task_free(row.task);
    return code;
}

static void answer_occurrences(struct http_request *request, void *api)
{
    api_read(api, request, read_occurrences);
}

/* The ledger is up to date now; read it on a thread that may block. */
static void settled(struct sched_command *command, enum err_code code, const struct err *err)
{
    struct http_request *request = command->arg;
    if (code != OK)
        http_answer_error(request, code, err);
    else
        http_continue(request, answer_occurrences, command->context);
    sched_command_free(command);
}

static void occurrences(struct http_request *request, void *context)
{
    struct sched_api *api = context;
    struct sched_command *command = sched_command_new(SCHED_SETTLE, settled, request);
    command->context = api;
    api_set_task(command, request);
    if (scheduler_submit(api->scheduler, command))
        return;
    sched_command_free(command);
    answer_occurrences(request, api); /* stopping: what is recorded is what there is */
}

/* ---- routes ---- */

#define TASK "/api/v1/scheduler/tasks/{id}"

const struct http_route occurrence_api_routes[] = {
    {HTTP_GET, TASK "/next", next_times, HTTP_MAY_READ, 0, 0, next_params, "coming slots"},
    {HTTP_GET, TASK "/occurrences", occurrences, HTTP_MAY_READ, 0, 0, occurrence_params, "slots with their verdicts"},
};
const size_t occurrence_api_route_count = ARRAY_LEN(occurrence_api_routes);
