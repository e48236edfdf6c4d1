/* SPDX-License-Identifier: Apache-2.0 */
#include "db/pg_url.h"

#include "base/buf.h"
#include "base/mem.h"
#include "db/pq_library.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { URL_MAX = 1 << 14 };

static const char own_option[] = "password_file=";

char *pg_url_name(const char *url)
{
    const char *rest = strstr(url, "://") + 3, *at = strrchr(rest, '@');
    /* An @ that is not written as %40 belongs to a password: all up to the last one is hidden. */
    const char *colon = at ? memchr(rest, ':', (size_t)(at - rest)) : NULL, *tail = at ? at : rest;
    struct buf name;
    buf_init(&name, URL_MAX);
    buf_add(&name, url, (size_t)((colon ? colon : tail) - url));
    buf_add(&name, tail, strcspn(tail, "?"));
    return buf_take(&name);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (tolower(c) - 'a') + 10;
}

static char *decode(const char *text, size_t length)
{
    char *out = xmalloc(length + 1), *to = out;
    for (size_t i = 0; i < length; i++)
        if (text[i] == '%' && i + 2 < length && isxdigit((unsigned char)text[i + 1]) && isxdigit((unsigned char)text[i + 2])) {
            *to++ = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
            i += 2;
        } else {
            *to++ = text[i];
        }
    *to = '\0';
    return out;
}

/* Takes our option out of `url`, which libpq would refuse. */
static void split(const char *url, struct pg_url *ret)
{
    const char *question = strchr(url, '?');
    size_t length = question ? (size_t)(question - url) : strlen(url);
    char between = '?';
    struct buf rest;
    buf_init(&rest, URL_MAX);
    buf_add(&rest, url, length);
    for (const char *option = question ? question + 1 : ""; *option;) {
        size_t n = strcspn(option, "&"), own = sizeof own_option - 1;
        if (n > own && strncmp(option, own_option, own) == 0) {
            free(ret->password_file);
            ret->password_file = decode(option + own, n - own);
        } else {
            buf_add_char(&rest, between);
            buf_add(&rest, option, n);
            between = '&';
        }
        option += n + (option[n] == '&');
    }
    ret->conninfo = buf_take(&rest);
}

static bool is_number(const char *text)
{
    return text[strspn(text, "0123456789,")] == '\0';
}

/* Whether libpq understands it. Its own words quote the url, in which a password may stand where it does not belong. */
static bool is_understood(const struct pq_library *pq, const char *conninfo)
{
    char *why = NULL;
    PQconninfoOption *options = pq->PQconninfoParse(conninfo, &why);
    bool good = options != NULL;
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "port") == 0 && o->val && !is_number(o->val))
            good = false;
    pq->PQconninfoFree(options);
    pq->PQfreemem(why);
    return good;
}

enum err_code pg_url_parse(const char *url, struct pg_url *ret, struct err *err)
{
    *ret = (struct pg_url){0};
    const struct pq_library *pq = pq_library_load(err);
    if (!pq)
        return ERR_UNAVAILABLE;
    split(url, ret);
    if (strlen(url) < URL_MAX && is_understood(pq, ret->conninfo))
        return OK;
    pg_url_release(ret);
    return err_set(
        err, ERR_INVALID, NULL,
        "the url of the store cannot be understood; it must be postgres://USER@HOST:PORT/DATABASE?OPTION=VALUE&…, with "
        "the options of libpq and password_file=PATH; write %% @ : / ? # in a name or password as %%25 %%40 %%3A %%2F "
        "%%3F %%23");
}

void pg_url_release(struct pg_url *url)
{
    if (url->conninfo)
        explicit_bzero(url->conninfo, strlen(url->conninfo));
    free(url->conninfo);
    free(url->password_file);
    *url = (struct pg_url){0};
}

enum err_code pg_url_password(const struct pg_url *url, char out[PG_PASSWORD_SIZE], struct err *err)
{
    int fd = open(url->password_file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, PG_PASSWORD_SIZE - 1);
    int reason = errno;
    if (fd >= 0)
        (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\r\n")] = '\0';
    if (n < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "the password file %s cannot be read: %s", url->password_file,
                       strerror(reason));
    return out[0] ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "the password file %s is empty", url->password_file);
}
