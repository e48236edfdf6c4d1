/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/command_environment.h"

#include "base/clock.h"
#include "base/panic.h"
#include "base/str.h"
#include "sched/task_data.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OURS_MAX = 16, ARENA_MAX = 1 << 20 };

struct environment {
    struct command_start *start;
    char *items[OURS_MAX + COMMAND_ENV_MAX + 1];
    size_t count;
};

static char *keep(struct command_start *start, const char *text)
{
    char *copy = arena_strndup(&start->arena, text, strlen(text));
    must(copy); /* data, names and paths are bounded well below the arena's maximum */
    return copy;
}

/* A later setting of the same name replaces the earlier one. */
static void set(struct environment *env, const char *name, const char *value)
{
    size_t n = strlen(name), total = n + strlen(value) + 2;
    char *item = arena_alloc(&env->start->arena, total);
    must(item);
    (void)snprintf(item, total, "%s=%s", name, value);
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], item, n + 1) == 0) {
            env->items[i] = item;
            return;
        }
    env->items[env->count++] = item;
}

/* By name, else by number; a number that nobody has stands for itself, as in the keeper. */
static bool find_user(const char *user, struct passwd *entry, char *room, size_t size, bool *ret_exists)
{
    struct passwd *found = NULL;
    int64_t number = geteuid();
    if (user)
        (void)getpwnam_r(user, entry, room, size, &found);
    bool is_number = !user || str_to_int(str_of(user), 0, INT32_MAX, &number);
    if (!found && is_number)
        (void)getpwuid_r((uid_t)number, entry, room, size, &found);
    *ret_exists = found || is_number;
    return found != NULL;
}

static enum err_code home_of(const char *user, char *out, size_t capacity, struct err *err)
{
    struct passwd entry;
    char room[4096];
    bool exists;
    bool found = find_user(user, &entry, room, sizeof room, &exists);
    if (!exists)
        return err_set(err, ERR_INVALID, NULL, "the user \"%s\" does not exist on this machine", user);
    (void)snprintf(out, capacity, "%s", found && entry.pw_dir ? entry.pw_dir : "/");
    return OK;
}

/* Users of services often have a home that does not exist: "/" then, rather than no run. */
static const char *default_folder(const char *home)
{
    struct stat st;
    return stat(home, &st) == 0 && S_ISDIR(st.st_mode) ? home : "/";
}

static void set_ours(struct environment *env, const struct handler_job *job)
{
    char text[64];
    uuid_format(&job->uid, text);
    set(env, "HORAE_EXECUTION_UID", text);
    set(env, "HORAE_TASK_NAME", job->task_name);
    (void)time_format_utc(job->scheduled_us, 3, text, sizeof text);
    set(env, "HORAE_SCHEDULED_AT", text);
    (void)snprintf(text, sizeof text, "%" PRId32, job->attempt);
    set(env, "HORAE_ATTEMPT", text);
    (void)snprintf(text, sizeof text, "%" PRId64, job->fence);
    set(env, "HORAE_FENCING_TOKEN", text);
    set(env, "HORAE_TASK_DATA", job->data ? job->data : "");
}

static enum err_code fill(const struct handler_job *job, const struct command_data *data, struct command_start *start,
                          struct err *err)
{
    struct environment env = {.start = start};
    char home[4096];
    enum err_code code = home_of(data->user, home, sizeof home, err);
    if (code != OK)
        return code;
    bool root = geteuid() == 0 && !data->user;
    set(&env, "PATH", root ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" : "/usr/local/bin:/usr/bin:/bin");
    set(&env, "HOME", home);
    set(&env, "LANG", "C.UTF-8");
    set(&env, "TZ", job->timezone ? job->timezone : "UTC");
    for (size_t i = 0; i < data->env_count; i++)
        set(&env, data->env[i].name, data->env[i].value);
    set_ours(&env, job);
    char **items = arena_alloc(&start->arena, (env.count + 1) * sizeof *items);
    must(items);
    memcpy(items, env.items, env.count * sizeof *items);
    start->message.env = items;
    start->message.cwd = data->cwd ? data->cwd : keep(start, default_folder(home));
    return OK;
}

enum err_code command_start_prepare(const struct handler_job *job, struct command_start *ret, struct err *err)
{
    struct command_data *data = xcalloc(1, sizeof *data);
    struct command_start start = {.data = data};
    enum err_code code = command_data_parse(job->data, data, err);
    if (code != OK) {
        free(data);
        return code;
    }
    arena_init(&start.arena, ARENA_MAX);
    start.message = (struct keeper_start){.id = job->execution_id,
                                          .attempt = job->attempt,
                                          .argv = data->argv,
                                          .user = data->user,
                                          .stdin_data = data->stdin_data,
                                          .stdin_length = data->stdin_length,
                                          .limits = {job->memory_bytes, job->cpu_percent, job->pids}};
    if ((code = fill(job, data, &start, err)) != OK) {
        command_start_release(&start);
        return code;
    }
    *ret = start;
    return OK;
}

void command_start_release(struct command_start *start)
{
    command_data_release(start->data);
    free(start->data);
    arena_release(&start->arena);
}
