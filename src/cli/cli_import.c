/* SPDX-License-Identifier: Apache-2.0 */
/* horae import crontab: one task of type `command` per entry, the same task again when it is run again. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/crontab_files.h"
#include "cli/crontab_parse.h"
#include "cli/import_prove.h"
#include "cli/import_sync.h"
#include "cli/import_task.h"
#include "cli/nearest.h"
#include "cli/progress.h"
#include "cli/read_file.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 20, WHY_MAX = 500 };

static const struct option_spec specs[] = {
    {"--system", 0, NULL, "the system form: a sixth field names the user (/etc/crontab and cron.d are known to have it)"},
    {"--user", 0, "U", "whose crontab it is (the one who calls; in cron's spool the name of the file)"},
    {"--dry-run", 0, NULL, "say what would be created; needs no server"},
    {"--prove", 0, NULL, "compare the coming year's times with cron's; needs no server"},
    {"--prune", 0, NULL, "delete the tasks of entries that are gone from a file"},
    CLIENT_OPTIONS,
    OPTIONS_END};

struct import {
    const struct options *options;
    struct client client;
    struct import_sync *sync; /* NULL until the first entry needs the server */
    const char *file;         /* as the caller named it */
    struct import_origin origin;
    int line, entries, created, changed, unchanged, refused, gone, differing;
    bool offline, prove, prune, unread;
    int64_t now_s;
    int code; /* of the first call that could not be made */
};

/* ---- reports ---- */

static void report(void *arg, int line, bool is_error, const char *message)
{
    struct import *import = arg;
    progress_clear();
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s:%d: %s%s\n", import->file, line, is_error ? "not taken: " : "", message);
    import->refused += is_error;
}

static void remark(void *arg, const char *text)
{
    const struct import *import = arg;
    report(arg, import->line, false, text);
}

static void print_entry(const char *what, const struct import_task *task, const struct crontab_entry *entry)
{
    progress_clear();
    (void)printf("%s%s  %s  [%s]  %s\n", what, task->name, entry->schedule, task->schedule.zone, entry->text);
}

/* ---- one entry ---- */

static void send_task(struct import *import, const struct import_task *task, const struct crontab_entry *entry)
{
    char why[WHY_MAX] = "";
    int code = CLI_DONE;
    if (!import->sync && !(import->sync = import_sync_begin(&import->client, &code))) {
        import->code = code;
        return;
    }
    switch (import_sync_task(import->sync, task, import->origin.file, why, sizeof why, &code)) {
    case IMPORT_CREATED:
        import->created++;
        print_entry("created    ", task, entry);
        break;
    case IMPORT_CHANGED:
        import->changed++;
        print_entry("changed    ", task, entry);
        break;
    case IMPORT_UNCHANGED: import->unchanged++; break;
    case IMPORT_REFUSED: report(import, entry->line, true, why); break;
    case IMPORT_STOPPED: import->code = code; break;
    }
}

static void print_body(const struct import *import, const struct import_task *task)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    import_task_write(task, import->origin.file, false, &body);
    (void)puts(body.data);
    buf_release(&body);
}

static void import_entry(struct import *import, const struct crontab_entry *entry)
{
    struct import_task task;
    char why[WHY_MAX];
    if (import->code != CLI_DONE)
        return;
    import->line = entry->line;
    if (!import_task_make(&import->origin, entry, remark, import, &task, why, sizeof why)) {
        report(import, entry->line, true, why);
        return;
    }
    import->entries++;
    if (!import->offline)
        send_task(import, &task, entry);
    else if (import->client.json)
        print_body(import, &task);
    else
        print_entry("", &task, entry);
    if (import->prove)
        import->differing += !import_prove(stdout, entry->schedule, &task.schedule, import->now_s);
    import_task_release(&task);
}

/* ---- one file ---- */

/* Whose commands they are; an account that has no name is no user to become. */
static void find_owner(struct import *import, const struct crontab_file *file, char *spool_user, size_t capacity)
{
    static char number[32];
    const char *user = options_value(import->options, "--user");
    const struct passwd *account = getpwuid(getuid());
    if (!user && file->place == PLACE_SPOOL) {
        (void)snprintf(spool_user, capacity, "%s", strrchr(file->path, '/') + 1);
        user = spool_user;
    }
    (void)snprintf(number, sizeof number, "%u", (unsigned)getuid());
    import->origin.owner = user ? user : account ? account->pw_name : number;
    import->origin.owner_is_known = user || account;
}

static void import_text(struct import *import, const struct crontab_file *file, const struct buf *text)
{
    struct crontab crontab;
    char spool_user[256];
    bool system = options_flag(import->options, "--system") || file->place == PLACE_SYSTEM;
    import->origin.file = file->path;
    find_owner(import, file, spool_user, sizeof spool_user);
    crontab_parse(text->data ? text->data : "", text->len, system, report, import, &crontab);
    for (size_t i = 0; i < crontab.count; i++) {
        if (!import->offline)
            progress_show(import->file, i + 1, crontab.count);
        import_entry(import, &crontab.entries[i]);
    }
    crontab_release(&crontab);
    progress_clear();
    if (import->offline || import->code != CLI_DONE)
        return;
    if (!import->sync && !(import->sync = import_sync_begin(&import->client, &import->code)))
        return;
    int gone = import_sync_gone(import->sync, file->path, import->prune, stdout, &import->code);
    import->gone += gone > 0 ? gone : 0;
}

static void import_file(void *arg, const char *name, const struct crontab_file *file)
{
    struct import *import = arg;
    struct buf text;
    if (import->code != CLI_DONE)
        return;
    import->file = name;
    if (file->ignored) {
        (void)fprintf(stderr, "%s: passed over, as cron does with a file of such a name\n", name);
        return;
    }
    buf_init(&text, CRONTAB_FILE_MAX);
    if (read_whole_file(name, &text))
        import_text(import, file, &text);
    else
        import->unread = true;
    buf_release(&text);
}

/* ---- all ---- */

static void print_sum(const struct import *import)
{
    (void)fflush(stdout);
    if (import->offline && import->prove)
        (void)fprintf(stderr, "%d entries compared with cron, %d differ; %d not taken\n", import->entries, import->differing,
                      import->refused);
    else if (import->offline)
        (void)fprintf(stderr, "%d would be created or brought up to date, %d not taken\n", import->entries, import->refused);
    else if (import->code == CLI_DONE) {
        (void)printf("%d created, %d changed, %d unchanged, %d not taken", import->created, import->changed, import->unchanged,
                     import->refused);
        if (import->gone)
            (void)printf(", %d %s", import->gone, import->prune ? "deleted" : "gone");
        (void)printf("\n");
    }
}

static int usage(FILE *out)
{
    (void)fprintf(out,
                  "Usage: horae import crontab FILE… [OPTION…]\n\n"
                  "Creates one task per entry; run again, it changes only what has changed. FILE may be a folder, or \"-\" for\n"
                  "standard input:\n"
                  "  horae import crontab /etc/crontab /etc/cron.d\n"
                  "  crontab -l | horae import crontab -\n");
    if (out == stdout) {
        (void)puts("\nOptions:");
        options_print(specs);
    }
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static int refuse(const struct options *o)
{
    struct nearest near = {.name = NULL};
    if (o->positional_count && strcmp(o->positional[0], "crontab") != 0) {
        nearest_offer(&near, o->positional[0], "crontab");
        (void)fprintf(stderr, "horae import: unknown kind \"%s\"", o->positional[0]);
        nearest_print(&near, stderr);
        (void)fputc('\n', stderr);
    } else if (o->positional_count) {
        (void)fprintf(stderr, "horae import crontab: FILE is missing\n");
    }
    return usage(stderr);
}

int cli_import(int argc, char **argv)
{
    struct options o;
    struct import import = {.code = CLI_DONE};
    if (!options_parse(&o, specs, argc, argv, "import"))
        return CLI_USAGE;
    if (o.help || (o.positional_count == 1 && strcmp(o.positional[0], "help") == 0))
        return usage(stdout);
    if (o.positional_count < 2 || strcmp(o.positional[0], "crontab") != 0)
        return refuse(&o);
    if (!client_init(&import.client, &o))
        return CLI_USAGE;
    import.options = &o;
    import.prove = options_flag(&o, "--prove");
    import.offline = import.prove || options_flag(&o, "--dry-run");
    import.prune = options_flag(&o, "--prune");
    import.origin.host_zone = crontab_host_zone();
    import.now_s = clock_wall(clock_real()).us / US_PER_S;
    for (size_t i = 1; i < o.positional_count; i++)
        import.unread |= !crontab_files_each(o.positional[i], import_file, &import);
    import_sync_free(import.sync);
    print_sum(&import);
    if (import.code != CLI_DONE)
        return import.code;
    return import.refused || import.differing || import.unread ? CLI_FAILED : CLI_DONE;
}
