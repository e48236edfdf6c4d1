/* SPDX-License-Identifier: Apache-2.0 */
/* horae cron batch (contract section 4). */
#include "cli/cli_cron_batch.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_write.h"
#include "cli/cli.h"
#include "cli/cron_query.h"
#include "cli/lines.h"

#include <string.h>

enum { ANSWER_MAX = 64 << 20 };

/* A line as it was asked. */
struct question {
    struct cron_query query;
    char zone[CRON_ZONE_NAME_MAX + 1], seed[1024];
    struct cron_years years;
    bool has_from, has_to, has_anchor;
    struct json_writer *answer;
};

static void write_error(struct json_writer *w, const char *code, size_t pos, const char *message, const char *hint)
{
    json_begin_object(w);
    json_key(w, "error");
    json_begin_object(w);
    json_put_text(w, "code", code);
    json_put_int(w, "pos", (int64_t)pos);
    json_put_text(w, "message", message);
    json_put_text_unless_empty(w, "hint", hint);
    json_end_object(w);
    json_end_object(w);
}

static bool refuse(struct question *q, const char *code, const char *format, const char *key)
{
    char message[512];
    (void)snprintf(message, sizeof message, format, key);
    write_error(q->answer, code, 0, message, "");
    return false;
}

/* ---- the keys of a query ---- */

static bool take_expr(struct question *q, const char *key, const struct json *value)
{
    const struct str text = json_get_text(value);
    if (!json_is_text(value))
        return refuse(q, "query", "%s must be a text", key);
    q->query.expr = text.p;
    q->query.expr_length = text.n;
    return true;
}

static bool take_zone(struct question *q, const char *key, const struct json *value)
{
    const struct str text = json_get_text(value);
    if (!json_is_text(value))
        return refuse(q, "query", "%s must be a text, the name of a time zone", key);
    if (text.n >= sizeof q->zone || memchr(text.p, 0, text.n))
        return refuse(q, "tz", "%s must be the name of a time zone", key);
    memcpy(q->zone, text.p, text.n);
    q->zone[text.n] = '\0';
    q->query.options.zone = q->zone;
    return true;
}

static bool take_seed(struct question *q, const char *key, const struct json *value)
{
    const struct str text = json_get_text(value);
    if (!json_is_text(value) || text.n >= sizeof q->seed || memchr(text.p, 0, text.n))
        return refuse(q, "query", "%s must be a text of less than 1024 bytes without U+0000", key);
    memcpy(q->seed, text.p, text.n);
    q->seed[text.n] = '\0';
    q->query.options.seed = q->seed;
    return true;
}

/* RFC 3339, or Unix milliseconds as a number. */
static bool read_time(const struct json *value, struct cron_instant *ret)
{
    const struct str text = json_get_text(value);
    int64_t ms;
    if (json_is_text(value))
        return cron_query_time(text.p, text.n, ret);
    return json_get_int(value, &ms) && cron_query_ms(ms, ret);
}

static const char bad_time[] = "%s must be a time such as \"2026-03-08T00:00:00Z\", or Unix milliseconds, in the years 1 to 9999";

static bool take_from(struct question *q, const char *key, const struct json *value)
{
    q->has_from = true;
    return read_time(value, &q->query.from) || refuse(q, "query", bad_time, key);
}

static bool take_to(struct question *q, const char *key, const struct json *value)
{
    q->has_to = true;
    return read_time(value, &q->query.to) || refuse(q, "query", bad_time, key);
}

static bool take_anchor(struct question *q, const char *key, const struct json *value)
{
    struct cron_instant at;
    if (!read_time(value, &at))
        return refuse(q, "query", bad_time, key);
    q->has_anchor = true;
    q->query.options.anchor_s = at.floor_s;
    return true;
}

static bool take_n(struct question *q, const char *key, const struct json *value)
{
    return (json_get_int(value, &q->query.n) && q->query.n >= 0 && q->query.n <= CRON_QUERY_N_MAX) ||
           refuse(q, "query", "%s must be a whole number between 0 and 1000000", key);
}

/* A word of a short list; "" where it is no text or too long for any list. */
static const char *word_of(const struct json *value, char out[32])
{
    const struct str text = json_get_text(value);
    const bool fits = json_is_text(value) && text.n < 32 && !memchr(text.p, 0, text.n);
    memcpy(out, text.p ? text.p : "", fits ? text.n : 0);
    out[fits ? text.n : 0] = '\0';
    return out;
}

static bool take_dialect(struct question *q, const char *key, const struct json *value)
{
    char word[32];
    return cron_dialect_from_name(word_of(value, word), &q->query.options.dialect) ||
           refuse(q, "query", "%s must be horae, vixie, quartz, aws, spring, jenkins, k8s, croniter or pg_cron", key);
}

static bool take_syntax(struct question *q, const char *key, const struct json *value)
{
    char word[32];
    return cron_syntax_from_name(word_of(value, word), &q->query.options.syntax) ||
           refuse(q, "query", "%s must be cron or oncalendar", key);
}

static bool take_gap(struct question *q, const char *key, const struct json *value)
{
    char word[32];
    return cron_gap_from_name(word_of(value, word), &q->query.options.gap) ||
           refuse(q, "query", "%s must be auto, skip, run_at_edge or shift_forward", key);
}

static bool take_fold(struct question *q, const char *key, const struct json *value)
{
    char word[32];
    return cron_fold_from_name(word_of(value, word), &q->query.options.fold) ||
           refuse(q, "query", "%s must be auto, first, last or both", key);
}

static bool take_op(struct question *q, const char *key, const struct json *value)
{
    static const char *const ops[] = {
        [CRON_OP_NEXT] = "next", [CRON_OP_PREV] = "prev", [CRON_OP_COUNT] = "count", [CRON_OP_PARSE] = "parse"};
    char text[32];
    const char *word = word_of(value, text);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(word, ops[i]) == 0) {
            q->query.op = (enum cron_op)i;
            return true;
        }
    return refuse(q, "query", "%s must be next, prev, count or parse", key);
}

static const struct {
    const char *name;
    bool (*take)(struct question *q, const char *key, const struct json *value); /* NULL: not looked at */
} keys[] = {
    {"expr", take_expr},
    {"op", take_op},
    {"tz", take_zone},
    {"from", take_from},
    {"to", take_to},
    {"n", take_n},
    {"seed", take_seed},
    {"anchor", take_anchor},
    {"dialect", take_dialect},
    {"syntax", take_syntax},
    {"gap", take_gap},
    {"fold", take_fold},
    /* A line of a file of test vectors may be asked as it stands: its answers and notes are no part of the question. */
    {"id", NULL},
    {"next", NULL},
    {"prev", NULL},
    {"count", NULL},
    {"cron", NULL},
    {"error", NULL},
    {"code", NULL},
    {"pos", NULL},
    {"verified", NULL},
    {"note", NULL},
    {"source", NULL},
};

static bool take_member(struct question *q, struct str name, const struct json *value)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_equal(name, keys[i].name))
            return !keys[i].take || json_is_null(value) || keys[i].take(q, keys[i].name, value);
    char shown[48];
    (void)str_copy(shown, sizeof shown, name.p, name.n);
    return refuse(q, "query", "\"%s\" is no key of a query: expr, op, tz, from, to, n, seed, anchor, dialect, syntax, gap, fold",
                  shown);
}

static bool read_question(struct question *q, const struct json *object)
{
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    if (!json_is_object(object))
        return refuse(q, "query", "a query is a JSON object%s", "");
    while (json_walk_object(object, &walk, &name, &value))
        if (!take_member(q, name, value))
            return false;
    if (!q->query.expr)
        return refuse(q, "query", "a query needs the text \"%s\"", "expr");
    if (q->query.op == CRON_OP_COUNT && !q->has_to)
        return refuse(q, "query", "count needs \"%s\"", "to");
    if (!q->has_from)
        q->query.from = cron_query_now();
    if (!q->has_anchor)
        q->query.options.anchor_s = q->query.from.floor_s;
    return true;
}

/* ---- answers ---- */

static void write_times(const struct cron_query *q, const struct cron_schedule *s, struct json_writer *w)
{
    const bool forward = q->op == CRON_OP_NEXT;
    int64_t at = forward ? q->from.floor_s : q->from.ceil_s;
    json_begin_object(w);
    json_key(w, forward ? "next" : "prev");
    json_begin_array(w);
    for (int64_t i = 0; i < q->n; i++) {
        char text[64];
        at = forward ? cron_next(s, at) : cron_prev(s, at);
        if (at == CRON_NEVER)
            break;
        (void)cron_format_time(s, at, text, sizeof text);
        json_text(w, text);
    }
    json_end_array(w);
    json_end_object(w);
}

static void answer(const struct cron_query *q, const struct cron_schedule *s, struct json_writer *w)
{
    char canonical[CRON_CANONICAL_MAX];
    switch (q->op) {
    case CRON_OP_NEXT:
    case CRON_OP_PREV: write_times(q, s, w); return;
    case CRON_OP_COUNT:
        json_begin_object(w);
        json_put_int(w, "count", cron_count(s, q->from.ceil_s, q->to.ceil_s));
        json_end_object(w);
        return;
    case CRON_OP_PARSE:
        (void)cron_canonical(s, canonical, sizeof canonical);
        json_begin_object(w);
        json_put_bool(w, "ok", true);
        json_put_text(w, "cron", canonical);
        json_end_object(w);
        return;
    }
}

static void answer_line(struct question *q, struct str line)
{
    struct json_doc *doc;
    struct err err;
    struct cron_schedule schedule;
    struct cron_error error;
    if (json_parse(line.p, line.n, &doc, &err) != OK) {
        write_error(q->answer, "json", 0, err.message, "");
        return;
    }
    if (read_question(q, json_root(doc))) {
        if (cron_parse(q->query.expr, q->query.expr_length, &q->query.options, &schedule, &error))
            answer(&q->query, &schedule, q->answer);
        else
            write_error(q->answer, error.code, error.pos, error.message, error.hint);
    }
    json_doc_free(doc);
}

static bool answer_all(struct lines *lines, struct buf *text, FILE *out)
{
    struct question q;
    for (;;) {
        struct json_writer w;
        struct str line;
        const enum line_kind kind = lines_next(lines, &line);
        if (kind == LINE_END || kind == LINE_FAILED)
            return kind == LINE_END;
        buf_clear(text);
        json_writer_init(&w, text);
        q.query = (struct cron_query){.op = CRON_OP_NEXT, .n = 1, .options.years = &q.years};
        q.has_from = q.has_to = q.has_anchor = false;
        q.answer = &w;
        if (kind == LINE_TOO_LONG)
            write_error(&w, "length", BATCH_LINE_MAX, "the line is longer than 65536 bytes", "");
        else
            answer_line(&q, line);
        buf_add_char(text, '\n');
        if (text->failed || fwrite(text->data, 1, text->len, out) != text->len)
            return false;
    }
}

int cli_cron_batch(int in, FILE *out)
{
    struct lines lines;
    struct buf text;
    lines_init(&lines, in, out, BATCH_LINE_MAX);
    buf_init(&text, ANSWER_MAX);
    bool done = answer_all(&lines, &text, out);
    done = fflush(out) == 0 && done;
    if (!done)
        (void)fprintf(stderr, "horae cron batch: standard input or output failed\n");
    buf_release(&text);
    lines_release(&lines);
    return done ? CLI_DONE : CLI_FAILED;
}
