/* SPDX-License-Identifier: Apache-2.0 */
/* The program: `serve` is here, everything else is a command of cli/. */
#include "app/config.h"
#include "app/server.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/url_text.h"
#include "cli/cli.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All threads block signals; this one waits for them. SIGUSR2 hands over: commands run on for the next server. */
static void block_signals(sigset_t *set)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a write that fails, like one on a full disk */
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGUSR2);
    (void)sigaddset(set, SIGUSR1); /* our own, see stop() */
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
}

static void show_sign_in(const struct config *config)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/admin-password", config->data);
    FILE *file = fopen(path, "re");
    if (file) {
        (void)fclose(file);
        (void)fprintf(stderr, "sign in as admin; the password is in %s\n", path);
    }
    (void)fprintf(stderr, "on this machine the command line needs no token when it finds %s/cli-token\n", config->data);
}

/* ---- stop ---- */

struct stopping {
    struct server *server;
    bool handover;
    atomic_bool done;
    pthread_t waiter; /* the thread that waits for signals */
};

static void drain(void *arg)
{
    struct stopping *stopping = arg;
    server_drain(stopping->server, stopping->handover);
    atomic_store(&stopping->done, true);
    (void)pthread_kill(stopping->waiter, SIGUSR1); /* wakes it; blocked there as the others are */
}

static void say_stopping(const struct server *server, const struct config *config, int signo, bool handover)
{
    long long running = (long long)server_running(server);
    log_info("serve", "%s: stopping%s", sigdescr_np(signo), handover ? ", commands run on for the next server" : "");
    if (running > 0 && !handover)
        (void)fprintf(stderr, "%lld execution%s may go on for %lld s; once more (Ctrl-C) ends %s now\n", running,
                      running == 1 ? "" : "s", (long long)config->stop_timeout, running == 1 ? "it" : "them");
}

/* A second signal does not wait for what runs. */
static void stop(struct server *server, const struct config *config, const sigset_t *signals, int signo)
{
    struct stopping stopping = {.server = server, .handover = config->handover || signo == SIGUSR2, .waiter = pthread_self()};
    struct thread thread = {0};
    say_stopping(server, config, signo, stopping.handover);
    thread_start(&thread, "stop", drain, &stopping);
    while (!atomic_load(&stopping.done)) {
        int again = 0;
        if (sigwait(signals, &again) != 0 || again == SIGUSR1 || atomic_load(&stopping.done))
            continue;
        log_info("serve", "%s: not waiting any longer", sigdescr_np(again));
        server_drain_hurry(server);
    }
    thread_join(&thread);
    server_stop(server, stopping.handover);
    log_info("serve", "stopped");
}

static int run_server(const struct config *config)
{
    struct server *server;
    struct err err;
    sigset_t signals;
    int signo = 0;
    enum log_level level;
    if (log_level_parse(config->log_level, &level))
        log_set_level(level);
    block_signals(&signals);
    if (server_start(config, &server, &err) != OK) {
        (void)fprintf(stderr, "horae: %s\n", err.message);
        return CLI_FAILED;
    }
    (void)fprintf(stderr, "horae ready on %s\n", server_address(server));
    show_sign_in(config);
    do
        (void)sigwait(&signals, &signo);
    while (signo == SIGUSR1);
    stop(server, config, &signals, signo);
    return CLI_DONE;
}

static void print_errors(const struct buf *errors)
{
    struct str rest = {errors->data ? errors->data : "", errors->len}, line;
    while (str_split(&rest, '\n', &line))
        if (line.n)
            (void)fprintf(stderr, "horae: %.*s\n", (int)line.n, line.p);
}

static int serve(int argc, char **argv)
{
    struct config config;
    struct buf text;
    buf_init(&text, 1 << 20);
    bool fine = config_load(&config, argc, argv, &text), hidden = false;
    for (int i = 1; i < argc; i++)
        hidden = url_text_hide_in_place(argv[i]) || hidden;
    int result = CLI_USAGE;
    if (!fine) {
        print_errors(&text);
    } else if (config.help) {
        config_write_help(&text);
        (void)fputs(text.data, stdout);
        result = CLI_DONE;
    } else {
        if (hidden)
            log_warn(
                "serve",
                "a password stood on the command line, which others can read: put the URL into the environment (HORAE_STORE, "
                "HORAE_LOCK) or a file; it is hidden now");
        result = run_server(&config);
    }
    buf_release(&text);
    config_release(&config);
    return result;
}

int main(int argc, char **argv)
{
    const struct cli_command command = {"serve", "run the server", serve};
    return cli_run(argc, argv, &command);
}
