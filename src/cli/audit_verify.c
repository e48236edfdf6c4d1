/* SPDX-License-Identifier: Apache-2.0 */
/* horae audit verify: proof of the audit log, or of an export of it, without a server. */
#include "base/hex.h"
#include "cli/cli.h"
#include "cli/cli_audit.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/read_file.h"
#include "cli/store_place.h"
#include "db/store.h"
#include "trail/checkpoint_file.h"
#include "trail/verify_export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 << 20, KEY_DIGITS = 2 * AUDIT_PUBLIC_BYTES };

static const struct option_spec specs[] = {
    {"--store", 0, "URL", "of the log: sqlite:PATH or postgres://… (HORAE_STORE)"},
    {"--data", 0, "DIR", "folder of horae.db and audit.key (HORAE_DATA, default ./data)"},
    {"--file", 0, "FILE", "an export (NDJSON, without filters) in place of the log; - is standard input"},
    {"--checkpoint", 0, "FILE", "checkpoints that were kept elsewhere, as GET /api/v1/audit/checkpoints answers them"},
    {"--json", 0, NULL, "print {\"data\":{\"ok\",\"checked\",\"first_bad\",\"heads\"}}"},
    {NULL, 0, NULL, NULL},
};

static int usage(FILE *out)
{
    (void)fprintf(out,
                  "Usage:\n"
                  "  horae audit verify [--store URL | --file FILE] [--checkpoint FILE] [--data DIR]\n\n"
                  "Compares every event with what the server has signed, and names the first one that was changed, removed,\n"
                  "inserted, reordered or cut off. It reads only, and works while a server runs. Exit code 1: not in order.\n"
                  "Only checkpoints that were kept elsewhere tell of a log that was replaced as a whole.\n\n");
    if (out == stdout)
        options_print(specs);
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static int fail(const struct err *err)
{
    progress_clear();
    (void)fprintf(stderr, "horae audit verify: %s\n", err->message);
    return CLI_FAILED;
}

static bool read_checkpoints(const char *name, struct checkpoint_list *ret)
{
    struct buf text;
    struct err err = {.message = ""};
    buf_init(&text, CHECKPOINT_FILE_MAX);
    bool good = read_whole_file(name, &text);
    if (good && checkpoint_file_read((struct str){text.data ? text.data : "", text.len}, ret, &err) != OK) {
        (void)fprintf(stderr, "horae audit verify: %s: %s\n", name, err.message);
        good = false;
    }
    buf_release(&text);
    return good;
}

/* ---- what is printed ---- */

static int print_json(const struct verify_result *result)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, ANSWER_MAX);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "data");
    verify_result_write(result, &w);
    json_end_object(&w);
    buf_add_char(&out, '\n');
    const bool good = !out.failed && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_release(&out);
    return good && result->ok ? CLI_DONE : CLI_FAILED;
}

static void print_bad(const struct verify_bad *bad)
{
    char id[UUID_TEXT_LEN + 1] = "";
    if (bad->has_id)
        uuid_format(&bad->id, id);
    (void)printf("not in order: %s", verify_reason_name(bad->reason));
    if (bad->has_id)
        (void)printf(", event %s", id);
    if (bad->segment)
        (void)printf(", segment %lld", (long long)bad->segment);
    if (bad->seq)
        (void)printf(", position %lld", (long long)bad->seq);
    (void)printf(": %s\n", bad->detail);
}

static int print(const struct verify_result *result, bool json)
{
    progress_clear();
    if (json)
        return print_json(result);
    if (result->ok)
        (void)printf("in order: %lld event%s in %zu segment%s, as they were signed\n", (long long)result->checked,
                     result->checked == 1 ? "" : "s", result->head_count, result->head_count == 1 ? "" : "s");
    else
        print_bad(&result->first_bad);
    return result->ok ? CLI_DONE : CLI_FAILED;
}

/* ---- the log ---- */

static void show(void *arg, int64_t done, int64_t total)
{
    progress_show(arg, (size_t)done, (size_t)total);
}

/* The key of the log; where it is missing, as on another machine, that of the checkpoints. */
static bool find_key(const struct options *o, const char *database, const struct checkpoint_list *list,
                     uint8_t ret[AUDIT_PUBLIC_BYTES], struct err *err)
{
    char folder[STORE_PLACE_SIZE], path[STORE_PLACE_SIZE];
    store_place_data(o, database, folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%.4100s/audit.key", folder);
    const enum err_code code = audit_key_read_public(path, ret, err);
    if (code == ERR_NOT_FOUND && list->count) {
        memcpy(ret, list->public_key, AUDIT_PUBLIC_BYTES);
        return true;
    }
    if (code == ERR_NOT_FOUND)
        (void)err_set(
            err, code, NULL,
            "there is no %s, which the log is signed with: put it back, or give checkpoints that were kept elsewhere by "
            "--checkpoint FILE",
            path);
    return code == OK;
}

static int verify_log(const struct options *o, const struct checkpoint_list *list)
{
    char url[STORE_PLACE_SIZE], database[STORE_PLACE_SIZE], folder[STORE_PLACE_SIZE + 8], what[] = "event";
    uint8_t key[AUDIT_PUBLIC_BYTES];
    struct verify_result result;
    struct err err;
    store_place_url(o, url, sizeof url);
    if (store_url_check(url, NULL) != OK) {
        (void)fprintf(stderr, "horae audit verify: --store is not allowed; it must be %s\n", store_url_forms());
        return CLI_USAGE;
    }
    store_place_files(o, url, database, sizeof database);
    if (!find_key(o, database, list, key, &err))
        return fail(&err);
    (void)snprintf(folder, sizeof folder, "%.4100s-audit", database);
    struct segment_place *place = segment_place_new(&(struct segment_place_options){.url = url, .folder = folder});
    const struct verify_options options = {.place = place,
                                           .folder = folder,
                                           .store = url,
                                           .public_key = key,
                                           .outside = list->items,
                                           .outside_count = list->count,
                                           .from_ms = INT64_MIN,
                                           .to_ms = INT64_MAX,
                                           .progress = show,
                                           .arg = what};
    const enum err_code done = verify_store(&options, &result, &err);
    segment_place_free(place);
    if (done != OK)
        return fail(&err);
    const int code = print(&result, options_flag(o, "--json"));
    verify_result_release(&result);
    return code;
}

/* ---- an export ---- */

static void show_lines(void *arg, int64_t events)
{
    progress_show(arg, (size_t)events, 0);
}

static int verify_file(const struct options *o, const char *name, const struct checkpoint_list *list)
{
    char what[] = "event", digits[KEY_DIGITS + 1];
    uint8_t key[AUDIT_PUBLIC_BYTES];
    struct verify_result result;
    struct err err;
    const int fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)fprintf(stderr, "horae audit verify: cannot read %s: %s\n", name, strerror(errno));
        return CLI_FAILED;
    }
    const struct verify_export_options options = {.fd = fd,
                                                  .public_key = list->count ? list->public_key : NULL,
                                                  .outside = list->items,
                                                  .outside_count = list->count,
                                                  .progress = show_lines,
                                                  .arg = what};
    const enum err_code code = verify_export(&options, &result, key, &err);
    if (fd != STDIN_FILENO)
        (void)close(fd);
    if (code != OK) {
        progress_clear();
        (void)fprintf(stderr, "horae audit verify: %s: %s\n", name, err.message);
        return CLI_FAILED;
    }
    const int exit = print(&result, options_flag(o, "--json"));
    if (result.ok && !list->count) { /* whoever made the file could have made the key */
        hex_format(key, sizeof key, digits);
        (void)fprintf(stderr, "signed by the key %s, which the file names itself; --checkpoint FILE compares it\n", digits);
    }
    verify_result_release(&result);
    return exit;
}

int cli_audit_verify(int argc, char **argv)
{
    struct options o;
    struct checkpoint_list list = {.items = NULL};
    if (!options_parse(&o, specs, argc, argv, "audit verify"))
        return CLI_USAGE;
    if (o.help)
        return usage(stdout);
    const char *file = options_value(&o, "--file"), *checkpoint = options_value(&o, "--checkpoint");
    if (o.positional_count)
        (void)fprintf(stderr, "horae audit verify: unexpected argument \"%s\"\n", o.positional[0]);
    else if (file && (options_value(&o, "--store") || options_value(&o, "--data")))
        (void)fprintf(stderr, "horae audit verify: --file stands alone: an export is verified without its log\n");
    else if (file && checkpoint && strcmp(file, "-") == 0 && strcmp(checkpoint, "-") == 0)
        (void)fprintf(stderr, "horae audit verify: only one of --file and --checkpoint can be standard input\n");
    else {
        const bool good = !checkpoint || read_checkpoints(checkpoint, &list);
        const int code = !good ? CLI_FAILED : file ? verify_file(&o, file, &list) : verify_log(&o, &list);
        checkpoint_list_release(&list);
        return code;
    }
    return usage(stderr);
}
