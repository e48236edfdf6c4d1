/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures against the vector that the Standard Webhooks libraries test themselves with, and edges of secrets. */
#include "sched/output_text.h"
#include "sched/webhook_signature.h"

#include "base/compiler.h"

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

/* ---- output as text ---- */

struct output_case {
    const char *bytes;
    size_t length, max;
    bool partial;
    const char *expected;
    bool cut;
};

static void ends_begin_with_a_character(void **state)
{
    static const struct output_case cases[] = {
        {"", 0, 8, false, NULL, false},
        {"abc", 3, 8, false, "abc", false},
        {"abc", 3, 2, false, "bc", true},
        {"a\0b", 3, 16, false, "a\xEF\xBF\xBD" "b", false},
        {"\xC3\xA4\xC3\xB6", 4, 3, false, "\xC3\xB6", true},
        {"\xA4\xC3\xB6", 3, 8, true, "\xC3\xB6", true},                     /* the rest of a character before */
        {"\xA4\xC3\xB6", 3, 8, false, "\xEF\xBF\xBD\xC3\xB6", false},       /* nothing was before: a stray byte */
        {"\x80\x80\x80\x80", 4, 12, true, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", false},
        {"\x80\x80\x80\x80", 4, 7, true, "\xEF\xBF\xBD\xEF\xBF\xBD", true}, /* replaced ones count with their length */
        {"\x80", 1, 8, true, NULL, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct output_case *c = &cases[i];
        bool cut = false;
        char *text = output_text_end(c->bytes, c->length, c->max, c->partial, &cut);
        if ((text == NULL) != (c->expected == NULL) || (text && strcmp(text, c->expected) != 0) || cut != c->cut)
            fail_msg("case %zu gives \"%s\", cut %d", i, text ? text : "nothing", cut);
        free(text);
    }
}

static void beginnings_end_with_a_character(void **state)
{
    static const struct output_case cases[] = {
        {"", 0, 8, true, NULL, false},
        {"abc", 3, 2, false, "ab", true},
        {"\xC3\xA4\xC3", 3, 8, true, "\xC3\xA4", false},
        {"\xC3\xA4\xC3", 3, 8, false, "\xC3\xA4\xEF\xBF\xBD", false},
        {"\xE4\xB8\xAD\xE4\xB8", 5, 8, true, "\xE4\xB8\xAD", false},
        {"\xC3\xA4\xC3\xB6", 4, 3, false, "\xC3\xA4", true},
        {"\xFF\xFF", 2, 5, false, "\xEF\xBF\xBD", true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct output_case *c = &cases[i];
        bool cut = false;
        char *text = output_text_begin(c->bytes, c->length, c->max, c->partial, &cut);
        if ((text == NULL) != (c->expected == NULL) || (text && strcmp(text, c->expected) != 0) || cut != c->cut)
            fail_msg("case %zu gives \"%s\", cut %d", i, text ? text : "nothing", cut);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_known_vector_is_signed_as_known),
        cmocka_unit_test(a_secret_that_is_no_base64_is_taken_as_it_is),
        cmocka_unit_test(long_secrets_and_bodies_fit),
        cmocka_unit_test(ends_begin_with_a_character),
        cmocka_unit_test(beginnings_end_with_a_character),
    };
    return cmocka_run_group_tests_name("sched: signatures and output as text", tests, NULL, NULL);
}
