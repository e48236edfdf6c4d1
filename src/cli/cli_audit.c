/* SPDX-License-Identifier: Apache-2.0 */
/* horae audit: the log of a server, and what needs none. */
#include "cli/cli_audit.h"

#include "base/compiler.h"
#include "cli/audit_log.h"
#include "cli/cli.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option_spec specs[] = {{NULL, 0, NULL, NULL}};

static int address_usage(FILE *out)
{
    (void)fprintf(out,
                  "Usage:\n"
                  "  horae audit client-address batch      who called: one JSON query per line on standard input, one answer\n"
                  "                                        per line\n"
                  "  horae audit client-address explain    the same queries, answered in words\n"
                  "\n"
                  "Keys of a query of client-address:\n"
                  "  peer         address of the connection, or \"unix\"\n"
                  "  trusted      [address, network or \"unix\", …] whose headers are believed (none)\n"
                  "  ip_headers   [name, …] in the order of trying (X-Forwarded-For, X-Real-IP)\n"
                  "  headers      [[name, value], …] of the request\n"
                  "Answers: {\"client_ip\",\"source\"} or {\"error\"}; source is peer or the header's name.\n");
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static int client_address(int argc, char **argv)
{
    struct options o;
    if (!options_parse(&o, specs, argc, argv, "audit client-address"))
        return CLI_USAGE;
    if (o.help)
        return address_usage(stdout);
    if (o.positional_count == 1 && strcmp(o.positional[0], "batch") == 0)
        return cli_address_batch(STDIN_FILENO, stdout);
    if (o.positional_count == 1 && strcmp(o.positional[0], "explain") == 0)
        return cli_address_explain(STDIN_FILENO, stdout);
    return address_usage(stderr);
}

/* Those that work without a server have a main of their own, which gets what follows "audit". */
static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
} alone[] = {{"client-address", client_address},
             {"truncate", cli_audit_truncate},
             {"verify", cli_audit_verify},
             {"migrate", cli_audit_migrate}};

static int no_server(const struct client *client, const struct options *o)
{
    (void)client, (void)o;
    return CLI_USAGE; /* never called: cli_audit has taken it */
}

int cli_audit(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "events, newest first", 0, 0, audit_list_specs, audit_list},
        {"show", "ID", "one event, with what it changed", 1, 1, client_only_specs, audit_show},
        {"export", "", "all events of a filter, oldest first", 0, 0, audit_export_specs, audit_export},
        {"tail", "", "the newest events, and those to come", 0, 0, audit_tail_specs, audit_tail},
        {"verify", "", "is the log, or an export, as it was signed?", 0, 0, specs, no_server},
        {"migrate", "", "old audit tables become events of this log", 0, 0, specs, no_server},
        {"truncate", "", "an object as an event would store it", 0, 0, specs, no_server},
        {"client-address", "batch|explain", "who called, behind proxies", 0, 1, specs, no_server},
    };
    for (size_t i = 0; i < ARRAY_LEN(alone) && argc > 1; i++)
        if (strcmp(argv[1], alone[i].name) == 0)
            return alone[i].main(argc - 1, argv + 1);
    return subcommand_run("audit", rows, ARRAY_LEN(rows), argc, argv);
}
