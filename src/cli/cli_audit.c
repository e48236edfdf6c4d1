/* SPDX-License-Identifier: Apache-2.0 */
/* horae audit: what can be had without the audit log, which a later version brings. */
#include "cli/cli_audit.h"

#include "base/compiler.h"
#include "cli/cli.h"
#include "cli/nearest.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct option_spec specs[] = {{NULL, 0, NULL, NULL}};

/* Commands of the audit log itself. */
static const char *const later[] = {"verify", "migrate"};

static int usage(FILE *out)
{
    (void)fprintf(out,
                  "Usage:\n"
                  "  horae audit client-address batch      who called: one JSON query per line on standard input, one answer\n"
                  "                                        per line\n"
                  "  horae audit client-address explain    the same queries, answered in words\n"
                  "  horae audit truncate                  an object as an audit event would store it (--help)\n\n"
                  "Keys of a query of client-address:\n"
                  "  peer         address of the connection, or \"unix\"\n"
                  "  trusted      [address, network or \"unix\", …] whose headers are believed (none)\n"
                  "  ip_headers   [name, …] in the order of trying (X-Forwarded-For, X-Real-IP)\n"
                  "  headers      [[name, value], …] of the request\n"
                  "Answers: {\"client_ip\",\"source\"} or {\"error\"}; source is peer or the header's name.\n\n"
                  "The audit log comes with a later version; verify and migrate come with it.\n");
    return out == stdout ? CLI_DONE : CLI_USAGE;
}

static int refuse(const char *given)
{
    struct nearest near = {.name = NULL};
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (strcmp(given, later[i]) == 0) {
            (void)fprintf(stderr, "horae audit %s: version " HORAE_VERSION " has no audit log yet; it comes with a later one\n",
                          given);
            return CLI_FAILED;
        }
    nearest_offer(&near, given, "client-address");
    nearest_offer(&near, given, "truncate");
    (void)fprintf(stderr, "horae audit: unknown subcommand \"%s\"", given);
    nearest_print(&near, stderr);
    (void)fputs("\n\"horae audit --help\" lists the subcommands.\n", stderr);
    return CLI_USAGE;
}

int cli_audit(int argc, char **argv)
{
    struct options o;
    if (argc > 1 && strcmp(argv[1], "truncate") == 0)
        return cli_audit_truncate(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0 && strcmp(argv[1], "help") != 0 &&
        strcmp(argv[1], "client-address") != 0)
        return refuse(argv[1]);
    if (!options_parse(&o, specs, argc, argv, "audit"))
        return CLI_USAGE;
    if (o.help || (o.positional_count == 1 && strcmp(o.positional[0], "help") == 0))
        return usage(stdout);
    if (o.positional_count == 2 && strcmp(o.positional[1], "batch") == 0)
        return cli_address_batch(STDIN_FILENO, stdout);
    if (o.positional_count == 2 && strcmp(o.positional[1], "explain") == 0)
        return cli_address_explain(STDIN_FILENO, stdout);
    return usage(stderr);
}
