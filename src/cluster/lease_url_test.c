/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/lease_url.h"

#include "base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void forms_that_are_allowed(void **state)
{
    struct lease_url url;
    struct err err;
    (void)state;
    assert_int_equal(lease_url_parse("auto", &url, &err), OK);
    assert_int_equal(url.kind, LEASE_AUTO);
    assert_int_equal(lease_url_parse("local", &url, &err), OK);
    assert_int_equal(url.kind, LEASE_LOCAL);
    assert_int_equal(lease_url_parse("store", &url, &err), OK);
    assert_int_equal(url.kind, LEASE_STORE);
    assert_int_equal(lease_url_parse("redis://host", &url, &err), OK);
    assert_true(url.kind == LEASE_REDIS && !url.tls && url.endpoint_count == 1 && url.endpoints[0].port == 6379 &&
                url.database == 0);
    assert_string_equal(url.endpoints[0].host, "host");
    assert_int_equal(lease_url_parse("rediss://us%65r:p%40s%2Fs%3A%25@[::1]:6400/15", &url, &err), OK);
    assert_true(url.tls && url.endpoints[0].port == 6400 && url.database == 15);
    assert_string_equal(url.endpoints[0].host, "::1");
    assert_string_equal(url.user, "user");
    assert_string_equal(url.password, "p@s/s:%");
    assert_int_equal(lease_url_parse("redis://:only@127.0.0.1:1/", &url, &err), OK);
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "only");
    assert_int_equal(lease_url_parse("etcd://a:1,b,[fe80::1]:3", &url, &err), OK);
    assert_true(url.kind == LEASE_ETCD && url.endpoint_count == 3 && url.endpoints[0].port == 1 && url.endpoints[1].port == 2379);
    assert_string_equal(url.endpoints[2].host, "fe80::1");
    assert_int_equal(lease_url_parse("etcd://root:pw@a:1,b:2", &url, &err), OK);
    assert_true(url.endpoint_count == 2 && strcmp(url.user, "root") == 0 && strcmp(url.password, "pw") == 0);
}

static void others_are_refused_by_name_and_show_no_password(void **state)
{
    static const char *const bad[][2] = {
        {"", "not allowed"},
        {"Local", "\"Local\" is not allowed"},
        {"memcached://u:secret@h", "\"memcached://…\" is not allowed"},
        {"redis:host", "not allowed"},
        {"redis://", "name is missing"},
        {"redis://:secret@", "name is missing"},
        {"redis://:secret@:6379", "name is missing"},
        {"redis://:secret@h:0", "port"},
        {"redis://:secret@h:65536", "port"},
        {"redis://:secret@h:6379x", "port"},
        {"redis://:secret@h:", "port"},
        {"redis://:secret@h/x", "database"},
        {"redis://:secret@h/-1", "database"},
        {"redis://:secret@h/65536", "database"},
        {"redis://:secret@h/1/2", "database"},
        {"redis://:secret%zz@h", "percent"},
        {"redis://:secret%2@h", "percent"},
        {"redis://:secret%00@h", "percent"},
        {"redis://:secret@a,b", "one server"},
        {"redis://:secret@h h", "character"},
        {"redis://:secret@h?x=1", "character"},
        {"redis://:secret@[::1", "port"},
        {"redis://:secret@[::1]x", "port"},
        {"redis://:secret@[]", "name is missing"},
        {"etcd://u:secret@a,,b", "name is missing"},
        {"etcd://u:secret@a,", "name is missing"},
        {"etcd://u:secret@a/1", "nothing may follow"},
        {"etcd://u:secret@1,2,3,4,5,6,7,8,9", "too many"},
    };
    struct lease_url url;
    struct err err;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (lease_url_parse(bad[i][0], &url, &err) != ERR_INVALID)
            fail_msg("%s was allowed", bad[i][0]);
        assert_string_equal(err.param, "lock");
        if (!strstr(err.message, bad[i][1]) || !strstr(err.message, "it must be auto, local, store, redis://") ||
            strstr(err.message, "secret"))
            fail_msg("%s: %s", bad[i][0], err.message);
    }
    char longest[2000] = "redis://:";
    memset(longest + 9, 'p', LEASE_PASSWORD_MAX);
    memcpy(longest + 9 + LEASE_PASSWORD_MAX, "@h", 3);
    assert_int_equal(lease_url_parse(longest, &url, &err), OK);
    memcpy(longest + 9 + LEASE_PASSWORD_MAX, "p@h", 4);
    assert_int_equal(lease_url_parse(longest, &url, &err), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms_that_are_allowed),
                                       cmocka_unit_test(others_are_refused_by_name_and_show_no_password)};
    return cmocka_run_group_tests_name("cluster: lock urls", tests, NULL, NULL);
}
