/* SPDX-License-Identifier: Apache-2.0 */
/* horae import crontab: one task of type `command` per entry, the same task again when it is run again. Identity is the
 * hash of file, user, schedule, command and ordinal (rulings, Crontab import); it is kept as a label. */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/crontab_parse.h"
#include "cli/import_prove.h"
#include "cli/subcommand.h"
#include "cron/cron.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CRONTAB_MAX = 4 << 20, SLUG_MAX = 24, BODY_MAX = 1 << 20 };

static const struct option_spec specs[] = {{"--system", 0, NULL, "the system form: a sixth field names the user"},
                                           {"--user", 0, "U", "whose crontab it is (the one who calls)"},
                                           {"--dry-run", 0, NULL, "say what would be created; needs no server"},
                                           {"--prove", 0, NULL, "compare coming times with cron's; needs no server"},
                                           CLIENT_OPTIONS,
                                           OPTIONS_END};

struct import {
    const struct options *options;
    struct client client;
    const char *file, *host_zone, *owner;
    char resolved[4200];
    bool system, dry_run, prove;
    int created, changed, unchanged, refused;
    bool differs;
    int code; /* of the first call that could not be made */
};

static void report(void *arg, int line, bool is_error, const char *message)
{
    struct import *import = arg;
    (void)fprintf(stderr, "%s:%d: %s%s\n", import->file, line, is_error ? "not taken: " : "", message);
    import->refused += is_error;
}

static const char *owner_name(void)
{
    const struct passwd *entry = getpwuid(getuid());
    return entry ? entry->pw_name : "root";
}

/* The zone of this machine, from TZ or the link /etc/localtime. */
static const char *host_zone(void)
{
    static char target[4200];
    const char *tz = getenv("TZ"), *name = NULL;
    if (tz && tz[0])
        name = tz[0] == ':' ? tz + 1 : tz;
    ssize_t n = name ? 0 : readlink("/etc/localtime", target, sizeof target - 1);
    if (n > 0) {
        target[n] = '\0';
        name = strstr(target, "zoneinfo/");
        name = name ? name + strlen("zoneinfo/") : NULL;
    }
    return name && cron_zone_exists(name) ? name : "UTC";
}

/* FNV-1a over the parts of the identity, each ended by a zero byte. */
static uint64_t hash_part(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return (h ^ 0xff) * 0x100000001b3u;
}

static uint64_t identity_of(const struct import *import, const struct crontab_entry *entry, const char *user)
{
    char ordinal[16];
    (void)snprintf(ordinal, sizeof ordinal, "%d", entry->ordinal);
    uint64_t h = hash_part(0xcbf29ce484222325u, import->resolved);
    h = hash_part(h, user);
    h = hash_part(h, entry->timezone ? entry->timezone : "");
    h = hash_part(h, entry->schedule);
    return hash_part(hash_part(h, entry->command), ordinal);
}

/* A readable part of the name: the program and a little of its arguments. */
static void slug_of(const char *command, char out[SLUG_MAX + 1])
{
    size_t n = 0;
    const char *p = command;
    const char *space = strpbrk(p, " \t;|&");
    for (const char *q = p; *q && (!space || q < space); q++)
        if (*q == '/')
            p = q + 1;
    for (; *p && n < SLUG_MAX; p++) {
        char c = *p;
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
        if (plain)
            out[n++] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    (void)snprintf(out + n, SLUG_MAX + 1 - n, "%s", n ? "" : "command");
}

static const char *variable(const struct crontab_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->env_count; i++)
        if (strcmp(entry->env[i].name, name) == 0)
            return entry->env[i].value;
    return NULL;
}

static char *data_of(const struct crontab_entry *entry, const char *run_as)
{
    struct buf data;
    struct json_writer w;
    const struct passwd *account = getpwnam(run_as ? run_as : owner_name());
    const char *shell = variable(entry, "SHELL"), *home = variable(entry, "HOME");
    buf_init(&data, BODY_MAX);
    json_writer_init(&w, &data);
    json_begin_object(&w);
    json_put_text(&w, "command", entry->command);
    if (shell && shell[0])
        json_put_text(&w, "shell", shell);
    json_put_text(&w, "cwd", home && home[0] == '/' ? home : account && account->pw_dir[0] == '/' ? account->pw_dir : "/");
    json_put_text_unless_empty(&w, "stdin", entry->stdin_text);
    if (run_as)
        json_put_text(&w, "user", run_as);
    if (entry->env_count) {
        json_key(&w, "env");
        json_begin_object(&w);
        for (size_t i = 0; i < entry->env_count; i++) {
            json_key_any(&w, entry->env[i].name, strlen(entry->env[i].name));
            json_text(&w, entry->env[i].value);
        }
        json_end_object(&w);
    }
    json_end_object(&w);
    return buf_take(&data);
}

/* The schedule in the default dialect: what is stored never depends on an import dialect (section 12). */
static void canonical_of(const char *schedule, const char *zone, char *out, size_t capacity)
{
    static char text[CRON_CANONICAL_MAX];
    struct cron_options options = {.dialect = CRON_DIALECT_VIXIE, .zone = NULL};
    struct cron_schedule parsed, again;
    struct cron_options plain = {.zone = zone};
    struct cron_options vixie = {.dialect = CRON_DIALECT_VIXIE, .zone = zone};
    struct cron_schedule same, theirs;
    (void)snprintf(out, capacity, "%s", schedule);
    if (schedule[0] == '@' || !cron_parse(schedule, strlen(schedule), &options, &parsed, NULL))
        return;
    if (cron_parse(schedule, strlen(schedule), &plain, &same, NULL) &&
        cron_parse(schedule, strlen(schedule), &vixie, &theirs, NULL) && cron_equal(&same, &theirs))
        return; /* means the same in both: keep the writing that its owner knows */
    (void)cron_canonical(&parsed, text, sizeof text);
    if (cron_parse(text, strlen(text), &(struct cron_options){.zone = NULL}, &again, NULL))
        (void)snprintf(out, capacity, "%s", text);
}

static void build_body(const struct import *import, const struct crontab_entry *entry, const char *name, const char *run_as,
                       const char *identity, struct buf *out)
{
    struct json_writer w;
    char description[300], schedule[1200];
    const char *zone = entry->timezone ? entry->timezone : import->host_zone;
    char *data = data_of(entry, run_as);
    canonical_of(entry->schedule, zone, schedule, sizeof schedule);
    (void)snprintf(description, sizeof description, "from %.200s, line %d", import->resolved, entry->line);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "name", name);
    json_put_text(&w, "type", "command");
    json_put_text(&w, "description", description);
    json_put_bool(&w, "is_recurring", true);
    json_put_text(&w, "cron_expr", schedule);
    json_put_text(&w, "timezone", zone);
    json_put_text(&w, "gap", import_follows_clock(entry->schedule) ? "skip" : "auto");
    json_put_text(&w, "overlap", "allow"); /* cron starts an entry again while it still runs */
    json_put_int(&w, "max_concurrent", 100);
    json_put_int(&w, "max_retries", 0);
    json_put_int(&w, "max_duration_seconds", 31536000);
    json_put_text(&w, "misfire_policy", "skip"); /* cron forgets what it missed */
    json_put_text(&w, "group_id", identity);
    json_put_text(&w, "data", data);
    json_end_object(&w);
    free(data);
}

/* ---- against the server ---- */

static const char *text_member(const struct json *object, const char *name, char *out, size_t capacity)
{
    struct str text = json_get_text(json_member(object, name));
    (void)str_copy(out, capacity, text.p, text.n);
    return out;
}

/* Is what the server has the same already? Compared by what an import decides. */
static bool is_same(const struct json *task, const struct json *wanted)
{
    static const char *const members[] = {"type", "cron_expr", "timezone", "gap", "data", "group_id", "description"};
    char a[16384], b[16384];
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (strcmp(text_member(task, members[i], a, sizeof a), text_member(wanted, members[i], b, sizeof b)) != 0)
            return false;
    return true;
}

/* 404 is an answer here, not an error to be printed: the list is asked by exact name. */
static int find_task(struct import *import, const char *name, struct answer *answer, const struct json **ret)
{
    struct buf path;
    buf_init(&path, 4096);
    buf_add_text(&path, "/scheduler/tasks?page_size=100");
    client_query(&path, "name", name);
    int code = client_call(&import->client, "GET", path.data, NULL, answer);
    buf_release(&path);
    *ret = NULL;
    struct json_walk walk = {0};
    const struct json *task;
    while (code == CLI_DONE && json_walk_array(answer_data(answer), &walk, &task))
        if (str_equal(json_get_text(json_member(task, "name")), name))
            *ret = task;
    return code;
}

static int send_task(struct import *import, const char *name, const char *body)
{
    struct answer found, answer;
    const struct json *task;
    struct json_doc *wanted;
    struct err err;
    int code = find_task(import, name, &found, &task);
    if (code == CLI_DONE && json_parse(body, strlen(body), &wanted, &err) == OK) {
        bool same = task && is_same(task, json_root(wanted));
        json_doc_free(wanted);
        if (same) {
            import->unchanged++;
        } else {
            char *path = task ? subcommand_path("/scheduler/tasks/", name, "") : xstrdup("/scheduler/tasks");
            code = client_call(&import->client, task ? "PATCH" : "POST", path, body, &answer);
            free(path);
            answer_release(&answer);
            if (code == CLI_DONE && task)
                import->changed++;
            else if (code == CLI_DONE)
                import->created++;
        }
    }
    answer_release(&found);
    return code;
}

static void import_entry(struct import *import, const struct crontab_entry *entry, int64_t now_s)
{
    const char *user = entry->user ? entry->user : import->owner;
    const char *run_as = geteuid() == 0 && strcmp(user, "root") != 0 ? user : NULL;
    char name[200], slug[SLUG_MAX + 1], identity[32];
    uint64_t hash = identity_of(import, entry, user);
    slug_of(entry->command, slug);
    (void)snprintf(identity, sizeof identity, "crontab-%016" PRIx64, hash);
    (void)snprintf(name, sizeof name, "crontab-%.60s-%s-%08" PRIx32, user, slug, (uint32_t)(hash >> 32));
    if (import->dry_run || import->prove)
        (void)printf("%s  %s  [%s]  %s\n", name, entry->schedule, entry->timezone ? entry->timezone : import->host_zone,
                     entry->command);
    if (import->prove && !import_prove(stdout, entry->schedule, entry->timezone ? entry->timezone : import->host_zone, now_s))
        import->differs = true;
    if (import->dry_run || import->prove || import->code != CLI_DONE)
        return;
    struct buf body;
    buf_init(&body, BODY_MAX);
    build_body(import, entry, name, run_as, identity, &body);
    int code = send_task(import, name, body.data);
    if (code == CLI_FAILED)
        report(import, entry->line, true, "the server refused it");
    else if (code != CLI_DONE)
        import->code = code;
    buf_release(&body);
}

static bool read_crontab(const char *name, struct buf *out)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    char block[8192];
    size_t n;
    if (!file) {
        (void)fprintf(stderr, "horae: cannot read %s\n", name);
        return false;
    }
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        buf_add(out, block, n);
    bool fine = !out->failed && !ferror(file);
    if (file != stdin)
        (void)fclose(file);
    if (!fine)
        (void)fprintf(stderr, "horae: %s cannot be read or has more than 4 MiB\n", name);
    return fine;
}

static bool import_file(struct import *import, const char *name, int64_t now_s)
{
    struct buf text;
    struct crontab crontab;
    buf_init(&text, CRONTAB_MAX);
    import->file = name;
    char *full = strcmp(name, "-") == 0 ? NULL : realpath(name, NULL);
    (void)snprintf(import->resolved, sizeof import->resolved, "%s", full ? full : name);
    free(full);
    bool fine = read_crontab(name, &text);
    if (fine) {
        crontab_parse(text.data ? text.data : "", text.len, import->system, report, import, &crontab);
        for (size_t i = 0; i < crontab.count; i++)
            import_entry(import, &crontab.entries[i], now_s);
        crontab_release(&crontab);
    }
    buf_release(&text);
    return fine;
}

static int finish(const struct import *import)
{
    if (!import->dry_run && !import->prove && import->code == CLI_DONE)
        (void)printf("%d created, %d changed, %d unchanged, %d not taken\n", import->created, import->changed, import->unchanged,
                     import->refused);
    else if (import->refused)
        (void)fprintf(stderr, "%d not taken\n", import->refused);
    if (import->code != CLI_DONE)
        return import->code;
    return import->refused || import->differs ? CLI_FAILED : CLI_DONE;
}

static int usage(FILE *out)
{
    (void)fprintf(
        out, "Usage: horae import crontab FILE… [--system] [--dry-run] [--prove]\n\n"
             "Creates one task per entry; run again, it changes only what has changed. FILE \"-\" is standard input:\n"
             "  crontab -l | horae import crontab -\n  horae import crontab --system /etc/crontab /etc/cron.d/*\n\nOptions:\n");
    if (out == stdout)
        options_print(specs);
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

int cli_import(int argc, char **argv)
{
    struct options o;
    struct import import = {.code = CLI_DONE};
    if (!options_parse(&o, specs, argc, argv, "import"))
        return CLI_USAGE;
    if (o.help)
        return usage(stdout);
    if (o.positional_count < 2 || strcmp(o.positional[0], "crontab") != 0)
        return usage(stderr);
    import.options = &o;
    import.system = options_flag(&o, "--system");
    import.dry_run = options_flag(&o, "--dry-run");
    import.prove = options_flag(&o, "--prove");
    import.owner = options_value(&o, "--user") ? options_value(&o, "--user") : owner_name();
    import.host_zone = host_zone();
    if (!client_init(&import.client, &o))
        return CLI_USAGE;
    int64_t now_s = clock_wall(clock_real()).us / US_PER_S;
    bool fine = true;
    for (size_t i = 1; i < o.positional_count; i++)
        fine &= import_file(&import, o.positional[i], now_s);
    int code = finish(&import);
    return fine ? code : CLI_FAILED;
}
