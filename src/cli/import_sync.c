/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_sync.h"

#include "base/mem.h"
#include "cli/subcommand.h"

#include <string.h>

enum { BODY_MAX = 1 << 20 };

/* Members that an import decides; operators own the others (GEN-04). */
static const char *const decided[] = {"cron_expr", "timezone", "gap", "fold", "data"};

struct known {
    char *group, *name, *uid, *members[ARRAY_LEN(decided)]; /* owned */
    bool seen;
};

struct import_sync {
    const struct client *client;
    struct known *tasks; /* owned */
    size_t count, capacity;
};

static char *text_of(const struct json *object, const char *member)
{
    struct str text = json_get_text(json_member(object, member));
    return xstrndup(text.p ? text.p : "", text.n);
}

static void take_task(struct import_sync *sync, const struct json *task)
{
    if (!str_starts_with(json_get_text(json_member(task, "group_id")), "crontab-"))
        return;
    if (sync->count == sync->capacity) {
        sync->capacity = sync->capacity ? 2 * sync->capacity : 64;
        sync->tasks = xrealloc(sync->tasks, sync->capacity * sizeof *sync->tasks);
    }
    struct known *known = &sync->tasks[sync->count++];
    *known = (struct known){text_of(task, "group_id"), text_of(task, "name"), text_of(task, "uid"), .seen = false};
    for (size_t i = 0; i < ARRAY_LEN(decided); i++)
        known->members[i] = text_of(task, decided[i]);
}

/* All pages, by cursor. */
static int read_tasks(struct import_sync *sync)
{
    char *cursor = xstrdup("");
    int code;
    do {
        struct buf path;
        struct answer answer;
        struct json_walk walk = {0};
        const struct json *task;
        buf_init(&path, CLIENT_PATH_MAX);
        buf_add_text(&path, "/scheduler/tasks?type=command&page_size=100");
        client_query(&path, "cursor", cursor[0] ? cursor : NULL);
        code = client_call(sync->client, "GET", path.data, NULL, &answer);
        buf_release(&path);
        free(cursor);
        cursor = xstrdup("");
        if (code == CLI_DONE) {
            while (json_walk_array(answer_data(&answer), &walk, &task))
                take_task(sync, task);
            free(cursor);
            cursor = text_of(json_member(json_root(answer.doc), "pagination"), "next_cursor");
        }
        answer_release(&answer);
    } while (code == CLI_DONE && cursor[0]);
    free(cursor);
    return code;
}

struct import_sync *import_sync_begin(const struct client *client, int *ret_code)
{
    struct import_sync *sync = xcalloc(1, sizeof *sync);
    sync->client = client;
    *ret_code = read_tasks(sync);
    if (*ret_code == CLI_DONE)
        return sync;
    import_sync_free(sync);
    return NULL;
}

void import_sync_free(struct import_sync *sync)
{
    if (!sync)
        return;
    for (size_t i = 0; i < sync->count; i++) {
        free(sync->tasks[i].group);
        free(sync->tasks[i].name);
        free(sync->tasks[i].uid);
        for (size_t k = 0; k < ARRAY_LEN(decided); k++)
            free(sync->tasks[i].members[k]);
    }
    free(sync->tasks);
    free(sync);
}

static struct known *find(struct import_sync *sync, const char *group)
{
    for (size_t i = 0; i < sync->count; i++)
        if (strcmp(sync->tasks[i].group, group) == 0)
            return &sync->tasks[i];
    return NULL;
}

static bool is_same(const struct known *known, const struct import_task *task)
{
    const char *wanted[ARRAY_LEN(decided)] = {task->schedule.expression, task->schedule.zone, task->schedule.gap,
                                              task->schedule.fold, task->data};
    for (size_t i = 0; i < ARRAY_LEN(decided); i++)
        if (strcmp(known->members[i], wanted[i]) != 0)
            return false;
    return true;
}

static enum import_result judge(const struct answer *answer, int code, enum import_result done, char *why, size_t capacity)
{
    if (code == CLI_DONE)
        return done;
    if (code != CLI_FAILED || !answer->doc || !json_is_object(json_root(answer->doc)))
        return IMPORT_STOPPED;
    struct str text = json_get_text(json_member(json_root(answer->doc), "error"));
    (void)str_copy(why, capacity, text.p, text.n);
    return IMPORT_REFUSED;
}

enum import_result import_sync_task(struct import_sync *sync, const struct import_task *task, const char *file, char *why,
                                    size_t capacity, int *ret_code)
{
    struct known *known = find(sync, task->group);
    struct answer answer;
    struct buf body;
    if (known)
        known->seen = true;
    if (known && is_same(known, task))
        return IMPORT_UNCHANGED;
    char *path = known ? subcommand_path("/scheduler/tasks/", known->uid, "") : xstrdup("/scheduler/tasks");
    buf_init(&body, BODY_MAX);
    import_task_write(task, file, known != NULL, &body);
    *ret_code = client_ask(sync->client, known ? "PATCH" : "POST", path, body.data, &answer);
    enum import_result result = judge(&answer, *ret_code, known ? IMPORT_CHANGED : IMPORT_CREATED, why, capacity);
    answer_release(&answer);
    if (result == IMPORT_STOPPED) /* once more, to say what is wrong */
        *ret_code = subcommand_call(sync->client, known ? "PATCH" : "POST", path, body.data, NULL);
    buf_release(&body);
    free(path);
    return result;
}

int import_sync_gone(struct import_sync *sync, const char *file, bool prune, FILE *out, int *ret_code)
{
    char group[IMPORT_GROUP_MAX];
    int gone = 0;
    import_group_of_file(file, group);
    for (size_t i = 0; i < sync->count; i++) {
        const struct known *known = &sync->tasks[i];
        if (known->seen || strncmp(known->group, group, strlen(group)) != 0)
            continue;
        gone++;
        if (prune) {
            char *path = subcommand_path("/scheduler/tasks/", known->uid, "");
            *ret_code = subcommand_call(sync->client, "DELETE", path, NULL, NULL);
            free(path);
            if (*ret_code != CLI_DONE)
                return -1;
        }
        (void)fprintf(out,
                      prune ? "deleted    %s: it is no longer in %s\n"
                            : "gone       %s: it is no longer in %s, but runs on; --prune deletes it\n",
                      known->name, file);
    }
    return gone;
}
