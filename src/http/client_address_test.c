/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client_address.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LINES_MAX = 4 };

static void make_rules(struct client_address_rules *rules, const char *headers)
{
    static const char *const trusted[] = {"10.0.0.0/8", "2001:db8:1::/48", "unix"};
    struct str rest = str_of(headers), name;
    memset(rules, 0, sizeof *rules);
    for (size_t i = 0; i < ARRAY_LEN(trusted); i++)
        assert_int_equal(client_address_trust(rules, trusted[i], NULL), OK);
    while (str_split(&rest, ' ', &name)) {
        char copy[100];
        (void)snprintf(copy, sizeof copy, "%.*s", (int)name.n, name.p);
        if (name.n)
            assert_int_equal(client_address_use(rules, copy, NULL), OK);
    }
}

/* `lines`: "Name: value" each. */
static void check(const char *headers, const char *peer, const char *const *lines, const char *expected)
{
    struct client_address_rules rules;
    struct client_header received[LINES_MAX];
    struct client_address found;
    char text[200];
    size_t count = 0;
    make_rules(&rules, headers);
    for (; count < LINES_MAX && lines[count]; count++) {
        size_t n = strcspn(lines[count], ":");
        received[count].name = (struct str){lines[count], n};
        received[count].value = str_of(lines[count] + n + 2);
    }
    assert_int_equal(client_address_find(&rules, peer, received, count, NULL, NULL, &found, NULL), OK);
    (void)snprintf(text, sizeof text, "%s %s", found.ip, found.source);
    if (strcmp(text, expected) != 0)
        print_error("%s | %s | %s\n", peer, lines[0] ? lines[0] : "", headers);
    assert_string_equal(text, expected);
}

#define CHECK(headers, peer, expected, ...) check(headers, peer, (const char *const[LINES_MAX + 1]){__VA_ARGS__}, expected)
#define DEFAULTS "X-Forwarded-For X-Real-IP"

static void the_peer_counts_unless_it_is_trusted(void **state) /* AUD-22 */
{
    (void)state;
    CHECK(DEFAULTS, "203.0.113.9", "203.0.113.9 peer", "X-Forwarded-For: 1.2.3.4", "X-Real-IP: 5.6.7.8");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.1 peer", NULL);
    CHECK(DEFAULTS, "::ffff:10.0.0.1", "1.2.3.4 x-forwarded-for", "X-Forwarded-For: 1.2.3.4");
    CHECK(DEFAULTS, "2001:db8:1::5", "1.2.3.4 x-forwarded-for", "x-forwarded-FOR: 1.2.3.4");
    CHECK(DEFAULTS, "[2001:DB8:2::5]:443", "2001:db8:2::5 peer", "X-Forwarded-For: 1.2.3.4");
    CHECK(DEFAULTS, "10.0.0.1:999", "1.2.3.4 x-forwarded-for", "X-Forwarded-For: 1.2.3.4");
    CHECK(DEFAULTS, "unix", "1.2.3.4 x-forwarded-for", "X-Forwarded-For: 1.2.3.4");
    CHECK(DEFAULTS, "unix", "unix peer", NULL);
    CHECK("", "10.0.0.1", "10.0.0.1 peer", "X-Forwarded-For: 1.2.3.4");
}

static void lists_are_walked_from_the_right(void **state) /* AUD-23, AUD-24 */
{
    (void)state;
    CHECK(DEFAULTS, "10.0.0.1", "1.2.3.4 x-forwarded-for", "X-Forwarded-For: 9.9.9.9, 1.2.3.4, 10.0.0.7");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.3 x-forwarded-for", "X-Forwarded-For: 10.0.0.3, 10.0.0.2");
    CHECK(DEFAULTS, "10.0.0.1", "1.2.3.4 x-forwarded-for", "X-Forwarded-For: 9.9.9.9", "X-Forwarded-For: 1.2.3.4,10.0.0.7");
    CHECK(DEFAULTS, "10.0.0.1", "1.2.3.4 x-forwarded-for", "X-Forwarded-For:  , 1.2.3.4:8080 ,,");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.2 x-forwarded-for", "X-Forwarded-For: 1.2.3.4, junk, 10.0.0.3",
          "X-Forwarded-For: unknown, 10.0.0.2");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.2 x-forwarded-for", "X-Forwarded-For: 1.2.3.4, _hidden, 10.0.0.2, 10.0.0.3");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.1 peer", "X-Forwarded-For: 1.2.3.4, junk", "X-Real-IP: 5.6.7.8");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.1 peer", "X-Forwarded-For: 1.2.3.4, 0.0.0.0");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.1 peer", "X-Forwarded-For: ::");
    CHECK(DEFAULTS, "10.0.0.1", "5.6.7.8 x-real-ip", "X-Forwarded-For:  , ,", "X-Real-IP: 5.6.7.8");
}

static void single_headers_hold_exactly_one_address(void **state) /* AUD-25 */
{
    (void)state;
    CHECK(DEFAULTS, "10.0.0.1", "1.2.3.4 x-real-ip", "X-Real-IP: 9.9.9.9", "X-Real-IP:  1.2.3.4\t");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.1 peer", "X-Real-IP: 1.2.3.4, 5.6.7.8");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.1 peer", "X-Real-IP: 1.2.3.4", "X-Real-IP: junk");
    CHECK("True-Client-IP X-Real-IP", "10.0.0.1", "5.6.7.8 x-real-ip", "True-Client-IP: junk", "X-Real-IP: 5.6.7.8");
    CHECK("True-Client-IP X-Forwarded-For", "10.0.0.1", "1.2.3.4 true-client-ip", "X-Forwarded-For: 5.6.7.8",
          "True-Client-IP: 1.2.3.4");
    CHECK("X-Real-IP X-Forwarded-For", "10.0.0.1", "10.0.0.9 x-real-ip", "X-Forwarded-For: 5.6.7.8", "X-Real-IP: 10.0.0.9");
    CHECK(DEFAULTS, "10.0.0.1", "10.0.0.1 peer", "True-Client-IP: 1.2.3.4");
}

static void addresses_have_one_form(void **state) /* AUD-26 */
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {{"1.2.3.4", "1.2.3.4"},
                 {"\t1.2.3.4 ", "1.2.3.4"},
                 {"1.2.3.4:65535", "1.2.3.4"},
                 {"1.2.3.4:65536", NULL},
                 {"1.2.3.4:", NULL},
                 {"1.2.3.4:x", NULL},
                 {"[1.2.3.4]", NULL},
                 {"1.2.3.4%eth0", NULL},
                 {"01.2.3.4", NULL},
                 {"1.2.3", NULL},
                 {"0x1.2.3.4", NULL},
                 {"16909060", NULL},
                 {"1.2.3.256", NULL},
                 {"::ffff:1.2.3.4", "1.2.3.4"},
                 {"::FFFF:0102:0304", "1.2.3.4"},
                 {"[::ffff:1.2.3.4]:80", "1.2.3.4"},
                 {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
                 {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
                 {"[2001:db8::1]:443", "2001:db8::1"},
                 {"[2001:db8::1]", "2001:db8::1"},
                 {"[2001:db8::1]443", NULL},
                 {"[2001:db8::1", NULL},
                 {"fe80::1%eth0", "fe80::1"},
                 {"[fe80::1%25eth0]:1", "fe80::1"},
                 {"::1", "::1"},
                 {"2001:db8::1::2", NULL},
                 {"", NULL},
                 {"1.2.3.4 5", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[100], expected[100];
        (void)snprintf(line, sizeof line, "X-Real-IP: %s", cases[i].text);
        (void)snprintf(expected, sizeof expected, "%s %s", cases[i].expected ? cases[i].expected : "10.0.0.1",
                       cases[i].expected ? "x-real-ip" : "peer");
        CHECK("X-Real-IP", "10.0.0.1", expected, line);
    }
}

static void forwarded_is_read_as_its_rfc_says(void **state) /* AUD-27 */
{
    (void)state;
    static const struct {
        const char *text, *expected; /* NULL: the peer */
    } cases[] = {{"for=1.2.3.4", "1.2.3.4"},
                 {"For=\"1.2.3.4:80\";proto=https;by=10.0.0.9", "1.2.3.4"},
                 {"proto=https;FOR=1.2.3.4", "1.2.3.4"},
                 {"for=\"[2001:db8::1]:4711\"", "2001:db8::1"},
                 {"for=[2001:db8::1]", "2001:db8::1"},
                 {"for=\"2001:db8::1\"", NULL},
                 {"for=9.9.9.9, for=1.2.3.4 , for=10.0.0.7", "1.2.3.4"},
                 {"for=\"1\\.2.3.4\"", "1.2.3.4"},
                 {"for=1.2.3.4;host=\"a,b;for=9.9.9.9\"", "1.2.3.4"},
                 {"host=\"x\\\", for=9.9.9.9\";for=1.2.3.4", "1.2.3.4"},
                 {"for=unknown", NULL},
                 {"for=_hidden, for=10.0.0.2", "10.0.0.2"},
                 {"for=\"1.2.3.4:_port\"", "1.2.3.4"},
                 {"for=1.2.3.4, proto=http", NULL},
                 {"for=1.2.3.4;for=5.6.7.8", NULL},
                 {"for=\"1.2.3.4", NULL},
                 {"for=1.2.3.4, for=\"", NULL},
                 {"for=", NULL},
                 {"=1.2.3.4", NULL},
                 {"for 1.2.3.4", NULL},
                 {"for=1.2.3.4 x", NULL},
                 {"for=\"1.2.3.4\"x", NULL},
                 {", ,for=1.2.3.4,", "1.2.3.4"},
                 {";for=1.2.3.4;", "1.2.3.4"},
                 {"\"\"", NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[200], expected[100];
        (void)snprintf(line, sizeof line, "Forwarded: %s", cases[i].text);
        (void)snprintf(expected, sizeof expected, "%s %s", cases[i].expected ? cases[i].expected : "10.0.0.1",
                       cases[i].expected ? "forwarded" : "peer");
        CHECK("Forwarded X-Real-IP", "10.0.0.1", expected, line, "X-Real-IP: 7.7.7.7");
    }
    CHECK("Forwarded", "10.0.0.1", "1.2.3.4 forwarded", "Forwarded: for=9.9.9.9", "Forwarded: for=1.2.3.4",
          "Forwarded: for=10.1.1.1");
    char huge[600] = "Forwarded: for=1.2.3.4, for=";
    memset(huge + strlen(huge), 'x', 400);
    CHECK("Forwarded", "10.0.0.1", "10.0.0.1 peer", huge);
}

static void networks_match_their_own_family(void **state)
{
    (void)state;
    static const struct {
        const char *network, *address;
        bool inside;
    } cases[] = {{"10.1.0.0/16", "10.1.2.3", true},
                 {"10.1.0.0/16", "10.2.0.0", false},
                 {"10.1.2.3/9", "10.127.0.1", true},
                 {"0.0.0.0/0", "1.2.3.4", true},
                 {"0.0.0.0/0", "2001:db8::1", false},
                 {"::/0", "2001:db8::1", true},
                 {"::/0", "1.2.3.4", false},
                 {"::ffff:10.0.0.0/104", "10.9.9.9", true},
                 {"10.0.0.1", "10.0.0.1", true},
                 {"10.0.0.1/32", "10.0.0.2", false},
                 {"10.0.0.0/8", "::ffff:10.0.0.1", true},
                 {"2001:db8::/33", "2001:db8:8000::1", false},
                 {"2001:db8::/127", "2001:db8::1", true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client_address_rules rules = {.network_count = 0};
        struct client_header header = {str_of("X-Real-IP"), str_of("203.0.113.1")};
        struct client_address found;
        assert_int_equal(client_address_trust(&rules, cases[i].network, NULL), OK);
        assert_int_equal(client_address_use(&rules, "x-real-ip", NULL), OK);
        assert_int_equal(client_address_find(&rules, cases[i].address, &header, 1, NULL, NULL, &found, NULL), OK);
        if ((strcmp(found.source, "peer") != 0) != cases[i].inside)
            print_error("%s in %s\n", cases[i].address, cases[i].network);
        assert_int_equal(strcmp(found.source, "peer") != 0, cases[i].inside);
    }
}

static void bad_entries_are_refused_by_name(void **state) /* AUD-21 */
{
    (void)state;
    static const char *const bad[] = {"",           "/8",       "10.0.0.0/33", "10.0.0/8",     "host",       "::/129",
                                      "1.2.3.4/-1", "1.2.3.4/", "010.0.0.1",   "fe80::1%eth0", "10.0.0.1:80"};
    struct client_address_rules rules = {.network_count = 0};
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(client_address_trust(&rules, bad[i], &err), ERR_INVALID);
        assert_string_equal(err.param, "trusted_proxies");
    }
    static const char *const bad_headers[] = {"", "X Real", "X-Real-IP:", "a,b", "日"};
    for (size_t i = 0; i < ARRAY_LEN(bad_headers); i++) {
        assert_int_equal(client_address_use(&rules, bad_headers[i], &err), ERR_INVALID);
        assert_string_equal(err.param, "client_ip_headers");
    }
    for (size_t i = 0; i < CLIENT_IP_HEADERS_MAX; i++)
        assert_int_equal(client_address_use(&rules, "x", &err), OK);
    assert_int_equal(client_address_use(&rules, "x", &err), ERR_INVALID);
    struct client_address found;
    static const char *const bad_peers[] = {"host", "1.2.3", "1.2.3.4.5", "01.2.3.4"};
    for (size_t i = 0; i < ARRAY_LEN(bad_peers); i++)
        assert_int_equal(client_address_find(&rules, bad_peers[i], NULL, 0, NULL, NULL, &found, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_peer_counts_unless_it_is_trusted),    cmocka_unit_test(lists_are_walked_from_the_right),
        cmocka_unit_test(single_headers_hold_exactly_one_address), cmocka_unit_test(addresses_have_one_form),
        cmocka_unit_test(forwarded_is_read_as_its_rfc_says),       cmocka_unit_test(networks_match_their_own_family),
        cmocka_unit_test(bad_entries_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
