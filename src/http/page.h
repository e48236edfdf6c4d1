/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of lists (API-05, contract section 3): `page` and `page_size`, or `cursor`, which is the `next_cursor` of the page
 * before. The total obeys the rulings, Totals (db_count_rows). Pure, any thread. */
#ifndef HORAE_HTTP_PAGE_H
#define HORAE_HTTP_PAGE_H

#include "base/json_write.h"
#include "db/db.h"
#include "http/http.h"

enum { PAGE_SIZE_MAX = 100, PAGE_SIZE_DEFAULT = 20, PAGE_MAX = 1000000 };

struct page {
    int64_t page, size;
    int64_t cursor; /* as page_write was given it: the id of the last row shown; 0 = none. Of text cursors: 1 = there is one */
    int64_t offset; /* rows before the page; 0 with a cursor */
};

/* Rows for a route's table of parameters. */
#define PAGE_PARAMS \
    {"page", HTTP_PARAM_INT, 1, PAGE_MAX, NULL}, {"page_size", HTTP_PARAM_INT, 1, PAGE_SIZE_MAX, NULL}, \
    { \
        "cursor", HTTP_PARAM_INT, 1, INT64_MAX, NULL \
    }

/* The same for lists whose places are no numbers: the cursor is a text, of which page_read says only that it is there. */
#define PAGE_PARAMS_TEXT \
    {"page", HTTP_PARAM_INT, 1, PAGE_MAX, NULL}, {"page_size", HTTP_PARAM_INT, 1, PAGE_SIZE_MAX, NULL}, \
    { \
        "cursor", HTTP_PARAM_TEXT, 1, 255, NULL \
    }

/* ERR_INVALID when both page and cursor are given. */
enum err_code page_read(const struct http_request *request, struct page *ret, struct err *err);
/* The member `pagination`. total NULL: not counted (with a cursor). next_cursor 0: no more rows. */
void page_write(struct json_writer *w, const struct page *page, const struct row_count *total, int64_t next_cursor);
void page_write_text(struct json_writer *w, const struct page *page, const struct row_count *total, const char *next_cursor);

#endif
