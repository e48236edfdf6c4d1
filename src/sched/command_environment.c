/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/command_environment.h"

#include "base/clock.h"
#include "base/panic.h"
#include "sched/task_data.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
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

static enum err_code home_of(const char *user, char *out, size_t capacity, struct err *err)
{
    struct passwd entry, *found = NULL;
    char room[4096];
    if (user)
        (void)getpwnam_r(user, &entry, room, sizeof room, &found);
    else
        (void)getpwuid_r(geteuid(), &entry, room, sizeof room, &found);
    if (user && !found)
        return err_set(err, ERR_INVALID, NULL, "the user \"%s\" does not exist on this machine", user);
    (void)snprintf(out, capacity, "%s", found && found->pw_dir ? found->pw_dir : "/");
    return OK;
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
    start->message.cwd = data->cwd ? data->cwd : keep(start, home);
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
