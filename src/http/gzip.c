/* SPDX-License-Identifier: Apache-2.0 */
#include "http/gzip.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <zlib.h>

enum { LEVEL = 1, WINDOW_AND_GZIP = 15 + 16, MEMORY_LEVEL = 8 };

struct gzip {
    z_stream stream;
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

bool gzip_is_accepted(const char *accept_encoding)
{
    struct str rest = str_of(accept_encoding), part, name;
    while (accept_encoding && str_split(&rest, ',', &part)) {
        (void)str_split(&part, ';', &name);
        if (str_equal_ignoring_case(str_trim(name), "gzip"))
            return !part.p || !is_zero_weight(part);
    }
    return false;
}

static struct gzip *make(void)
{
    struct gzip *gzip = xcalloc(1, sizeof *gzip);
    if (deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW_AND_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return gzip;
    free(gzip);
    return NULL;
}

bool gzip_compress(struct gzip **gzip, const void *bytes, size_t n, struct buf *out)
{
    if (!*gzip)
        *gzip = make();
    else if (deflateReset(&(*gzip)->stream) != Z_OK)
        return false;
    if (!*gzip)
        return false;
    z_stream *stream = &(*gzip)->stream;
    char *place = buf_reserve(out, n); /* only when it gets smaller */
    if (!place)
        return false;
    union {
        const void *in;
        Bytef *out;
    } source = {.in = bytes};
    stream->next_in = source.out;
    stream->avail_in = (uInt)n;
    stream->next_out = (Bytef *)place;
    stream->avail_out = (uInt)n;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return false;
    buf_commit(out, n - stream->avail_out);
    return true;
}

void gzip_free(struct gzip *gzip)
{
    if (!gzip)
        return;
    (void)deflateEnd(&gzip->stream);
    free(gzip);
}
