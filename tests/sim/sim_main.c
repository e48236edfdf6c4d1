/* SPDX-License-Identifier: Apache-2.0 */
/* horae-sim: runs seeds, each in a process of its own, and says how to repeat one that fails.
 *   horae-sim [--month] [--trace] SEED            one seed, here and now
 *   horae-sim [--month] --seeds FROM COUNT        many; TAP on standard output */
#include "sim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *program;
static bool month;

static void tell_command(uint64_t seed)
{
    (void)fprintf(stderr, "repeat with: %s%s %llu\n", program, month ? " --month" : "", (unsigned long long)seed);
}

static uint64_t running_seed;

static void on_abort(int signo)
{
    (void)signo;
    tell_command(running_seed);
    _exit(3);
}

static void release(struct sim *sim)
{
    for (size_t i = 0; i < sim->task_count; i++)
        free(sim->tasks[i]);
    int_map_release(&sim->tasks_by_id);
    free(sim->promises);
    free(sim);
}

static int run_seed(uint64_t seed)
{
    struct sim *sim = xcalloc(1, sizeof *sim);
    running_seed = seed;
    (void)signal(SIGABRT, on_abort);
#ifndef __SANITIZE_ADDRESS__ /* which says more */
    (void)signal(SIGSEGV, on_abort);
#endif
    if (!sim_tracing)
        log_set_level((enum log_level)(LOG_ERROR + 1));
    if (month)
        sim_month_plan(&sim->plan, seed);
    else
        sim_draw_plan(&sim->plan, seed);
    sim_watch_prepare(sim);
    struct timespec begun, done;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    sim_run(sim);
    (void)clock_gettime(CLOCK_MONOTONIC, &done);
    double seconds = (double)(done.tv_sec - begun.tv_sec) + (double)(done.tv_nsec - begun.tv_nsec) / 1e9;
    int result = sim->failure[0] != '\0';
    if (result) {
        (void)fprintf(stderr, "seed %llu FAILED %s\n", (unsigned long long)seed, sim->failure);
        tell_command(seed);
    }
    (void)printf("# seed %llu: %.1f virtual days, %u servers, %llu steps, %llu commits, %lld requests done, %lld refused, %lld"
                 " unanswered, %.1f s\n",
                 (unsigned long long)seed, (double)sim->clock.mono_us / (double)DAY, sim->life, (unsigned long long)sim->steps,
                 (unsigned long long)sim->commits, (long long)sim->accepted, (long long)sim->refused, (long long)sim->unknown,
                 seconds);
    release(sim);
    return result;
}

static int run_apart(uint64_t seed)
{
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int result = run_seed(seed);
        (void)fflush(stdout);
        _exit(result);
    }
    int status = 1;
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int run_many(uint64_t from, uint64_t count)
{
    int failed = 0;
    (void)printf("1..%llu\n", (unsigned long long)count);
    for (uint64_t i = 0; i < count; i++) {
        bool good = run_apart(from + i) == 0;
        (void)printf("%s %llu - seed %llu\n", good ? "ok" : "not ok", (unsigned long long)(i + 1),
                     (unsigned long long)(from + i));
        failed += !good;
    }
    return failed != 0;
}

static uint64_t number(const char *text)
{
    int64_t value;
    if (!text || !str_to_int(str_of(text), 0, INT64_MAX, &value)) {
        (void)fprintf(stderr, "usage: horae-sim [--month] [--trace] SEED | --seeds FROM COUNT\n");
        exit(2);
    }
    return (uint64_t)value;
}

int main(int argc, char **argv)
{
    int i = 1;
    program = argv[0];
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--month") == 0)
            month = true;
        else if (strcmp(argv[i], "--trace") == 0)
            sim_tracing = true;
        else if (strcmp(argv[i], "--seeds") == 0)
            return run_many(number(argv[i + 1]), number(argv[i + 1] ? argv[i + 2] : NULL));
        else
            (void)number(NULL);
    }
    return run_seed(number(argv[i]));
}
