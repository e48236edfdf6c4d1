/* SPDX-License-Identifier: Apache-2.0 */
/* Answers in gzip (RFC 1952), for clients that accept it. */
#include "base/mem.h"
#include "http/http_priv.h"

#include <string.h>
#include <zlib.h>

enum {
    LEAST = 1400,   /* below it does not pay */
    MOST = 1 << 20, /* above it would hold up others on this thread */
    LEVEL = 1,
    WINDOW_AND_GZIP = 15 + 16,
    MEMORY_LEVEL = 8,
};

/* "q=0", "q=0.0…": not at all. */
static bool is_zero_weight(struct str parameter)
{
    struct str name;
    parameter = str_trim(parameter);
    if (!str_split(&parameter, '=', &name) || !str_equal_ignoring_case(str_trim(name), "q") || !parameter.p)
        return false;
    parameter = str_trim(parameter);
    for (size_t i = 0; i < parameter.n; i++)
        if (parameter.p[i] != '0' && parameter.p[i] != '.')
            return false;
    return parameter.n > 0;
}

/* Accept-Encoding with weights (RFC 9110 section 12.5.3); NULL = absent. */
static bool is_accepted(const char *accept_encoding)
{
    struct str rest = str_of(accept_encoding ? accept_encoding : ""), part, name;
    while (str_split(&rest, ',', &part)) {
        (void)str_split(&part, ';', &name);
        if (str_equal_ignoring_case(str_trim(name), "gzip"))
            return !part.p || !is_zero_weight(part);
    }
    return false;
}

static bool is_text(const char *type)
{
    return type && (strncmp(type, "text/", 5) == 0 || strcmp(type, "application/json") == 0);
}

/* Into `capacity` bytes; 0: it does not get smaller than that. */
static size_t pack(const char *bytes, size_t n, char *out, size_t capacity)
{
    union { /* the library's input is not const */
        const char *bytes;
        Bytef *in;
    } source = {.bytes = bytes};
    z_stream stream = {.next_in = source.in, .avail_in = (uInt)n, .next_out = (Bytef *)out, .avail_out = (uInt)capacity};
    if (deflateInit2(&stream, LEVEL, Z_DEFLATED, WINDOW_AND_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    (void)deflateEnd(&stream);
    return whole ? capacity - stream.avail_out : 0;
}

bool answer_compress(struct http_request *request)
{
    struct http_answer *answer = &request->answer;
    answer->varies = !answer->stream && answer->length >= LEAST && answer->length <= MOST && is_text(answer->type);
    if (!answer->varies || !is_accepted(http_header(request, "Accept-Encoding")))
        return false;
    char *packed = xmalloc(answer->length);
    size_t n = pack(answer->body, answer->length, packed, answer->length);
    if (!n) {
        free(packed);
        return false;
    }
    if (!answer->is_static)
        free(answer->body);
    answer->body = packed;
    answer->length = n;
    answer->is_static = false;
    return true;
}
