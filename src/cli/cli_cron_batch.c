/* SPDX-License-Identifier: Apache-2.0 */
/* horae cron batch (contract section 4). Keys of a query: expr, tz, from, to, n, seed, anchor, dialect, syntax, gap,
 * fold, op. Other keys are ignored: the vector file carries notes. */
#include "cli/cli_cron_batch.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/json_write.h"
#include "cli/cli.h"
#include "cli/cron_query.h"

#include <string.h>

enum { N_MAX = 1000000, ANSWER_MAX = 64 << 20 };

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

static bool refuse(struct json_writer *w, const char *what)
{
    write_error(w, "query", 0, what, "");
    return false;
}

static bool copy_text(const struct json *object, const char *name, char *out, size_t capacity, const char **ret)
{
    const struct json *value = json_member(object, name);
    if (!value || json_is_null(value))
        return true;
    struct str text = json_get_text(value);
    if (!json_is_text(value) || text.n >= capacity || memchr(text.p, 0, text.n))
        return false;
    memcpy(out, text.p, text.n);
    out[text.n] = '\0';
    *ret = out;
    return true;
}

/* A time as RFC 3339 text or Unix seconds. */
static bool read_time(const struct json *object, const char *name, int64_t *ret, bool *ret_fraction)
{
    const struct json *value = json_member(object, name);
    if (!value || json_is_null(value))
        return true;
    struct str text = json_get_text(value);
    return json_is_text(value) ? cron_query_time(text.p, text.n, ret, ret_fraction) : json_get_int(value, ret);
}

static bool read_names(const struct json *object, struct cron_query *q)
{
    char word[32];
    const char *text = NULL;
    static const char *const ops[] = {"next", "prev", "count", "parse"};
    if (!copy_text(object, "dialect", word, sizeof word, &text) || (text && !cron_dialect_from_name(text, &q->options.dialect)))
        return false;
    text = NULL;
    if (!copy_text(object, "syntax", word, sizeof word, &text) || (text && !cron_syntax_from_name(text, &q->options.syntax)))
        return false;
    text = NULL;
    if (!copy_text(object, "gap", word, sizeof word, &text) || (text && !cron_gap_from_name(text, &q->options.gap)))
        return false;
    text = NULL;
    if (!copy_text(object, "fold", word, sizeof word, &text) || (text && !cron_fold_from_name(text, &q->options.fold)))
        return false;
    text = NULL;
    if (!copy_text(object, "op", word, sizeof word, &text))
        return false;
    if (!text)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        if (strcmp(text, ops[i]) == 0) {
            q->op = (enum cron_op)i;
            return true;
        }
    return false;
}

static bool read_query(const struct json *object, struct cron_query *q, struct json_writer *w)
{
    bool ignored = false;
    const struct json *expr = json_is_object(object) ? json_member(object, "expr") : NULL;
    if (!expr || !json_is_text(expr))
        return refuse(w, "a query is an object with a text \"expr\"");
    struct str text = json_get_text(expr);
    q->expr = text.p;
    q->expr_length = text.n;
    q->n = 1;
    if (!copy_text(object, "tz", q->zone, sizeof q->zone, &q->options.zone)) {
        write_error(w, "tz", 0, "tz must be the name of a time zone", "");
        return false;
    }
    if (!copy_text(object, "seed", q->seed, sizeof q->seed, &q->options.seed))
        return refuse(w, "seed must be a text below 1024 bytes");
    if (!read_names(object, q))
        return refuse(w, "op, dialect, syntax, gap or fold has a value that is not known");
    if (!read_time(object, "from", &q->from_s, &q->from_has_fraction) || !read_time(object, "to", &q->to_s, &ignored))
        return refuse(w, "from and to must be RFC 3339 times");
    q->options.anchor_s = q->from_s;
    if (!read_time(object, "anchor", &q->options.anchor_s, &ignored))
        return refuse(w, "anchor must be an RFC 3339 time");
    const struct json *n = json_member(object, "n");
    if (n && (!json_get_int(n, &q->n) || q->n < 0 || q->n > N_MAX))
        return refuse(w, "n must be a whole number between 0 and 1000000");
    return true;
}

static void write_times(const struct cron_query *q, const struct cron_schedule *s, struct json_writer *w)
{
    bool forward = q->op == CRON_OP_NEXT;
    int64_t at = q->from_s + (!forward && q->from_has_fraction ? 1 : 0);
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
    static char canonical[CRON_CANONICAL_MAX];
    switch (q->op) {
    case CRON_OP_NEXT:
    case CRON_OP_PREV: write_times(q, s, w); return;
    case CRON_OP_COUNT:
        json_begin_object(w);
        json_put_int(w, "count", cron_count(s, q->from_s + (q->from_has_fraction ? 1 : 0), q->to_s));
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

static void answer_line(const char *line, size_t length, struct json_writer *w)
{
    struct json_doc *doc;
    struct err err;
    struct cron_years years;
    struct cron_query q = {.op = CRON_OP_NEXT, .options.years = &years};
    struct cron_schedule schedule;
    struct cron_error error;
    if (json_parse(line, length, &doc, &err) != OK) {
        write_error(w, "json", 0, err.message, "");
        return;
    }
    if (read_query(json_root(doc), &q, w)) {
        if (cron_parse(q.expr, q.expr_length, &q.options, &schedule, &error))
            answer(&q, &schedule, w);
        else
            write_error(w, error.code, error.pos, error.message, error.hint);
    }
    json_doc_free(doc);
}

/* A line longer than the limit is read to its end and refused. */
static bool read_line(FILE *in, char *line, size_t capacity, size_t *ret_length, bool *ret_too_long)
{
    int c;
    *ret_length = 0;
    *ret_too_long = false;
    while ((c = getc_unlocked(in)) != EOF && c != '\n') {
        if (*ret_length < capacity)
            line[(*ret_length)++] = (char)c;
        else
            *ret_too_long = true;
    }
    return c != EOF || *ret_length > 0;
}

int cli_cron_batch(FILE *in, FILE *out)
{
    static char line[BATCH_LINE_MAX];
    size_t length;
    bool too_long;
    struct buf text;
    buf_init(&text, ANSWER_MAX);
    while (read_line(in, line, sizeof line, &length, &too_long)) {
        struct json_writer w;
        buf_clear(&text);
        json_writer_init(&w, &text);
        if (too_long)
            write_error(&w, "length", BATCH_LINE_MAX, "the line is longer than 65536 bytes", "");
        else
            answer_line(line, length, &w);
        buf_add_char(&text, '\n');
        if (text.failed || fwrite(text.data, 1, text.len, out) != text.len)
            break;
    }
    int code = text.failed || ferror(out) || ferror(in) || fflush(out) != 0 ? CLI_FAILED : CLI_DONE;
    buf_release(&text);
    return code;
}
