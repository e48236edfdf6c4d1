/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/task_edit.h"

#include "base/mem.h"
#include "cli/read_file.h"
#include "cli/task_body.h"
#include "cli/task_trigger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One member per line, so that an editor can be used. */
static void write_members(const struct json *task, FILE *out)
{
    struct json_walk walk = {0};
    struct str name;
    const struct json *value;
    const char *before = "{\n";
    while (json_walk_object(task, &walk, &name, &value)) {
        char *text = json_print(value);
        (void)fprintf(out, "%s  \"%.*s\": %s", before, (int)name.n, name.p, text);
        free(text);
        before = ",\n";
    }
    (void)fprintf(out, "\n}\n");
}

static bool write_file(char *path, const struct json *task)
{
    int fd = mkstemps(path, 5);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        (void)fprintf(stderr, "horae: cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    write_members(task, file);
    return fclose(file) == 0;
}

/* By the shell, since the variables may hold options. */
static bool run_editor(const char *path)
{
    const char *editor = getenv("VISUAL");
    if (!editor || !editor[0])
        editor = getenv("EDITOR");
    if (!editor || !editor[0])
        editor = "vi";
    struct buf line;
    buf_init(&line, 65536);
    buf_printf(&line, "%s '%s'", editor, path);
    (void)fflush(stdout);
    int status = line.failed ? -1 : system(line.data); /* NOLINT: the user's own editor, as the user wrote it */
    buf_release(&line);
    bool fine = status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!fine)
        (void)fprintf(stderr, "horae: the editor \"%s\" failed; nothing was changed\n", editor);
    return fine;
}

static int put_back(const struct client *client, const char *id, const char *path, const struct buf *before,
                    void (*print)(const struct answer *answer))
{
    struct buf after;
    buf_init(&after, TASK_FILE_MAX);
    int code = CLI_FAILED;
    if (!read_whole_file(path, &after)) {
        buf_release(&after);
        return code;
    }
    if (after.len == before->len && (!after.len || memcmp(after.data, before->data, after.len) == 0)) {
        (void)fprintf(stderr, "nothing was changed\n");
        code = CLI_DONE;
    } else {
        code = subcommand_call_one(client, &task_resource, "PUT", id, "", after.data ? after.data : "", print);
    }
    buf_release(&after);
    return code;
}

static int edit(const struct client *client, const char *id, char *path, void (*print)(const struct answer *answer))
{
    struct buf before;
    buf_init(&before, TASK_FILE_MAX);
    bool ran = read_whole_file(path, &before) && run_editor(path);
    int code = ran ? put_back(client, id, path, &before, print) : CLI_FAILED;
    buf_release(&before);
    if (code == CLI_DONE || !ran)
        (void)unlink(path);
    else
        (void)fprintf(stderr, "horae: your text is kept in %s; \"horae task update %s --file %s\" tries it again\n", path, id,
                      path);
    return code;
}

int task_edit(const struct client *client, const char *id, void (*print)(const struct answer *answer))
{
    struct answer answer;
    char path[4200];
    const char *folder = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%.4000s/horae-task-XXXXXX.json", folder && folder[0] ? folder : "/tmp");
    int code = subcommand_ask_one(client, &task_resource, "GET", id, "", NULL, &answer);
    bool written = code == CLI_DONE && write_file(path, answer_data(&answer));
    answer_release(&answer);
    if (code == CLI_DONE)
        code = written ? edit(client, id, path, print) : CLI_FAILED;
    return code;
}
