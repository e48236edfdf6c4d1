/* SPDX-License-Identifier: Apache-2.0 */
#include "http/page.h"

#include <inttypes.h>
#include <stdio.h>

enum err_code page_read(const struct http_request *request, struct page *ret, struct err *err)
{
    *ret = (struct page){.page = http_param_int(request, "page", 1),
                         .size = http_param_int(request, "page_size", PAGE_SIZE_DEFAULT)};
    const struct http_param *cursor = http_param(request, "cursor");
    if (cursor)
        ret->cursor = cursor->spec->kind == HTTP_PARAM_TEXT ? 1 : cursor->number;
    if (ret->cursor && http_param(request, "page"))
        return err_param(err, "page", "give page or cursor, not both");
    ret->offset = ret->cursor ? 0 : (ret->page - 1) * ret->size;
    return OK;
}

void page_write_text(struct json_writer *w, const struct page *page, const struct row_count *total, const char *next_cursor)
{
    json_key(w, "pagination");
    json_begin_object(w);
    if (!page->cursor)
        json_put_int(w, "page", page->page);
    json_put_int(w, "page_size", page->size);
    if (total) {
        json_put_int(w, "total", total->total);
        json_put_int(w, "total_pages", (total->total + page->size - 1) / page->size);
        if (total->is_lower_bound)
            json_put_bool(w, "total_is_lower_bound", true);
    }
    if (next_cursor)
        json_put_text(w, "next_cursor", next_cursor);
    json_end_object(w);
}

void page_write(struct json_writer *w, const struct page *page, const struct row_count *total, int64_t next_cursor)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, next_cursor);
    page_write_text(w, page, total, next_cursor ? text : NULL);
}
