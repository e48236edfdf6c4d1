/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/curl_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CONNECT_MS = 5000, CALL_MS = 120000 };

/* The token of a server on this machine lies in its data folder; it is for this machine only, so it is never sent elsewhere. */
static bool read_token_file(const char *dir, char *out, size_t capacity)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/cli-token", dir);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    if (!fgets(out, (int)capacity, file))
        out[0] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    (void)fclose(file);
    return out[0] != '\0';
}

static bool is_this_machine(const char *url)
{
    static const char *const hosts[] = {"localhost", "127.", "[::1]"};
    const char *host = strstr(url, "://") + 3;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        size_t n = strlen(hosts[i]);
        if (strncasecmp(host, hosts[i], n) == 0 && (hosts[i][n - 1] == '.' || strchr(":/", host[n])))
            return true; /* strchr also finds the end of the text */
    }
    return false;
}

static void find_token(struct client *client)
{
    const char *dir = getenv("HORAE_DATA");
    if (!is_this_machine(client->url))
        return;
    if (dir && dir[0])
        (void)read_token_file(dir, client->token, sizeof client->token);
    else if (!read_token_file("./data", client->token, sizeof client->token))
        (void)read_token_file("/var/lib/horae", client->token, sizeof client->token);
}

static bool take_url(struct client *client, const char *url)
{
    size_t n = strlen(url);
    bool http = strncmp(url, "http://", 7) == 0, https = strncmp(url, "https://", 8) == 0;
    if ((!http && !https) || n >= sizeof client->url || strpbrk(url, " \t\r\n?#") || !url[http ? 7 : 8]) {
        (void)fprintf(stderr, "horae: --server \"%s\" is not allowed; it must be http://HOST:PORT or https://HOST:PORT\n", url);
        return false;
    }
    memcpy(client->url, url, n + 1);
    while (client->url[n - 1] == '/')
        client->url[--n] = '\0';
    return true;
}

static bool take_token(struct client *client, const char *token)
{
    size_t n = strlen(token);
    for (size_t i = 0; i < n; i++)
        if (token[i] <= ' ' || token[i] > '~' || n >= sizeof client->token) {
            (void)fprintf(stderr, "horae: --token is not allowed; a token has at most %zu printable characters without blanks\n",
                          sizeof client->token - 1);
            return false;
        }
    memcpy(client->token, token, n + 1);
    return true;
}

/* The option, else the variable; "" counts as absent. */
static const char *option_or_variable(const struct options *options, const char *option, const char *variable)
{
    const char *value = options_value(options, option);
    if (!value)
        value = getenv(variable);
    return value && value[0] ? value : NULL;
}

bool client_init(struct client *client, const struct options *options)
{
    const char *url = option_or_variable(options, "--server", "HORAE_URL"),
               *token = option_or_variable(options, "--token", "HORAE_TOKEN");
    *client = (struct client){.json = options_flag(options, "--json"), .ca = option_or_variable(options, "--ca", "HORAE_CA")};
    if (!take_url(client, url ? url : "http://127.0.0.1:8600"))
        return false;
    if (token)
        return take_token(client, token);
    find_token(client);
    return true;
}

struct receiver {
    struct buf *body;
    void (*take)(void *arg, const char *bytes, size_t n);
    void *arg;
    CURL *easy;
    const struct curl_library *curl;
};

static size_t receive(char *bytes, size_t size, size_t count, void *arg)
{
    struct receiver *r = arg;
    long status = 0;
    (void)r->curl->curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    if (r->take && status == 200)
        r->take(r->arg, bytes, size * count);
    else
        buf_add(r->body, bytes, size * count);
    return size * count;
}

static struct curl_slist *make_headers(const struct curl_library *curl, const struct client *client, bool has_body)
{
    char line[700];
    struct curl_slist *headers = curl->curl_slist_append(NULL, "Expect:");
    if (has_body)
        headers = curl->curl_slist_append(headers, "Content-Type: application/json");
    if (client->token[0]) {
        (void)snprintf(line, sizeof line, "Authorization: Bearer %s", client->token);
        headers = curl->curl_slist_append(headers, line);
    }
    return headers;
}

/* What to do about it, where that is known. */
static void print_advice(const struct client *client, long status)
{
    if (status == 401 && !client->token[0])
        (void)fprintf(stderr,
                      "horae: no token was given: use --token or HORAE_TOKEN, or set HORAE_DATA to the data folder of a server "
                      "on this machine\n");
    else if (status == 401)
        (void)fprintf(stderr, "horae: %s does not know this token\n", client->url);
    else if (status == 403)
        (void)fprintf(stderr, "horae: the role of this token does not allow it\n");
}

static void print_error(const struct client *client, const struct answer *answer)
{
    struct str text = {"", 0}, code = {"", 0};
    if (answer->doc && json_is_object(json_root(answer->doc))) {
        text = json_get_text(json_member(json_root(answer->doc), "error"));
        code = json_get_text(json_member(json_root(answer->doc), "code"));
    }
    if (text.n)
        (void)fprintf(stderr, "horae: %.*s (%.*s)\n", (int)text.n, text.p, (int)code.n, code.p);
    else
        (void)fprintf(stderr, "horae: %s answered with status %ld: is it a horae server?\n", client->url, answer->status);
    print_advice(client, answer->status);
}

/* Stands for errors of the connection beside those of HTTP. */
struct outcome {
    CURLcode result;
    char text[200];
};

static int exit_code(const struct outcome *outcome, const struct answer *answer)
{
    if (outcome->result != CURLE_OK)
        return outcome->result == CURLE_FAILED_INIT ? CLI_FAILED : CLI_UNREACHABLE;
    if (answer->status >= 200 && answer->status <= 299)
        return CLI_DONE;
    return answer->status == 401 || answer->status == 403 ? CLI_DENIED : CLI_FAILED;
}

static void report(const struct client *client, const struct outcome *outcome, const struct answer *answer)
{
    if (outcome->result == CURLE_OK) {
        if (client->json)
            answer_print(answer);
        print_error(client, answer);
        return;
    }
    (void)fprintf(stderr, "horae: cannot reach %s: %s\n", client->url, outcome->text);
    if (outcome->result == CURLE_COULDNT_CONNECT)
        (void)fprintf(stderr, "horae: start a server with \"horae serve\", or name another one with --server or HORAE_URL\n");
    else if (outcome->result == CURLE_PEER_FAILED_VERIFICATION)
        (void)fprintf(stderr, "horae: --ca FILE or HORAE_CA names the certificate to check it with\n");
}

static void set_options(const struct client *client, CURL *easy, struct receiver *receiver, const char *method, const char *body)
{
    const struct curl_library *curl = receiver->curl;
    (void)curl->curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* the server is near; proxy variables are for the web */
    (void)curl->curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)curl->curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, receiver->take ? 0L : (long)CALL_MS);
    (void)curl->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    (void)curl->curl_easy_setopt(easy, CURLOPT_WRITEDATA, receiver);
    if (client->ca)
        (void)curl->curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca);
    if (body) {
        (void)curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        (void)curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    }
    (void)curl->curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static struct outcome perform(const struct client *client, const char *method, const char *path, const char *body,
                              struct answer *ret, struct receiver *receiver)
{
    struct err err;
    struct buf url;
    struct outcome outcome = {CURLE_FAILED_INIT, "out of memory"};
    const struct curl_library *curl = curl_library_load(&err);
    CURL *easy = curl ? curl->curl_easy_init() : NULL;
    if (!easy) {
        if (!curl)
            (void)snprintf(outcome.text, sizeof outcome.text, "%s", err.message);
        return outcome;
    }
    struct curl_slist *headers = make_headers(curl, client, body != NULL);
    buf_init(&url, CLIENT_PATH_MAX + 1024);
    buf_printf(&url, "%s/api/v1%s", client->url, path);
    receiver->easy = easy;
    receiver->curl = curl;
    receiver->body = &ret->body;
    (void)curl->curl_easy_setopt(easy, CURLOPT_URL, url.data);
    (void)curl->curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    set_options(client, easy, receiver, method, body);
    outcome.result = curl->curl_easy_perform(easy);
    (void)snprintf(outcome.text, sizeof outcome.text, "%s", curl->curl_easy_strerror(outcome.result));
    (void)curl->curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret->status);
    curl->curl_slist_free_all(headers);
    curl->curl_easy_cleanup(easy);
    buf_release(&url);
    if (ret->body.len && json_parse(ret->body.data, ret->body.len, &ret->doc, &err) != OK)
        ret->doc = NULL;
    return outcome;
}

static struct outcome ask(const struct client *client, const char *method, const char *path, const char *body, struct answer *ret)
{
    struct receiver receiver = {.take = NULL};
    *ret = (struct answer){.status = 0};
    buf_init(&ret->body, CLIENT_ANSWER_MAX);
    return perform(client, method, path, body, ret, &receiver);
}

int client_ask(const struct client *client, const char *method, const char *path, const char *body, struct answer *ret)
{
    struct outcome outcome = ask(client, method, path, body, ret);
    return exit_code(&outcome, ret);
}

int client_call(const struct client *client, const char *method, const char *path, const char *body, struct answer *ret)
{
    struct outcome outcome = ask(client, method, path, body, ret);
    int code = exit_code(&outcome, ret);
    if (code != CLI_DONE)
        report(client, &outcome, ret);
    return code;
}

int client_stream(const struct client *client, const char *path, void (*take)(void *arg, const char *bytes, size_t n), void *arg)
{
    struct answer answer = {.status = 0};
    struct receiver receiver = {.take = take, .arg = arg};
    buf_init(&answer.body, CLIENT_ANSWER_MAX);
    struct outcome outcome = perform(client, "GET", path, NULL, &answer, &receiver);
    int code = exit_code(&outcome, &answer);
    if (code != CLI_DONE)
        report(client, &outcome, &answer);
    answer_release(&answer);
    return code;
}

void answer_release(struct answer *answer)
{
    json_doc_free(answer->doc);
    buf_release(&answer->body);
}

const struct json *answer_data(const struct answer *answer)
{
    return answer->doc ? json_member(json_root(answer->doc), "data") : NULL;
}

void answer_print(const struct answer *answer)
{
    if (answer->body.len)
        (void)printf("%s\n", answer->body.data);
}

void client_escape(struct buf *out, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    for (; *text; text++) {
        if (strchr(plain, *text))
            buf_add_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

void client_query(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_add_char(path, path->data && strchr(path->data, '?') ? '&' : '?');
    buf_add_text(path, name);
    buf_add_char(path, '=');
    client_escape(path, value);
}
