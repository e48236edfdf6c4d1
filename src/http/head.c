/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include "base/str.h"

#include <string.h>
#include <strings.h>

/* RFC 9110 section 5.6.2. */
static bool is_token_char(unsigned char c)
{
    static const bool allowed[256] = {
        ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true, ['*'] = true, ['+'] = true,
        ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true, ['`'] = true, ['|'] = true,  ['~'] = true, ['0'] = true,
        ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true, ['6'] = true,  ['7'] = true, ['8'] = true,
        ['9'] = true, ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true, ['e'] = true,  ['f'] = true, ['g'] = true,
        ['h'] = true, ['i'] = true, ['j'] = true, ['k'] = true, ['l'] = true, ['m'] = true,  ['n'] = true, ['o'] = true,
        ['p'] = true, ['q'] = true, ['r'] = true, ['s'] = true, ['t'] = true, ['u'] = true,  ['v'] = true, ['w'] = true,
        ['x'] = true, ['y'] = true, ['z'] = true, ['A'] = true, ['B'] = true, ['C'] = true,  ['D'] = true, ['E'] = true,
        ['F'] = true, ['G'] = true, ['H'] = true, ['I'] = true, ['J'] = true, ['K'] = true,  ['L'] = true, ['M'] = true,
        ['N'] = true, ['O'] = true, ['P'] = true, ['Q'] = true, ['R'] = true, ['S'] = true,  ['T'] = true, ['U'] = true,
        ['V'] = true, ['W'] = true, ['X'] = true, ['Y'] = true, ['Z'] = true,
    };
    return allowed[c];
}

static size_t token_length(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && is_token_char((unsigned char)text[i]))
        i++;
    return i;
}

static enum err_code bad(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "INVALID_PARAMETER", "the request is malformed: %s", what);
}

/* ---- finding the end ---- */

static enum head_progress refuse(int *ret_status, int status, enum err_code code)
{
    (void)code;
    *ret_status = status;
    return HEAD_BAD;
}

static enum head_progress too_large(const struct head_scan *scan, int *ret_status, struct err *err)
{
    bool in_line = scan->line_from == scan->begin;
    return refuse(ret_status, in_line ? 414 : 431,
                  err_set(err, ERR_LIMIT, "PAYLOAD_TOO_LARGE", "the %s must have at most %d bytes",
                          in_line ? "request line" : "head of the request", in_line ? HEAD_TARGET_MAX : HEAD_BYTES_MAX));
}

/* One line ended at `end` (its LF). */
static enum head_progress take_line(struct head_scan *scan, const char *bytes, size_t end, int *ret_status, struct err *err)
{
    if (end == scan->line_from || bytes[end - 1] != '\r')
        return refuse(ret_status, 400, bad(err, "a line does not end with CR LF"));
    bool empty = end == scan->line_from + 1;
    scan->scanned = scan->line_from = end + 1;
    if (empty && scan->in_head)
        return HEAD_COMPLETE;
    if (!empty) {
        scan->in_head = true;
        return HEAD_INCOMPLETE;
    }
    scan->begin = end + 1;
    if (scan->begin > HEAD_LEADING_LINES_MAX * 2)
        return refuse(ret_status, 400, bad(err, "it begins with empty lines"));
    return HEAD_INCOMPLETE;
}

enum head_progress head_scan(struct head_scan *scan, const char *bytes, size_t n, int *ret_status, struct err *err)
{
    while (scan->scanned < n) {
        const char *lf = memchr(bytes + scan->scanned, '\n', n - scan->scanned);
        size_t end = lf ? (size_t)(lf - bytes) : n;
        bool in_line = scan->line_from == scan->begin;
        if (end - scan->begin > HEAD_BYTES_MAX || (in_line && end - scan->begin > HEAD_TARGET_MAX + HEAD_METHOD_MAX + 16))
            return too_large(scan, ret_status, err);
        if (!lf) {
            scan->scanned = n;
            break;
        }
        enum head_progress progress = take_line(scan, bytes, end, ret_status, err);
        if (progress != HEAD_INCOMPLETE)
            return progress;
    }
    return HEAD_INCOMPLETE;
}

/* ---- parsing ---- */

/* The next line without its CR LF; there is one: head_scan found them. */
static struct str next_line(char **at, const char *end)
{
    char *from = *at, *lf = memchr(from, '\n', (size_t)(end - from));
    if (!lf || lf == from) {
        *at = from + (end - from);
        return (struct str){from, 0};
    }
    *at = lf + 1;
    lf[-1] = '\0';
    return (struct str){from, (size_t)(lf - 1 - from)};
}

static bool is_target(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= 32 || text[i] == 127)
            return false;
    return n > 0;
}

static enum err_code parse_version(struct str text, struct head *head, int *ret_status, struct err *err)
{
    bool fine = text.n == 8 && memcmp(text.p, "HTTP/", 5) == 0 && text.p[5] >= '0' && text.p[5] <= '9' && text.p[6] == '.' &&
                text.p[7] >= '0' && text.p[7] <= '9';
    if (!fine)
        return bad(err, "its first line must be METHOD TARGET HTTP/1.1");
    if (text.p[5] != '1') {
        *ret_status = 505;
        return err_set(err, ERR_INVALID, "INVALID_PARAMETER", "this server speaks HTTP/1.1 and HTTP/1.0");
    }
    head->minor = text.p[7] == '0' ? 0 : 1;
    return OK;
}

static enum err_code parse_request_line(struct str line, struct head *head, int *ret_status, struct err *err)
{
    char *text = (char *)(uintptr_t)line.p;
    size_t method = token_length(text, line.n);
    char *blank = method < line.n ? memchr(text + method + 1, ' ', line.n - method - 1) : NULL;
    if (!method || method > HEAD_METHOD_MAX || text[method] != ' ' || !blank)
        return bad(err, "its first line must be METHOD TARGET HTTP/1.1");
    text[method] = '\0';
    *blank = '\0';
    head->method = text;
    head->target = text + method + 1;
    size_t target = (size_t)(blank - head->target);
    if (!is_target(head->target, target))
        return bad(err, "its target holds blanks or control characters");
    if (target > HEAD_TARGET_MAX) {
        *ret_status = 414;
        return err_set(err, ERR_LIMIT, "PAYLOAD_TOO_LARGE", "the target must have at most %d bytes", HEAD_TARGET_MAX);
    }
    return parse_version((struct str){blank + 1, line.n - (size_t)(blank + 1 - text)}, head, ret_status, err);
}

static bool is_value(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 32 && c != '\t') || c == 127)
            return false;
    }
    return true;
}

static enum err_code parse_field(struct str line, struct head *head, int *ret_status, struct err *err)
{
    if (line.p[0] == ' ' || line.p[0] == '\t')
        return bad(err, "a header field is folded over two lines");
    size_t name = token_length(line.p, line.n);
    if (!name || name == line.n || line.p[name] != ':')
        return bad(err, "a header field is not Name: value");
    struct str value = str_trim((struct str){line.p + name + 1, line.n - name - 1});
    if (!is_value(value))
        return bad(err, "a header field holds control characters");
    if (head->count == HEAD_FIELDS_MAX) {
        *ret_status = 431;
        return err_set(err, ERR_LIMIT, "PAYLOAD_TOO_LARGE", "a request must have at most %d header fields", HEAD_FIELDS_MAX);
    }
    char *text = (char *)(uintptr_t)line.p;
    text[name] = '\0';
    text[value.p + value.n - line.p] = '\0';
    head->fields[head->count++] = (struct head_field){text, value.p};
    return OK;
}

enum err_code head_parse(char *bytes, size_t length, struct head *ret, int *ret_status, struct err *err)
{
    char *at = bytes;
    const char *end = bytes + length;
    *ret_status = 400;
    ret->count = 0;
    enum err_code code = parse_request_line(next_line(&at, end), ret, ret_status, err);
    while (code == OK && at < end) {
        struct str line = next_line(&at, end);
        if (!line.n)
            break;
        code = parse_field(line, ret, ret_status, err);
    }
    return code;
}

/* ---- asking ---- */

const char *head_value(const struct head *head, const char *name)
{
    for (size_t i = 0; i < head->count; i++)
        if (strcasecmp(head->fields[i].name, name) == 0)
            return head->fields[i].value;
    return NULL;
}

size_t head_count(const struct head *head, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->count; i++)
        count += strcasecmp(head->fields[i].name, name) == 0;
    return count;
}

bool head_has_token(const struct head *head, const char *name, const char *token)
{
    for (size_t i = 0; i < head->count; i++) {
        if (strcasecmp(head->fields[i].name, name) != 0)
            continue;
        struct str rest = str_of(head->fields[i].value), part;
        while (str_split(&rest, ',', &part))
            if (str_equal_ignoring_case(str_trim(part), token))
                return true;
    }
    return false;
}
