/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_file.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 4, KEY_MAX = 256, FILE_MAX = 1 << 20 };

struct reader {
    config_file_fn fn;
    void *arg;
    const char *path;
    char key[KEY_MAX];
    size_t lengths[MAX_DEPTH + 1]; /* of `key` at each depth */
    int depth;
    bool expects_key[MAX_DEPTH + 1];
    bool in_list;
};

static enum err_code refuse(const struct reader *r, const yaml_mark_t *mark, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, NULL, "%s line %zu: %s", r->path, mark->line + 1, what);
}

static void leave_value(struct reader *r)
{
    if (r->in_list)
        return;
    r->expects_key[r->depth] = true;
    r->key[r->lengths[r->depth]] = '\0';
}

static enum err_code on_scalar(struct reader *r, const yaml_event_t *event, struct err *err)
{
    struct str value = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (r->depth == 0)
        return refuse(r, &event->start_mark, "expected `key: value`", err);
    if (r->in_list || !r->expects_key[r->depth]) {
        r->fn(r->arg, r->key, value, event->start_mark.line + 1);
        leave_value(r);
        return OK;
    }
    size_t at = r->lengths[r->depth];
    if (!value.n || memchr(value.p, 0, value.n))
        return refuse(r, &event->start_mark, "a key must be text", err);
    if (at + value.n + 2 > KEY_MAX)
        return refuse(r, &event->start_mark, "key too long", err);
    (void)snprintf(r->key + at, KEY_MAX - at, "%s%.*s", at ? "." : "", (int)value.n, value.p);
    r->expects_key[r->depth] = false;
    return OK;
}

static enum err_code on_mapping(struct reader *r, const yaml_event_t *event, struct err *err)
{
    if (r->in_list)
        return refuse(r, &event->start_mark, "an item of a list must be one value", err);
    if (r->depth && r->expects_key[r->depth])
        return refuse(r, &event->start_mark, "a key must be text", err);
    if (r->depth == MAX_DEPTH)
        return refuse(r, &event->start_mark, "nested too deep", err);
    r->depth++;
    r->lengths[r->depth] = strlen(r->key);
    r->expects_key[r->depth] = true;
    return OK;
}

static enum err_code on_event(struct reader *r, const yaml_event_t *event, struct err *err)
{
    switch ((int)event->type) {
    case YAML_SCALAR_EVENT: return on_scalar(r, event, err);
    case YAML_MAPPING_START_EVENT: return on_mapping(r, event, err);
    case YAML_MAPPING_END_EVENT:
        r->depth--;
        leave_value(r);
        return OK;
    case YAML_SEQUENCE_START_EVENT:
        if (r->in_list || r->depth == 0 || r->expects_key[r->depth])
            return refuse(r, &event->start_mark, "a list is not expected here", err);
        r->in_list = true;
        return OK;
    case YAML_SEQUENCE_END_EVENT:
        r->in_list = false;
        leave_value(r);
        return OK;
    case YAML_ALIAS_EVENT: return refuse(r, &event->start_mark, "aliases are not supported", err);
    default: return OK;
    }
}

static enum err_code parse_all(struct reader *r, yaml_parser_t *parser, struct err *err)
{
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return err_set(err, ERR_INVALID, NULL, "%s line %zu: %s", r->path, parser->problem_mark.line + 1,
                           parser->problem ? parser->problem : "not YAML");
        enum err_code code = on_event(r, &event, err);
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (code != OK)
            return code;
    }
    return OK;
}

enum err_code config_file_parse(const char *text, size_t length, const char *path, config_file_fn fn, void *arg, struct err *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_set(err, ERR_INTERNAL, NULL, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    struct reader reader = {.fn = fn, .arg = arg, .path = path};
    enum err_code code = parse_all(&reader, &parser, err);
    yaml_parser_delete(&parser);
    return code;
}

enum err_code config_file_read(const char *path, config_file_fn fn, void *arg, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set(err, ERR_NOT_FOUND, NULL, "cannot read the settings file %s: %s", path, strerror(errno));
    auto_free char *text = xmalloc(FILE_MAX);
    size_t length = fread(text, 1, FILE_MAX, file);
    bool failed = ferror(file) != 0;
    int saved = errno;
    (void)fclose(file);
    if (failed)
        return err_set(err, ERR_NOT_FOUND, NULL, "cannot read the settings file %s: %s", path, strerror(saved));
    if (length == FILE_MAX)
        return err_set(err, ERR_LIMIT, NULL, "the settings file %s is larger than 1 MiB", path);
    return config_file_parse(text, length, path, fn, arg, err);
}
