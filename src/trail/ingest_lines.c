/* SPDX-License-Identifier: Apache-2.0 */
/* NDJSON of any length, in bounded memory. While it arrives each line becomes a record, so that nothing is stored when one is bad;
 * the first records are kept in memory, those behind them in a file. Then they are stored batch by batch, each after the one
 * before; while one is stored the next is read. What the answer says of each event is kept in the same way. */
#include "trail/ingest.h"

#include "base/mem.h"
#include "trail/spool.h"
#include "trail/trail_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY_MAX = 8 << 20,                                    /* of records, before they go to a file */
    RESULTS_MAX = 20000 * (int)sizeof(struct ingest_result), /* in memory; an answer that can be kept for repeats */
    BATCH_EVENTS = 1000,                                     /* two of them are in memory */
    BATCH_BYTES = 4 << 20,
    ANSWER_MAX = 4 << 20,
};

struct part {                           /* what becomes a batch */
    struct audit_record *records, *own; /* those to be stored; room for those that were read from the file: owned */
    size_t count, bytes;
    enum err_code code; /* why it could not be read */
    struct err err;
};

struct lines {
    struct http_request *request;
    struct ingest_api *api;
    struct buf line;            /* what came of the line in hand */
    struct audit_record *first; /* owned; the events kept as records */
    size_t first_count, first_capacity, first_bytes, first_done;
    struct spool rest; /* the others: head and bytes of each */
    bool has_rest;
    struct spool results;     /* struct ingest_result each */
    int64_t count;            /* events so far */
    struct trail_batch batch; /* of parts[now]; the trail's while it is stored */
    struct part parts[2];
    int now; /* the other one is the next */
    bool queued;
    int64_t stored;
    enum err_code code;
    struct err err;
};

/* ---- while it arrives ---- */

static void release_part(struct part *part)
{
    for (size_t i = 0; part->own && part->records == part->own && i < part->count; i++)
        audit_record_release(&part->own[i]);
    part->count = part->bytes = 0;
}

static void release(void *state)
{
    struct lines *lines = state;
    for (size_t i = 0; i < lines->first_count; i++)
        audit_record_release(&lines->first[i]);
    free(lines->first);
    for (size_t i = 0; i < ARRAY_LEN(lines->parts); i++) {
        release_part(&lines->parts[i]);
        free(lines->parts[i].own);
    }
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

static enum err_code keep_in_file(struct lines *lines, const struct audit_record *record, struct err *err)
{
    struct audit_record_head head;
    audit_record_describe(record, &head);
    lines->has_rest = true;
    enum err_code code = spool_add(&lines->rest, &head, sizeof head, err);
    return code == OK ? spool_add(&lines->rest, record->owned, head.length, err) : code;
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
    code = keep_in_file(lines, &record, err);
    audit_record_release(&record);
    return code;
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

static enum err_code note_result(struct lines *lines, const struct audit_record *record, struct err *err)
{
    struct ingest_result result = {record->id, record->truncated};
    return spool_add(&lines->results, &result, sizeof result, err);
}

/* Beyond the end of the file: `ret->owned` is NULL. */
static enum err_code read_record(struct lines *lines, struct audit_record *ret, struct err *err)
{
    struct audit_record_head head;
    size_t n;
    enum err_code code = spool_read(&lines->rest, &head, sizeof head, &n, err);
    ret->owned = NULL;
    if (code != OK || n == 0)
        return code;
    char *owned = n == sizeof head ? xmalloc(head.length + 1) : NULL;
    if (owned)
        code = spool_read(&lines->rest, owned, head.length, &n, err);
    if (code == OK && (!owned || n != head.length))
        code = err_set(err, ERR_UNAVAILABLE, NULL, "what was received cannot be read again");
    if (code == OK)
        audit_record_restore(&head, owned, ret);
    else
        free(owned);
    return code;
}

/* Until the batch is large enough. */
static enum err_code fill_from_file(struct lines *lines, struct part *part, struct err *err)
{
    part->own = part->own ? part->own : xcalloc(BATCH_EVENTS, sizeof *part->own);
    part->records = part->own;
    while (part->count < BATCH_EVENTS && part->bytes < BATCH_BYTES) {
        struct audit_record *record = &part->own[part->count];
        enum err_code code = read_record(lines, record, err);
        if (code != OK || !record->owned)
            return code;
        part->count++;
        part->bytes += record->event.n;
        code = note_result(lines, record, err);
        if (code != OK)
            return code;
    }
    return OK;
}

/* The next records: of those in memory first. None: all have been. */
static void fill(struct lines *lines, struct part *part)
{
    size_t left = lines->first_count - lines->first_done;
    part->code = OK;
    if (!left && lines->has_rest) {
        part->code = fill_from_file(lines, part, &part->err);
        return;
    }
    part->records = lines->first + lines->first_done;
    part->count = left < BATCH_EVENTS ? left : BATCH_EVENTS;
    for (size_t i = 0; i < part->count && part->code == OK; i++)
        part->code = note_result(lines, &part->records[i], &part->err);
    lines->first_done += part->count;
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
    release_part(&lines->parts[lines->now]);
    lines->now = !lines->now;
    struct part *part = &lines->parts[lines->now];
    if (lines->code == OK && part->code != OK) {
        lines->code = part->code;
        lines->err = part->err;
    }
    if (lines->code != OK) {
        refuse(lines);
        return;
    }
    if (!part->count) {
        answer(lines);
        return;
    }
    lines->batch.records = part->records;
    lines->batch.count = part->count;
    lines->batch.patient = lines->stored > 0; /* refused at the beginning, or not at all */
    if (trail_submit(lines->api->trail, &lines->batch)) {
        fill(lines, &lines->parts[!lines->now]); /* meanwhile; whatever the writer says is heard after this function */
    } else if (lines->queued) {
        trail_count_dropped(lines->api->trail, (int64_t)part->count, NULL);
        fill(lines, &lines->parts[!lines->now]);
        http_continue(request, next_batch, lines);
    } else {
        ingest_refuse_full(request);
    }
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
    fill(lines, &lines->parts[!lines->now]);
    next_batch(request, lines);
}
