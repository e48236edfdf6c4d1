/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_object.h"

#include "audit/audit_cut.h"
#include "audit/json_encoded.h"
#include "base/panic.h"

#include <string.h>

static const char marker[] = "\"" JSON_MARKER "\"";

/* Whatever it was, it is one string now. `encoded` (between the quotes) is copied. */
static void make_string(struct json_tokens *t, struct str encoded)
{
    *t = (struct json_tokens){.length = encoded.n + 2, .capacity = encoded.n + 2, .node_capacity = 1};
    t->text = xmalloc(t->length);
    t->text[0] = t->text[t->length - 1] = '"';
    if (encoded.n)
        memcpy(t->text + 1, encoded.p, encoded.n);
    t->nodes = xmalloc(sizeof t->nodes[0]);
    t->nodes[0] = (struct json_node){0, (uint32_t)t->length, JSON_NO_NODE, 0, 0, 0};
    t->count = encoded.n > JSON_MARKER_BYTES;
}

/* What is no JSON as it is may hold the text of some with its bad bytes replaced, so its secrets are looked for there. */
static void make_raw(struct json_tokens *t, const char *text, size_t length, const struct json_rules *rules)
{
    struct buf encoded, redacted;
    buf_init(&encoded, length * JSON_ESCAPE_MAX + 1);
    buf_init(&redacted, UINT32_MAX / 2);
    json_encode(text, length, &encoded);
    struct str string = {encoded.data, encoded.len};
    if (rules->rewrite && rules->rewrite(rules->arg, string, &redacted))
        string = (struct str){redacted.data, redacted.len};
    make_string(t, string);
    buf_release(&redacted);
    buf_release(&encoded);
}

/* The object in a document that is a string: the text in it, when that is JSON. False: the string stays, as raw text. */
static bool read_inner(struct json_tokens *t, const struct json_rules *rules)
{
    struct json_tokens inner = {0};
    struct buf text;
    bool good = false;
    buf_init(&text, t->length);
    if (json_decode((struct str){t->text + 1, t->length - 2}, &text))
        good = json_tokens_read(&inner, text.data, text.len, rules);
    buf_release(&text);
    if (good) {
        json_tokens_release(t);
        *t = inner;
    } else {
        json_tokens_release(&inner);
    }
    return good;
}

/* Returns whether it is JSON. */
static bool read_object(struct json_tokens *t, const char *text, size_t length, const struct audit_rules *given)
{
    struct json_rules rules = {.depth_max = given->depth_max ? given->depth_max : AUDIT_DEPTH_DEFAULT};
    if (!given->no_redaction)
        audit_redact(&rules, given->names ? given->names : &audit_default_names);
    if (json_tokens_read(t, text, length, &rules))
        return !given->in_document || t->text[0] != '"' || read_inner(t, &rules);
    json_tokens_release(t);
    make_raw(t, text, length > AUDIT_INPUT_MAX ? 0 : length, &rules);
    return false;
}

/* Writing what the cuts leave. */
struct rest {
    const struct json_tokens *t;
    struct buf out;
    uint32_t at;      /* behind what is written or left out */
    uint32_t pending; /* the innermost container whose cut is still to come */
};

static void write_cut(struct rest *w, const struct json_node *node)
{
    const struct json_tokens *t = w->t;
    buf_add(&w->out, t->text + w->at, node->cut - w->at);
    w->at = node->end - 1;
    if (json_node_is_string(t, node)) {
        buf_add_text(&w->out, JSON_MARKER);
        return;
    }
    if (node->cut > node->start + 1)
        buf_add_char(&w->out, ',');
    buf_add_text(&w->out, marker);
    if (t->text[node->start] == '{') {
        buf_add_char(&w->out, ':');
        buf_add_int(&w->out, node->count);
    }
}

/* Cuts that come before `offset`. */
static void write_pending(struct rest *w, uint32_t offset)
{
    const struct json_node *nodes = w->t->nodes;
    while (w->pending != JSON_NO_NODE && nodes[w->pending].cut <= offset) {
        write_cut(w, &nodes[w->pending]);
        do
            w->pending = nodes[w->pending].parent;
        while (w->pending != JSON_NO_NODE && !nodes[w->pending].cut);
    }
}

/* Memory and time are those of `bytes`, the length of what is left. */
static void write_rest(const struct json_tokens *t, size_t bytes, struct audit_object *ret)
{
    struct rest w = {.t = t, .pending = JSON_NO_NODE};
    buf_init(&w.out, bytes);
    (void)buf_reserve(&w.out, bytes);
    for (uint32_t i = 0; i < t->count; i++) {
        const struct json_node *node = &t->nodes[i];
        write_pending(&w, node->start);
        if (node->start < w.at)
            continue; /* it went with the end of a container */
        const bool string = json_node_is_string(t, node);
        if (!node->cut && !(string && node->count))
            continue;
        audit_paths_add_node(&ret->paths, t, node);
        if (node->cut && string)
            write_cut(&w, node);
        else if (node->cut)
            w.pending = i;
    }
    write_pending(&w, UINT32_MAX);
    buf_add(&w.out, t->text + w.at, t->length - w.at);
    must(!w.out.failed && w.out.len == bytes);
    ret->length = bytes;
    ret->text = buf_take(&w.out);
}

void audit_object_make(const char *text, size_t length, const struct audit_rules *rules, struct audit_object *ret)
{
    static const struct audit_rules defaults = {0};
    struct json_tokens t;
    if (!rules)
        rules = &defaults;
    const size_t limit = rules->limit ? rules->limit : AUDIT_LIMIT_DEFAULT;
    must(limit >= AUDIT_LIMIT_MIN && limit <= AUDIT_LIMIT_MAX);
    *ret = (struct audit_object){.raw = !read_object(&t, text, length, rules)};
    audit_paths_init(&ret->paths);
    size_t bytes = audit_cut_strings(&t, limit);
    if (bytes > limit)
        bytes = audit_cut_containers(&t, bytes, limit);
    if (bytes > limit ||
        length > AUDIT_INPUT_MAX) { /* a number without end, or what could not be read: only the marker is left */
        json_tokens_release(&t);
        make_string(&t, (struct str){JSON_MARKER, JSON_MARKER_BYTES});
        t.count = t.nodes[0].count = 1;
        bytes = t.length;
    }
    write_rest(&t, bytes, ret);
    ret->truncated = ret->paths.count > 0;
    json_tokens_release(&t);
}

void audit_object_release(struct audit_object *object)
{
    audit_paths_release(&object->paths);
    free(object->text);
    object->text = NULL;
}
