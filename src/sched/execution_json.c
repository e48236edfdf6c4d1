/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/execution_json.h"

#include "base/clock.h"
#include "base/id.h"
#include "sched/execution_state.h"

#include <string.h>

static void put_text_column(struct json_writer *w, struct db_stmt *st, int column, const char *key)
{
    size_t length;
    const char *text = db_is_null(st, column) ? NULL : db_text(st, column, &length);
    if (text && length) {
        json_key(w, key);
        json_text_n(w, text, length);
    }
}

static void put_uuid_column(struct json_writer *w, struct db_stmt *st, int column, const char *key)
{
    struct uuid uid;
    size_t length;
    const void *bytes = db_blob(st, column, &length);
    if (!bytes || length != sizeof uid.b)
        return;
    memcpy(uid.b, bytes, sizeof uid.b);
    json_put_uuid(w, key, &uid);
}

static void write_times(struct json_writer *w, struct db_stmt *st)
{
    int64_t created = db_int(st, 8), started = db_is_null(st, 9) ? 0 : db_int(st, 9);
    int64_t finished = db_is_null(st, 10) ? 0 : db_int(st, 10);
    json_put_time(w, "scheduled_at", db_int(st, 7), 3);
    json_put_time(w, "started_at", started ? started : created, 6); /* API-32 */
    json_put_time_or_null(w, "finished_at", finished, 6);
    if (finished)
        json_put_int(w, "duration_ms", started && finished > started ? (finished - started) / US_PER_MS : 0);
    json_put_time(w, "created_at", created, 3);
    json_put_time(w, "updated_at", db_int(st, 11), 3);
}

static void write_attempts(struct json_writer *w, struct db_stmt *st)
{
    size_t length;
    const char *text = db_is_null(st, 22) ? NULL : db_text(st, 22, &length);
    if (!text)
        return;
    json_key(w, "attempts");
    json_begin_array(w);
    json_raw(w, text, length);
    json_end_array(w);
}

void execution_write_json(struct json_writer *w, struct db_stmt *st)
{
    enum execution_cause cause = (enum execution_cause)db_int(st, 6);
    int64_t attempt = db_int(st, 12);
    json_begin_object(w);
    json_put_int(w, "id", db_int(st, 0));
    put_uuid_column(w, st, 2, "task_uid");
    put_text_column(w, st, 3, "task_name");
    put_text_column(w, st, 4, "task_type");
    put_uuid_column(w, st, 1, "execution_uid");
    json_key(w, "run_by");
    size_t length = 0;
    const char *run_by = db_is_null(st, 14) ? "" : db_text(st, 14, &length);
    json_text_n(w, run_by, length);
    json_put_text(w, "state", execution_state_name((enum execution_state)db_int(st, 5)));
    write_times(w, st);
    json_put_int(w, "progress", db_int(st, 15));
    json_put_int(w, "retry_count", attempt > 1 ? attempt - 1 : 0);
    json_put_text(w, "trigger_type", execution_trigger_name(cause));
    json_put_text(w, "cause", execution_cause_name(cause));
    put_text_column(w, st, 20, "trigger_by");
    json_put_int(w, "priority", db_int(st, 27));
    if (db_int(st, 13))
        json_put_int(w, "fencing_token", db_int(st, 13));
    put_text_column(w, st, 16, "result");
    if (db_int(st, 17))
        json_put_bool(w, "result_truncated", true);
    put_text_column(w, st, 18, "error_message");
    put_text_column(w, st, 19, "error_stack");
    put_text_column(w, st, 21, "override_data");
    put_text_column(w, st, 26, "unique_key");
    write_attempts(w, st);
    put_text_column(w, st, 23, "cancel_reason");
    put_text_column(w, st, 24, "cancelled_by");
    put_uuid_column(w, st, 25, "retry_of");
    json_end_object(w);
}
