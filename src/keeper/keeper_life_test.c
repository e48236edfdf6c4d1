/* SPDX-License-Identifier: Apache-2.0 */
/* Servers come and go, keepers die: adoption, repetition until acknowledged, one keeper per data directory, and what
 * strangers send to its socket (SCH-70, SCH-71, rulings "Adoption" and "Stop"). */
#include "keeper/keeper_test_kit.h"

#include "base/mem.h"
#include "keeper/keeper_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct kit_record *start_shell(struct kit *kit, int64_t id, const char *script)
{
    char *argv[4];
    struct keeper_start start = kit_shell(kit, id, argv, script);
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, id, 1);
    kit_wait(kit, &record->started, 1);
    return record;
}

static const struct keeper_listing *listed(const struct kit *kit, int64_t id)
{
    static const struct keeper_listing nothing = {.id = -1, .pid = -1};
    for (size_t i = 0; i < kit->listed; i++)
        if (kit->listing[i].id == id)
            return &kit->listing[i];
    fail_msg("%lld is not listed", (long long)id);
    return &nothing;
}

static void wait_for_file(const struct kit *kit, const char *name)
{
    char path[3200];
    (void)snprintf(path, sizeof path, "%s/%s", kit->dir, name);
    for (int waited = 0; access(path, F_OK) != 0; waited += 5) {
        if (waited > KIT_WAIT_MS)
            fail_msg("no file %s", path);
        kit_pause(5);
    }
}

static void the_next_server_adopts_what_runs_and_learns_what_ended(void **state)
{
    struct kit *kit = *state;
    struct err err;
    int64_t pid = start_shell(kit, 1, "echo before; while [ ! -e go ]; do sleep 0.02; done; echo after; exit 5")->pid;
    (void)start_shell(kit, 2, "touch ended; echo 'said while alone'; exit 6");
    pid_t keeper_pid = kit->keeper_pid;
    kit_close(kit, false);
    wait_for_file(kit, "ended");
    kit->count = 0;
    kit->acknowledges = false;
    kit_connect(kit);
    assert_int_equal(kit->keeper_pid, keeper_pid);
    assert_int_equal(kit->listed, 2);
    assert_false(listed(kit, 1)->exited);
    assert_int_equal(listed(kit, 1)->pid, pid);
    struct kit_record *second = kit_find(kit, 2, 1);
    kit_wait(kit, &second->exited, 1);
    assert_int_equal(second->exit_code, 6);
    assert_string_equal(second->out, "said while alone\n");
    kit_close(kit, false); /* not acknowledged: told again */
    free(second->out);
    free(second->err_text);
    kit->count = 0;
    kit_connect(kit);
    assert_true(listed(kit, 2)->exited);
    second = kit_find(kit, 2, 1);
    kit_wait(kit, &second->exited, 1);
    assert_int_equal(keeper_ack(kit->keeper, 2, 1, &err), OK);
    kit_close(kit, false);
    kit_connect(kit);
    assert_int_equal(kit->listed, 1); /* acknowledged: forgotten */
    char go[3200];
    (void)snprintf(go, sizeof go, "%s/go", kit->dir);
    (void)close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    struct kit_record *first = kit_find(kit, 1, 1);
    kit_wait(kit, &first->exited, 1);
    assert_int_equal(first->exit_code, 5);
    assert_string_equal(first->out, "before\nafter\n");
    assert_int_equal(first->lost, 0);
    assert_int_equal(keeper_ack(kit->keeper, 1, 1, &err), OK);
}

static void a_failed_start_is_repeated_until_acknowledged(void **state)
{
    struct kit *kit = *state;
    char program[] = "/no/such/program", *argv[] = {program, NULL}, *env[] = {NULL};
    struct err err;
    struct keeper_start start = {.id = 1, .attempt = 1, .argv = argv, .env = env, .log_path = kit->log_path};
    kit->acknowledges = false;
    kit_start(kit, &start);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->failed, 1);
    kit_close(kit, false);
    kit_connect(kit);
    assert_true(listed(kit, 1)->exited);
    kit_wait(kit, &record->failed, 2);
    assert_int_equal(keeper_ack(kit->keeper, 1, 1, &err), OK);
    kit_close(kit, false);
    kit_connect(kit);
    assert_int_equal(kit->listed, 0);
}

static void a_killed_keeper_takes_its_commands_along(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = start_shell(kit, 1, "sleep 1000 & echo $! > child; setsid sh -c 'kill -0 $$'; wait");
    pid_t child = kit_wait_pid_file(kit, "child");
    pid_t keeper_pid = kit->keeper_pid;
    assert_int_equal(kill(keeper_pid, SIGKILL), 0);
    kit_wait(kit, &kit->disconnections, 1);
    assert_int_equal(record->lost, 1);
    assert_int_equal(keeper_poll_fd(kit->keeper), -1);
    kit_wait_gone((pid_t)record->pid); /* parent-death signal */
    kit_wait_gone(child);              /* the guard */
    kit_connect(kit);
    assert_int_not_equal(kit->keeper_pid, keeper_pid);
    assert_int_equal(kit->listed, 0);
    assert_int_equal(record->lost, 1);
    assert_int_equal(kit_run(kit, 2, "exit 9")->exit_code, 9);
}

static pid_t find_guard(pid_t keeper_pid)
{
    char command[128];
    int pid = 0;
    (void)snprintf(command, sizeof command, "ps -o pid=,comm= --ppid %d | grep horae-guard", (int)keeper_pid);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    if (fscanf(pipe, "%d", &pid) != 1)
        pid = 0;
    (void)pclose(pipe);
    return (pid_t)pid;
}

static void a_killed_guard_is_replaced(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = start_shell(kit, 1, "sleep 1000 & echo $! > child; wait");
    pid_t child = kit_wait_pid_file(kit, "child"), guard = find_guard(kit->keeper_pid);
    assert_true(guard > 1);
    assert_int_equal(kill(guard, SIGKILL), 0);
    for (int waited = 0; find_guard(kit->keeper_pid) == guard || !find_guard(kit->keeper_pid); waited += 20) {
        assert_true(waited < KIT_WAIT_MS);
        kit_pause(20);
    }
    assert_int_equal(kit_run(kit, 2, "exit 0")->exit_code, 0); /* the new one knows the groups by now */
    assert_true(kit_is_alive(child));
    assert_int_equal(kill(kit->keeper_pid, SIGKILL), 0);
    kit_wait_gone((pid_t)record->pid);
    kit_wait_gone(child);
}

static void a_terminated_keeper_kills_its_commands_and_ends(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = start_shell(kit, 1, "trap '' TERM; echo $$ > child; sleep 1000");
    pid_t child = kit_wait_pid_file(kit, "child");
    assert_int_equal(kill(kit->keeper_pid, SIGHUP), 0); /* ignored */
    assert_int_equal(kill(kit->keeper_pid, SIGINT), 0);
    assert_int_equal(kit_run(kit, 2, "exit 0")->exit_code, 0);
    assert_int_equal(kill(kit->keeper_pid, SIGTERM), 0);
    kit_wait(kit, &kit->disconnections, 1);
    kit_wait_gone(kit->keeper_pid);
    kit_wait_gone(child);
    assert_int_equal(record->lost, 1);
}

static void a_newer_server_replaces_the_one_before(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = start_shell(kit, 1, "sleep 1000");
    struct keeper *before = kit->keeper;
    int connections = kit->connections;
    kit->keeper = NULL;
    kit_connect(kit);
    assert_int_equal(kit->connections, connections + 1);
    assert_int_equal(kit->listed, 1);
    struct keeper *newer = kit->keeper;
    kit->keeper = before;
    kit_wait(kit, &kit->disconnections, 1);
    assert_int_equal(record->lost, 0); /* the keeper lives */
    keeper_close(before, false);
    kit->keeper = newer;
    struct err err;
    assert_int_equal(keeper_signal(newer, 1, 1, SIGKILL, &err), OK);
    kit_wait(kit, &record->exited, 1);
}

static int run_keeper(const struct kit *kit, const char *option, const char *value)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDERR_FILENO);
        (void)execl(kit->executable, kit->executable, "--daemon", option, value, kit->dir, (char *)NULL);
        _exit(99);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_second_keeper_refuses(void **state)
{
    struct kit *kit = *state;
    assert_int_equal(run_keeper(kit, "--idle-ms", "1000"), 3);
    assert_int_equal(kit_run(kit, 1, "exit 2")->exit_code, 2);
    assert_int_equal(kit_read_pid(kit), kit->keeper_pid);
}

static void an_idle_keeper_that_nobody_visits_ends(void **state)
{
    struct kit *kit = *state;
    pid_t before = kit->keeper_pid;
    kit_close(kit, true);
    kit_wait_gone(before);
    assert_int_equal(run_keeper(kit, "--idle-ms", "300"), 0);
    pid_t pid = kit_read_pid(kit);
    assert_int_not_equal(pid, before);
    kit_wait_gone(pid);
    assert_int_equal(run_keeper(kit, "--no-such-option", "1"), 2);
}

static void a_shutdown_waits_for_what_runs_and_for_acknowledgements(void **state)
{
    struct kit *kit = *state;
    struct err err;
    (void)start_shell(kit, 1, "while [ ! -e go ]; do sleep 0.02; done; touch went");
    kit->acknowledges = false;
    kit_close(kit, true);
    char go[3200];
    (void)snprintf(go, sizeof go, "%s/go", kit->dir);
    (void)close(open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    wait_for_file(kit, "went");
    assert_true(kit_is_alive(kit->keeper_pid));
    pid_t before = kit->keeper_pid;
    kit_connect(kit);
    assert_int_equal(kit->keeper_pid, before);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->exited, 1);
    assert_int_equal(keeper_ack(kit->keeper, 1, 1, &err), OK);
    kit_close(kit, true);
    kit_wait_gone(before);
}

static void without_a_keeper_and_without_leave_to_spawn_nothing_is_found(void **state)
{
    struct kit *kit = *state;
    struct err err;
    kit_close(kit, true);
    kit_wait_gone(kit->keeper_pid);
    kit_open(kit);
    assert_int_equal(keeper_connect(kit->keeper, false, &err), ERR_NOT_FOUND);
    assert_int_equal(keeper_poll_fd(kit->keeper), -1);
    char *argv[4];
    struct keeper_start start = kit_shell(kit, 1, argv, "true");
    assert_int_equal(keeper_start(kit->keeper, &start, &err), ERR_UNAVAILABLE);
    free(argv[2]);
}

static void a_long_data_directory_works(void **state)
{
    char folder[600];
    size_t length = 0;
    for (int i = 0; i < 10; i++)
        length += (size_t)snprintf(folder + length, sizeof folder - length, "%sa-folder-with-a-name-of-forty-characters-%02d", i ? "/" : "", i);
    struct kit *kit = kit_new(folder);
    *state = kit;
    assert_true(strlen(kit->dir) > 400);
    kit_connect(kit);
    assert_int_equal(kit_run(kit, 1, "pwd; exit 8")->exit_code, 8);
    assert_non_null(strstr(kit_find(kit, 1, 1)->out, folder));
}

/* ---- strangers and faults on the socket ---- */

static void expect_closed(int fd)
{
    char bytes[4096];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (;;) {
        assert_int_equal(poll(&wait, 1, KIT_WAIT_MS), 1);
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            break;
    }
    (void)close(fd);
}

static void send_hello(int fd)
{
    struct buf message;
    buf_init(&message, 64);
    size_t begin = message_begin(&message, KEEPER_MESSAGE_HELLO);
    put_u32(&message, KEEPER_PROTOCOL_VERSION);
    message_end(&message, begin);
    for (size_t i = 0; i < message.len; i++) /* byte by byte: messages may come in any pieces */
        assert_int_equal(send(fd, message.data + i, 1, MSG_NOSIGNAL), 1);
    buf_release(&message);
}

static void messages_before_hello_and_wrong_versions_close_the_connection(void **state)
{
    struct kit *kit = *state;
    static const struct {
        struct keeper_header header;
        uint32_t first;
    } cases[] = {
        {{4, KEEPER_MESSAGE_HELLO, KEEPER_PROTOCOL_VERSION}, 99},
        {{4, KEEPER_MESSAGE_HELLO, KEEPER_PROTOCOL_VERSION + 1}, KEEPER_PROTOCOL_VERSION},
        {{3, KEEPER_MESSAGE_HELLO, KEEPER_PROTOCOL_VERSION}, 1},
        {{0, KEEPER_MESSAGE_SHUTDOWN, KEEPER_PROTOCOL_VERSION}, 0},
        {{0xFFFFFFFF, KEEPER_MESSAGE_START, KEEPER_PROTOCOL_VERSION}, 0},
        {{0, KEEPER_MESSAGE_LISTING, KEEPER_PROTOCOL_VERSION}, 0},
        {{0, 0, 0}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = kit_raw_socket(kit);
        assert_int_equal(send(fd, &cases[i], sizeof cases[i], MSG_NOSIGNAL), sizeof cases[i]);
        expect_closed(fd);
    }
    assert_int_equal(kit_run(kit, 1, "exit 3")->exit_code, 3); /* the server was not disturbed */
    assert_int_equal(kit->disconnections, 0);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* A message that is right except for some bytes, or random bytes under a right head. */
static size_t make_message(uint32_t *seed, char *out, size_t capacity)
{
    static char program[] = "/bin/true", *argv[] = {program, NULL}, *env[] = {program, program, NULL};
    struct keeper_start start = {.id = next_random(seed) % 8, .attempt = 1, .argv = argv, .env = env, .cwd = "/",
                                 .user = next_random(seed) % 4 ? NULL : "nobody", .stdin_data = "abc", .stdin_length = 3,
                                 .log_path = "/dev/null", .log_limit = (int64_t)next_random(seed)};
    struct buf message;
    buf_init(&message, capacity);
    if (next_random(seed) % 2)
        keeper_start_encode(&start, &message);
    else {
        static const enum keeper_message types[] = {KEEPER_MESSAGE_START, KEEPER_MESSAGE_SIGNAL, KEEPER_MESSAGE_ACK,
                                                    KEEPER_MESSAGE_SHUTDOWN, KEEPER_MESSAGE_HELLO};
        size_t begin = message_begin(&message, types[next_random(seed) % ARRAY_LEN(types)]);
        uint32_t length = next_random(seed) % 200;
        for (uint32_t i = 0; i < length; i++)
            put_bool(&message, next_random(seed) % 2);
        message_end(&message, begin);
    }
    uint32_t changes = next_random(seed) % 4;
    for (uint32_t i = 0; i < changes; i++) {
        size_t at = next_random(seed) % message.len;
        message.data[at] = (char)next_random(seed);
    }
    size_t length = message.len;
    memcpy(out, message.data, length);
    buf_release(&message);
    return length;
}

static void random_bytes_do_no_harm(void **state)
{
    struct kit *kit = *state;
    uint32_t seed = 20260731;
    char bytes[4096];
    (void)start_shell(kit, 1000000, "sleep 1000");
    kit_close(kit, false);
    for (int round = 0; round < 600; round++) {
        int fd = kit_raw_socket(kit);
        assert_true(fd >= 0);
        if (round % 3)
            send_hello(fd);
        for (int i = 0; i < 8; i++) {
            size_t length = make_message(&seed, bytes, sizeof bytes);
            for (size_t at = 0; round % 3 == 0 && at < length; at++)
                bytes[at] = (char)next_random(&seed);
            if (send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                break; /* closed on us: as it should be */
        }
        (void)close(fd);
    }
    kit_connect(kit);
    assert_int_equal(kit->disconnections, 0);
    assert_true(kit_is_alive(kit->keeper_pid));
    const struct keeper_listing *sleeper = listed(kit, 1000000);
    assert_false(sleeper->exited);
    assert_int_equal(kit_run(kit, 2000000, "exit 3")->exit_code, 3);
}

static void many_silent_connections_do_not_push_the_server_out(void **state)
{
    struct kit *kit = *state;
    int fds[20];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = kit_raw_socket(kit);
    assert_int_equal(kit_run(kit, 1, "exit 3")->exit_code, 3);
    assert_int_equal(kit->disconnections, 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

/* 200 ends of 64 KiB are more than socket and buffers hold while nobody reads. */
static void a_server_that_reads_late_gets_everything(void **state)
{
    struct kit *kit = *state;
    for (int i = 0; i < 200; i++) {
        char *argv[4], script[100], log_path[3200];
        struct err err;
        (void)snprintf(script, sizeof script, "head -c 70000 /dev/zero | tr '\\0' %c; touch done-%d", 'a' + i % 26, i);
        (void)snprintf(log_path, sizeof log_path, "%s/%d.log", kit->dir, i);
        struct keeper_start start = kit_shell(kit, i + 1, argv, script);
        start.log_path = log_path;
        assert_int_equal(keeper_start(kit->keeper, &start, &err), OK);
        free(argv[2]);
    }
    wait_for_file(kit, "done-0");
    kit_wait(kit, &kit_find(kit, 1, 1)->started, 1); /* lets waiting orders out */
    kit_pause(300);
    kit_wait(kit, &kit->exits, 200);
    for (int i = 0; i < 200; i++) {
        const struct kit_record *record = kit_find(kit, i + 1, 1);
        assert_int_equal(record->exited, 1);
        assert_int_equal(record->out_length, KEEPER_RESULT_MAX);
        assert_true(record->stdout_truncated);
        assert_int_equal(record->out[KEEPER_RESULT_MAX - 1], 'a' + i % 26);
    }
}

/* ---- installing ---- */

static void installing_twice_keeps_the_file_and_repairs_a_damaged_one(void **state)
{
    struct kit *kit = *state;
    char path[3200];
    struct err err;
    struct stat first, second;
    assert_int_equal(keeper_install(kit->dir, path, sizeof path, &err), OK);
    assert_int_equal(stat(path, &first), 0);
    assert_int_equal(first.st_mode & 07777, 0700);
    assert_int_equal(keeper_install(kit->dir, path, sizeof path, &err), OK);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    (void)unlink(path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs("not a program", file);
    (void)fclose(file);
    assert_int_equal(keeper_install(kit->dir, path, sizeof path, &err), OK);
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(second.st_size, first.st_size);
    assert_int_equal(keeper_install("/no/such/folder", path, sizeof path, &err), ERR_UNAVAILABLE);
    assert_int_equal(keeper_install(kit->dir, path, 4, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        KIT_TEST(the_next_server_adopts_what_runs_and_learns_what_ended),
        KIT_TEST(a_failed_start_is_repeated_until_acknowledged),
        KIT_TEST(a_killed_keeper_takes_its_commands_along),
        KIT_TEST(a_killed_guard_is_replaced),
        KIT_TEST(a_terminated_keeper_kills_its_commands_and_ends),
        KIT_TEST(a_newer_server_replaces_the_one_before),
        KIT_TEST(a_second_keeper_refuses),
        KIT_TEST(an_idle_keeper_that_nobody_visits_ends),
        KIT_TEST(a_shutdown_waits_for_what_runs_and_for_acknowledgements),
        KIT_TEST(without_a_keeper_and_without_leave_to_spawn_nothing_is_found),
        cmocka_unit_test_teardown(a_long_data_directory_works, kit_teardown),
        KIT_TEST(messages_before_hello_and_wrong_versions_close_the_connection),
        KIT_TEST(random_bytes_do_no_harm),
        KIT_TEST(many_silent_connections_do_not_push_the_server_out),
        KIT_TEST(a_server_that_reads_late_gets_everything),
        KIT_TEST(installing_twice_keeps_the_file_and_repairs_a_damaged_one),
    };
    return cmocka_run_group_tests_name("keeper: servers and keepers", tests, NULL, NULL);
}
