/* SPDX-License-Identifier: Apache-2.0 */
/* Heads and bodies as bytes: what is well formed, what is refused, in one piece and byte by byte (RFC 9112). */
#include "base/compiler.h"
#include "base/mem.h"
#include "http/body.h"
#include "http/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

/* ---- heads ---- */

/* Feeds `step` bytes at a time; the status of a refusal, or 0 with a parsed head whose bytes are in *ret_copy. */
static int read_head(const char *bytes, size_t n, size_t step, struct head *head, char **ret_copy, size_t *ret_used)
{
    struct head_scan scan = {0};
    struct err err;
    int status = 0;
    *ret_copy = NULL;
    for (size_t seen = 0; seen < n;) {
        seen = seen + step < n ? seen + step : n;
        enum head_progress progress = head_scan(&scan, bytes, seen, &status, &err);
        if (progress == HEAD_BAD)
            return status;
        if (progress == HEAD_INCOMPLETE)
            continue;
        *ret_used = scan.scanned;
        *ret_copy = xstrndup(bytes + scan.begin, scan.scanned - scan.begin);
        return head_parse(*ret_copy, scan.scanned - scan.begin, head, &status, &err) == OK ? 0 : status;
    }
    return -1; /* not complete */
}

static void check_head(const char *bytes, size_t n, int expected)
{
    static const size_t steps[] = {1, 2, 7, 100000};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct head head;
        char *copy;
        size_t used;
        int status = read_head(bytes, n, steps[i], &head, &copy, &used);
        free(copy);
        if (status != expected)
            fail_msg("%.60s… in steps of %zu: %d, not %d", bytes, steps[i], status, expected);
    }
}

#define HEAD(text, expected) check_head(text, sizeof(text) - 1, expected)

static void malformed_heads_are_refused(void **state)
{
    (void)state;
    HEAD("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0);
    HEAD("\r\n\r\nGET / HTTP/1.1\r\n\r\n", 0);
    HEAD("GET / HTTP/1.1\r\nA:\r\nB: \t \r\nC:x\r\nD:\tx y \xff\t\r\n\r\n", 0);
    HEAD("GET / HTTP/1.1\r\nHost: x\r\n", -1);
    HEAD("GET / HTTP/2.0\r\n\r\n", 505);
    HEAD("GET / HTTP/1.9\r\n\r\n", 0);
    HEAD("GET /\r\n\r\n", 400); /* HTTP/0.9 */
    HEAD("GET / HTTP/1.1 \r\n\r\n", 400);
    HEAD("GET  / HTTP/1.1\r\n\r\n", 400);
    HEAD("GET / x HTTP/1.1\r\n\r\n", 400);
    HEAD("GET\t/ HTTP/1.1\r\n\r\n", 400);
    HEAD("G{T / HTTP/1.1\r\n\r\n", 400);
    HEAD(" GET / HTTP/1.1\r\n\r\n", 400);
    HEAD("GET /\x01 HTTP/1.1\r\n\r\n", 400);
    HEAD("GET /\0 HTTP/1.1\r\n\r\n", 400);
    HEAD("GET / http/1.1\r\n\r\n", 400);
    HEAD("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400); /* TLS */
    HEAD("GET / HTTP/1.1\nHost: x\n\n", 400);
    HEAD("GET / HTTP/1.1\r\nHost: x\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\n: x\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\nHost\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\n A: b\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\nA\0: b\r\n\r\n", 400);
    HEAD("GET / HTTP/1.1\r\nA: \x7f\r\n\r\n", 400);
    HEAD("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n", 400);
}

static void heads_have_limits(void **state)
{
    (void)state;
    char *text = xmalloc(3 * HEAD_BYTES_MAX);
    size_t n = (size_t)snprintf(text, HEAD_BYTES_MAX, "GET /%0*d HTTP/1.1\r\n\r\n", HEAD_TARGET_MAX - 1, 0);
    check_head(text, n, 0);
    n = (size_t)snprintf(text, HEAD_BYTES_MAX, "GET /%0*d HTTP/1.1\r\n\r\n", HEAD_TARGET_MAX, 0);
    check_head(text, n, 414);
    memset(text, 'x', 3 * HEAD_BYTES_MAX); /* a first line without an end */
    check_head(text, 2 * HEAD_BYTES_MAX, 414);
    n = (size_t)snprintf(text, 2 * HEAD_BYTES_MAX, "GET / HTTP/1.1\r\nA: %0*d\r\n\r\n", HEAD_BYTES_MAX, 0);
    check_head(text, n, 431);
    n = (size_t)snprintf(text, HEAD_BYTES_MAX, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < HEAD_FIELDS_MAX; i++)
        n += (size_t)snprintf(text + n, 16, "A%d: b\r\n", i);
    memcpy(text + n, "\r\n", 2);
    check_head(text, n + 2, 0);
    memcpy(text + n, "B: c\r\n\r\n", 8);
    check_head(text, n + 8, 431);
    free(text);
}

static void a_head_is_read_as_it_was_sent(void **state)
{
    (void)state;
    static const char bytes[] = "POST /a?b=%20 HTTP/1.0\r\nHost:  h \r\nConnection: Upgrade , CLOSE\r\nX: 1\r\nx: 2\r\n\r\nrest";
    struct head head;
    char *copy;
    size_t used;
    assert_int_equal(read_head(bytes, sizeof bytes - 1, 3, &head, &copy, &used), 0);
    assert_string_equal(bytes + used, "rest");
    assert_string_equal(head.method, "POST");
    assert_string_equal(head.target, "/a?b=%20");
    assert_int_equal(head.minor, 0);
    assert_int_equal(head.count, 4);
    assert_string_equal(head_value(&head, "host"), "h");
    assert_string_equal(head_value(&head, "x"), "1");
    assert_int_equal(head_count(&head, "X"), 2);
    assert_null(head_value(&head, "hos"));
    assert_true(head_has_token(&head, "connection", "close"));
    assert_true(head_has_token(&head, "connection", "upgrade"));
    assert_false(head_has_token(&head, "connection", "clos"));
    free(copy);
}

/* ---- bodies ---- */

struct body_case {
    const char *fields, *bytes; /* lines of the head; what follows it */
    const char *data;           /* NULL: refused */
    const char *rest;           /* bytes after the body */
};

/* The data, or NULL when it was refused or did not end. */
static char *read_body(const struct body_case *c, size_t step, size_t *ret_used)
{
    char text[1000];
    struct head head;
    struct body_reader body;
    struct err err;
    struct buf data;
    int status;
    int n = snprintf(text, sizeof text, "POST / HTTP/1.1\r\n%s\r\n", c->fields);
    assert_int_equal(head_parse(text, (size_t)n, &head, &status, &err), OK);
    if (body_begin(&head, &body, &err) != OK)
        return NULL;
    buf_init(&data, 1000);
    size_t at = 0, length = strlen(c->bytes);
    while (body.state != BODY_DONE && body.state != BODY_BAD && at < length) {
        struct str piece;
        size_t used = body_take(&body, c->bytes + at, step < length - at ? step : length - at, &piece);
        assert_true(used > 0);
        buf_add(&data, piece.p, piece.n);
        at += used;
    }
    *ret_used = at;
    buf_add_char(&data, '\0');
    if (body.state == BODY_DONE)
        return buf_take(&data);
    buf_release(&data);
    return NULL;
}

static void bodies_end_where_one_reader_and_all_others_see_it(void **state)
{
    (void)state;
#define LENGTH(n) "Content-Length: " n "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
    static const struct body_case cases[] = {
        {"", "x", "", "x"},
        {LENGTH("0"), "x", "", "x"},
        {LENGTH("3"), "abcd", "abc", "d"},
        {LENGTH("03"), "abcd", "abc", "d"},
        {LENGTH("3"), "ab", NULL, NULL},
        {LENGTH("3") LENGTH("3"), "abc", NULL, NULL},
        {LENGTH("3, 3"), "abc", NULL, NULL},
        {LENGTH("+3"), "abc", NULL, NULL},
        {LENGTH("-3"), "abc", NULL, NULL},
        {LENGTH("0x3"), "abc", NULL, NULL},
        {LENGTH("3 3"), "abc", NULL, NULL},
        {LENGTH(""), "abc", NULL, NULL},
        {LENGTH("9223372036854775808"), "abc", NULL, NULL},
        {LENGTH("3") CHUNKED, "3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
        {CHUNKED CHUNKED, "0\r\n\r\n", NULL, NULL},
        {"Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", NULL, NULL},
        {"Transfer-Encoding: identity\r\n", "0\r\n\r\n", NULL, NULL},
        {"Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", NULL, NULL},
        {"Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n", "", ""},
        {CHUNKED, "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nnext", "abc0123456789", "next"},
        {CHUNKED, "03;x=\"y\"\r\nabc\r\n000\r\nTrailer: 1\r\nAnother: 2\r\n\r\n", "abc", ""},
        {CHUNKED, "3 \r\nabc\r\n0\r\n\r\n", "abc", ""},
        {CHUNKED, "\r\nabc", NULL, NULL},
        {CHUNKED, "+3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
        {CHUNKED, "-3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
        {CHUNKED, "0x3\r\nabc\r\n0\r\n\r\n", NULL, NULL},
        {CHUNKED, "3\nabc\n0\n\n", NULL, NULL},
        {CHUNKED, "3\r\nabcd\r\n0\r\n\r\n", NULL, NULL},
        {CHUNKED, "3\r\nabc0\r\n\r\n", NULL, NULL},
        {CHUNKED, "3\r\nabc\r\n0\r\n\n", NULL, NULL},
        {CHUNKED, "3;a\nb\r\nabc\r\n0\r\n\r\n", NULL, NULL},
        {CHUNKED, "1000000000000000\r\n", NULL, NULL},
        {CHUNKED, "3\r\nabc\r\n", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t step = 1; step < 40; step += 6) {
            size_t used = 0;
            char *data = read_body(&cases[i], step, &used);
            if (!data != !cases[i].data || (data && strcmp(data, cases[i].data) != 0))
                fail_msg("%s%s in steps of %zu: %s", cases[i].fields, cases[i].bytes, step, data ? data : "refused");
            if (data)
                assert_string_equal(cases[i].bytes + used, cases[i].rest);
            free(data);
        }
}

static void transfer_codings_need_http_1_1(void **state)
{
    (void)state;
    char text[] = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct head head;
    struct body_reader body;
    struct err err;
    int status;
    assert_int_equal(head_parse(text, sizeof text - 1, &head, &status, &err), OK);
    assert_int_equal(body_begin(&head, &body, &err), ERR_INVALID);
}

static void extensions_and_trailers_have_a_limit(void **state)
{
    (void)state;
    struct body_reader body = {.state = BODY_SIZE, .chunked = true};
    struct str piece;
    char *text = xmalloc(BODY_EXTENSIONS_MAX + 10);
    memset(text, 'x', BODY_EXTENSIONS_MAX + 10);
    memcpy(text, "1;", 2);
    (void)body_take(&body, text, BODY_EXTENSIONS_MAX, &piece);
    assert_int_equal(body.state, BODY_EXTENSION);
    (void)body_take(&body, text + 10, 10, &piece);
    assert_int_equal(body.state, BODY_BAD);
    free(text);
}

/* ---- gzip ---- */

static void gzip_is_chosen_by_weight(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool accepted;
    } cases[] = {{NULL, false},          {"", false},           {"gzip", true},       {"GZIP", true},        {"br, gzip", true},
                 {"gzip;q=0", false},    {"gzip; q=0.000", false}, {"gzip;q=0.1", true}, {"gzip;q=1", true},    {"*", false},
                 {"deflate", false},     {"gzipx", false},      {" gzip ;q=0.5,br", true}, {"br;q=1,gzip;q=0", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(gzip_is_accepted(cases[i].value), cases[i].accepted);
}

static void what_was_compressed_comes_out_again(void **state)
{
    (void)state;
    struct gzip *gzip = NULL;
    char text[20000], back[sizeof text];
    for (int round = 0; round < 3; round++) {
        struct buf out;
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (char)('a' + (i * 7 + (size_t)round) % 23);
        buf_init(&out, sizeof text);
        assert_true(gzip_compress(&gzip, text, sizeof text, &out));
        assert_true(out.len < sizeof text / 2);
        z_stream stream = {.next_in = (Bytef *)out.data, .avail_in = (uInt)out.len, .next_out = (Bytef *)back, .avail_out = sizeof back};
        assert_int_equal(inflateInit2(&stream, 31), Z_OK);
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        (void)inflateEnd(&stream);
        assert_memory_equal(text, back, sizeof text);
        buf_release(&out);
    }
    struct buf out;
    buf_init(&out, 100);
    assert_false(gzip_compress(&gzip, "random: 9f8a7c", 14, &out)); /* would grow */
    buf_release(&out);
    gzip_free(gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_heads_are_refused),
        cmocka_unit_test(heads_have_limits),
        cmocka_unit_test(a_head_is_read_as_it_was_sent),
        cmocka_unit_test(bodies_end_where_one_reader_and_all_others_see_it),
        cmocka_unit_test(transfer_codings_need_http_1_1),
        cmocka_unit_test(extensions_and_trailers_have_a_limit),
        cmocka_unit_test(gzip_is_chosen_by_weight),
        cmocka_unit_test(what_was_compressed_comes_out_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
