/* SPDX-License-Identifier: Apache-2.0 */
/* Who called, as the audit log would record it (AUD-20…28), without a server. */
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cli_audit.h"
#include "cli/lines.h"
#include "http/client_address.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 16, PEER_MAX = 255 };

/* What a line asks; texts are borrowed from its document. */
struct query {
    struct str peer;
    const struct json *trusted, *ip_headers, *headers;
    struct client_address_rules rules;
    struct client_header lines[ADDRESS_HEADERS_MAX];
    size_t count;
};

typedef enum err_code (*add_fn)(struct client_address_rules *rules, const char *text, struct err *err);

static enum err_code add_all(struct query *q, const struct json *list, const char *what, add_fn add, struct err *err)
{
    struct json_walk walk = {0};
    const struct json *item;
    enum err_code code = OK;
    while (code == OK && json_walk_array(list, &walk, &item)) {
        struct str text = json_get_text(item);
        if (!json_is_text(item) || (text.n && memchr(text.p, 0, text.n)))
            return err_param(err, what, "%s must be an array of strings", what);
        char *copy = xstrndup(text.p, text.n);
        code = add(&q->rules, copy, err);
        free(copy);
    }
    return code;
}

static enum err_code take_headers(struct query *q, struct err *err)
{
    struct json_walk walk = {0};
    const struct json *pair;
    while (q->headers && json_walk_array(q->headers, &walk, &pair)) {
        const struct json *name = json_is_array(pair) ? json_item(pair, 0) : NULL,
                          *value = json_is_array(pair) ? json_item(pair, 1) : NULL;
        if (!name || !value || !json_is_text(name) || !json_is_text(value) || json_count(pair) != 2)
            return err_param(err, "headers", "headers must be an array of [name, value]");
        q->lines[q->count++] = (struct client_header){json_get_text(name), json_get_text(value)};
    }
    return OK;
}

static enum err_code read_query(const struct json *object, struct query *q, struct err *err)
{
    static const struct json_field fields[] = {
        {"peer", FIELD_TEXT, offsetof(struct query, peer), 0, PEER_MAX, .required = true},
        {"trusted", FIELD_ARRAY, offsetof(struct query, trusted), 0, TRUSTED_PROXIES_MAX},
        {"ip_headers", FIELD_ARRAY, offsetof(struct query, ip_headers), 0, CLIENT_IP_HEADERS_MAX},
        {"headers", FIELD_ARRAY, offsetof(struct query, headers), 0, ADDRESS_HEADERS_MAX},
    };
    static const char *const defaults[] = {"X-Forwarded-For", "X-Real-IP"}; /* AUD-21 */
    enum err_code code = json_read_fields(object, "", fields, ARRAY_LEN(fields), q, NULL, NULL, err);
    if (code == OK && q->trusted)
        code = add_all(q, q->trusted, "trusted", client_address_trust, err);
    if (code == OK && q->ip_headers)
        code = add_all(q, q->ip_headers, "ip_headers", client_address_use, err);
    for (size_t i = 0; code == OK && !q->ip_headers && i < ARRAY_LEN(defaults); i++)
        code = client_address_use(&q->rules, defaults[i], err);
    return code == OK ? take_headers(q, err) : code;
}

static enum err_code answer_line(struct str line, client_address_say_fn say, void *arg, struct client_address *ret,
                                 struct err *err)
{
    struct json_doc *doc;
    enum err_code code = json_parse(line.p, line.n, &doc, err);
    if (code != OK)
        return code;
    struct query *q = xcalloc(1, sizeof *q);
    char peer[PEER_MAX + 1];
    code = json_is_object(json_root(doc)) ? read_query(json_root(doc), q, err)
                                          : err_set(err, ERR_INVALID, NULL, "a query is a JSON object");
    if (code == OK) {
        (void)snprintf(peer, sizeof peer, "%.*s", (int)q->peer.n, q->peer.p);
        code = client_address_find(&q->rules, peer, q->lines, q->count, say, arg, ret, err);
    }
    free(q);
    json_doc_free(doc);
    return code;
}

static void write_answer(struct buf *out, enum err_code code, const struct client_address *found, const struct err *err)
{
    struct json_writer w;
    buf_clear(out);
    json_writer_init(&w, out);
    json_begin_object(&w);
    if (code == OK) {
        json_put_text(&w, "client_ip", found->ip);
        json_put_text(&w, "source", found->source);
    } else {
        json_put_text(&w, "error", err->message);
    }
    json_end_object(&w);
    buf_add_char(out, '\n');
}

static void say(void *arg, const char *sentence)
{
    (void)fprintf(arg, "%s\n", sentence);
}

/* Lines in, answers out; false: a stream failed. `*ret_bad`: some line could not be answered. */
static bool answer_all(struct lines *lines, bool explain, FILE *out, bool *ret_bad)
{
    struct buf text;
    struct str line;
    enum line_kind kind;
    buf_init(&text, ANSWER_MAX);
    while ((kind = lines_next(lines, &line)) == LINE_READ || kind == LINE_TOO_LONG) {
        struct client_address found;
        struct err err;
        enum err_code code = kind == LINE_READ
                                 ? answer_line(line, explain ? say : NULL, out, &found, &err)
                                 : err_set(&err, ERR_LIMIT, NULL, "the line has more than %d bytes", ADDRESS_LINE_MAX);
        *ret_bad |= code != OK;
        if (explain && code != OK)
            (void)fprintf(stderr, "horae: %s\n", err.message);
        if (explain)
            continue;
        write_answer(&text, code, &found, &err);
        (void)fwrite(text.data, 1, text.len, out);
    }
    buf_release(&text);
    return kind == LINE_END && fflush(out) == 0;
}

static int run(int in, FILE *out, bool explain)
{
    struct lines lines;
    bool bad = false;
    lines_init(&lines, in, out, ADDRESS_LINE_MAX);
    bool fine = answer_all(&lines, explain, out, &bad);
    lines_release(&lines);
    if (!fine)
        (void)fprintf(stderr, "horae audit client-address: standard input or output failed\n");
    return fine && !(explain && bad) ? CLI_DONE : CLI_FAILED;
}

int cli_address_batch(int in, FILE *out)
{
    return run(in, out, false);
}

int cli_address_explain(int in, FILE *out)
{
    return run(in, out, true);
}
