/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of a server: address and token, errors as exit codes (3 unreachable, 4 not allowed, 1 otherwise). */
#ifndef HORAE_CLI_CLIENT_H
#define HORAE_CLI_CLIENT_H

#include "base/buf.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/options.h"

enum { CLIENT_ANSWER_MAX = 256 << 20, CLIENT_PATH_MAX = 65536, CLIENT_TOKEN_MAX = 600 };

#define CLIENT_OPTIONS \
    {"--server", 0, "URL", "the server (HORAE_URL, default http://127.0.0.1:8600)"}, \
        {"--token", 0, "T", "bearer token (HORAE_TOKEN, default DIR/cli-token of a server on this machine)"}, \
        {"--ca", 0, "FILE", "certificates (PEM) that https:// servers are checked with (HORAE_CA, default the system's)"}, \
    { \
        "--json", 0, NULL, "print the server's answer unchanged" \
    }
#define OPTIONS_END \
    { \
        NULL, 0, NULL, NULL \
    }

struct client {
    char url[512], token[CLIENT_TOKEN_MAX];
    const char *ca; /* borrowed; NULL = the system's */
    bool json;
};

struct answer {
    long status;
    struct buf body;
    struct json_doc *doc; /* NULL when the body is not JSON */
};

/* False: the message is on standard error. */
bool client_init(struct client *client, const struct options *options);
/* `path` begins behind /api/v1; `body` NULL = none. Prints what went wrong (with --json also the answer's body) and returns
 * the exit code. */
int client_call(const struct client *client, const char *method, const char *path, const char *body, struct answer *ret);
/* The same, without a word about what went wrong. */
int client_ask(const struct client *client, const char *method, const char *path, const char *body, struct answer *ret);
/* As it comes, piece by piece (event streams, logs); no time limit. */
int client_stream(const struct client *client, const char *path, void (*take)(void *arg, const char *bytes, size_t n), void *arg);
void answer_release(struct answer *answer);
/* The member `data` of the answer; NULL when there is none. */
const struct json *answer_data(const struct answer *answer);
/* --json: the body and a newline. */
void answer_print(const struct answer *answer);
/* Appends text percent-encoded for a path segment or a query value. */
void client_escape(struct buf *out, const char *text);
/* Appends ?name=value or &name=value when value is not NULL. */
void client_query(struct buf *path, const char *name, const char *value);

#endif
