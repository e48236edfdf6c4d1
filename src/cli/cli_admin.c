/* SPDX-License-Identifier: Apache-2.0 */
/* horae lock, instance, token, user: what administrators do. */
#include "base/buf.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "cli/subcommand.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PASSWORD_LINE_MAX = 1100, BODY_MAX = 16384, LABELS_TEXT_MAX = 32768 };

static const struct resource lock_resource = {"/scheduler/locks/", "key"}, instance_resource = {"/scheduler/instances/", "id"},
                             token_resource = {"/tokens/", NULL}, user_resource = {"/users/", "username"};

static int call_one(const struct client *client, const char *method, const struct resource *resource, const struct options *o,
                    const char *suffix, const char *body, void (*print)(const struct answer *answer))
{
    return subcommand_call_one(client, resource, method, o->positional[0], suffix, body, print);
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
    subcommand_print_page(answer);
}

/* GET of a list with --page, 100 rows each. */
static int list_page(const struct client *client, const struct options *o, const char *list,
                     void (*print)(const struct answer *answer))
{
    struct buf path;
    buf_init(&path, CLIENT_PATH_MAX);
    buf_add_text(&path, list);
    client_query(&path, "page_size", "100");
    client_query(&path, "page", options_value(o, "--page"));
    int code = subcommand_call(client, "GET", path.data, NULL, print);
    buf_release(&path);
    return code;
}

static const struct option_spec list_specs[] = {{"--page", 0, "N", "page, of 100 rows"}, CLIENT_OPTIONS, OPTIONS_END};

static const struct option_spec lock_specs[] = {
    {"--ended", 0, NULL, "released and expired ones"}, {"--page", 0, "N", "page, of 100 rows"}, CLIENT_OPTIONS, OPTIONS_END};

static int list_locks(const struct client *client, const struct options *o)
{
    return list_page(client, o, options_flag(o, "--ended") ? "/scheduler/locks?state=ended" : "/scheduler/locks", print_locks);
}

static int release_lock(const struct client *client, const struct options *o)
{
    return call_one(client, "POST", &lock_resource, o, "/release", NULL, NULL);
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

/* K=V,K=V, as HORAE_LABELS has them: a map of none or many is one cell. */
static char *labels_text(const struct json *instance)
{
    struct buf text;
    struct json_walk walk = {0};
    struct str name;
    const struct json *labels = json_member(instance, "labels"), *value;
    buf_init(&text, LABELS_TEXT_MAX);
    while (labels && json_walk_object(labels, &walk, &name, &value)) {
        struct str of = json_get_text(value);
        if (text.len)
            buf_add_char(&text, ',');
        buf_add(&text, name.p, name.n);
        buf_add_char(&text, '=');
        buf_add(&text, of.p, of.n);
    }
    char *taken = buf_take(&text);
    return taken ? taken : xstrdup("-");
}

static void print_instances(const struct answer *answer)
{
    static const struct column columns[] = {{"ID", "id"},
                                            {"HOST", "host"},
                                            {"VERSION", "version"},
                                            {"ROLE", "role"},
                                            {"RUNNING", "running"},
                                            {"CAPACITY", "capacity"},
                                            {"LABELS", NULL, labels_text},
                                            {"STARTED AT", "started_at"},
                                            {"LAST SEEN AT", "last_seen_at"}};
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
    return call_one(client, "POST", &instance_resource, o, "/drain",
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
    subcommand_print_page(answer);
}

static int list_tokens(const struct client *client, const struct options *o)
{
    return list_page(client, o, "/tokens", print_tokens);
}

static const struct option_spec token_specs[] = {{"--name", 0, "NAME", "what it is for"},
                                                 {"--role", 0, "ROLE", "viewer (default), operator, auditor or admin"},
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
    if (!options_value(o, "--name")) {
        (void)fprintf(stderr, "horae token create: --name NAME is missing\n");
        return CLI_USAGE;
    }
    buf_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_put_text(&w, "name", options_value(o, "--name"));
    json_put_text(&w, "role", options_value(o, "--role") ? options_value(o, "--role") : "viewer");
    json_put_text_unless_empty(&w, "expires_at", options_value(o, "--expires"));
    json_end_object(&w);
    int code = subcommand_call(client, "POST", "/tokens", body.data, print_token);
    buf_release(&body);
    return code;
}

static int show_token(const struct client *client, const struct options *o)
{
    return call_one(client, "GET", &token_resource, o, "", NULL, subcommand_print_data);
}

static int revoke_token(const struct client *client, const struct options *o)
{
    return call_one(client, "DELETE", &token_resource, o, "", NULL, NULL);
}

int cli_token(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "API tokens", 0, 0, list_specs, list_tokens},
        {"show", "ID", "one token, without its secret part", 1, 1, client_only_specs, show_token},
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
    subcommand_print_page(answer);
}

static int list_users(const struct client *client, const struct options *o)
{
    return list_page(client, o, "/users", print_users);
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
    buf_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    if (add) {
        json_put_text(&w, "username", o->positional[0]);
        json_put_text(&w, "role", options_value(o, "--role") ? options_value(o, "--role") : "viewer");
    }
    json_put_text(&w, "password", password);
    json_end_object(&w);
    int code = add ? subcommand_call(client, "POST", "/users", body.data, NULL)
                   : call_one(client, "PATCH", &user_resource, o, "", body.data, NULL);
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

static const struct option_spec user_update_specs[] = {{"--role", 0, "ROLE", "viewer, operator, auditor or admin"},
                                                       {"--enabled", 0, "BOOL", "false: may not sign in"},
                                                       CLIENT_OPTIONS,
                                                       OPTIONS_END};

static int update_user(const struct client *client, const struct options *o)
{
    const char *role = options_value(o, "--role"), *enabled = options_value(o, "--enabled");
    bool flag = false;
    struct buf body;
    struct json_writer w;
    if ((!role && !enabled) || (enabled && !str_to_bool(str_of(enabled), &flag))) {
        (void)fprintf(stderr, enabled ? "horae user update: --enabled must be true or false\n"
                                      : "horae user update: nothing to change was given: --role ROLE or --enabled BOOL\n");
        return CLI_USAGE;
    }
    buf_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_put_text_unless_empty(&w, "role", role);
    if (enabled)
        json_put_bool(&w, "enabled", flag);
    json_end_object(&w);
    int code = call_one(client, "PATCH", &user_resource, o, "", body.data, NULL);
    buf_release(&body);
    return code;
}

static int show_user(const struct client *client, const struct options *o)
{
    return call_one(client, "GET", &user_resource, o, "", NULL, subcommand_print_data);
}

static int delete_user(const struct client *client, const struct options *o)
{
    return call_one(client, "DELETE", &user_resource, o, "", NULL, NULL);
}

static int show_caller(const struct client *client, const struct options *o)
{
    (void)o;
    return subcommand_call(client, "GET", "/auth/me", NULL, subcommand_print_data);
}

int cli_user(int argc, char **argv)
{
    static const struct subcommand rows[] = {
        {"list", "", "users", 0, 0, list_specs, list_users},
        {"add", "NAME", "add a user; asks for the password", 1, 1, user_specs, add_user},
        {"show", "NAME", "one user", 1, 1, client_only_specs, show_user},
        {"update", "NAME", "change role, or whether the user may sign in", 1, 1, user_update_specs, update_user},
        {"delete", "NAME", "delete a user", 1, 1, client_only_specs, delete_user},
        {"me", "", "whom the token belongs to", 0, 0, client_only_specs, show_caller},
        {"passwd", "NAME", "set a password; asks for it", 1, 1, client_only_specs, change_password},
    };
    return subcommand_run("user", rows, ARRAY_LEN(rows), argc, argv);
}
