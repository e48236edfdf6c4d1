/* SPDX-License-Identifier: Apache-2.0 */
/* The child shares our memory until exec (CLONE_VM), on a stack of its own, while we wait (CLONE_VFORK). So it
 * reports what failed straight into a struct of ours, and it must change nothing else. All signals are blocked around
 * the clone: a handler must not run in the child. User and groups go through bare system calls, because the C
 * library's functions would try to change all threads of a process. It is born inside its cgroup: moving there later
 * waits for a grace period of the kernel (measured: 5 to 11 ms, against 60 µs for all of this). It leads a group, not a
 * session: a session is an autogroup, whose making and scheduling halves the rate of starts on a busy machine, and it
 * would give each of a hundred commands the weight of all that runs beside them. */
#include "keeper/child.h"

#include "base/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NOT_STARTED = 127, PATH_CANDIDATE_MAX = 4096 };

static const char DEFAULT_PATH[] = "/usr/local/bin:/usr/bin:/bin";

struct child {
    const struct spawn_plan *plan;
    struct spawn_failure *failure;
    bool joins_cgroup; /* it was not born there */
};

/* Bare as well: what runs at the end of a process would run in the keeper's memory. */
NO_RETURN static void leave(void)
{
    for (;;)
        (void)syscall(SYS_exit_group, EXIT_NOT_STARTED);
}

NO_RETURN static void fail(struct child *child, const char *what, const char *name)
{
    *child->failure = (struct spawn_failure){.what = what, .name = name, .error = errno};
    leave();
}

/* Bare calls here, too: the C library does not let go of its own two signals (32, 33), which may come ignored from
 * whoever started the server. All zeros is the default disposition in the kernel's layout. Refused for KILL, STOP. */
static void reset_signals(void)
{
    static const unsigned long standard[8];
    for (int signo = 1; signo < NSIG; signo++)
        (void)syscall(SYS_rt_sigaction, signo, standard, NULL, (NSIG - 1) / 8);
}

/* The slow way, where the fast one is not to be had: another machine than x86-64, a tree that is none (tests). */
static void join_cgroup(struct child *child)
{
    int fd = openat(child->plan->cgroup_fd, "cgroup.procs", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    char text[16];
    int n = snprintf(text, sizeof text, "%d", (int)getpid());
    if (fd < 0 || write(fd, text, (size_t)n) != n)
        fail(child, "cannot enter the cgroup", "");
}

static void place_descriptors(struct child *child)
{
    for (int i = 0; i < 4; i++)
        if (dup2(child->plan->fds[i], i) < 0)
            fail(child, "cannot place the standard streams", "");
    (void)syscall(SYS_close_range, 4, ~0U, 0); /* older kernels: every one of ours is close-on-exec anyway */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = child->plan->files_soft;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void become_user(struct child *child)
{
    const struct user *user = child->plan->user;
    if (!user || (geteuid() != 0 && geteuid() == user->uid)) /* who it is already needs no rights */
        return;
    if (syscall(SYS_setgroups, user->group_count, user->groups) != 0 ||
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) != 0 ||
        syscall(SYS_setresuid, user->uid, user->uid, user->uid) != 0)
        fail(child, "cannot become the user", "");
}

/* After the change of the user, which clears it. The keeper may have died just before: then nobody would tell us. */
static void die_with_keeper(struct child *child)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        fail(child, "cannot tie the process to its keeper", "");
    if (getppid() != child->plan->keeper)
        leave();
}

static const char *path_of(char *const *env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return DEFAULT_PATH;
}

/* As execvp, without handing files that have no format to a shell. */
static void run(const struct spawn_plan *plan)
{
    const char *name = plan->argv[0];
    if (strchr(name, '/') || !name[0]) {
        (void)execve(name, plan->argv, plan->env);
        return;
    }
    int worst = ENOENT;
    for (const char *at = path_of(plan->env);; at++) {
        size_t length = strcspn(at, ":");
        char candidate[PATH_CANDIDATE_MAX];
        int n = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)length, length ? at : ".", name);
        if (!length)
            n = snprintf(candidate, sizeof candidate, "./%s", name);
        if (n > 0 && (size_t)n < sizeof candidate)
            (void)execve(candidate, plan->argv, plan->env);
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            return;
        worst = errno == EACCES ? EACCES : worst;
        at += length;
        if (!*at)
            break;
    }
    errno = worst;
}

static int child_main(void *arg)
{
    struct child *child = arg;
    const struct spawn_plan *plan = child->plan;
    sigset_t none;
    (void)setpgid(0, 0);
    if (child->joins_cgroup)
        join_cgroup(child);
    place_descriptors(child);
    become_user(child);
    if (chdir(plan->cwd) != 0)
        fail(child, "cannot change to the folder", plan->cwd);
    die_with_keeper(child);
    (void)umask(022);
    reset_signals();
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    run(plan);
    fail(child, "cannot run", plan->argv[0]);
}

/* clone3 with a stack of the child's own has no function in the C library: the child cannot return from one. The pid,
 * or −errno. */
static long clone_into(int cgroup_fd, char *stack, size_t stack_size, struct child *child)
{
#ifdef __x86_64__
    struct clone_args arguments = {.flags = (uint64_t)CLONE_VM | (uint64_t)CLONE_VFORK | (uint64_t)CLONE_INTO_CGROUP,
                                   .exit_signal = SIGCHLD,
                                   .stack = (uint64_t)(uintptr_t)stack,
                                   .stack_size = stack_size,
                                   .cgroup = (unsigned long long)cgroup_fd};
    long result;
    register int (*function)(void *) __asm__("r8") = child_main;
    register void *argument __asm__("r9") = child;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %%r9, %%rdi\n\t"
                     "callq *%%r8\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_clone3), "D"(&arguments), "S"(sizeof arguments), "r"(function), "r"(argument)
                     : "rcx", "r11", "memory");
    return result;
#else
    (void)cgroup_fd, (void)stack, (void)stack_size, (void)child;
    return -ENOSYS;
#endif
}

static pid_t clone_child(const struct spawn_plan *plan, struct child *child)
{
    must(plan->stack_size % 16 == 0);
    if (plan->cgroup_fd >= 0) {
        long pid = clone_into(plan->cgroup_fd, plan->stack, plan->stack_size, child);
        if (pid > 0)
            return (pid_t)pid;
        child->joins_cgroup = true;
    }
    return clone(child_main, plan->stack + plan->stack_size, CLONE_VM | CLONE_VFORK | SIGCHLD, child);
}

pid_t spawn(const struct spawn_plan *plan, struct spawn_failure *failure)
{
    *failure = (struct spawn_failure){.what = NULL, .name = ""};
    struct child child = {.plan = plan, .failure = failure};
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone_child(plan, &child);
    int saved = errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) {
        *failure = (struct spawn_failure){.what = "cannot make a process", .name = "", .error = saved};
        return -1;
    }
    if (!failure->what)
        return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return -1;
}
