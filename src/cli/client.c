/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include "base/mem.h"
#include "base/str.h"
#include "http/curl_library.h"

#include <stdio.h>
#include <string.h>

enum { CONNECT_MS = 5000, CALL_MS = 120000 };

static void read_token_file(char *out, size_t capacity)
{
    const char *dir = getenv("HORAE_DATA");
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/cli-token", dir && dir[0] ? dir : "./data");
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(out, (int)capacity, file))
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    (void)fclose(file);
}

bool client_init(struct client *client, const struct options *options)
{
    const char *url = options_value(options, "--server"), *token = options_value(options, "--token");
    if (!url)
        url = getenv("HORAE_URL");
    if (!url || !url[0])
        url = "http://127.0.0.1:8600";
    if (!token)
        token = getenv("HORAE_TOKEN");
    *client = (struct client){.json = options_flag(options, "--json")};
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) || strlen(url) >= sizeof client->url) {
        (void)fprintf(stderr, "horae: --server \"%s\" is not allowed; it must begin with http:// or https://\n", url);
        return false;
    }
    (void)snprintf(client->url, sizeof client->url, "%s", url);
    while (client->url[0] && client->url[strlen(client->url) - 1] == '/')
        client->url[strlen(client->url) - 1] = '\0';
    if (token && token[0])
        (void)snprintf(client->token, sizeof client->token, "%s", token);
    else
        read_token_file(client->token, sizeof client->token);
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

static void print_error(const struct answer *answer)
{
    struct str text = {"", 0}, code = {"", 0};
    if (answer->doc) {
        text = json_get_text(json_member(json_root(answer->doc), "error"));
        code = json_get_text(json_member(json_root(answer->doc), "code"));
    }
    if (text.n)
        (void)fprintf(stderr, "horae: %.*s (%.*s)\n", (int)text.n, text.p, (int)code.n, code.p);
    else
        (void)fprintf(stderr, "horae: the server answered with status %ld\n", answer->status);
    if (answer->status == 401)
        (void)fprintf(stderr, "horae: give a token with --token or HORAE_TOKEN, or set HORAE_DATA to the server's data folder\n");
}

static int exit_code(const struct client *client, CURLcode result, const struct curl_library *curl, const struct answer *answer)
{
    if (result != CURLE_OK) {
        (void)fprintf(stderr, "horae: cannot reach %s: %s\n", client->url, curl->curl_easy_strerror(result));
        return CLI_UNREACHABLE;
    }
    if (answer->status >= 200 && answer->status <= 299)
        return CLI_DONE;
    print_error(answer);
    return answer->status == 401 || answer->status == 403 ? CLI_DENIED : CLI_FAILED;
}

static int perform(const struct client *client, const char *method, const char *path, const char *body, struct answer *ret,
                   struct receiver *receiver)
{
    struct err err;
    char url[8192];
    const struct curl_library *curl = curl_library_load(&err);
    if (!curl) {
        (void)fprintf(stderr, "horae: %s\n", err.message);
        return CLI_FAILED;
    }
    CURL *easy = curl->curl_easy_init();
    struct curl_slist *headers = make_headers(curl, client, body != NULL);
    (void)snprintf(url, sizeof url, "%s/api/v1%s", client->url, path);
    receiver->easy = easy;
    receiver->curl = curl;
    receiver->body = &ret->body;
    (void)curl->curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl->curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    (void)curl->curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, receiver->take ? 0L : (long)CALL_MS);
    (void)curl->curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
    (void)curl->curl_easy_setopt(easy, CURLOPT_WRITEDATA, receiver);
    if (body) {
        (void)curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        (void)curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    }
    (void)curl->curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    CURLcode result = curl->curl_easy_perform(easy);
    (void)curl->curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret->status);
    curl->curl_slist_free_all(headers);
    curl->curl_easy_cleanup(easy);
    if (ret->body.len && json_parse(ret->body.data, ret->body.len, &ret->doc, &err) != OK)
        ret->doc = NULL;
    return exit_code(client, result, curl, ret);
}

int client_call(const struct client *client, const char *method, const char *path, const char *body, struct answer *ret)
{
    struct receiver receiver = {.take = NULL};
    *ret = (struct answer){.status = 0};
    buf_init(&ret->body, CLIENT_ANSWER_MAX);
    return perform(client, method, path, body, ret, &receiver);
}

int client_stream(const struct client *client, const char *path, void (*take)(void *arg, const char *bytes, size_t n), void *arg)
{
    struct answer answer = {.status = 0};
    struct receiver receiver = {.take = take, .arg = arg};
    buf_init(&answer.body, CLIENT_ANSWER_MAX);
    int code = perform(client, "GET", path, NULL, &answer, &receiver);
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
