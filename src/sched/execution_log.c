/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/execution_log_priv.h"

#include "base/mem.h"
#include "sched/handler_command.h"

#include <string.h>

enum { PATH_SIZE = 4200 };

enum err_code log_find_subject(struct db *db, void *arg, struct err *err)
{
    struct log_subject *subject = arg;
    enum err_code code = execution_store_find(db, subject->reference, &subject->brief, err);
    if (code == OK)
        free(subject->brief.override_data);
    subject->brief.override_data = NULL;
    return code;
}

bool log_is_wanted(enum execution_log_stream wanted, enum keeper_stream is)
{
    return wanted == EXECUTION_LOG_ALL || (wanted == EXECUTION_LOG_STDOUT) == (is == KEEPER_STDOUT);
}

int64_t log_place(enum execution_log_stream wanted, const struct keeper_log_frame *frame)
{
    return wanted == EXECUTION_LOG_ALL ? frame->position : frame->offset;
}

enum err_code log_open_of(const char *data_dir, int64_t id, struct keeper_log **ret, struct err *err)
{
    char path[PATH_SIZE];
    *ret = NULL;
    if (!handler_command_log_path(data_dir, id, path, sizeof path, false))
        return err_set(err, ERR_INTERNAL, NULL, "the path of the log is too long");
    enum err_code code = keeper_log_open(path, ret, err);
    return code == ERR_NOT_FOUND ? OK : code;
}

/* ---- the last lines ---- */

/* Places of the last `capacity` line ends, the oldest first at `count % capacity`. */
struct line_ends {
    int64_t *places; /* owned */
    size_t capacity, count;
};

static void note_line_ends(struct line_ends *ends, int64_t place, const char *bytes, size_t length)
{
    const char *at = bytes, *limit = bytes + length;
    while (at < limit && (at = memchr(at, '\n', (size_t)(limit - at))) != NULL) {
        at++;
        ends->places[ends->count++ % ends->capacity] = place + (at - bytes);
    }
}

/* The start of the last `tail` lines; the last one may lack its end. */
static int64_t start_of_tail(const struct line_ends *ends, size_t tail, int64_t end)
{
    if (tail == 0)
        return end;
    bool is_open = ends->count == 0 || ends->places[(ends->count - 1) % ends->capacity] != end;
    size_t before = tail + (is_open ? 0 : 1); /* that many line ends from the end */
    return ends->count < before ? 0 : ends->places[(ends->count - before) % ends->capacity];
}

enum err_code log_tail_start(const struct execution_log_request *request, int64_t id, int64_t *ret_place, struct err *err)
{
    struct keeper_log *log;
    *ret_place = 0;
    enum err_code code = request->tail < 0 ? OK : log_open_of(request->data_dir, id, &log, err);
    if (request->tail < 0 || code != OK || !log)
        return code;
    struct line_ends ends = {.capacity = (size_t)request->tail + 1};
    ends.places = xcalloc(ends.capacity, sizeof *ends.places);
    bool more = true;
    int64_t end = 0;
    struct keeper_log_frame frame;
    while ((code = keeper_log_next(log, &frame, &more, err)) == OK && more)
        if (log_is_wanted(request->stream, frame.stream)) {
            note_line_ends(&ends, log_place(request->stream, &frame), frame.bytes, frame.length);
            end = log_place(request->stream, &frame) + (int64_t)frame.length;
        }
    *ret_place = start_of_tail(&ends, (size_t)request->tail, end);
    free(ends.places);
    keeper_log_close(log);
    return code;
}

/* ---- reading ---- */

/* The end is what counts: when there is no room the older half goes. */
static void add_frame(struct buf *out, const struct keeper_log_frame *frame, int64_t skip)
{
    size_t length = frame->length - (size_t)skip;
    if (out->len + length >= out->max)
        buf_consume(out, out->len / 2);
    buf_add(out, frame->bytes + skip, length);
}

enum err_code execution_log_read(const struct execution_log_request *request, struct buf *out, struct err *err)
{
    struct log_subject subject = {.reference = request->reference};
    struct keeper_log *log = NULL;
    int64_t start = 0;
    enum err_code code = store_read(request->store, log_find_subject, &subject, err);
    if (code == OK)
        code = log_tail_start(request, subject.brief.id, &start, err);
    if (code == OK)
        code = log_open_of(request->data_dir, subject.brief.id, &log, err);
    if (code != OK || !log)
        return code;
    bool more = true;
    struct keeper_log_frame frame;
    while ((code = keeper_log_next(log, &frame, &more, err)) == OK && more) {
        int64_t place = log_place(request->stream, &frame);
        if (log_is_wanted(request->stream, frame.stream) && place + (int64_t)frame.length > start)
            add_frame(out, &frame, start > place ? start - place : 0);
    }
    keeper_log_close(log);
    return code;
}
