/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/launch.h"

#include "base/compiler.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROGRESS_FD = 3, LAUNCH_WAIT_MS = 4000, WORD_MAX = 600, OWN_LOG_MAX = 1 << 20 };

bool launch_clean_descriptors(void)
{
    if (syscall(SYS_close_range, PROGRESS_FD, ~0U, 0) != 0)
        for (int fd = PROGRESS_FD; fd < 65536; fd++) /* kernels before 5.9 */
            (void)close(fd);
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC); /* takes the lowest that is free */
    while (fd >= 0 && fd < PROGRESS_FD);
    for (int standard = 0; standard < PROGRESS_FD; standard++)
        (void)fcntl(standard, F_SETFD, 0);
    return fd == PROGRESS_FD;
}

NO_RETURN static void wait_for_word(int fd)
{
    char word[WORD_MAX];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&wait, 1, LAUNCH_WAIT_MS) > 0 ? read(fd, word, sizeof word) : -1;
    static const char silent[] = "the keeper did not come up";
    if (n <= 0) {
        (void)!write(STDERR_FILENO, silent, sizeof silent - 1);
        _exit(LAUNCH_FAILED);
    }
    (void)!write(STDERR_FILENO, word + 1, (size_t)n - 1);
    _exit(word[0]);
}

bool launch_detach(int *ret_word_fd)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid > 0) {
        (void)close(ends[1]);
        wait_for_word(ends[0]);
    }
    (void)close(ends[0]);
    (void)setsid();
    pid = fork(); /* no leader of a session: it can never get a terminal */
    if (pid != 0)
        _exit(pid < 0 ? LAUNCH_FAILED : LAUNCH_READY);
    *ret_word_fd = ends[1];
    return true;
}

void launch_tell(int word_fd, enum launch_status status, const char *text)
{
    char word[WORD_MAX];
    word[0] = (char)status;
    int n = snprintf(word + 1, sizeof word - 1, "%s", text ? text : "");
    size_t length = n < 0 ? 0 : (size_t)n < sizeof word - 2 ? (size_t)n : sizeof word - 2;
    if (word_fd < 0) {
        if (text)
            (void)fprintf(stderr, "%s\n", text);
        return;
    }
    (void)!write(word_fd, word, length + 1);
    (void)close(word_fd);
}

void launch_redirect(const char *log_name)
{
    struct stat st;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int own = open(log_name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (own >= 0 && fstat(own, &st) == 0 && st.st_size > OWN_LOG_MAX)
        (void)!ftruncate(own, 0);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(own >= 0 ? own : null, STDERR_FILENO);
        (void)close(null);
    }
    if (own >= 0)
        (void)close(own);
}
