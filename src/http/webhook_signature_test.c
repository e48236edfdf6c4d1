/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures against the vector that the Standard Webhooks libraries test themselves with, and edges of secrets. */
#include "http/webhook_signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_known_vector_is_signed_as_known(void **state)
{
    static const char body[] = "{\"test\": 2432232314}";
    char out[WEBHOOK_SIGNATURE_MAX];
    (void)state;
    webhook_sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, strlen(body), out);
    assert_string_equal(out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void a_secret_that_is_no_base64_is_taken_as_it_is(void **state)
{
    char with_prefix[WEBHOOK_SIGNATURE_MAX], without[WEBHOOK_SIGNATURE_MAX], other[WEBHOOK_SIGNATURE_MAX];
    (void)state;
    webhook_sign("whsec_not base64!", "id", 1, "", 0, with_prefix);
    webhook_sign("not base64!", "id", 1, "", 0, without);
    webhook_sign("whsec_not base64?", "id", 1, "", 0, other);
    assert_string_not_equal(with_prefix, without);
    assert_string_not_equal(with_prefix, other);
    webhook_sign("whsec_bm90IGJhc2U2NCE=", "id", 1, "", 0, with_prefix); /* the same bytes, encoded */
    assert_string_equal(with_prefix, without);
}

static void long_secrets_and_bodies_fit(void **state)
{
    char secret[4096], out[WEBHOOK_SIGNATURE_MAX];
    (void)state;
    memset(secret, 's', sizeof secret - 1);
    secret[sizeof secret - 1] = '\0';
    webhook_sign(secret, "id", INT64_MAX, secret, strlen(secret), out);
    assert_int_equal(strlen(out), 3 + 44);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_vector_is_signed_as_known),
        cmocka_unit_test(a_secret_that_is_no_base64_is_taken_as_it_is),
        cmocka_unit_test(long_secrets_and_bodies_fit),
    };
    return cmocka_run_group_tests_name("sched: signatures of webhooks", tests, NULL, NULL);
}
