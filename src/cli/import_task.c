/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_task.h"

#include "base/json_write.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cron_walk.h"
#include "cron/cron.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SLUG_MAX = 24, USER_SHOWN_MAX = 60, DATA_TEXT_MAX = 1 << 20 };

#define CRON_PATH "/usr/bin:/bin" /* what cron gives its commands */

/* ---- identity and name (rulings, Crontab import) ---- */

/* FNV-1a over the parts of the identity, each ended by a zero byte. */
static uint64_t hash_part(uint64_t h, const char *text)
{
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return (h ^ 0xff) * 0x100000001b3u;
}

static uint64_t hash_file(const char *file)
{
    return hash_part(0xcbf29ce484222325u, file);
}

static uint64_t identity_of(const char *file, const struct crontab_entry *entry, const char *user)
{
    char ordinal[16];
    (void)snprintf(ordinal, sizeof ordinal, "%d", entry->ordinal);
    uint64_t h = hash_part(hash_file(file), user);
    return hash_part(hash_part(hash_part(h, entry->schedule), entry->text), ordinal);
}

void import_group_of_file(const char *file, char out[IMPORT_GROUP_MAX])
{
    (void)snprintf(out, IMPORT_GROUP_MAX, "crontab-%016" PRIx64 "-", hash_file(file));
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

static void name_of(const struct crontab_entry *entry, const char *user, uint64_t identity, char out[IMPORT_NAME_MAX])
{
    char slug[SLUG_MAX + 1], shown[USER_SHOWN_MAX + 1];
    slug_of(entry->command, slug);
    (void)str_copy(shown, sizeof shown, user, strlen(user));
    (void)snprintf(out, IMPORT_NAME_MAX, "crontab-%s-%s-%08" PRIx32, shown, slug, (uint32_t)(identity >> 32));
}

/* ---- schedule ---- */

/* The schedule in the default dialect: what is stored never depends on an import dialect (cron semantics, section 12). What
 * means the same in both keeps the writing that its owner knows. */
static bool translate(const char *text, struct import_schedule *ret, char *why, size_t capacity)
{
    static char canonical[CRON_CANONICAL_MAX];
    struct cron_options vixie_options = {.dialect = CRON_DIALECT_VIXIE, .zone = ret->zone, .seed = ret->seed};
    struct cron_options options = {.zone = ret->zone, .seed = ret->seed};
    struct cron_schedule theirs, ours;
    struct cron_error error;
    if (!cron_parse(text, strlen(text), &vixie_options, &theirs, &error)) {
        (void)snprintf(why, capacity, "%s (%s, at \"%.60s\")", error.message, error.code, text);
        return false;
    }
    if (cron_is_impossible(&theirs)) {
        (void)snprintf(why, capacity, "it never fires: no year has such a date (\"%.60s\")", text);
        return false;
    }
    const char *chosen = text;
    if (!cron_parse(text, strlen(text), &options, &ours, NULL) || !cron_equal(&ours, &theirs)) {
        (void)cron_canonical(&theirs, canonical, sizeof canonical);
        chosen = canonical;
    }
    if (strlen(chosen) > IMPORT_EXPRESSION_MAX) {
        (void)snprintf(why, capacity, "the schedule has more than %d bytes", IMPORT_EXPRESSION_MAX);
        return false;
    }
    (void)snprintf(ret->expression, sizeof ret->expression, "%s", chosen);
    return true;
}

static bool make_schedule(const struct import_origin *origin, const struct crontab_entry *entry, import_remark_fn remark,
                          void *arg, struct import_task *task, char *why, size_t capacity)
{
    struct import_schedule *s = &task->schedule;
    struct walk_schedule theirs;
    char text[200];
    *s = (struct import_schedule){
        .zone = entry->timezone ? entry->timezone : origin->host_zone, .gap = "auto", .fold = "auto", .seed = task->name};
    if (!cron_zone_exists(s->zone)) {
        (void)snprintf(why, capacity, "CRON_TZ \"%.60s\" is not a zone that this machine knows", s->zone);
        return false;
    }
    if (!translate(entry->schedule, s, why, capacity))
        return false;
    if (strcasecmp(entry->schedule, "@reboot") == 0) {
        remark(arg, "@reboot: runs when horae starts for the first time after this, then once after each start of the machine");
        return true;
    }
    const char *wrong = walk_read(entry->schedule, &theirs);
    if (wrong) {
        (void)snprintf(text, sizeof text, "cron itself refuses this schedule (%s); horae takes it", wrong);
        remark(arg, text);
        return true;
    }
    if (theirs.backwards) {
        (void)snprintf(why, capacity,
                       "cron takes a range that runs backwards and never starts the entry; write it as two ranges (\"%.60s\")",
                       entry->schedule);
        return false;
    }
    s->gap = walk_follows_clock(&theirs) ? "skip" : "run_at_edge";
    s->fold = walk_follows_clock(&theirs) ? "both" : "first";
    return true;
}

/* ---- data ---- */

static const char *variable(const struct crontab_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->env_count; i++)
        if (strcmp(entry->env[i].name, name) == 0)
            return entry->env[i].value;
    return NULL;
}

/* Cron changes to HOME and goes on where that fails; a task would fail. */
static const char *folder_of(const struct crontab_entry *entry, const struct passwd *account, import_remark_fn remark, void *arg)
{
    const char *home = variable(entry, "HOME");
    struct stat info;
    char text[300];
    if (!home || !home[0])
        home = account ? account->pw_dir : "/";
    if (home[0] == '/' && stat(home, &info) == 0 && S_ISDIR(info.st_mode))
        return home;
    (void)snprintf(text, sizeof text, "the home folder \"%.200s\" does not exist here: the command starts in /", home);
    remark(arg, text);
    return "/";
}

static void put_unless_given(struct json_writer *w, const struct crontab_entry *entry, const char *name, const char *value)
{
    if (!variable(entry, name))
        json_put_text(w, name, value);
}

/* The environment that cron gives, and the lines above the entry; LOGNAME cannot be changed. */
static void write_environment(struct json_writer *w, const struct import_origin *origin, const struct crontab_entry *entry,
                              const char *user)
{
    const char *shell = variable(entry, "SHELL");
    json_key(w, "env");
    json_begin_object(w);
    put_unless_given(w, entry, "PATH", CRON_PATH);
    put_unless_given(w, entry, "USER", user);
    json_put_text(w, "LOGNAME", user);
    json_put_text(w, "SHELL", shell && shell[0] ? shell : "/bin/sh");
    if (entry->timezone)
        put_unless_given(w, entry, "TZ", origin->host_zone); /* CRON_TZ moves the schedule, not the command's clock */
    for (size_t i = 0; i < entry->env_count; i++)
        if (strcmp(entry->env[i].name, "LOGNAME") != 0 && strcmp(entry->env[i].name, "SHELL") != 0) {
            json_key_any(w, entry->env[i].name, strlen(entry->env[i].name));
            json_text(w, entry->env[i].value);
        }
    json_end_object(w);
}

static char *make_data(const struct import_origin *origin, const struct crontab_entry *entry, const char *user,
                       bool user_is_known, import_remark_fn remark, void *arg)
{
    struct buf data;
    struct json_writer w;
    char text[200];
    const struct passwd *account = user_is_known ? getpwnam(user) : NULL;
    const char *shell = variable(entry, "SHELL");
    if (user_is_known && !account) {
        (void)snprintf(text, sizeof text, "the user \"%.60s\" does not exist on this machine: it cannot run here", user);
        remark(arg, text);
    }
    buf_init(&data, DATA_TEXT_MAX);
    json_writer_init(&w, &data);
    json_begin_object(&w);
    json_put_text(&w, "command", entry->command);
    if (shell && shell[0])
        json_put_text(&w, "shell", shell);
    json_put_text(&w, "cwd", account ? folder_of(entry, account, remark, arg) : "/");
    json_put_text_unless_empty(&w, "stdin", entry->stdin_text);
    if (user_is_known)
        json_put_text(&w, "user", user);
    write_environment(&w, origin, entry, user);
    json_end_object(&w);
    return buf_take(&data);
}

bool import_task_make(const struct import_origin *origin, const struct crontab_entry *entry, import_remark_fn remark, void *arg,
                      struct import_task *ret, char *why, size_t capacity)
{
    const char *user = entry->user ? entry->user : origin->owner;
    uint64_t identity = identity_of(origin->file, entry, user);
    char group[IMPORT_GROUP_MAX];
    *ret = (struct import_task){.data = NULL};
    name_of(entry, user, identity, ret->name);
    import_group_of_file(origin->file, group);
    (void)snprintf(ret->group, sizeof ret->group, "%.40s%016" PRIx64, group, identity);
    if (!make_schedule(origin, entry, remark, arg, ret, why, capacity))
        return false;
    ret->data = make_data(origin, entry, user, entry->user || origin->owner_is_known, remark, arg);
    size_t n = ret->data ? strlen(ret->data) : SIZE_MAX;
    if (n > IMPORT_DATA_MAX) {
        (void)snprintf(why, capacity, "the command with its environment has more than %d bytes", IMPORT_DATA_MAX);
        import_task_release(ret);
        return false;
    }
    return true;
}

void import_task_release(struct import_task *task)
{
    free(task->data);
    task->data = NULL;
}

/* ---- bodies ---- */

void import_task_write(const struct import_task *task, const char *file, bool update, struct buf *out)
{
    struct json_writer w;
    char description[300];
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_put_text(&w, "cron_expr", task->schedule.expression);
    json_put_text(&w, "timezone", task->schedule.zone);
    json_put_text(&w, "gap", task->schedule.gap);
    json_put_text(&w, "fold", task->schedule.fold);
    json_put_text(&w, "data", task->data);
    if (!update) {
        (void)snprintf(description, sizeof description, "from %.250s", file);
        json_put_text(&w, "name", task->name);
        json_put_text(&w, "type", "command");
        json_put_text(&w, "description", description);
        json_put_bool(&w, "is_recurring", true);
        json_put_text(&w, "overlap", "allow"); /* cron starts an entry again while it still runs */
        json_put_int(&w, "max_concurrent", 100);
        json_put_int(&w, "max_retries", 0);
        json_put_int(&w, "max_duration_seconds", 31536000);
        json_put_text(&w, "misfire_policy", "skip"); /* cron forgets what it missed */
        json_put_text(&w, "group_id", task->group);
    }
    json_end_object(&w);
}
