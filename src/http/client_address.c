/* SPDX-License-Identifier: Apache-2.0 */
/* A walk from the right to the first address that is not trusted, or to the first element that is none, is done here from
 * the left: an element that is no address forgets all before it; an address that is not trusted replaces what was found; a
 * trusted one counts only when nothing was found yet. */
#include "http/client_address.h"

#include "http/forwarded.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- addresses ---- */

static const struct ip_address none4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, none6 = {{0}};

static bool is_mapped(const struct ip_address *a)
{
    return memcmp(a->b, none4.b, 12) == 0;
}

/* inet_pton takes dotted quads without leading zeros or short forms only, which is what AUD-26 wants. Zone ids go. */
static bool parse_plain(struct str text, struct ip_address *ret)
{
    char copy[64];
    struct in_addr v4;
    const char *zone = text.n ? memchr(text.p, '%', text.n) : NULL;
    size_t n = zone ? (size_t)(zone - text.p) : text.n;
    if (!n || n >= sizeof copy || memchr(text.p, 0, text.n))
        return false;
    memcpy(copy, text.p, n);
    copy[n] = '\0';
    if (!zone && inet_pton(AF_INET, copy, &v4) == 1) {
        *ret = none4;
        memcpy(ret->b + 12, &v4, 4);
        return true;
    }
    return inet_pton(AF_INET6, copy, ret->b) == 1;
}

static bool is_port(struct str text)
{
    int64_t port;
    return str_to_int(text, 0, 65535, &port);
}

/* 1.2.3.4, 1.2.3.4:80, v6, [v6], [v6]:80. */
static bool parse_with_port(struct str text, struct ip_address *ret)
{
    struct str host = text;
    const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
    if (text.n && text.p[0] == '[') {
        const char *end = memchr(text.p, ']', text.n);
        if (!end)
            return false;
        struct str rest = {end + 1, text.n - (size_t)(end + 1 - text.p)};
        host = (struct str){text.p + 1, (size_t)(end - text.p) - 1};
        if ((rest.n && (rest.p[0] != ':' || !is_port((struct str){rest.p + 1, rest.n - 1}))) || !host.n ||
            !memchr(host.p, ':', host.n))
            return false;
    } else if (colon) {
        struct str port = {colon + 1, text.n - (size_t)(colon + 1 - text.p)};
        if (!memchr(port.p, ':', port.n)) { /* a single one is that of a port */
            if (!is_port(port))
                return false;
            host.n = (size_t)(colon - text.p);
        }
    }
    return parse_plain(host, ret);
}

/* The unspecified address names nobody (AUD-24). */
static bool parse_element(struct str text, struct ip_address *ret)
{
    return parse_with_port(str_trim(text), ret) && memcmp(ret, &none4, sizeof *ret) != 0 && memcmp(ret, &none6, sizeof *ret) != 0;
}

static void format_address(const struct ip_address *a, char out[CLIENT_ADDRESS_MAX])
{
    if (is_mapped(a))
        (void)inet_ntop(AF_INET, a->b + 12, out, CLIENT_ADDRESS_MAX);
    else
        (void)inet_ntop(AF_INET6, a->b, out, CLIENT_ADDRESS_MAX);
}

bool client_address_text(struct str text, char ret[CLIENT_ADDRESS_MAX])
{
    struct ip_address address;
    if (!parse_with_port(text, &address))
        return false;
    format_address(&address, ret);
    return true;
}

/* ---- rules ---- */

static bool is_inside(const struct ip_address *a, const struct ip_address *network, int bits)
{
    size_t whole = (size_t)bits / 8;
    int rest = bits % 8;
    if (is_mapped(a) && bits < 96) /* a network of IPv6 holds no IPv4 */
        return false;
    if (memcmp(a->b, network->b, whole) != 0)
        return false;
    return !rest || ((a->b[whole] ^ network->b[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static bool is_trusted(const struct client_address_rules *rules, const struct ip_address *a)
{
    for (size_t i = 0; i < rules->network_count; i++)
        if (is_inside(a, &rules->networks[i].address, rules->networks[i].bits))
            return true;
    return false;
}

enum err_code client_address_trust(struct client_address_rules *rules, const char *entry, struct err *err)
{
    struct str text = str_trim(str_of(entry)), host = text;
    struct ip_address address;
    int64_t bits = -1;
    if (str_equal(text, "unix")) {
        rules->unix_peer = true;
        return OK;
    }
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    if (slash)
        host.n = (size_t)(slash - text.p);
    bool fine = host.n && !memchr(host.p, '%', host.n) && parse_plain(host, &address);
    int most = fine && is_mapped(&address) && !memchr(host.p, ':', host.n) ? 32 : 128;
    if (fine && slash)
        fine = str_to_int((struct str){slash + 1, text.n - (size_t)(slash + 1 - text.p)}, 0, most, &bits);
    if (!fine || rules->network_count == TRUSTED_PROXIES_MAX)
        return err_param(err, "trusted_proxies",
                         "trusted_proxies: \"%s\" is not allowed; it must be an address, a network (CIDR) or unix, at most %d",
                         entry, TRUSTED_PROXIES_MAX);
    rules->networks[rules->network_count].address = address;
    rules->networks[rules->network_count++].bits = bits < 0 ? 128 : most == 32 ? (int)bits + 96 : (int)bits;
    return OK;
}

enum err_code client_address_use(struct client_address_rules *rules, const char *header, struct err *err)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";
    size_t n = strlen(header);
    if (!n || n > CLIENT_IP_HEADER_NAME_MAX || strspn(header, token) != n || rules->header_count == CLIENT_IP_HEADERS_MAX)
        return err_param(err, "client_ip_headers",
                         "client_ip_headers: \"%s\" is not allowed; it must be the name of a header, at most %d", header,
                         CLIENT_IP_HEADERS_MAX);
    char *out = rules->headers[rules->header_count++];
    for (size_t i = 0; i <= n; i++)
        out[i] = header[i] >= 'A' && header[i] <= 'Z' ? (char)(header[i] + 32) : header[i];
    return OK;
}

/* ---- the decision ---- */

struct search {
    const struct client_address_rules *rules;
    const struct client_header *headers;
    size_t count;
    client_address_say_fn say;
    void *arg;
    struct ip_address found;
    bool has_found, has_element, has_junk;
    const char *header; /* that is looked at */
};

static void say(const struct search *s, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(const struct search *s, const char *format, ...)
{
    char sentence[400];
    va_list list;
    if (!s->say)
        return;
    va_start(list, format);
    (void)vsnprintf(sentence, sizeof sentence, format, list);
    va_end(list);
    s->say(s->arg, sentence);
}

/* One element of a list; `address` NULL: it is none. */
static void take_element(struct search *s, struct str text, const struct ip_address *address)
{
    char shown[CLIENT_ADDRESS_MAX];
    s->has_element = true;
    if (!address) {
        say(s, "%s: \"%.*s\" is no address.", s->header, text.n > 100 ? 100 : (int)text.n, text.p);
        s->has_found = false;
        s->has_junk = true;
        return;
    }
    format_address(address, shown);
    bool trusted = is_trusted(s->rules, address);
    say(s, trusted ? "%s: %s is a trusted proxy." : "%s: %s is not trusted.", s->header, shown);
    if (trusted && s->has_found)
        return;
    s->found = *address;
    s->has_found = true;
}

static void take_list(struct search *s, struct str value)
{
    struct str part;
    while (str_split(&value, ',', &part)) {
        struct ip_address address;
        part = str_trim(part);
        if (part.n)
            take_element(s, part, parse_element(part, &address) ? &address : NULL);
    }
}

/* RFC 7239: IPv6 stands in brackets; a port may be hidden too. */
static bool parse_node(struct str node, struct ip_address *ret)
{
    const char *colon = node.n ? memrchr(node.p, ':', node.n) : NULL;
    if (colon && colon + 1 < node.p + node.n && colon[1] == '_' && !memchr(colon, ']', node.n - (size_t)(colon - node.p)))
        node.n = (size_t)(colon - node.p);
    const char *first = node.n ? memchr(node.p, ':', node.n) : NULL;
    bool bare6 = first && node.p[0] != '[' && memchr(first + 1, ':', node.n - (size_t)(first + 1 - node.p));
    return !bare6 && parse_element(node, ret);
}

static void take_forwarded(void *arg, const char *node, size_t length, bool valid)
{
    struct ip_address address;
    struct str text = {node, length};
    take_element(arg, text, valid && parse_node(text, &address) ? &address : NULL);
}

/* The lines of a list are one list (AUD-23). */
static void walk_lists(struct search *s, bool forwarded)
{
    struct forwarded_parser parser;
    forwarded_begin(&parser, take_forwarded, s);
    for (size_t i = 0; i < s->count; i++) {
        if (!str_equal_ignoring_case(s->headers[i].name, s->header))
            continue;
        if (forwarded)
            forwarded_line(&parser, s->headers[i].value.p, s->headers[i].value.n);
        else
            take_list(s, s->headers[i].value);
    }
    forwarded_end(&parser);
}

/* The last line, exactly one address (AUD-25). */
static bool find_single(struct search *s)
{
    const struct client_header *last = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (str_equal_ignoring_case(s->headers[i].name, s->header))
            last = &s->headers[i];
    if (!last)
        return false;
    bool fine = parse_element(last->value, &s->found);
    if (!fine)
        say(s, "%s: \"%.*s\" is not exactly one address; it is ignored.", s->header,
            last->value.n > 100 ? 100 : (int)last->value.n, last->value.p);
    return fine;
}

static void say_why(const struct search *s)
{
    if (!s->has_found)
        say(s, "%s: its last element is no address, so the peer is the nearest hop that is known.", s->header);
    else if (!is_trusted(s->rules, &s->found))
        say(s, "%s: read from the right, this is the first address that is not trusted.", s->header);
    else if (s->has_junk)
        say(s,
            "%s: read from the right, only trusted proxies stand before an element that is no address; the last of them counts.",
            s->header);
    else
        say(s, "%s: all are trusted proxies; the leftmost counts.", s->header);
}

/* Does this header decide? `has_found` false then: the peer is the nearest hop that is verified. */
static bool decide(struct search *s, const char *header)
{
    bool forwarded = strcmp(header, "forwarded") == 0;
    s->header = header;
    s->has_found = s->has_element = s->has_junk = false;
    if (!forwarded && strcmp(header, "x-forwarded-for") != 0)
        return s->has_found = find_single(s);
    walk_lists(s, forwarded);
    if (s->has_element)
        say_why(s);
    return s->has_element;
}

static enum err_code take_peer(struct search *s, const char *peer, struct client_address *ret, bool *ret_trusted, struct err *err)
{
    struct ip_address address;
    if (parse_with_port(str_trim(str_of(peer)), &address)) {
        format_address(&address, ret->ip);
        *ret_trusted = is_trusted(s->rules, &address);
    } else if (!peer[0] || peer[0] == '/' || peer[0] == '@' || strcmp(peer, "unix") == 0) {
        (void)snprintf(ret->ip, sizeof ret->ip, "%s", peer);
        *ret_trusted = s->rules->unix_peer;
    } else {
        return err_param(err, "peer", "peer: \"%s\" is not allowed; it must be an address or unix", peer);
    }
    (void)snprintf(ret->source, sizeof ret->source, "peer");
    return OK;
}

enum err_code client_address_find(const struct client_address_rules *rules, const char *peer, const struct client_header *headers,
                                  size_t count, client_address_say_fn say_fn, void *arg, struct client_address *ret,
                                  struct err *err)
{
    struct search s = {.rules = rules, .headers = headers, .count = count, .say = say_fn, .arg = arg};
    bool trusted = false;
    enum err_code code = take_peer(&s, peer, ret, &trusted, err);
    if (code != OK)
        return code;
    say(&s, trusted ? "The peer %s is trusted: headers count." : "The peer %s is not trusted: every header is ignored.", ret->ip);
    for (size_t i = 0; trusted && i < rules->header_count; i++) {
        if (!decide(&s, rules->headers[i])) {
            say(&s, "%s: gives no address.", rules->headers[i]);
            continue;
        }
        if (s.has_found) {
            format_address(&s.found, ret->ip);
            (void)snprintf(ret->source, sizeof ret->source, "%s", rules->headers[i]);
        }
        break;
    }
    say(&s, "The client is %s, from %s%s.", ret->ip, strcmp(ret->source, "peer") == 0 ? "the " : "", ret->source);
    return OK;
}
