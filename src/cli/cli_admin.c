/* SPDX-License-Identifier: Apache-2.0 */
/* horae lock, instance, token, user: what administrators do. */
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/subcommand.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_LINE_MAX = 1100 };

static int call_id(const struct client *client, const char *method, const char *prefix, const struct options *o,
                   const char *suffix, const char *body, void (*print)(const struct answer *answer))
{
    char *path = subcommand_path(prefix, o->positional[0], suffix);
    int code = subcommand_call(client, method, path, body, print);
    free(path);
    return code;
}

/* ---- lock ---- */

static void print_locks(const struct answer *answer)
{
    static const struct column columns[] = {{"KEY", "key"},
                                            {"HOLDER", "holder_id"},
                                            {"FENCE", "fencing_token"},
                                            {"ACQUIRED AT", "acquired_at"},
                                            {"EXPIRES AT", "expires_at"},
                                            {"STATE", "state"},
                                            {"PURPOSE", "purpose"}};
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
}

static const struct option_spec lock_specs[] = {{"--ended", 0, NULL, "released and expired ones"}, CLIENT_OPTIONS, OPTIONS_END};

static int list_locks(const struct client *client, const struct options *o)
{
    const char *path =
        options_flag(o, "--ended") ? "/scheduler/locks?page_size=100&state=ended" : "/scheduler/locks?page_size=100";
    return subcommand_call(client, "GET", path, NULL, print_locks);
}

static int release_lock(const struct client *client, const struct options *o)
{
    return call_id(client, "POST", "/scheduler/locks/", o, "/release", NULL, NULL);
}

int cli_lock(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "locks that are held", 0, 0, lock_specs, list_locks},
        {"release", "KEY", "release a lock by hand", 1, 1, client_only_specs, release_lock},
    };
    return subcommand_run("lock", rows, ARRAY_LEN(rows), argc, argv);
}

/* ---- instance ---- */

static void print_instances(const struct answer *answer)
{
    static const struct column columns[] = {
        {"ID", "id"},           {"HOST", "host"},         {"VERSION", "version"},       {"ROLE", "role"},
        {"RUNNING", "running"}, {"CAPACITY", "capacity"}, {"STARTED AT", "started_at"}, {"LAST SEEN AT", "last_seen_at"}};
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
}

static int list_instances(const struct client *client, const struct options *o)
{
    (void)o;
    return subcommand_call(client, "GET", "/scheduler/instances", NULL, print_instances);
}

static const struct option_spec drain_specs[] = {{"--undo", 0, NULL, "start executions again"}, CLIENT_OPTIONS, OPTIONS_END};

static int drain(const struct client *client, const struct options *o)
{
    return call_id(client, "POST", "/scheduler/instances/", o, "/drain",
                   options_flag(o, "--undo") ? "{\"drain\":false}" : "{\"drain\":true}", NULL);
}

int cli_instance(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "servers that work together", 0, 0, client_only_specs, list_instances},
        {"drain", "ID", "start nothing new there", 1, 1, drain_specs, drain},
    };
    return subcommand_run("instance", rows, ARRAY_LEN(rows), argc, argv);
}

/* ---- token ---- */

static void print_tokens(const struct answer *answer)
{
    static const struct column columns[] = {
        {"ID", "id"}, {"NAME", "name"}, {"ROLE", "role"}, {"EXPIRES AT", "expires_at"}, {"LAST USED AT", "last_used_at"}};
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
}

static int list_tokens(const struct client *client, const struct options *o)
{
    (void)o;
    return subcommand_call(client, "GET", "/tokens?page_size=100", NULL, print_tokens);
}

static const struct option_spec token_specs[] = {{"--name", 0, "NAME", "what it is for"},
                                                 {"--role", 0, "ROLE", "viewer, operator, auditor or admin"},
                                                 {"--expires", 0, "TIME", "default: never"},
                                                 CLIENT_OPTIONS,
                                                 OPTIONS_END};

static void print_token(const struct answer *answer)
{
    struct str token = json_get_text(json_member(answer_data(answer), "token"));
    (void)printf("%.*s\n", (int)token.n, token.p);
    (void)fprintf(stderr, "this token is not shown again\n");
}

static int create_token(const struct client *client, const struct options *o)
{
    struct buf body;
    struct json_writer w;
    buf_init(&body, 8192);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_put_text_unless_empty(&w, "name", options_value(o, "--name"));
    json_put_text(&w, "role", options_value(o, "--role") ? options_value(o, "--role") : "viewer");
    json_put_text_unless_empty(&w, "expires_at", options_value(o, "--expires"));
    json_end_object(&w);
    int code = subcommand_call(client, "POST", "/tokens", body.data, print_token);
    buf_release(&body);
    return code;
}

static int revoke_token(const struct client *client, const struct options *o)
{
    return call_id(client, "DELETE", "/tokens/", o, "", NULL, NULL);
}

int cli_token(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "API tokens", 0, 0, client_only_specs, list_tokens},
        {"create", "", "make a token; it is printed once", 0, 0, token_specs, create_token},
        {"revoke", "ID", "a token ends at once", 1, 1, client_only_specs, revoke_token},
    };
    return subcommand_run("token", rows, ARRAY_LEN(rows), argc, argv);
}

/* ---- user ---- */

static void print_users(const struct answer *answer)
{
    static const struct column columns[] = {
        {"USERNAME", "username"}, {"ROLE", "role"}, {"ENABLED", "enabled"}, {"LAST LOGIN AT", "last_login_at"}, {"UID", "uid"}};
    table_print(answer_data(answer), columns, ARRAY_LEN(columns));
}

static int list_users(const struct client *client, const struct options *o)
{
    (void)o;
    return subcommand_call(client, "GET", "/users?page_size=100", NULL, print_users);
}

/* From the terminal without echo, or one line of standard input. */
static bool read_password(char *out, size_t capacity)
{
    struct termios before, quiet;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    if (terminal) {
        quiet = before;
        quiet.c_lflag &= (tcflag_t)~ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        (void)fprintf(stderr, "New password: ");
    }
    bool fine = fgets(out, (int)capacity, stdin) != NULL;
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void)fputc('\n', stderr);
    }
    if (fine)
        out[strcspn(out, "\r\n")] = '\0';
    else
        (void)fprintf(stderr, "horae: no password was given on standard input\n");
    return fine;
}

static const struct option_spec user_specs[] = {
    {"--role", 0, "ROLE", "viewer (default), operator, auditor or admin"}, CLIENT_OPTIONS, OPTIONS_END};

static int save_user(const struct client *client, const struct options *o, bool add)
{
    char password[PASSWORD_LINE_MAX];
    struct buf body;
    struct json_writer w;
    if (!read_password(password, sizeof password))
        return CLI_USAGE;
    buf_init(&body, 16384);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    if (add) {
        json_put_text(&w, "username", o->positional[0]);
        json_put_text(&w, "role", options_value(o, "--role") ? options_value(o, "--role") : "viewer");
    }
    json_put_text(&w, "password", password);
    json_end_object(&w);
    int code = add ? subcommand_call(client, "POST", "/users", body.data, NULL)
                   : call_id(client, "PATCH", "/users/", o, "", body.data, NULL);
    explicit_bzero(password, sizeof password);
    explicit_bzero(body.data, body.len);
    buf_release(&body);
    return code;
}

static int add_user(const struct client *client, const struct options *o)
{
    return save_user(client, o, true);
}

static int change_password(const struct client *client, const struct options *o)
{
    return save_user(client, o, false);
}

int cli_user(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "users", 0, 0, client_only_specs, list_users},
        {"add", "NAME", "add a user; asks for the password", 1, 1, user_specs, add_user},
        {"passwd", "NAME", "set a password; asks for it", 1, 1, client_only_specs, change_password},
    };
    return subcommand_run("user", rows, ARRAY_LEN(rows), argc, argv);
}
