/* SPDX-License-Identifier: Apache-2.0 */
#include "http/request_head.h"

#include "base/mem.h"
#include "http/http_priv.h"

#include <string.h>
#include <strings.h>

static const struct {
    struct str name;
    const char *twice;
} known[HEAD_COUNT] = {
#define KNOWN(name) \
    { \
        {name, sizeof name - 1}, "more than one " name \
    }
    [HEAD_CONTENT_LENGTH] = KNOWN("Content-Length"),
    [HEAD_TRANSFER_ENCODING] = KNOWN("Transfer-Encoding"),
    [HEAD_HOST] = KNOWN("Host"),
    [HEAD_AUTHORIZATION] = KNOWN("Authorization"),
    [HEAD_CONTENT_TYPE] = KNOWN("Content-Type"),
    [HEAD_IDEMPOTENCY_KEY] = KNOWN("Idempotency-Key"),
    [HEAD_REQUEST_ID] = KNOWN("X-Request-Id"),
    [HEAD_CONTENT_ENCODING] = KNOWN("Content-Encoding"),
#undef KNOWN
};

struct reading {
    struct request_head *head;
    const struct client_address_rules *rules;
    bool malformed, twice[HEAD_COUNT];
};

/* A name is a token (RFC 9110 section 5.1). */
static bool is_token(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = name[i], lower = (char)(c | 32);
        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && !strchr("-_!#$%&'*+.^`|~", c))
            return false;
    }
    return length > 0;
}

/* No control characters but the tab. */
static bool is_plain(const char *value)
{
    for (const char *p = value; *p; p++)
        if ((unsigned char)*p < ' ' && *p != '\t')
            return false;
    return true;
}

static void take_known(struct reading *reading, struct str name, const char *value)
{
    for (size_t i = 0; i < HEAD_COUNT; i++)
        if (known[i].name.n == name.n && strncasecmp(known[i].name.p, name.p, name.n) == 0) {
            reading->twice[i] |= reading->head->values[i] != NULL;
            if (!reading->head->values[i])
                reading->head->values[i] = value;
            return;
        }
}

static void take_line(struct request_head *head, const struct client_address_rules *rules, struct str name, const char *value)
{
    bool wanted = false;
    for (size_t i = 0; i < rules->header_count; i++)
        wanted |= str_equal_ignoring_case(name, rules->headers[i]);
    if (!wanted)
        return;
    if (head->line_count == head->line_capacity) {
        head->line_capacity = head->line_capacity ? 2 * head->line_capacity : 8;
        head->lines = xrealloc(head->lines, head->line_capacity * sizeof *head->lines);
    }
    head->lines[head->line_count++] = (struct client_header){name, str_of(value)};
}

static void take_header(void *arg, const char *name, const char *value)
{
    struct reading *reading = arg;
    struct str text = str_of(name);
    reading->malformed |= !is_token(text.p, text.n) || !is_plain(value);
    take_known(reading, text, value);
    take_line(reading->head, reading->rules, text, value);
}

static const char *find_problem(const struct reading *reading)
{
    const struct request_head *head = reading->head;
    const char *coding = head->values[HEAD_TRANSFER_ENCODING];
    if (reading->malformed)
        return "a header that is malformed";
    if (coding && head->values[HEAD_CONTENT_LENGTH])
        return "Content-Length and Transfer-Encoding together";
    for (size_t i = 0; i < HEAD_SINGLE; i++)
        if (reading->twice[i])
            return known[i].twice;
    if (coding && !str_equal_ignoring_case(str_trim(str_of(coding)), "chunked"))
        return "a Transfer-Encoding other than chunked";
    return head->values[HEAD_HOST] ? NULL : "no Host";
}

void request_head_read(struct http_request *request, const struct client_address_rules *rules)
{
    struct reading reading = {.head = &request->head, .rules = rules};
    http_server_walk_headers(request, take_header, &reading);
    request->head.problem = find_problem(&reading);
}

void request_head_release(struct request_head *head)
{
    free(head->lines);
}
