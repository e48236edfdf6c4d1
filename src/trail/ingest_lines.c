/* SPDX-License-Identifier: Apache-2.0 */
/* NDJSON of any length, in bounded memory. While it arrives each line is checked, so that nothing is stored when one is bad; the
 * first events are kept as records, the lines behind them in a file. Then they are stored batch by batch, each after the one
 * before, and what the answer says of each event is kept in the same way. */
#include "trail/ingest.h"

#include "base/mem.h"
#include "trail/spool.h"
#include "trail/trail_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY_MAX = 8 << 20,                                    /* of records, before lines go to a file */
    RESULTS_MAX = 20000 * (int)sizeof(struct ingest_result), /* in memory; an answer that can be kept for repeats */
    BATCH_EVENTS = 1000,
    BATCH_BYTES = 4 << 20,
    ANSWER_MAX = 4 << 20,
};

struct lines {
    struct http_request *request;
    struct ingest_api *api;
    struct buf line;            /* what came of the line in hand */
    struct audit_record *first; /* owned; the events kept as records */
    size_t first_count, first_capacity, first_bytes, first_done;
    struct spool rest; /* the others: length and text of each line */
    bool has_rest;
    struct spool results; /* struct ingest_result each */
    int64_t count;        /* events so far */
    /* being stored */
    struct trail_batch batch;
    struct audit_record *records; /* of the batch; owned when they come from the file */
    size_t batch_count, batch_bytes;
    bool queued;
    int64_t stored;
    enum err_code code;
    struct err err;
};

/* ---- while it arrives ---- */

static void release(void *state)
{
    struct lines *lines = state;
    for (size_t i = 0; i < lines->first_count; i++)
        audit_record_release(&lines->first[i]);
    free(lines->first);
    free(lines->records);
    buf_release(&lines->line);
    spool_release(&lines->rest);
    spool_release(&lines->results);
    free(lines);
}

static struct lines *lines_of(struct http_request *request, struct ingest_api *api)
{
    struct lines *lines = http_state(request);
    if (lines)
        return lines;
    lines = xcalloc(1, sizeof *lines);
    lines->request = request;
    lines->api = api;
    buf_init(&lines->line, INGEST_LINE_MAX);
    spool_init(&lines->rest, trail_folder(api->trail), 0);
    spool_init(&lines->results, trail_folder(api->trail), RESULTS_MAX);
    lines->queued = ingest_is_queued(request);
    http_set_state(request, lines, release);
    return lines;
}

static enum err_code read_line(struct lines *lines, const char *text, size_t length, struct audit_record *ret, struct err *err)
{
    struct json_doc *doc;
    struct err inner;
    char what[40];
    (void)snprintf(what, sizeof what, "events[%lld]", (long long)lines->count);
    if (json_parse_exact(text, length, &doc, &inner) != OK)
        return err_set(err, ERR_INVALID, "INVALID_JSON", "%s: %s", what, inner.message);
    enum err_code code = ingest_record(lines->api, lines->request, json_root(doc), what, ret, err);
    json_doc_free(doc);
    return code;
}

static void keep_record(struct lines *lines, const struct audit_record *record)
{
    if (lines->first_count == lines->first_capacity) {
        lines->first_capacity = lines->first_capacity ? 2 * lines->first_capacity : 64;
        lines->first = xrealloc(lines->first, lines->first_capacity * sizeof *lines->first);
    }
    lines->first[lines->first_count++] = *record;
    lines->first_bytes += record->event.n + sizeof *record;
}

static enum err_code keep_line(struct lines *lines, const char *text, size_t length, struct err *err)
{
    uint32_t n = (uint32_t)length;
    lines->has_rest = true;
    enum err_code code = spool_add(&lines->rest, &n, sizeof n, err);
    return code == OK ? spool_add(&lines->rest, text, length, err) : code;
}

static bool is_blank(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static enum err_code end_line(struct lines *lines, const char *text, size_t length, struct err *err)
{
    struct audit_record record;
    if (is_blank(text, length))
        return OK;
    enum err_code code = read_line(lines, text, length, &record, err);
    if (code != OK)
        return code;
    lines->count++;
    if (!lines->has_rest && lines->first_bytes < MEMORY_MAX) {
        keep_record(lines, &record);
        return OK;
    }
    audit_record_release(&record);
    return keep_line(lines, text, length, err);
}

enum err_code ingest_lines_take(struct http_request *request, void *context, const char *bytes, size_t count, struct err *err)
{
    struct lines *lines = lines_of(request, context);
    enum err_code code = OK;
    while (count && code == OK) {
        const char *end = memchr(bytes, '\n', count);
        size_t n = end ? (size_t)(end - bytes) : count;
        bool whole = end && !lines->line.len; /* most lines: they need not be copied */
        if (!whole)
            buf_add(&lines->line, bytes, n);
        if (n > INGEST_LINE_MAX || lines->line.failed)
            return err_set(err, ERR_LIMIT, "PAYLOAD_TOO_LARGE", "events[%lld]: a line must have at most %d bytes",
                           (long long)lines->count, INGEST_LINE_MAX);
        if (end)
            code = whole ? end_line(lines, bytes, n, err)
                         : end_line(lines, lines->line.data ? lines->line.data : "", lines->line.len, err);
        if (end && !whole)
            buf_clear(&lines->line);
        n += end != NULL;
        bytes += n;
        count -= n;
    }
    return code;
}

/* ---- storing ---- */

static void next_batch(struct http_request *request, void *arg);

static enum err_code note_result(struct lines *lines, const struct audit_record *record)
{
    struct ingest_result result = {record->id, record->truncated};
    return spool_add(&lines->results, &result, sizeof result, &lines->err);
}

static enum err_code read_rest(struct lines *lines, char **ret, uint32_t *ret_length)
{
    size_t n;
    enum err_code code = spool_read(&lines->rest, ret_length, sizeof *ret_length, &n, &lines->err);
    *ret = NULL;
    if (code != OK || n == 0)
        return code;
    *ret = xmalloc(*ret_length + (size_t)1);
    code = spool_read(&lines->rest, *ret, *ret_length, &n, &lines->err);
    if (code == OK && n != *ret_length)
        code = err_set(&lines->err, ERR_UNAVAILABLE, NULL, "what was received cannot be read again");
    if (code != OK)
        free(*ret);
    return code;
}

/* Makes records of the lines of the file again, until the batch is large enough. */
static enum err_code fill_from_file(struct lines *lines)
{
    while (lines->batch_count < BATCH_EVENTS && lines->batch_bytes < BATCH_BYTES) {
        char *text;
        uint32_t length;
        enum err_code code = read_rest(lines, &text, &length);
        if (code != OK || !text)
            return code;
        lines->batch_bytes += length;
        code = read_line(lines, text, length, &lines->records[lines->batch_count], &lines->err);
        free(text);
        if (code != OK)
            return code;
        code = note_result(lines, &lines->records[lines->batch_count++]);
        if (code != OK)
            return code;
    }
    return OK;
}

/* The next records: of those in memory first. */
static enum err_code fill(struct lines *lines)
{
    enum err_code code = OK;
    lines->batch_count = lines->batch_bytes = 0;
    size_t left = lines->first_count - lines->first_done;
    if (!left && lines->has_rest) {
        lines->records = lines->records ? lines->records : xcalloc(BATCH_EVENTS, sizeof *lines->records);
        lines->batch.records = lines->records;
        code = fill_from_file(lines);
    } else {
        lines->batch.records = lines->first + lines->first_done;
        lines->batch_count = left < BATCH_EVENTS ? left : BATCH_EVENTS;
        for (size_t i = 0; i < lines->batch_count && code == OK; i++)
            code = note_result(lines, &lines->batch.records[i]);
        lines->first_done += lines->batch_count;
    }
    lines->batch.count = lines->batch_count;
    return code;
}

static void release_batch(struct lines *lines)
{
    for (size_t i = 0; lines->batch.records == lines->records && i < lines->batch_count; i++)
        audit_record_release(&lines->records[i]);
    lines->batch_count = 0;
}

/* Writer's thread. */
static void batch_done(struct trail_batch *batch, enum err_code code, const struct err *err)
{
    struct lines *lines = CONTAINER_OF(batch, struct lines, batch);
    lines->code = code;
    if (code != OK)
        lines->err = *err;
    else
        lines->stored += (int64_t)batch->count;
    if (code != OK && lines->queued) {
        trail_count_dropped(lines->api->trail, (int64_t)batch->count, err);
        lines->code = OK;
    }
    http_continue(lines->request, next_batch, lines);
}

/* ---- the answer ---- */

static void write_results(struct lines *lines, struct json_writer *w, bool truncated)
{
    struct ingest_result result;
    size_t n;
    json_key(w, truncated ? "truncated" : "ids");
    json_begin_array(w);
    if (spool_rewind(&lines->results, &lines->err) != OK)
        return;
    while (spool_read(&lines->results, &result, sizeof result, &n, &lines->err) == OK && n == sizeof result) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(&result.id, id);
        if (truncated)
            json_bool(w, result.truncated);
        else
            json_text_n(w, id, UUID_TEXT_LEN);
    }
    json_end_array(w);
}

static void answer_at_once(struct lines *lines)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, ANSWER_MAX);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "data");
    json_begin_object(&w);
    write_results(lines, &w, false);
    write_results(lines, &w, true);
    json_end_object(&w);
    json_end_object(&w);
    http_answer_json(lines->request, lines->queued ? 202 : 201, &out);
}

/* So many that the answer is made while it is sent. It outlives the request's state: that is handed to the stream. */
struct long_answer {
    struct spool results;
    bool truncated, begun, ended;
    int64_t written;
};

static long produce(void *arg, char *out, size_t capacity)
{
    struct long_answer *answer = arg;
    struct ingest_result result;
    struct err err;
    size_t at = 0, n;
    enum { ITEM_MAX = 64 };
    if (answer->ended)
        return -1;
    if (!answer->begun)
        at += (size_t)snprintf(out, capacity, "{\"data\":{\"ids\":[");
    answer->begun = true;
    while (at + ITEM_MAX < capacity && !answer->ended) {
        if (spool_read(&answer->results, &result, sizeof result, &n, &err) != OK)
            return -2;
        const char *comma = answer->written++ ? "," : "";
        if (n == sizeof result && answer->truncated) {
            at += (size_t)snprintf(out + at, capacity - at, "%s%s", comma, result.truncated ? "true" : "false");
        } else if (n == sizeof result) {
            char id[UUID_TEXT_LEN + 1];
            uuid_format(&result.id, id);
            at += (size_t)snprintf(out + at, capacity - at, "%s\"%s\"", comma, id);
        } else {
            at += (size_t)snprintf(out + at, capacity - at, "%s", answer->truncated ? "]}}" : "],\"truncated\":[");
            answer->ended = answer->truncated;
            answer->truncated = true;
            answer->written = 0;
            if (spool_rewind(&answer->results, &err) != OK)
                return -2;
        }
    }
    return (long)at;
}

static void closed(void *arg)
{
    struct long_answer *answer = arg;
    spool_release(&answer->results);
    free(answer);
}

static void answer_in_pieces(struct lines *lines)
{
    struct long_answer *answer = xcalloc(1, sizeof *answer);
    struct http_stream_source source = {
        .produce = produce, .closed = closed, .arg = answer, .whole = true, .status = lines->queued ? 202 : 201};
    answer->results = lines->results;
    spool_init(&lines->results, NULL, 0);
    (void)http_answer_stream(lines->request, "application/json", &source);
}

static void refuse(struct lines *lines)
{
    struct err inner = lines->err;
    if (lines->stored)
        (void)err_set(&lines->err, inner.code, inner.api_code[0] ? inner.api_code : NULL,
                      "the first %lld of %lld events were stored, then: %s", (long long)lines->stored, (long long)lines->count,
                      inner.message);
    http_answer_error(lines->request, lines->code, &lines->err);
}

static void answer(struct lines *lines)
{
    struct err err;
    if (spool_rewind(&lines->results, &err) != OK)
        http_answer_error(lines->request, ERR_UNAVAILABLE, &err);
    else if (lines->results.file)
        answer_in_pieces(lines);
    else
        answer_at_once(lines);
}

/* After the batch before was stored; on a thread of the pool. */
static void next_batch(struct http_request *request, void *arg)
{
    struct lines *lines = arg;
    release_batch(lines);
    if (lines->code == OK)
        lines->code = fill(lines);
    if (lines->code != OK) {
        release_batch(lines);
        refuse(lines);
        return;
    }
    if (!lines->batch.count) {
        answer(lines);
        return;
    }
    lines->batch.patient = lines->stored > 0; /* refused at the beginning, or not at all */
    bool taken = trail_submit(lines->api->trail, &lines->batch);
    if (taken)
        return;
    if (lines->queued) {
        trail_count_dropped(lines->api->trail, (int64_t)lines->batch.count, NULL);
        release_batch(lines);
        http_continue(request, next_batch, lines);
        return;
    }
    release_batch(lines);
    ingest_refuse_full(request);
}

void ingest_lines_handle(struct http_request *request, struct ingest_api *api)
{
    struct lines *lines = lines_of(request, api);
    enum err_code code = OK;
    if (lines->line.len)
        code = end_line(lines, lines->line.data, lines->line.len, &lines->err);
    buf_release(&lines->line);
    if (code == OK && !lines->count)
        code = err_set(&lines->err, ERR_INVALID, "INVALID_JSON", "there is no event in the body");
    if (code == OK)
        code = spool_rewind(&lines->rest, &lines->err);
    if (code != OK) {
        http_answer_error(request, code, &lines->err);
        return;
    }
    lines->batch = (struct trail_batch){.done = batch_done, .dedupe_all = ingest_dedupes_all(lines->request)};
    next_batch(request, lines);
}
