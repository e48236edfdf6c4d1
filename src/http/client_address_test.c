/* SPDX-License-Identifier: Apache-2.0 */
#include "http/client_address.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static void the_client_is_found_behind_trusted_proxies_only(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *forwarded_for, *real_ip, *client;
    } cases[] = {
        {"203.0.113.9", "1.2.3.4", "5.6.7.8", "203.0.113.9"},      /* AUD-22 */
        {"10.0.0.1", "1.2.3.4", "", "1.2.3.4"},                    /* AUD-23 */
        {"10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.7", "", "1.2.3.4"}, /* a forged left end is not believed */
        {"10.0.0.1", "10.0.0.3, 10.0.0.2", "", "10.0.0.3"},        /* all trusted: the leftmost */
        {"10.0.0.1", "1.2.3.4, junk, 10.0.0.2", "", "10.0.0.2"},   /* AUD-24 */
        {"10.0.0.1", "junk", "", "10.0.0.1"},
        {"10.0.0.1", "", "1.2.3.4", "1.2.3.4"}, /* AUD-25 */
        {"10.0.0.1", "", "1.2.3.4, 5.6.7.8", "10.0.0.1"},
        {"10.0.0.1", " , 1.2.3.4:8080 ,", "", "1.2.3.4"}, /* AUD-26 */
        {"10.0.0.1", "[2001:DB8::1]:443", "", "2001:db8::1"},
        {"10.0.0.1", "::ffff:1.2.3.4", "", "1.2.3.4"},
        {"10.0.0.1", "fe80::1%eth0", "", "fe80::1"},
        {"10.0.0.1", "01.2.3.4", "", "10.0.0.1"},
        {"10.0.0.1", "0.0.0.0", "", "10.0.0.1"},
        {"::ffff:10.0.0.1", "1.2.3.4", "", "1.2.3.4"},
        {"2001:db8:1::5", "1.2.3.4", "", "1.2.3.4"},
    };
    struct trusted_proxies trusted = {.count = 0};
    struct err err;
    assert_int_equal(trusted_proxies_add(&trusted, "10.0.0.0/8", &err), OK);
    assert_int_equal(trusted_proxies_add(&trusted, "2001:db8:1::/48", &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[CLIENT_ADDRESS_MAX];
        client_address_find(&trusted, cases[i].peer, str_of(cases[i].forwarded_for), str_of(cases[i].real_ip), out);
        assert_string_equal(out, cases[i].client);
    }
}

static void bad_entries_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "10.0.0.0/33", "10.0.0/8", "host", "::/129", "1.2.3.4/-1", "010.0.0.1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct trusted_proxies trusted = {.count = 0};
        struct err err;
        assert_int_equal(trusted_proxies_add(&trusted, bad[i], &err), ERR_INVALID);
        assert_string_equal(err.param, "trusted_proxies");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_found_behind_trusted_proxies_only),
        cmocka_unit_test(bad_entries_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
