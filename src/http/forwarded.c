/* SPDX-License-Identifier: Apache-2.0 */
#include "http/forwarded.h"

#include "base/str.h"

#include <string.h>

void forwarded_begin(struct forwarded_parser *p, forwarded_element_fn element, void *arg)
{
    *p = (struct forwarded_parser){.element = element, .arg = arg};
}

static void finish_element(struct forwarded_parser *p)
{
    if (p->any)
        p->element(p->arg, p->node, p->length, p->has_for && !p->broken);
    p->length = 0;
    p->any = p->has_for = p->broken = false;
}

static struct str skip_blanks(struct str s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.n--;
    }
    return s;
}

static void keep(struct forwarded_parser *p, char c)
{
    if (p->length == sizeof p->node)
        p->broken = true;
    else
        p->node[p->length++] = c;
}

/* A quoted string with its escapes; `is_for`: it is kept. */
static struct str take_quoted(struct forwarded_parser *p, struct str rest, bool is_for)
{
    size_t i = 1;
    for (; i < rest.n && rest.p[i] != '"'; i++) {
        if (rest.p[i] == '\\' && ++i == rest.n)
            break;
        if (is_for)
            keep(p, rest.p[i]);
    }
    if (i >= rest.n) {
        p->broken = true;
        return (struct str){rest.p + rest.n, 0};
    }
    return (struct str){rest.p + i + 1, rest.n - i - 1};
}

static struct str take_bare(struct forwarded_parser *p, struct str rest, bool is_for)
{
    size_t n = 0;
    while (n < rest.n && !memchr(",; \t\"", rest.p[n], 5)) {
        if (is_for)
            keep(p, rest.p[n]);
        n++;
    }
    p->broken |= n == 0;
    return (struct str){rest.p + n, rest.n - n};
}

/* name=value */
static struct str take_pair(struct forwarded_parser *p, struct str rest)
{
    struct str name = {rest.p, 0};
    while (name.n < rest.n && !memchr("=,; \t\"", name.p[name.n], 6))
        name.n++;
    rest = (struct str){rest.p + name.n, rest.n - name.n};
    bool is_for = str_equal_ignoring_case(name, "for");
    p->any = true;
    if (is_for && p->has_for)
        p->broken = true;
    p->has_for |= is_for;
    if (!name.n || !rest.n || *rest.p != '=') {
        p->broken = true;
        return name.n || !rest.n || *rest.p == ',' || *rest.p == ';' ? rest : (struct str){rest.p + 1, rest.n - 1};
    }
    rest = (struct str){rest.p + 1, rest.n - 1};
    return rest.n && *rest.p == '"' ? take_quoted(p, rest, is_for) : take_bare(p, rest, is_for);
}

void forwarded_line(struct forwarded_parser *p, const char *text, size_t length)
{
    struct str rest = skip_blanks((struct str){text, length});
    bool after_pair = false;
    while (rest.n) {
        if (*rest.p == ',') {
            finish_element(p);
            after_pair = false;
            rest = (struct str){rest.p + 1, rest.n - 1};
        } else if (*rest.p == ';') {
            after_pair = false;
            rest = (struct str){rest.p + 1, rest.n - 1};
        } else {
            p->broken |= after_pair; /* something stands behind a value */
            rest = take_pair(p, rest);
            after_pair = true;
        }
        rest = skip_blanks(rest);
    }
    finish_element(p);
}

void forwarded_end(struct forwarded_parser *p)
{
    finish_element(p);
}
