/* SPDX-License-Identifier: Apache-2.0 */
/* The limit that runs of commands are held against: a bare loop of posix_spawn and waitpid over one program, from a small
 * process, without captured output, history or durability. One at a time, or AT_ONCE of them, to use every processor.
 *
 * usage: spawn_rate COUNT [PROGRAM [AT_ONCE]]   prints starts per second */
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool start(char *program)
{
    char *const argv[] = {program, NULL};
    pid_t pid;
    return posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0;
}

static bool reap(void)
{
    int status;
    return waitpid(-1, &status, 0) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    static char program_default[] = "/bin/true";
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0, at_once = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
    char *program = argc > 2 ? argv[2] : program_default;
    if (count < 1 || count > 1000000 || at_once < 1 || at_once > 1000) {
        (void)fprintf(stderr, "usage: spawn_rate COUNT [PROGRAM [AT_ONCE]]; 1 to 1000000, 1 to 1000\n");
        return 2;
    }
    double begun = now();
    bool fine = true;
    for (long started = 0, ended = 0; fine && ended < count;) {
        if (started < count && started - ended < at_once) {
            fine = start(program);
            started++;
        } else {
            fine = reap();
            ended++;
        }
    }
    if (!fine) {
        (void)fprintf(stderr, "spawn_rate: %s failed\n", program);
        return 1;
    }
    (void)printf("%.0f\n", (double)count / (now() - begun));
    return 0;
}
