/* SPDX-License-Identifier: Apache-2.0 */
/* horae audit truncate: an object as the audit log would store it, without a server. */
#include "audit/audit_object.h"
#include "base/json_write.h"
#include "cli/cli.h"
#include "cli/cli_audit.h"
#include "cli/options.h"
#include "cli/read_file.h"

#include <stdio.h>

/* The stored text once more as a string, and everything around it. */
enum { LINE_MAX_BYTES = 2 * (AUDIT_LIMIT_MAX + AUDIT_PATHS_BYTES_MAX) + 256 };

static const struct option_spec specs[] = {
    {"--limit", 0, "BYTES", "largest size of the stored object (65536)"},
    {"--no-redact", 0, NULL, "keep the values of passwords, tokens and the like"},
    {NULL, 0, NULL, NULL},
};

static int usage(FILE *out)
{
    (void)fprintf(
        out, "Usage:\n"
             "  horae audit truncate [--limit BYTES] [--no-redact]    a JSON document on standard input, as an audit\n"
             "                                                        event would store it\n\n"
             "Prints {\"object\",\"truncated\",\"truncated_fields\"}: object holds the stored text. A string is taken for the\n"
             "JSON text in it; what is no JSON is kept as one string.\n\n");
    if (out == stdout)
        options_print(specs);
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static bool read_limit(const struct options *o, size_t *ret)
{
    const char *text = options_value(o, "--limit");
    int64_t limit = AUDIT_LIMIT_DEFAULT;
    if (text && !str_to_int(str_of(text), AUDIT_LIMIT_MIN, AUDIT_LIMIT_MAX, &limit)) {
        (void)fprintf(stderr, "horae audit truncate: --limit must be a number of bytes from %d to %d, not \"%s\"\n",
                      AUDIT_LIMIT_MIN, AUDIT_LIMIT_MAX, text);
        return false;
    }
    *ret = (size_t)limit;
    return true;
}

static bool print(const struct audit_object *object)
{
    struct buf line, paths;
    struct json_writer w;
    buf_init(&line, LINE_MAX_BYTES);
    buf_init(&paths, LINE_MAX_BYTES);
    audit_paths_write(&object->paths, &paths);
    json_writer_init(&w, &line);
    json_begin_object(&w);
    json_key(&w, "object");
    json_text_n(&w, object->text, object->length);
    json_put_bool(&w, "truncated", object->truncated);
    json_key(&w, "truncated_fields");
    json_raw(&w, paths.data, paths.len);
    json_end_object(&w);
    buf_add_char(&line, '\n');
    const bool good = fwrite(line.data, 1, line.len, stdout) == line.len && fflush(stdout) == 0;
    if (!good)
        (void)fprintf(stderr, "horae audit truncate: standard output failed\n");
    buf_release(&paths);
    buf_release(&line);
    return good;
}

int cli_audit_truncate(int argc, char **argv)
{
    struct options o;
    struct audit_rules rules = {.in_document = true};
    struct audit_object object;
    struct buf text;
    if (!options_parse(&o, specs, argc, argv, "audit truncate"))
        return CLI_USAGE;
    if (o.help)
        return usage(stdout);
    if (o.positional_count > 0)
        return usage(stderr);
    if (!read_limit(&o, &rules.limit))
        return CLI_USAGE;
    rules.no_redaction = options_flag(&o, "--no-redact");
    buf_init(&text, AUDIT_INPUT_MAX);
    bool good = read_whole_file("-", &text);
    if (good) {
        audit_object_make(text.data ? text.data : "", text.len, &rules, &object);
        good = print(&object);
        audit_object_release(&object);
    }
    buf_release(&text);
    return good ? CLI_DONE : CLI_FAILED;
}
