/* SPDX-License-Identifier: Apache-2.0 */
/* Logs, tails, limits: what is kept, what a follower sees while the log rotates beneath it, and cgroups in a fake tree
 * (rulings "Logs", section 3). */
#include "keeper/keeper_test_kit.h"

#include "base/mem.h"
#include "keeper/cgroup.h"
#include "keeper/keeper_log_format.h"
#include "keeper/log_writer.h"
#include "keeper/tail.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL_LIMIT = 64 * 1024 };

static int make_kit(void **state)
{
    *state = kit_new(NULL);
    return 0;
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static int64_t size_with_old(const struct kit *kit)
{
    char old[3200];
    (void)snprintf(old, sizeof old, "%s.old", kit->log_path);
    return size_of(kit->log_path) + size_of(old);
}

/* ---- the format, writer and reader alone ---- */

static void a_missing_log_is_not_found(void **state)
{
    struct kit *kit = *state;
    struct keeper_log *log;
    struct err err;
    assert_int_equal(keeper_log_open(kit->log_path, &log, &err), ERR_NOT_FOUND);
}

static void rotation_keeps_the_end_within_the_limit(void **state)
{
    struct kit *kit = *state;
    struct log_writer writer;
    char line[64];
    log_writer_init(&writer, kit->log_path, SMALL_LIMIT, 1);
    for (int i = 0; i < 20000; i++) {
        int n = snprintf(line, sizeof line, "line %d of many\n", i);
        assert_true(log_writer_add(&writer, i % 3 ? KEEPER_STDOUT : KEEPER_STDERR, line, (size_t)n, i));
        assert_true(size_with_old(kit) <= SMALL_LIMIT);
    }
    log_writer_release(&writer);
    assert_true(size_with_old(kit) > SMALL_LIMIT / 2);
    char *text = kit_read_log(kit->log_path, KEEPER_BOTH, false);
    assert_non_null(strstr(text, "line 19998 of many\nline 19999 of many\n"));
    assert_null(strstr(text, "line 0 of many\n"));
    free(text);
    free(kit_read_log(kit->log_path, KEEPER_STDOUT, true)); /* no gap in what is kept */
    keeper_log_remove(kit->log_path);
    assert_int_equal(size_with_old(kit), 0);
}

/* The follower reads after every few writes while the file rotates many times: each byte once, in order. */
static void a_follower_sees_every_byte_once_across_rotations(void **state)
{
    struct kit *kit = *state;
    struct log_writer writer;
    struct keeper_log *log = NULL;
    struct err err;
    int64_t next = 0;
    char bytes[1000];
    memset(bytes, 'f', sizeof bytes);
    log_writer_init(&writer, kit->log_path, SMALL_LIMIT, 1);
    for (int i = 0; i < 2000; i++) {
        size_t length = (size_t)(i * 37 % 999 + 1);
        assert_true(log_writer_add(&writer, KEEPER_STDOUT, bytes, length, i));
        if (!log)
            assert_int_equal(keeper_log_open(kit->log_path, &log, &err), OK);
        for (bool more = true; more && i % 7 == 0;) {
            struct keeper_log_frame frame;
            assert_int_equal(keeper_log_next(log, &frame, &more, &err), OK);
            if (!more)
                break;
            assert_int_equal(frame.offset, next);
            next = frame.offset + (int64_t)frame.length;
        }
    }
    assert_true(next > 10 * SMALL_LIMIT);
    keeper_log_close(log);
    log_writer_release(&writer);
}

static void a_follower_that_fell_behind_goes_on_with_what_is_kept(void **state)
{
    struct kit *kit = *state;
    struct log_writer writer;
    struct keeper_log *log;
    struct keeper_log_frame frame;
    struct err err;
    bool more;
    char bytes[2000];
    memset(bytes, 'b', sizeof bytes);
    log_writer_init(&writer, kit->log_path, SMALL_LIMIT, 1);
    assert_true(log_writer_add(&writer, KEEPER_STDOUT, bytes, sizeof bytes, 1));
    assert_int_equal(keeper_log_open(kit->log_path, &log, &err), OK);
    assert_int_equal(keeper_log_next(log, &frame, &more, &err), OK);
    assert_true(more);
    for (int i = 0; i < 500; i++)
        assert_true(log_writer_add(&writer, KEEPER_STDOUT, bytes, sizeof bytes, 1));
    int64_t last = 0;
    for (;;) {
        assert_int_equal(keeper_log_next(log, &frame, &more, &err), OK);
        if (!more)
            break;
        assert_true(frame.offset > last);
        last = frame.offset;
    }
    assert_int_equal(last, 500 * (int64_t)sizeof bytes);
    keeper_log_close(log);
    log_writer_release(&writer);
}

static void another_attempt_goes_on_and_half_a_frame_is_cut_off(void **state)
{
    struct kit *kit = *state;
    struct log_writer writer;
    log_writer_init(&writer, kit->log_path, SMALL_LIMIT, 1);
    assert_true(log_writer_add(&writer, KEEPER_STDOUT, "first", 5, 1));
    assert_true(log_writer_add(&writer, KEEPER_STDERR, "oh", 2, 2));
    log_writer_release(&writer);
    int fd = open(kit->log_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    const struct log_frame_head torn = {.magic = LOG_FRAME_MAGIC, .length = 100, .stream = 1, .offsets = {5, 2}};
    assert_int_equal(write(fd, &torn, sizeof torn), sizeof torn); /* as a keeper that was killed leaves it */
    (void)close(fd);
    char *text = kit_read_log(kit->log_path, KEEPER_BOTH, false);
    assert_string_equal(text, "firstoh");
    free(text);
    log_writer_init(&writer, kit->log_path, SMALL_LIMIT, 2);
    assert_true(log_writer_add(&writer, KEEPER_STDOUT, "second", 6, 3));
    log_writer_release(&writer);
    struct keeper_log *log;
    struct keeper_log_frame frame;
    struct err err;
    bool more = true;
    assert_int_equal(keeper_log_open(kit->log_path, &log, &err), OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(keeper_log_next(log, &frame, &more, &err), OK);
    assert_true(more);
    assert_int_equal(frame.attempt, 2);
    assert_int_equal(frame.offset, 5);
    assert_int_equal(frame.stream, KEEPER_STDOUT);
    assert_memory_equal(frame.bytes, "second", 6);
    keeper_log_close(log);
}

static void a_file_that_is_no_log_is_called_corrupt(void **state)
{
    struct kit *kit = *state;
    struct keeper_log *log;
    struct keeper_log_frame frame;
    struct err err;
    bool more;
    FILE *file = fopen(kit->log_path, "we");
    assert_non_null(file);
    (void)fprintf(file, "%0100d", 0);
    (void)fclose(file);
    assert_int_equal(keeper_log_open(kit->log_path, &log, &err), OK);
    assert_int_equal(keeper_log_next(log, &frame, &more, &err), ERR_CORRUPT);
    keeper_log_close(log);
}

static void a_full_disk_costs_bytes_of_the_log_but_never_half_frames(void **state)
{
    struct kit *kit = *state;
    struct log_writer writer;
    char path[3200], bytes[3000];
    (void)snprintf(path, sizeof path, "%s/small", kit->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    if (mount("tmpfs", path, "tmpfs", 0, "size=64k") != 0)
        skip(); /* needs root */
    (void)snprintf(path, sizeof path, "%s/small/full.log", kit->dir);
    memset(bytes, 'x', sizeof bytes);
    log_writer_init(&writer, path, 1 << 20, 1);
    int whole = 0;
    while (whole < 100 && log_writer_add(&writer, KEEPER_STDOUT, bytes, sizeof bytes, 1))
        whole++;
    assert_in_range(whole, 5, 30);
    for (int i = 0; i < 5; i++)
        assert_false(log_writer_add(&writer, KEEPER_STDOUT, bytes, sizeof bytes, 1));
    char *text = kit_read_log(path, KEEPER_STDOUT, true);
    assert_int_equal(strlen(text), (size_t)whole * sizeof bytes);
    free(text);
    (void)snprintf(path, sizeof path, "%s/small", kit->dir);
    assert_int_equal(mount("tmpfs", path, "tmpfs", MS_REMOUNT, "size=256k"), 0);
    assert_true(log_writer_add(&writer, KEEPER_STDOUT, "end", 3, 1));
    assert_int_equal(writer.offsets[0], (whole + 6) * (int64_t)sizeof bytes + 3); /* the gap shows */
    log_writer_release(&writer);
    assert_int_equal(umount2(path, MNT_DETACH), 0);
}

static void a_folder_that_is_gone_costs_the_log_only(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    kit_connect(kit);
    struct keeper_start start = kit_shell(kit, 1, argv, "echo said; exit 3");
    start.log_path = "/no/such/folder/command.log";
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->exited, 1);
    assert_int_equal(record->exit_code, 3);
    assert_string_equal(record->out, "said\n");
}

/* The keeper writes, this process follows. */
static void a_running_command_can_be_followed_through_rotations(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct keeper_log *log = NULL;
    struct err err;
    int64_t next = -1;
    kit_connect(kit);
    struct keeper_start start = kit_shell(kit, 1, argv,
                                          "i=0; while [ $i -lt 3000 ]; do echo 'a line of this command, long enough to fill the "
                                          "log again and again' $i; i=$((i+1)); done; echo the end");
    start.log_limit = SMALL_LIMIT;
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->outputs, 1);
    assert_int_equal(keeper_log_open(kit->log_path, &log, &err), OK);
    char last[9] = ""; /* the newest eight bytes */
    for (bool ended = false;;) {
        struct keeper_log_frame frame;
        bool more;
        assert_int_equal(keeper_log_next(log, &frame, &more, &err), OK);
        if (more) {
            assert_true(frame.offset >= next);
            next = frame.offset + (int64_t)frame.length;
            for (size_t i = 0; i < frame.length; i++) { /* a frame may begin within the last line */
                memmove(last, last + 1, 7);
                last[7] = frame.bytes[i];
            }
        } else if (ended)
            break;
        else {
            kit_wait(kit, &record->outputs, record->exited ? 0 : record->outputs);
            kit_wait(kit, &record->exited, 1);
            ended = true;
        }
    }
    assert_string_equal(last, "the end\n");
    assert_true(size_with_old(kit) <= SMALL_LIMIT);
    keeper_log_close(log);
}

/* ---- tails ---- */

static void check_tail(struct tail *tail, const char *expected, bool cut)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_add_text(&out, "");
    tail_append_to(tail, &out);
    assert_string_equal(out.data, expected);
    assert_int_equal(tail->cut, cut);
    buf_release(&out);
}

static void a_tail_keeps_the_last_bytes(void **state)
{
    struct tail_budget budget = {.max = 1 << 20};
    struct tail tail;
    (void)state;
    tail_init(&tail, 10);
    check_tail(&tail, "", false);
    tail_add(&tail, &budget, "abcdefgh", 8);
    check_tail(&tail, "abcdefgh", false);
    tail_add(&tail, &budget, "ij", 2);
    check_tail(&tail, "abcdefghij", false);
    tail_add(&tail, &budget, "klm", 3);
    check_tail(&tail, "defghijklm", true);
    tail_add(&tail, &budget, "0123456789ABCDEF", 16);
    check_tail(&tail, "6789ABCDEF", true);
    tail_release(&tail, &budget);
    assert_int_equal(budget.used, 0);
}

static void tails_stop_growing_when_all_together_are_large(void **state)
{
    struct tail_budget budget = {.max = 8192};
    struct tail tails[4];
    char bytes[6000];
    (void)state;
    memset(bytes, 't', sizeof bytes);
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        tail_init(&tails[i], 65536);
        tail_add(&tails[i], &budget, bytes, sizeof bytes);
        assert_true(tails[i].length >= 1024);
        assert_int_equal(tails[i].cut, i > 0);
    }
    assert_true(budget.used <= budget.max + 3 * 1024);
    for (size_t i = 0; i < ARRAY_LEN(tails); i++)
        tail_release(&tails[i], &budget);
    assert_int_equal(budget.used, 0);
}

/* ---- limits ---- */

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[3400];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void expect_file(const char *folder, const char *name, const char *expected)
{
    char path[3400], text[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    (void)fclose(file);
    assert_string_equal(text, expected);
}

static void make_fake_tree(const struct kit *kit, char root[3200], const char *controllers)
{
    (void)snprintf(root, 3200, "%s/cgroup", kit->dir);
    assert_int_equal(mkdir(root, 0700), 0);
    write_file(root, "cgroup.controllers", controllers);
    write_file(root, "cgroup.subtree_control", controllers);
    write_file(root, "cgroup.procs", "");
    assert_int_equal(setenv("HORAE_CGROUP_ROOT", root, 1), 0);
}

static void find_cgroup(const char *root, char out[3300])
{
    char command[3400];
    (void)snprintf(command, sizeof command, "ls -d '%s'/horae-*", root);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    assert_non_null(fgets(out, 3300, pipe));
    out[strcspn(out, "\n")] = '\0';
    (void)pclose(pipe);
}

static void limits_are_written_into_a_cgroup_of_its_own(void **state)
{
    struct kit *kit = *state;
    char root[3200], folder[3300], pid[32], *argv[4];
    struct err err;
    struct keeper_abilities abilities;
    make_fake_tree(kit, root, "cpuset cpu io memory pids\n");
    keeper_look_around(&abilities);
    assert_true(abilities.limits);
    assert_false(abilities.trees);
    assert_string_equal(abilities.no_limits, "");
    assert_non_null(strstr(abilities.no_trees, "has no cgroup.kill"));
    kit_connect(kit);
    struct keeper_start start = kit_shell(kit, 42, argv, "sleep 1000");
    start.limits = (struct keeper_limits){.memory_bytes = 1048576, .cpu_percent = 150, .pids = 20};
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, 42, 1);
    kit_wait(kit, &record->started, 1);
    find_cgroup(root, folder);
    assert_string_equal(folder + strlen(folder) - 5, "-42-1");
    expect_file(folder, "memory.max", "1048576");
    expect_file(folder, "memory.oom.group", "1");
    expect_file(folder, "cpu.max", "150000 100000");
    expect_file(folder, "pids.max", "20");
    (void)snprintf(pid, sizeof pid, "%lld", (long long)record->pid);
    expect_file(folder, "cgroup.procs", pid);
    write_file(folder, "memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\n");
    assert_int_equal(keeper_signal(kit->keeper, 42, 1, SIGKILL, &err), OK);
    kit_wait(kit, &record->exited, 1);
    expect_file(folder, "cgroup.kill", "1");
    assert_true(record->oom_killed);
    assert_int_equal(record->signo, SIGKILL);
    assert_int_equal(unsetenv("HORAE_CGROUP_ROOT"), 0);
}

static void limits_that_cannot_be_kept_refuse_the_start(void **state)
{
    struct kit *kit = *state;
    char root[3200], expected[600], *argv[4];
    struct keeper_abilities abilities;
    make_fake_tree(kit, root, "cpu pids\n");
    keeper_look_around(&abilities);
    assert_false(abilities.limits);
    assert_non_null(strstr(abilities.no_limits, "has no memory controller"));
    kit_connect(kit);
    struct keeper_start start = kit_shell(kit, 1, argv, "exit 0");
    start.limits.pids = 5;
    kit_start(kit, &start);
    free(argv[2]);
    struct kit_record *record = kit_find(kit, 1, 1);
    kit_wait(kit, &record->failed, 1);
    (void)snprintf(expected, sizeof expected, "limits cannot be set: the cgroup %.250s has no memory controller", root);
    assert_string_equal(record->message, expected);
    assert_int_equal(kit_run(kit, 2, "exit 3")->exit_code, 3); /* without limits it works */
    assert_int_equal(unsetenv("HORAE_CGROUP_ROOT"), 0);
}

static void a_tree_in_use_that_is_not_delegated_is_left_alone(void **state)
{
    struct kit *kit = *state;
    char root[3200];
    struct keeper_abilities abilities;
    make_fake_tree(kit, root, "cpu memory pids\n");
    write_file(root, "cgroup.subtree_control", "");
    write_file(root, "cgroup.procs", "1\n");
    keeper_look_around(&abilities);
    assert_false(abilities.limits);
    assert_non_null(strstr(abilities.no_limits, "Delegate=yes"));
    assert_int_equal(unsetenv("HORAE_CGROUP_ROOT"), 0);
}

static void the_real_kill_file_takes_a_whole_tree(void **state)
{
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    char path[128], procs[192], probe[192];
    (void)state;
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(mounts) && !found; i++) {
        (void)snprintf(path, sizeof path, "%s/horae-test-%d", mounts[i], (int)getpid());
        (void)snprintf(probe, sizeof probe, "%s/cgroup.kill", path);
        if (mkdir(path, 0755) != 0)
            continue;
        found = access(probe, F_OK) == 0;
        if (!found)
            (void)rmdir(path);
    }
    if (!found)
        skip(); /* no cgroup v2 that this user may write */
    (void)snprintf(procs, sizeof procs, "%s/cgroup.procs", path);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        FILE *file = fopen(procs, "we");
        if (file && fprintf(file, "%d", (int)getpid()) > 0 && fclose(file) == 0)
            (void)execl("/bin/sh", "sh", "-c", "setsid sleep 1000 & sleep 1000", (char *)NULL);
        _exit(99);
    }
    struct cgroup cgroup = {.path = xstrdup(path)};
    kit_pause(100);
    cgroup_kill(&cgroup);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    for (int waited = 0; rmdir(path) != 0 && waited < KIT_WAIT_MS; waited += 10)
        kit_pause(10);
    assert_int_not_equal(access(path, F_OK), 0); /* empty: the escaped child went, too */
    cgroup_remove(&cgroup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, make_kit, kit_teardown)
        KIT_TEST(a_missing_log_is_not_found),
        KIT_TEST(rotation_keeps_the_end_within_the_limit),
        KIT_TEST(a_follower_sees_every_byte_once_across_rotations),
        KIT_TEST(a_follower_that_fell_behind_goes_on_with_what_is_kept),
        KIT_TEST(another_attempt_goes_on_and_half_a_frame_is_cut_off),
        KIT_TEST(a_file_that_is_no_log_is_called_corrupt),
        KIT_TEST(a_full_disk_costs_bytes_of_the_log_but_never_half_frames),
        KIT_TEST(a_folder_that_is_gone_costs_the_log_only),
        KIT_TEST(a_running_command_can_be_followed_through_rotations),
        cmocka_unit_test(a_tail_keeps_the_last_bytes),
        cmocka_unit_test(tails_stop_growing_when_all_together_are_large),
        KIT_TEST(limits_are_written_into_a_cgroup_of_its_own),
        KIT_TEST(limits_that_cannot_be_kept_refuse_the_start),
        KIT_TEST(a_tree_in_use_that_is_not_delegated_is_left_alone),
        cmocka_unit_test(the_real_kill_file_takes_a_whole_tree),
    };
    return cmocka_run_group_tests_name("keeper: logs and limits", tests, NULL, NULL);
}
