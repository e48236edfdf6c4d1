/* SPDX-License-Identifier: Apache-2.0 */
/* Microseconds of one audit object of about 240 KB that has to be cut, beside yyjson reading and writing the same text and a
 * bare copy of it. Prints JSON. */
#include "audit/audit_object.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <yyjson.h>

enum { OBJECT_BYTES = 240000, ROUNDS = 200, WARM_ROUNDS = 20 };

static volatile size_t sink;

static void add_config(struct buf *out, int i)
{
    buf_printf(out, "{\"id\":%d,\"config\":\"", i);
    for (int lines = 3 + i * 37 % 90; lines > 0; lines--)
        buf_add_text(out, "key: value\\nlist:\\n - \\\"quoted\\\"\\n - \xe4\xbd\xa0\xe5\xa5\xbd\\n");
    buf_add_text(out, "\"}");
}

/* One like a large deployment: annotations of growing length, or records, or numbers only. */
static void make_text(struct buf *out, const char *kind)
{
    buf_add_text(out, "{\"metadata\":{\"name\":\"billing\",\"labels\":{\"app\":\"billing\"}},\"items\":[");
    for (int i = 0; out->len < OBJECT_BYTES; i++) {
        buf_add_text(out, i ? "," : "");
        if (strcmp(kind, "numbers") == 0)
            buf_add_int(out, i * 7919);
        else if (strcmp(kind, "records") == 0)
            buf_printf(
                out,
                "{\"id\":%d,\"name\":\"record number %d\",\"state\":\"active\",\"note\":\"gr\xc3\xb6\xc3\x9f\x65r als %d\\n\"}",
                i, i, i);
        else
            add_config(out, i);
    }
    buf_add_text(out, "]}");
}

static void cut(const struct buf *text)
{
    struct audit_object object;
    audit_object_make(text->data, text->len, NULL, &object);
    sink += object.length + object.paths.count;
    audit_object_release(&object);
}

static void read_and_write(const struct buf *text)
{
    yyjson_doc *doc = yyjson_read(text->data, text->len, 0);
    size_t length = 0;
    char *again = yyjson_write(doc, 0, &length);
    sink += length;
    free(again);
    yyjson_doc_free(doc);
}

static void copy(const struct buf *text)
{
    char *to = xmalloc(text->len);
    memcpy(to, text->data, text->len);
    sink += (unsigned char)to[text->len / 2];
    free(to);
}

/* The middle one of all rounds. */
static double microseconds(const struct buf *text, void (*work)(const struct buf *text))
{
    int64_t taken[ROUNDS];
    for (int i = -WARM_ROUNDS; i < ROUNDS; i++) {
        struct timespec begun, ended;
        (void)clock_gettime(CLOCK_MONOTONIC, &begun);
        work(text);
        (void)clock_gettime(CLOCK_MONOTONIC, &ended);
        const int64_t ns = (ended.tv_sec - begun.tv_sec) * 1000000000 + (ended.tv_nsec - begun.tv_nsec);
        int at = i; /* sorted as they come */
        for (; at > 0 && taken[at - 1] > ns; at--)
            taken[at] = taken[at - 1];
        if (i >= 0)
            taken[at] = ns;
    }
    return (double)taken[ROUNDS / 2] / 1000;
}

int main(void)
{
    static const char *const kinds[] = {"configs", "records", "numbers"};
    (void)printf("[");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct buf text;
        buf_init(&text, 2 * OBJECT_BYTES);
        make_text(&text, kinds[i]);
        (void)printf("%s{\"kind\":\"%s\",\"bytes\":%zu,\"cut_us\":%.1f,\"yyjson_us\":%.1f,\"copy_us\":%.1f}", i ? "," : "",
                     kinds[i], text.len, microseconds(&text, cut), microseconds(&text, read_and_write),
                     microseconds(&text, copy));
        buf_release(&text);
    }
    (void)printf("]\n");
    return 0;
}
