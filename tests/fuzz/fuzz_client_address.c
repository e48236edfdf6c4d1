/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls, behind proxies (AUD-20 to AUD-28), against a walk from the right that is written here a second time. Input,
 * by lines: trusted proxies and headers to use, separated by commas; the peer; then the request's headers, "Name: value". */
#include "http/client_address.h"
#include "refusal.h"

#include <arpa/inet.h>

enum { LINES_MAX = 40, ELEMENTS_MAX = 8192 }; /* more than an input has bytes */

struct request {
    struct client_address_rules rules;
    char *peer;
    struct client_header headers[LINES_MAX];
    size_t count;
};

/* ---- reading the input ---- */

/* The next line of `rest` as a text of its own; NULL at the end. */
static char *next_line(struct str *rest)
{
    struct str line;
    if (!str_split(rest, '\n', &line))
        return NULL;
    char *text = malloc(line.n + 1);
    CHECK(text != NULL, "no memory");
    if (line.n)
        memcpy(text, line.p, line.n);
    text[line.n] = '\0';
    return text;
}

static void take_rules(char *line, struct client_address_rules *rules,
                       enum err_code (*take)(struct client_address_rules *, const char *, struct err *))
{
    struct err err;
    for (char *save = NULL, *word = line ? strtok_r(line, ",", &save) : NULL; word; word = strtok_r(NULL, ",", &save)) {
        enum err_code code = take(rules, word, &err);
        if (code != OK && str_is_utf8(word, strlen(word)))
            check_refusal(code, &err);
    }
    CHECK(rules->network_count <= TRUSTED_PROXIES_MAX && rules->header_count <= CLIENT_IP_HEADERS_MAX, "too many rules");
    free(line);
}

static void add_header(struct request *r, struct str line)
{
    const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
    if (!colon || r->count == LINES_MAX)
        return;
    size_t n = (size_t)(colon - line.p);
    r->headers[r->count++] = (struct client_header){{line.p, n}, {colon + 1, line.n - n - 1}};
}

/* ---- the same again, as AUD-23 to AUD-26 say it ---- */

static bool parse_host(const char *text, size_t n, bool only6, struct ip_address *ret)
{
    char copy[64];
    struct in_addr v4;
    const char *zone = n ? memchr(text, '%', n) : NULL;
    size_t length = zone ? (size_t)(zone - text) : n;
    if (!n || length >= sizeof copy || memchr(text, 0, n))
        return false;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)length, text);
    if (!only6 && !zone && inet_pton(AF_INET, copy, &v4) == 1) {
        *ret = (struct ip_address){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255}};
        memcpy(ret->b + 12, &v4, 4);
        return true;
    }
    return inet_pton(AF_INET6, copy, ret->b) == 1;
}

static bool is_port(const char *text, size_t n)
{
    int64_t port;
    return str_to_int((struct str){text, n}, 0, 65535, &port);
}

/* One element: an address, perhaps with a port; the unspecified one is none. */
static bool parse_element(struct str text, struct ip_address *ret)
{
    static const struct ip_address any4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255}}, any6;
    size_t colons = 0;
    bool good;
    text = str_trim(text);
    for (size_t i = 0; i < text.n; i++)
        colons += text.p[i] == ':';
    const char *end = text.n && text.p[0] == '[' ? memchr(text.p, ']', text.n) : NULL;
    if (text.n && text.p[0] == '[') {
        size_t left = end ? text.n - (size_t)(end + 1 - text.p) : 0;
        good = end && (!left || (end[1] == ':' && is_port(end + 2, left - 1))) &&
               parse_host(text.p + 1, (size_t)(end - text.p) - 1, true, ret);
    } else if (colons == 1) {
        const char *colon = memchr(text.p, ':', text.n);
        size_t n = (size_t)(colon - text.p);
        good = is_port(colon + 1, text.n - n - 1) && parse_host(text.p, n, false, ret);
    } else {
        good = parse_host(text.p, text.n, false, ret);
    }
    return good && memcmp(ret, &any4, sizeof any4) != 0 && memcmp(ret, &any6, sizeof any6) != 0;
}

static bool is_mapped(const struct ip_address *a)
{
    static const uint8_t prefix[12] = {[10] = 255, [11] = 255};
    return memcmp(a->b, prefix, 12) == 0;
}

static bool is_trusted(const struct client_address_rules *rules, const struct ip_address *a)
{
    for (size_t i = 0; i < rules->network_count; i++) {
        int bits = rules->networks[i].bits, bit = 0;
        while (bit < bits && !((a->b[bit / 8] ^ rules->networks[i].address.b[bit / 8]) >> (7 - bit % 8) & 1))
            bit++;
        if (bit == bits && (bits >= 96 || !is_mapped(a)))
            return true;
    }
    return false;
}

static size_t list_elements(const struct request *r, struct str out[ELEMENTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++) {
        struct str rest = r->headers[i].value, part;
        if (!str_equal_ignoring_case(r->headers[i].name, "x-forwarded-for"))
            continue;
        while (str_split(&rest, ',', &part))
            if (str_trim(part).n && count < ELEMENTS_MAX)
                out[count++] = str_trim(part);
    }
    return count;
}

enum outcome { NOTHING, PEER, ADDRESS };

static enum outcome walk_from_the_right(const struct request *r, struct ip_address *ret, bool *ret_trusted)
{
    static struct str elements[ELEMENTS_MAX];
    size_t count = list_elements(r, elements);
    enum outcome outcome = count ? PEER : NOTHING;
    *ret_trusted = true;
    for (size_t i = count; i-- > 0;) {
        struct ip_address a;
        if (!parse_element(elements[i], &a))
            return outcome;
        *ret = a;
        outcome = ADDRESS;
        if (!is_trusted(&r->rules, &a)) {
            *ret_trusted = false;
            return outcome;
        }
    }
    return outcome;
}

/* ---- properties ---- */

static void check_text(const char *ip, struct ip_address *ret)
{
    char again[INET6_ADDRSTRLEN];
    struct in_addr v4;
    CHECK(strlen(ip) < CLIENT_ADDRESS_MAX, "\"%s\" is too long", ip);
    if (inet_pton(AF_INET, ip, &v4) == 1) {
        CHECK(parse_host(ip, strlen(ip), false, ret), "%s", ip);
        return;
    }
    CHECK(inet_pton(AF_INET6, ip, ret->b) == 1 && inet_ntop(AF_INET6, ret->b, again, sizeof again), "\"%s\" is no address", ip);
    CHECK(strcmp(again, ip) == 0, "%s is not written as %s", ip, again);
    CHECK(!is_mapped(ret), "%s is IPv4", ip);
}

static struct client_address find(const struct request *r)
{
    struct client_address found;
    struct err err;
    memset(&found, 'x', sizeof found);
    enum err_code code = client_address_find(&r->rules, r->peer, r->headers, r->count, NULL, NULL, &found, &err);
    CHECK(code == OK, "refused now: %s", err.message);
    return found;
}

static void check_source(const struct request *r, const struct client_address *found)
{
    bool known = strcmp(found->source, "peer") == 0;
    for (size_t i = 0; i < r->rules.header_count; i++)
        known |= strcmp(found->source, r->rules.headers[i]) == 0;
    CHECK(known, "the source is \"%s\"", found->source);
}

/* When X-Forwarded-For is looked at first, the walk decides. */
static void check_list(const struct request *r, const struct client_address *found, const struct client_address *peer)
{
    struct ip_address expected, got;
    bool trusted;
    enum outcome outcome = walk_from_the_right(r, &expected, &trusted);
    if (outcome == PEER)
        CHECK(strcmp(found->source, "peer") == 0 && strcmp(found->ip, peer->ip) == 0, "it is %s, from %s", found->ip,
              found->source);
    if (outcome == ADDRESS) {
        check_text(found->ip, &got);
        CHECK(strcmp(found->source, "x-forwarded-for") == 0, "it is from %s", found->source);
        CHECK(memcmp(&got, &expected, sizeof got) == 0, "the walk finds another than %s", found->ip);
    }
}

/* What a client writes in front of a list does not change what is found behind it. */
static void check_forgery(struct request *r, const char *name, const char *line, const struct client_address *found)
{
    struct ip_address ip;
    if (strcmp(found->source, name) != 0 || r->count == LINES_MAX)
        return;
    check_text(found->ip, &ip);
    if (is_trusted(&r->rules, &ip))
        return;
    memmove(r->headers + 1, r->headers, r->count++ * sizeof *r->headers);
    r->headers[0] = (struct client_header){str_of(name), str_of(line)};
    struct client_address again = find(r);
    CHECK(strcmp(again.ip, found->ip) == 0, "\"%s\" in front makes %s of %s", line, again.ip, found->ip);
    memmove(r->headers, r->headers + 1, --r->count * sizeof *r->headers);
}

static void check_found(struct request *r, const struct client_address *found)
{
    struct request nobody = {.peer = r->peer};
    struct client_address peer = find(&nobody);
    CHECK(strcmp(peer.source, "peer") == 0, "nobody is trusted, but it is from %s", peer.source);
    check_source(r, found);
    struct ip_address address;
    bool is_address = parse_element(str_of(r->peer), &address);
    bool trusted = is_address ? is_trusted(&r->rules, &address) : r->rules.unix_peer;
    if (is_address && !trusted)
        CHECK(strcmp(found->source, "peer") == 0 && strcmp(found->ip, peer.ip) == 0, "AUD-22: it is %s", found->ip);
    if (is_address && trusted && r->rules.header_count && strcmp(r->rules.headers[0], "x-forwarded-for") == 0)
        check_list(r, found, &peer);
    check_forgery(r, "x-forwarded-for", "9.9.9.9, junk, 8.8.8.8", found);
    check_forgery(r, "forwarded", "for=9.9.9.9, for=junk, for=8.8.8.8", found);
}

static void hear(void *arg, const char *sentence)
{
    size_t *count = arg;
    CHECK(sentence[0] && strlen(sentence) < 400, "a sentence of %zu bytes", strlen(sentence));
    (*count)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    char *text = fuzz_rest(&input);
    struct str rest = {text, size}, line;
    struct request r = {.count = 0};
    struct client_address found;
    struct err err;
    take_rules(next_line(&rest), &r.rules, client_address_trust);
    take_rules(next_line(&rest), &r.rules, client_address_use);
    r.peer = next_line(&rest);
    while (r.peer && str_split(&rest, '\n', &line))
        add_header(&r, line);
    size_t sentences = 0;
    enum err_code code =
        r.peer ? client_address_find(&r.rules, r.peer, r.headers, r.count, hear, &sentences, &found, &err) : ERR_INVALID;
    if (code == OK) {
        CHECK(sentences >= 2, "%zu sentences", sentences);
        check_found(&r, &found);
    } else if (r.peer && str_is_utf8(r.peer, strlen(r.peer))) {
        check_refusal(code, &err);
    }
    free(r.peer);
    free(text);
    return 0;
}
