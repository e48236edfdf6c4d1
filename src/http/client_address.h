/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls, behind proxies: headers count only when the peer is trusted, and lists are walked from the right (AUD-20…28).
 * Pure; addresses are compared as numbers, IPv4-mapped ones as IPv4. */
#ifndef HORAE_HTTP_CLIENT_ADDRESS_H
#define HORAE_HTTP_CLIENT_ADDRESS_H

#include "base/err.h"
#include "base/str.h"

enum { TRUSTED_PROXIES_MAX = 64, CLIENT_IP_HEADERS_MAX = 8, CLIENT_IP_HEADER_NAME_MAX = 63, CLIENT_ADDRESS_MAX = 46 };

struct ip_address {
    uint8_t b[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* What is believed: whose headers, and which, in this order (AUD-21). Zeroed: nobody's, none. */
struct client_address_rules {
    struct {
        struct ip_address address;
        int bits; /* of 128 */
    } networks[TRUSTED_PROXIES_MAX];
    size_t network_count;
    bool unix_peer;
    char headers[CLIENT_IP_HEADERS_MAX][CLIENT_IP_HEADER_NAME_MAX + 1]; /* in lower case */
    size_t header_count;
};

/* An address, with or without a port, in the form in which addresses are stored (AUD-26). False: it is none. */
bool client_address_text(struct str text, char ret[CLIENT_ADDRESS_MAX]);

/* Entries are addresses, networks (CIDR) or `unix`. ERR_INVALID names the bad one. */
enum err_code client_address_trust(struct client_address_rules *rules, const char *entry, struct err *err);
/* X-Forwarded-For and Forwarded are lists, every other header holds one address. ERR_INVALID names the bad one. */
enum err_code client_address_use(struct client_address_rules *rules, const char *header, struct err *err);

struct client_header {
    struct str name, value; /* as received */
};

/* `ip` is RFC 5952 text, or the peer's text when that is a Unix socket ("unix", "" or a path). */
struct client_address {
    char ip[CLIENT_ADDRESS_MAX];
    char source[CLIENT_IP_HEADER_NAME_MAX + 1]; /* "peer", or the header's name in lower case */
};

/* Hears each step of the decision, one sentence each; may be NULL. */
typedef void (*client_address_say_fn)(void *arg, const char *sentence);

/* `peer` may have a port. `headers` in the order of the request. ERR_INVALID when the peer is no address. */
enum err_code client_address_find(const struct client_address_rules *rules, const char *peer, const struct client_header *headers,
                                  size_t count, client_address_say_fn say, void *arg, struct client_address *ret,
                                  struct err *err);

#endif
