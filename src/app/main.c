/* SPDX-License-Identifier: Apache-2.0 */
/* The program: `serve` is here, everything else is a command of cli/. */
#include "app/config.h"
#include "app/server.h"
#include "base/log.h"
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All threads block signals; this one waits for them. SIGUSR2 hands over: commands run on for the next server. */
static void block_signals(sigset_t *set)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGUSR2);
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
    (void)sigwait(&signals, &signo);
    bool handover = config->handover || signo == SIGUSR2;
    log_info("serve", "%s: stopping%s", sigdescr_np(signo), handover ? ", commands run on for the next server" : "");
    server_stop(server, handover);
    return CLI_DONE;
}

static int serve(int argc, char **argv)
{
    struct config config;
    struct buf text;
    buf_init(&text, 1 << 20);
    bool fine = config_load(&config, argc, argv, &text);
    int result = CLI_USAGE;
    if (!fine) {
        (void)fprintf(stderr, "%s", text.data ? text.data : "");
    } else if (config.help) {
        config_write_help(&text);
        (void)fputs(text.data, stdout);
        result = CLI_DONE;
    } else {
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
