/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool is_mapped(const struct ip_address *a)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return memcmp(a->b, prefix, sizeof prefix) == 0;
}

/* inet_pton takes dotted quads without leading zeros or short forms only, which is what AUD-26 wants. */
static bool parse_plain(struct str text, struct ip_address *ret)
{
    char copy[64];
    struct in_addr v4;
    const char *zone = text.n ? memchr(text.p, '%', text.n) : NULL;
    size_t n = zone ? (size_t)(zone - text.p) : text.n;
    if (!n || n >= sizeof copy)
        return false;
    memcpy(copy, text.p, n);
    copy[n] = '\0';
    if (inet_pton(AF_INET, copy, &v4) == 1) {
        *ret = (struct ip_address){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};
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

/* With an optional port: 1.2.3.4:80, [v6]:80; blanks around. The unspecified address is none. */
static bool parse_element(struct str text, struct ip_address *ret)
{
    static const struct ip_address none4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}, none6 = {{0}};
    text = str_trim(text);
    struct str host = text;
    if (text.n && text.p[0] == '[') {
        const char *end = memchr(text.p, ']', text.n);
        if (!end)
            return false;
        struct str rest = {end + 1, text.n - (size_t)(end + 1 - text.p)};
        if (rest.n && (rest.p[0] != ':' || !is_port((struct str){rest.p + 1, rest.n - 1})))
            return false;
        host = (struct str){text.p + 1, (size_t)(end - text.p) - 1};
    } else if (text.n) {
        const char *colon = memchr(text.p, ':', text.n);
        bool single = colon && !memchr(colon + 1, ':', text.n - (size_t)(colon + 1 - text.p));
        if (single) {
            if (!is_port((struct str){colon + 1, text.n - (size_t)(colon + 1 - text.p)}))
                return false;
            host.n = (size_t)(colon - text.p);
        }
    }
    return parse_plain(host, ret) && memcmp(ret, &none4, sizeof *ret) != 0 && memcmp(ret, &none6, sizeof *ret) != 0;
}

static bool is_inside(const struct ip_address *a, const struct ip_address *network, int bits)
{
    size_t whole = (size_t)bits / 8;
    int rest = bits % 8;
    if (memcmp(a->b, network->b, whole) != 0)
        return false;
    return !rest || ((a->b[whole] ^ network->b[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static bool is_trusted(const struct trusted_proxies *trusted, const struct ip_address *a)
{
    for (size_t i = 0; i < trusted->count; i++)
        if (is_inside(a, &trusted->networks[i].address, trusted->networks[i].bits))
            return true;
    return false;
}

enum err_code trusted_proxies_add(struct trusted_proxies *trusted, const char *entry, struct err *err)
{
    struct str text = str_trim(str_of(entry)), host = text;
    struct ip_address address;
    int64_t bits = -1;
    if (str_equal(text, "unix")) {
        trusted->unix_peer = true;
        return OK;
    }
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    if (slash)
        host.n = (size_t)(slash - text.p);
    bool fine = parse_plain(host, &address);
    int most = fine && is_mapped(&address) && !memchr(host.p, ':', host.n) ? 32 : 128;
    if (fine && slash)
        fine = str_to_int((struct str){slash + 1, text.n - (size_t)(slash + 1 - text.p)}, 0, most, &bits);
    if (!fine || trusted->count == TRUSTED_PROXIES_MAX)
        return err_param(err, "trusted_proxies",
                         "trusted_proxies: \"%s\" is not allowed; it must be an address, a network (CIDR) or unix, at most %d",
                         entry, TRUSTED_PROXIES_MAX);
    trusted->networks[trusted->count].address = address;
    trusted->networks[trusted->count++].bits = bits < 0 ? 128 : most == 32 ? (int)bits + 96 : (int)bits;
    return OK;
}

static void format_address(const struct ip_address *a, char out[CLIENT_ADDRESS_MAX])
{
    if (is_mapped(a))
        (void)inet_ntop(AF_INET, a->b + 12, out, CLIENT_ADDRESS_MAX);
    else
        (void)inet_ntop(AF_INET6, a->b, out, CLIENT_ADDRESS_MAX);
}

/* From the right: the first address that is not trusted; junk ends the walk at the hop verified last (AUD-23, AUD-24). */
static bool walk_list(const struct trusted_proxies *trusted, struct str list, struct ip_address *ret)
{
    bool found = false;
    for (size_t end = list.n; end > 0 || list.n == 0;) {
        size_t begin = end;
        while (begin > 0 && list.p[begin - 1] != ',')
            begin--;
        struct str element = str_trim((struct str){list.p + begin, end - begin});
        if (element.n) {
            struct ip_address address;
            if (!parse_element(element, &address))
                return found;
            *ret = address;
            found = true;
            if (!is_trusted(trusted, &address))
                return true;
        }
        if (!begin)
            break;
        end = begin - 1;
    }
    return found;
}

bool client_address_is_trusted(const struct trusted_proxies *trusted, const char *peer)
{
    struct ip_address address;
    return parse_plain(str_of(peer), &address) ? is_trusted(trusted, &address) : trusted->unix_peer;
}

void client_address_find(const struct trusted_proxies *trusted, const char *peer, struct str forwarded_for, struct str real_ip,
                         char out[CLIENT_ADDRESS_MAX])
{
    struct ip_address address, client;
    bool known = parse_plain(str_of(peer), &address);
    if (known)
        format_address(&address, out);
    else
        (void)snprintf(out, CLIENT_ADDRESS_MAX, "%s", peer);
    if (!client_address_is_trusted(trusted, peer))
        return;
    if (forwarded_for.n && walk_list(trusted, forwarded_for, &client))
        format_address(&client, out);
    else if (!forwarded_for.n && real_ip.n && parse_element(real_ip, &client))
        format_address(&client, out);
}
