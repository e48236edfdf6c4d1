/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls, behind proxies: headers count only when the peer is trusted, and lists are walked from the right (AUD-21..26).
 * Pure; addresses are compared as numbers, IPv4-mapped ones as IPv4. */
#ifndef HORAE_HTTP_CLIENT_ADDRESS_H
#define HORAE_HTTP_CLIENT_ADDRESS_H

#include "base/err.h"
#include "base/str.h"

enum { TRUSTED_PROXIES_MAX = 64, CLIENT_ADDRESS_MAX = 46 };

struct ip_address {
    uint8_t b[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct trusted_proxies {
    struct {
        struct ip_address address;
        int bits; /* of 128 */
    } networks[TRUSTED_PROXIES_MAX];
    size_t count;
    bool unix_peer;
};

/* Entries are addresses, networks (CIDR) or `unix`. ERR_INVALID names the bad one. */
enum err_code trusted_proxies_add(struct trusted_proxies *trusted, const char *entry, struct err *err);

/* `forwarded_for`: all lines of X-Forwarded-For, joined with commas in their order; `real_ip`: the last line of X-Real-IP;
 * either may be empty. Writes RFC 5952 text. */
void client_address_find(const struct trusted_proxies *trusted, const char *peer, struct str forwarded_for, struct str real_ip,
                         char out[CLIENT_ADDRESS_MAX]);

/* Whether the peer's headers are believed (AUD-22). */
bool client_address_is_trusted(const struct trusted_proxies *trusted, const char *peer);

#endif
