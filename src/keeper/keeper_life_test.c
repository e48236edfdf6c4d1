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
    kit->acknowledges = false; /* the second may have ended before the connection is closed */
    (void)start_shell(kit, 2, "touch ended; echo 'said while alone'; exit 6");
    pid_t keeper_pid = kit->keeper_pid;
    kit_close(kit, false);
    wait_for_file(kit, "ended");
    kit_forget(kit);
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
    kit_forget(kit);
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

/* Many, because a few of them are dead before the keeper is: those too are lost, not ended by a signal. */
static void a_terminated_keeper_kills_its_commands_and_ends(void **state)
{
    enum { COMMANDS = 20 };
    struct kit *kit = *state;
    struct kit_record *records[COMMANDS];
    for (int i = 0; i < COMMANDS; i++)
        records[i] = start_shell(kit, 1 + i, "trap '' TERM; echo $$ > child; sleep 1000");
    pid_t child = kit_wait_pid_file(kit, "child");
    assert_int_equal(kill(kit->keeper_pid, SIGHUP), 0); /* ignored */
    assert_int_equal(kill(kit->keeper_pid, SIGINT), 0);
    assert_int_equal(kit_run(kit, 1 + COMMANDS, "exit 0")->exit_code, 0);
    assert_int_equal(kill(kit->keeper_pid, SIGTERM), 0);
    kit_wait(kit, &kit->disconnections, 1);
    kit_wait_gone(kit->keeper_pid);
    kit_wait_gone(child);
    for (int i = 0; i < COMMANDS; i++) {
        assert_int_equal(records[i]->lost, 1);
        assert_int_equal(records[i]->exited, 0);
    }
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
        length += (size_t)snprintf(folder + length, sizeof folder - length, "%sa-folder-with-a-name-of-forty-characters-%02d",
                                   i ? "/" : "", i);
    struct kit *kit = kit_new(folder);
    *state = kit;
    assert_true(strlen(kit->dir) > 400);
    kit_connect(kit);
    assert_int_equal(kit_run(kit, 1, "pwd; exit 8")->exit_code, 8);
    assert_non_null(strstr(kit_find(kit, 1, 1)->out, folder));
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
        KIT_TEST(installing_twice_keeps_the_file_and_repairs_a_damaged_one),
    };
    return cmocka_run_group_tests_name("keeper: servers and keepers", tests, NULL, NULL);
}
