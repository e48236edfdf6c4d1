/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/keeper_test_kit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/panic.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOG_LIMIT = 1 << 20 };

/* ---- what the callbacks said ---- */

struct kit_record *kit_find(struct kit *kit, int64_t id, int32_t attempt)
{
    for (size_t i = kit->count; i-- > 0;)
        if (kit->records[i].id == id && kit->records[i].attempt == attempt)
            return &kit->records[i];
    must(kit->count < KIT_COMMANDS_MAX);
    struct kit_record *record = &kit->records[kit->count++];
    *record = (struct kit_record){.id = id, .attempt = attempt, .last_percent = -1};
    return record;
}

static void on_connected(void *arg, const struct keeper_listing *listing, size_t count)
{
    struct kit *kit = arg;
    kit->connections++;
    kit->listed = count;
    must(count <= KIT_COMMANDS_MAX);
    memcpy(kit->listing, listing, count * sizeof *listing);
}

static void on_disconnected(void *arg)
{
    ((struct kit *)arg)->disconnections++;
}

static void on_started(void *arg, int64_t id, int attempt, int64_t pid, int64_t started_us)
{
    struct kit_record *record = kit_find(arg, id, attempt);
    record->started++;
    record->pid = pid;
    record->started_us = started_us;
}

static void acknowledge(struct kit *kit, int64_t id, int attempt)
{
    struct err err;
    if (kit->acknowledges)
        assert_int_equal(keeper_ack(kit->keeper, id, attempt, &err), OK);
}

static void on_start_failed(void *arg, int64_t id, int attempt, const char *message)
{
    struct kit_record *record = kit_find(arg, id, attempt);
    record->failed++;
    (void)snprintf(record->message, sizeof record->message, "%s", message);
    acknowledge(arg, id, attempt);
}

static void on_exited(void *arg, const struct keeper_exit *end)
{
    struct kit *kit = arg;
    struct kit_record *record = kit_find(kit, end->id, end->attempt);
    record->exited++;
    kit->exits++;
    record->exit_code = end->exit_code;
    record->signo = end->signo;
    record->oom_killed = end->oom_killed;
    record->started_us = end->started_us;
    record->finished_us = end->finished_us;
    record->stdout_truncated = end->stdout_truncated;
    record->stderr_truncated = end->stderr_truncated;
    free(record->out);
    free(record->err_text);
    record->out = xstrndup(end->stdout_tail, end->stdout_length);
    record->err_text = xstrndup(end->stderr_tail, end->stderr_length);
    record->out_length = end->stdout_length;
    record->err_length = end->stderr_length;
    acknowledge(kit, end->id, end->attempt);
}

static void on_progress(void *arg, int64_t id, int attempt, int percent)
{
    struct kit_record *record = kit_find(arg, id, attempt);
    record->progress++;
    record->last_percent = percent;
}

static void on_output(void *arg, int64_t id, int attempt)
{
    kit_find(arg, id, attempt)->outputs++;
}

static void on_lost(void *arg, int64_t id, int attempt)
{
    kit_find(arg, id, attempt)->lost++;
}

/* ---- life of a kit ---- */

struct kit *kit_new(const char *subfolder)
{
    struct kit *kit = xcalloc(1, sizeof *kit);
    char root[] = "/tmp/keeper-test-XXXXXX";
    struct err err;
    must(mkdtemp(root));
    (void)snprintf(kit->dir, sizeof kit->dir, "%s%s%s", root, subfolder ? "/" : "", subfolder ? subfolder : "");
    for (char *slash = kit->dir + strlen(root); slash && *slash; slash = strchr(slash + 1, '/')) {
        char whole = *slash; /* every folder on the way */
        *slash = '\0';
        (void)mkdir(kit->dir, 0700);
        *slash = whole;
    }
    (void)mkdir(kit->dir, 0700);
    (void)snprintf(kit->log_path, sizeof kit->log_path, "%s/command.log", kit->dir);
    const char *other = getenv("KEEPER_TEST_EXECUTABLE"); /* the one with sanitizers */
    if (other)
        (void)snprintf(kit->executable, sizeof kit->executable, "%s", other);
    else
        assert_int_equal(keeper_install(kit->dir, kit->executable, sizeof kit->executable, &err), OK);
    kit->acknowledges = true;
    return kit;
}

void kit_open(struct kit *kit)
{
    const struct keeper_callbacks callbacks = {.arg = kit,
                                               .connected = on_connected,
                                               .disconnected = on_disconnected,
                                               .started = on_started,
                                               .start_failed = on_start_failed,
                                               .exited = on_exited,
                                               .progress = on_progress,
                                               .output = on_output,
                                               .lost = on_lost};
    struct err err;
    assert_int_equal(keeper_open(kit->dir, kit->executable, &callbacks, &kit->keeper, &err), OK);
}

pid_t kit_read_pid(const struct kit *kit)
{
    char path[3200];
    int pid = 0;
    (void)snprintf(path, sizeof path, "%s/keeper.lock", kit->dir);
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%d", &pid) != 1)
        pid = 0;
    if (file)
        (void)fclose(file);
    return (pid_t)pid;
}

void kit_connect(struct kit *kit)
{
    struct err err = {.message = ""};
    if (!kit->keeper)
        kit_open(kit);
    if (keeper_connect(kit->keeper, true, &err) != OK)
        fail_msg("connect: %s", err.message);
    kit->keeper_pid = kit_read_pid(kit);
    assert_true(kit->keeper_pid > 1);
}

void kit_forget(struct kit *kit)
{
    for (size_t i = 0; i < kit->count; i++) {
        free(kit->records[i].out);
        free(kit->records[i].err_text);
    }
    kit->count = 0;
}

void kit_close(struct kit *kit, bool shutdown)
{
    keeper_close(kit->keeper, shutdown);
    kit->keeper = NULL;
}

static void remove_tree(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char below[4096];
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (lstat(below, &st) == 0 && S_ISDIR(st.st_mode))
            remove_tree(below);
        else
            (void)unlink(below);
    }
    if (folder)
        (void)closedir(folder);
    (void)rmdir(path);
}

/* A panic, or what a sanitizer found in the keeper, stands in its own log. */
static bool keeper_is_content(const struct kit *kit)
{
    char path[3200], text[4096];
    (void)snprintf(path, sizeof path, "%s/keeper.log", kit->dir);
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[n] = '\0';
    if (file)
        (void)fclose(file);
    const char *line_end = strchr(text, '\n');
    bool told_loss = strstr(text, ": output is lost: ") && line_end && !line_end[1]; /* and nothing else */
    if (n && !told_loss)
        print_error("%s\n", text);
    return n == 0 || told_loss;
}

bool kit_free(struct kit *kit)
{
    kit_close(kit, true);
    pid_t pid = kit_read_pid(kit);
    if (pid > 1 && kit_is_alive(pid)) {
        (void)kill(pid, SIGTERM);
        kit_wait_gone(pid);
    }
    bool content = keeper_is_content(kit);
    char root[64];
    (void)snprintf(root, sizeof root, "%.23s", kit->dir); /* /tmp/keeper-test-XXXXXX */
    remove_tree(root);
    kit_forget(kit);
    free(kit);
    return content;
}

int kit_setup(void **state)
{
    struct kit *kit = kit_new(NULL);
    *state = kit;
    kit_connect(kit);
    return 0;
}

int kit_teardown(void **state)
{
    return kit_free(*state) ? 0 : -1;
}

/* ---- commands ---- */

struct keeper_start kit_shell(struct kit *kit, int64_t id, char *argv[4], const char *script)
{
    static char sh[] = "/bin/sh", option[] = "-c", path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    static char *env[] = {path, NULL};
    argv[0] = sh;
    argv[1] = option;
    argv[2] = xstrdup(script); /* kit_start frees it */
    argv[3] = NULL;
    return (struct keeper_start){
        .id = id, .attempt = 1, .argv = argv, .env = env, .cwd = kit->dir, .log_path = kit->log_path, .log_limit = LOG_LIMIT};
}

void kit_start(struct kit *kit, const struct keeper_start *start)
{
    struct err err = {.message = ""};
    if (keeper_start(kit->keeper, start, &err) != OK)
        fail_msg("start: %s", err.message);
}

struct kit_record *kit_run(struct kit *kit, int64_t id, const char *script)
{
    char *argv[4];
    struct keeper_start start = kit_shell(kit, id, argv, script);
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, id, 1);
    kit_wait(kit, &record->exited, 1);
    return record;
}

void kit_wait(struct kit *kit, const int *counter, int least)
{
    int64_t until_us = clock_mono(clock_real()).us + (int64_t)KIT_WAIT_MS * US_PER_MS;
    while (*counter < least) {
        struct err err = {.message = ""};
        struct pollfd wait = {.fd = keeper_poll_fd(kit->keeper), .events = keeper_poll_events(kit->keeper)};
        int disconnections = kit->disconnections;
        if (clock_mono(clock_real()).us > until_us)
            fail_msg("waited too long: %d of %d", *counter, least);
        if (poll(&wait, 1, 100) <= 0)
            continue;
        if (keeper_dispatch(kit->keeper, wait.revents, &err) != OK && kit->disconnections == disconnections)
            fail_msg("dispatch failed without disconnecting: %s", err.message);
        if (kit->disconnections > disconnections && *counter < least)
            fail_msg("disconnected: %s", err.message);
    }
}

void kit_pause(int ms)
{
    (void)poll(NULL, 0, ms);
}

bool kit_is_alive(pid_t pid)
{
    char path[64], text[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *state = strrchr(text, ')');
    return state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
}

void kit_wait_gone(pid_t pid)
{
    for (int waited = 0; kit_is_alive(pid); waited += 5) {
        if (waited > KIT_WAIT_MS)
            fail_msg("process %d lives on", (int)pid);
        kit_pause(5);
    }
}

pid_t kit_wait_pid_file(const struct kit *kit, const char *name)
{
    char path[3200];
    (void)snprintf(path, sizeof path, "%s/%s", kit->dir, name);
    for (int waited = 0; waited < KIT_WAIT_MS; waited += 5) {
        int pid = 0;
        char end = 0;
        FILE *file = fopen(path, "re");
        int items = file ? fscanf(file, "%d%c", &pid, &end) : 0;
        if (file)
            (void)fclose(file);
        if (items == 2 && end == '\n')
            return (pid_t)pid;
        kit_pause(5);
    }
    fail_msg("no number in %s", path);
    return 0;
}

char *kit_read_log(const char *path, enum keeper_stream stream, bool gapless)
{
    struct keeper_log *log;
    struct err err = {.message = ""};
    struct buf text;
    int64_t next = -1;
    buf_init(&text, 64 << 20);
    buf_add_text(&text, "");
    if (keeper_log_open(path, &log, &err) != OK)
        fail_msg("log: %s", err.message);
    for (;;) {
        struct keeper_log_frame frame;
        bool more;
        assert_int_equal(keeper_log_next(log, &frame, &more, &err), OK);
        if (!more)
            break;
        if (!(frame.stream & stream))
            continue;
        if (gapless && next >= 0)
            assert_int_equal(frame.offset, next);
        next = frame.offset + (int64_t)frame.length;
        buf_add(&text, frame.bytes, frame.length);
    }
    keeper_log_close(log);
    return buf_take(&text);
}

int kit_raw_socket(const struct kit *kit)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.80s/keeper.sock", kit->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}
