/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HORAE_CLI_CLI_AUDIT_H
#define HORAE_CLI_CLI_AUDIT_H

#include <stdio.h>

enum { ADDRESS_LINE_MAX = 131072, ADDRESS_HEADERS_MAX = 256 };

/* horae audit client-address batch: one JSON query per line in, one answer per line out, in order, whatever a line holds. */
int cli_address_batch(int in, FILE *out);
/* horae audit client-address explain: the same queries, answered in sentences. */
int cli_address_explain(int in, FILE *out);
/* horae audit truncate: a JSON document on standard input, printed as it would be stored; argv[0] is "truncate". */
int cli_audit_truncate(int argc, char **argv);
/* horae audit verify: the log or an export against what was signed; argv[0] is "verify". */
int cli_audit_verify(int argc, char **argv);
/* horae audit migrate: rows of old audit tables become events; argv[0] is "migrate". */
int cli_audit_migrate(int argc, char **argv);

#endif
