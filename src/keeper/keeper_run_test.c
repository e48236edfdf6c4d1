/* SPDX-License-Identifier: Apache-2.0 */
/* What one command gets and what is told about it: starting, streams, environment, ends, signals (SCH-70, rulings
 * "Command environment"). */
#include "keeper/keeper_test_kit.h"

#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void an_exit_code_is_told(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = kit_run(kit, 1, "exit 7");
    assert_int_equal(record->exit_code, 7);
    assert_int_equal(record->signo, 0);
    assert_int_equal(record->started, 1);
    assert_true(record->pid > 1);
    assert_true(record->finished_us >= record->started_us);
    assert_int_equal(record->out_length, 0);
    assert_false(record->oom_killed);
}

static void a_death_by_signal_is_told(void **state)
{
    struct kit_record *record = kit_run(*state, 1, "kill -SEGV $$");
    assert_int_equal(record->signo, SIGSEGV);
    assert_int_equal(record->exit_code, 0);
}

static void both_streams_arrive_apart(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = kit_run(kit, 1, "echo one; echo two >&2; echo three");
    assert_string_equal(record->out, "one\nthree\n");
    assert_string_equal(record->err_text, "two\n");
    assert_false(record->stdout_truncated || record->stderr_truncated);
    char *text = kit_read_log(kit->log_path, KEEPER_STDOUT, true);
    assert_string_equal(text, "one\nthree\n");
    free(text);
    text = kit_read_log(kit->log_path, KEEPER_STDERR, true);
    assert_string_equal(text, "two\n");
    free(text);
}

static void any_bytes_pass(void **state)
{
    struct kit_record *record = kit_run(*state, 1, "printf 'a\\000b\\377c'");
    assert_int_equal(record->out_length, 5);
    assert_memory_equal(record->out, "a\0b\377c", 5);
}

static void only_the_end_of_long_streams_is_kept(void **state)
{
    struct kit_record *record = kit_run(*state, 1,
                                        "i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; echo last; "
                                        "head -c 30000 /dev/zero | tr '\\0' x >&2; echo END >&2");
    assert_int_equal(record->out_length, KEEPER_RESULT_MAX);
    assert_true(record->stdout_truncated);
    assert_string_equal(record->out + record->out_length - 16, "line-19999\nlast\n");
    assert_int_equal(record->err_length, KEEPER_STACK_MAX);
    assert_true(record->stderr_truncated);
    assert_string_equal(record->err_text + record->err_length - 5, "xEND\n");
}

static void progress_lines_are_told(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct keeper_start start = kit_shell(kit, 1, argv,
                                          "echo progress 10 >&3; read x < gate; echo progress 55 >&3; echo nonsense >&3; "
                                          "echo progress 101 >&3; echo progress >&3");
    char gate[3200];
    (void)snprintf(gate, sizeof gate, "%s/gate", kit->dir);
    assert_int_equal(mkfifo(gate, 0600), 0);
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->progress, 1);
    assert_int_equal(record->last_percent, 10);
    FILE *file = fopen(gate, "we");
    assert_non_null(file);
    (void)fputs("go\n", file);
    (void)fclose(file);
    kit_wait(kit, &record->exited, 1);
    assert_int_equal(record->progress, 2);
    assert_int_equal(record->last_percent, 55);
}

static void standard_input_is_given(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    size_t length = 300000; /* more than a pipe holds */
    char *data = xmalloc(length);
    memset(data, 'z', length);
    struct keeper_start start = kit_shell(kit, 1, argv, "wc -c");
    start.stdin_data = data;
    start.stdin_length = length;
    kit_start(kit, &start);
    free(argv[2]);
    free(data);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->exited, 1);
    assert_string_equal(record->out, "300000\n");
    record = kit_run(kit, 2, "wc -c"); /* none given: empty */
    assert_string_equal(record->out, "0\n");
}

static void the_environment_is_exactly_the_given_one(void **state)
{
    struct kit *kit = *state;
    static char program[] = "env", path[] = "PATH=/nowhere:/usr/bin:/bin", odd[] = "ODD=a b=c";
    char *argv[] = {program, NULL}, *env[] = {path, odd, NULL};
    struct keeper_start start = {.id = 1, .attempt = 1, .argv = argv, .env = env, .log_path = kit->log_path, .log_limit = 65536};
    (void)setenv("HORAE_SECRET_OF_THE_SERVER", "secret", 1);
    kit_start(kit, &start);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->exited, 1);
    assert_string_equal(record->out, "PATH=/nowhere:/usr/bin:/bin\nODD=a b=c\n");
}

static void descriptors_signals_and_group_are_clean(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = kit_run(kit, 1,
                                        "ls /proc/self/fd; cat /proc/self/status | grep -E '^Sig(Blk|Ign)'; umask; "
                                        "ps -o pgid=,tty= -p $$ | tr -s ' ' '\\n'");
    static const char clean[] = "0\n1\n2\n3\n4\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0022\n"; /* 4: ls itself */
    char leads[64];
    if (strncmp(record->out, clean, sizeof clean - 1) != 0)
        fail_msg("%s", record->out);
    (void)snprintf(leads, sizeof leads, "%lld\n?\n", (long long)record->pid);
    assert_non_null(strstr(record->out + sizeof clean - 1, leads)); /* its group; no terminal */
}

static void the_folder_is_entered_and_a_missing_one_is_named(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct keeper_start start = kit_shell(kit, 1, argv, "pwd");
    start.cwd = NULL;
    kit_start(kit, &start);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->exited, 1);
    assert_string_equal(record->out, "/\n");
    start.id = 2;
    start.cwd = "/no/such/folder";
    kit_start(kit, &start);
    free(argv[2]);
    record = kit_find(kit, 2, 1);
    kit_wait(kit, &record->failed, 1);
    assert_string_equal(record->message, "cannot change to the folder /no/such/folder: No such file or directory");
}

static void expect_failure(struct kit *kit, int64_t id, char *program, const char *user, const char *message)
{
    static char *no_env[] = {NULL};
    char *argv[] = {program, NULL};
    struct keeper_start start = {.id = id, .attempt = 1, .argv = argv, .env = no_env, .user = user, .log_path = kit->log_path};
    kit_start(kit, &start);
    struct kit_record *record = kit_find(kit, id, 1);
    kit_wait(kit, &record->failed, 1);
    assert_string_equal(record->message, message);
    assert_int_equal(record->started, 0);
    assert_int_equal(record->exited, 0);
}

static void what_cannot_start_is_named(void **state)
{
    struct kit *kit = *state;
    char missing[] = "/no/such/program", bare[] = "horae-no-such-program", folder[] = "/tmp", shell[] = "/bin/sh", script[3200];
    expect_failure(kit, 1, missing, NULL, "cannot run /no/such/program: No such file or directory");
    expect_failure(kit, 2, bare, NULL, "cannot run horae-no-such-program: No such file or directory");
    expect_failure(kit, 3, folder, NULL, "cannot run /tmp: Permission denied");
    expect_failure(kit, 4, shell, "horae-nobody-has-this-name", "no such user: horae-nobody-has-this-name");
    (void)snprintf(script, sizeof script, "%s/script", kit->dir);
    FILE *file = fopen(script, "we");
    assert_non_null(file);
    (void)fputs("#!/no/interpreter\n", file);
    (void)fclose(file);
    assert_int_equal(chmod(script, 0755), 0);
    char expected[3400];
    (void)snprintf(expected, sizeof expected, "cannot run %s: the interpreter that it names does not exist", script);
    expect_failure(kit, 5, script, NULL, expected);
}

static void another_user_is_taken_with_its_groups(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    if (geteuid() != 0)
        skip();
    struct keeper_start start = kit_shell(kit, 1, argv, "id -u -n; id -G; echo still tied to the keeper");
    start.user = "nobody";
    start.cwd = "/";
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->exited, 1);
    assert_string_equal(record->out, "nobody\n65534\nstill tied to the keeper\n");
}

static void a_signal_reaches_the_whole_group(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct err err;
    struct keeper_start start = kit_shell(kit, 1, argv, "sleep 1000 & echo $! > child; wait");
    kit_start(kit, &start);
    free(argv[2]);
    pid_t child = kit_wait_pid_file(kit, "child");
    struct kit_record *record = kit_find(kit, 1, 1);
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGTERM, &err), OK);
    kit_wait(kit, &record->exited, 1);
    assert_int_equal(record->signo, SIGTERM);
    kit_wait_gone(child);
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGTERM, &err), OK); /* unknown by now: ignored */
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, 999, &err), ERR_INVALID);
}

/* The first process obeys, its child does not: the run goes on until the order to kill. */
static void a_forced_end_takes_children_that_ignore_the_polite_one(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct err err;
    struct keeper_start start =
        kit_shell(kit, 1, argv, "(trap '' TERM; sh -c 'echo $$ > child; exec >&- 2>&-; while :; do sleep 1; done') & wait");
    kit_start(kit, &start);
    free(argv[2]);
    pid_t child = kit_wait_pid_file(kit, "child");
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->started, 1);
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGTERM, &err), OK);
    kit_wait_gone((pid_t)record->pid);
    assert_int_equal(kit_run(kit, 2, "exit 2")->exit_code, 2); /* whatever was told before came before */
    assert_int_equal(record->exited, 0);
    assert_true(kit_is_alive(child));
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGKILL, &err), OK);
    kit_wait(kit, &record->exited, 1);
    assert_int_equal(record->signo, SIGTERM); /* of the first process */
    assert_false(kit_is_alive(child));
}

/* What left the group, its session and its parent behind: all that a daemon does. `setsid` forks when it must. */
static const char ESCAPE[] = "(setsid sh -c 'echo $$ > child; exec </dev/null >/dev/null 2>&1; while :; do sleep 1; done' &); ";

static pid_t start_escape(struct kit *kit, int64_t id, const char *then)
{
    char *argv[4], script[400], mark[64], former[3200];
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    (void)snprintf(mark, sizeof mark, "HORAE_EXECUTION_UID=0000-%d", (int)id);
    char *env[] = {path, mark, NULL};
    (void)snprintf(script, sizeof script, "%s%s", ESCAPE, then);
    (void)snprintf(former, sizeof former, "%s/child", kit->dir);
    (void)unlink(former);
    struct keeper_start start = kit_shell(kit, id, argv, script);
    start.env = env;
    kit_start(kit, &start);
    free(argv[2]);
    kit_wait(kit, &kit_find(kit, id, 1)->started, 1);
    return kit_wait_pid_file(kit, "child");
}

static void ends_reach_what_left_the_group(struct kit *kit)
{
    struct err err;
    pid_t child = start_escape(kit, 1, "sleep 1000"); /* obeys: what escaped has no run any more */
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGTERM, &err), OK);
    kit_wait(kit, &kit_find(kit, 1, 1)->exited, 1);
    assert_false(kit_is_alive(child));
    child = start_escape(kit, 2, "trap '' TERM; while :; do sleep 1; done");
    assert_int_equal(keeper_signal(kit->keeper, 2, 1, SIGKILL, &err), OK);
    kit_wait(kit, &kit_find(kit, 2, 1)->exited, 1);
    assert_false(kit_is_alive(child));
    child = start_escape(kit, 3, "exit 0"); /* nobody told it to end: as with cron, it lives on */
    kit_wait(kit, &kit_find(kit, 3, 1)->exited, 1);
    assert_true(kit_is_alive(child));
    (void)kill(child, SIGKILL);
    kit_wait_gone(child);
    child = start_escape(kit, 4, "sleep 1000"); /* and with its keeper everything ends */
    (void)kill(kit->keeper_pid, SIGKILL);
    kit_wait_gone(child);
}

static void an_end_reaches_what_left_the_group(void **state)
{
    struct keeper_abilities abilities;
    keeper_look_around(&abilities);
    if (!abilities.trees)
        skip(); /* no cgroup v2 that this user may write; the next test is about that */
    ends_reach_what_left_the_group(*state);
}

static void without_cgroups_it_is_searched_for(void **state)
{
    struct kit *kit = *state;
    kit_close(kit, true);
    assert_int_equal(setenv("HORAE_CGROUP_ROOT", "/nowhere", 1), 0);
    kit_connect(kit);
    ends_reach_what_left_the_group(kit);
    assert_int_equal(unsetenv("HORAE_CGROUP_ROOT"), 0);
}

static void a_stopped_command_hears_the_polite_signal(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct err err;
    struct keeper_start start = kit_shell(kit, 1, argv, "sleep 1000");
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->started, 1);
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGSTOP, &err), OK);
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGTERM, &err), OK);
    kit_wait(kit, &record->exited, 1);
    assert_int_equal(record->signo, SIGTERM);
}

static void a_background_process_that_holds_the_streams_does_not_hang_the_run(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = kit_run(kit, 1, "sleep 1000 & echo $! > child; echo said; exit 3");
    assert_int_equal(record->exit_code, 3);
    assert_string_equal(record->out, "said\n");
    pid_t child = kit_wait_pid_file(kit, "child");
    assert_true(kit_is_alive(child));
    assert_int_equal(kill(child, SIGKILL), 0);
    kit_wait_gone(child); /* the keeper reaps orphans of its commands */
}

static void output_is_told_but_not_for_every_byte(void **state)
{
    struct kit *kit = *state;
    struct kit_record *record = kit_run(kit, 1, "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done");
    assert_in_range(record->outputs, 1, 200);
}

static void a_repeated_order_starts_nothing_twice(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct err err;
    struct keeper_start start = kit_shell(kit, 1, argv, "echo started >> starts; sleep 1000");
    kit_start(kit, &start);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->started, 1);
    int64_t pid = record->pid;
    kit_start(kit, &start);
    kit_wait(kit, &record->started, 2);
    assert_int_equal(record->pid, pid);
    start.attempt = 2; /* another attempt is another command */
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *second = kit_find(kit, 1, 2);
    kit_wait(kit, &second->started, 1);
    assert_int_not_equal(second->pid, pid);
    assert_int_equal(keeper_signal(kit->keeper, 1, 1, SIGKILL, &err), OK);
    kit_wait(kit, &record->exited, 1);
    assert_int_equal(second->exited, 0);
    assert_int_equal(keeper_signal(kit->keeper, 1, 2, SIGKILL, &err), OK);
    kit_wait(kit, &second->exited, 1);
}

static void an_order_that_is_too_large_is_refused(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct err err;
    struct keeper_start start = kit_shell(kit, 1, argv, "true");
    start.stdin_length = KEEPER_MESSAGE_MAX;
    char *data = xcalloc(1, start.stdin_length);
    start.stdin_data = data;
    assert_int_equal(keeper_start(kit->keeper, &start, &err), ERR_LIMIT);
    free(data);
    start.stdin_data = NULL;
    start.log_path = "relative.log";
    assert_int_equal(keeper_start(kit->keeper, &start, &err), ERR_INVALID);
    free(argv[2]);
    assert_int_equal(kit_run(kit, 2, "exit 4")->exit_code, 4);
}

static int count_descriptors(pid_t pid)
{
    char command[128];
    int count = -1;
    (void)snprintf(command, sizeof command, "ls /proc/%d/fd | wc -l", (int)pid);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%d", &count), 1);
    (void)pclose(pipe);
    return count;
}

static void a_thousand_quick_commands_leave_nothing_behind(void **state)
{
    struct kit *kit = *state;
    static char program[] = "/bin/echo", word[] = "word", path[] = "PATH=/bin";
    char *argv[] = {program, word, NULL}, *env[] = {path, NULL}, log_path[3200];
    assert_int_equal(kit_run(kit, 1, "exit 0")->exit_code, 0);
    int before = count_descriptors(kit->keeper_pid);
    for (int i = 0; i < 1000; i++) {
        struct keeper_start start = {
            .id = 100 + i, .attempt = 1, .argv = argv, .env = env, .log_path = log_path, .log_limit = 65536};
        (void)snprintf(log_path, sizeof log_path, "%s/%d.log", kit->dir, i);
        kit_start(kit, &start);
    }
    kit_wait(kit, &kit->exits, 1001);
    for (int i = 0; i < 1000; i++) {
        struct kit_record *record = kit_find(kit, 100 + i, 1);
        assert_int_equal(record->exited, 1);
        assert_string_equal(record->out, "word\n");
    }
    assert_int_equal(kit_run(kit, 2, "exit 0")->exit_code, 0); /* all acknowledgements are through */
    assert_int_equal(count_descriptors(kit->keeper_pid), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        KIT_TEST(an_exit_code_is_told),
        KIT_TEST(a_death_by_signal_is_told),
        KIT_TEST(both_streams_arrive_apart),
        KIT_TEST(any_bytes_pass),
        KIT_TEST(only_the_end_of_long_streams_is_kept),
        KIT_TEST(progress_lines_are_told),
        KIT_TEST(standard_input_is_given),
        KIT_TEST(the_environment_is_exactly_the_given_one),
        KIT_TEST(descriptors_signals_and_group_are_clean),
        KIT_TEST(the_folder_is_entered_and_a_missing_one_is_named),
        KIT_TEST(what_cannot_start_is_named),
        KIT_TEST(another_user_is_taken_with_its_groups),
        KIT_TEST(a_signal_reaches_the_whole_group),
        KIT_TEST(a_forced_end_takes_children_that_ignore_the_polite_one),
        KIT_TEST(an_end_reaches_what_left_the_group),
        KIT_TEST(without_cgroups_it_is_searched_for),
        KIT_TEST(a_stopped_command_hears_the_polite_signal),
        KIT_TEST(a_background_process_that_holds_the_streams_does_not_hang_the_run),
        KIT_TEST(output_is_told_but_not_for_every_byte),
        KIT_TEST(a_repeated_order_starts_nothing_twice),
        KIT_TEST(an_order_that_is_too_large_is_refused),
        KIT_TEST(a_thousand_quick_commands_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("keeper: running commands", tests, NULL, NULL);
}
