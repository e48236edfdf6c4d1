/* SPDX-License-Identifier: Apache-2.0 */
#include "http/body.h"

#include <string.h>
#include <strings.h>

enum { SIZE_DIGITS_MAX = 15 }; /* 2^60 */

static enum err_code refuse(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "INVALID_PARAMETER", "the request has %s", what);
}

static enum err_code begin_chunked(const struct head *head, struct body_reader *ret, struct err *err)
{
    if (head->minor == 0)
        return refuse(err, "Transfer-Encoding, which HTTP/1.0 does not know");
    if (head_count(head, "Transfer-Encoding") > 1)
        return refuse(err, "more than one Transfer-Encoding");
    if (strcasecmp(head_value(head, "Transfer-Encoding"), "chunked") != 0)
        return refuse(err, "a Transfer-Encoding other than chunked");
    *ret = (struct body_reader){.state = BODY_SIZE, .chunked = true};
    return OK;
}

enum err_code body_begin(const struct head *head, struct body_reader *ret, struct err *err)
{
    size_t lengths = head_count(head, "Content-Length");
    bool coded = head_value(head, "Transfer-Encoding") != NULL;
    int64_t length = 0;
    *ret = (struct body_reader){.state = BODY_DONE};
    if (lengths && coded)
        return refuse(err, "Content-Length and Transfer-Encoding together");
    if (lengths > 1)
        return refuse(err, "more than one Content-Length");
    if (coded)
        return begin_chunked(head, ret, err);
    if (!lengths)
        return OK;
    struct str text = str_of(head_value(head, "Content-Length"));
    if (strspn(text.p, "0123456789") != text.n || !text.n)
        return refuse(err, "a Content-Length that is not a number");
    if (!str_to_int(text, 0, INT64_MAX, &length))
        return err_set(err, ERR_LIMIT, "PAYLOAD_TOO_LARGE", "the request has a Content-Length of %.40s", text.p);
    if (length)
        *ret = (struct body_reader){.state = BODY_DATA, .left = (uint64_t)length};
    return OK;
}

uint64_t body_declared(const struct body_reader *body)
{
    return body->chunked ? 0 : body->left;
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum body_state take_size(struct body_reader *body, char c)
{
    int digit = hex_of(c);
    if (digit >= 0) {
        if (++body->digits > SIZE_DIGITS_MAX)
            return BODY_BAD;
        body->left = body->left * 16 + (uint64_t)digit;
        return BODY_SIZE;
    }
    if (!body->digits)
        return BODY_BAD;
    if (c == '\r')
        return BODY_SIZE_END;
    return c == ';' || c == ' ' || c == '\t' ? BODY_EXTENSION : BODY_BAD;
}

static enum body_state ignore(struct body_reader *body, char c, enum body_state stay, enum body_state end)
{
    if (c == '\r')
        return end;
    bool control = (unsigned char)c < 32 && c != '\t';
    return control || ++body->ignored > BODY_EXTENSIONS_MAX ? BODY_BAD : stay;
}

/* One byte of framing. */
static enum body_state take_byte(struct body_reader *body, char c)
{
    switch (body->state) {
    case BODY_SIZE: return take_size(body, c);
    case BODY_EXTENSION: return ignore(body, c, BODY_EXTENSION, BODY_SIZE_END);
    case BODY_SIZE_END:
        if (c != '\n')
            return BODY_BAD;
        return body->left ? BODY_DATA : BODY_TRAILER;
    case BODY_DATA_CR: return c == '\r' ? BODY_DATA_LF : BODY_BAD;
    case BODY_DATA_LF:
        body->digits = 0;
        return c == '\n' ? BODY_SIZE : BODY_BAD;
    case BODY_TRAILER: return c == '\r' ? BODY_LAST_LF : ignore(body, c, BODY_TRAILER_IN, BODY_BAD);
    case BODY_TRAILER_IN: return ignore(body, c, BODY_TRAILER_IN, BODY_TRAILER_END);
    case BODY_TRAILER_END: return c == '\n' ? BODY_TRAILER : BODY_BAD;
    case BODY_LAST_LF: return c == '\n' ? BODY_DONE : BODY_BAD;
    case BODY_DATA:
    case BODY_DONE:
    case BODY_BAD: break;
    }
    return BODY_BAD;
}

size_t body_take(struct body_reader *body, const char *bytes, size_t n, struct str *ret_data)
{
    size_t at = 0;
    *ret_data = (struct str){bytes, 0};
    while (at < n && body->state != BODY_DATA && body->state != BODY_DONE && body->state != BODY_BAD)
        body->state = take_byte(body, bytes[at++]);
    if (body->state != BODY_DATA || at == n)
        return at;
    size_t piece = body->left < n - at ? (size_t)body->left : n - at;
    *ret_data = (struct str){bytes + at, piece};
    body->left -= piece;
    if (!body->left)
        body->state = body->chunked ? BODY_DATA_CR : BODY_DONE;
    return at + piece;
}
