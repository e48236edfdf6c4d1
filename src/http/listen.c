/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen.h"

#include "base/buf.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, TLS_FILE_MAX = 1 << 20 };

static enum err_code split(const char *where, char *host, size_t capacity, const char **ret_port, struct err *err)
{
    const char *colon = strrchr(where, ':');
    int64_t number;
    size_t n = colon ? (size_t)(colon - where) : 0;
    if (!colon || !str_to_int(str_of(colon + 1), 0, 65535, &number) || n >= capacity)
        return err_param(err, "listen", "listen: \"%s\" is not allowed; it must be HOST:PORT with a port from 0 to 65535", where);
    bool bracketed = n >= 2 && where[0] == '[' && where[n - 1] == ']';
    (void)snprintf(host, capacity, "%.*s", (int)(bracketed ? n - 2 : n), bracketed ? where + 1 : where);
    *ret_port = colon + 1;
    return OK;
}

enum err_code listen_check(const char *where, struct err *err)
{
    char host[256];
    const char *port;
    return split(where, host, sizeof host, &port, err);
}

static int open_one(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static void write_address(struct http_listener *listener, const char *scheme)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    int port = 0;
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &length) == 0)
        port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                 : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    const char *host = listener->host;
    bool v6 = strchr(host, ':') != NULL;
    (void)snprintf(listener->address, sizeof listener->address, "%s://%s%s%s:%d", scheme, v6 ? "[" : "",
                   host[0] ? host : "0.0.0.0", v6 ? "]" : "", port);
}

enum err_code http_listener_open(const char *where, bool tls, struct http_listener *ret, struct err *err)
{
    const char *port = "";
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    *ret = (struct http_listener){.fd = -1};
    enum err_code code = split(where, ret->host, sizeof ret->host, &port, err);
    if (code != OK)
        return code;
    int result = getaddrinfo(ret->host[0] ? ret->host : "0.0.0.0", port, &hints, &list);
    if (result != 0)
        return err_param(err, "listen", "listen: the host \"%s\" cannot be resolved: %s", ret->host, gai_strerror(result));
    for (const struct addrinfo *info = list; info && ret->fd < 0; info = info->ai_next)
        ret->fd = open_one(info);
    int saved = errno;
    freeaddrinfo(list);
    if (ret->fd < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot listen on %s: %s%s", where, strerror(saved),
                       saved == EADDRINUSE ? ": another server may run there; choose another port with --listen or PORT" : "");
    write_address(ret, tls ? "https" : "http");
    return OK;
}

void http_listener_close(struct http_listener *listener)
{
    if (listener->fd >= 0)
        (void)close(listener->fd);
    listener->fd = -1;
}

static enum err_code read_file(const char *path, const char *param, char **ret, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_param(err, param, "%s: cannot read %s: %s", param, path, strerror(errno));
    struct buf text;
    char block[4096];
    ssize_t n;
    buf_init(&text, TLS_FILE_MAX);
    while ((n = read(fd, block, sizeof block)) > 0)
        buf_add(&text, block, (size_t)n);
    (void)close(fd);
    if (n < 0 || text.failed || !text.len) {
        buf_release(&text);
        return err_param(err, param, "%s: %s is empty, too large or cannot be read", param, path);
    }
    *ret = buf_take(&text);
    return OK;
}

enum err_code listen_read_tls(const char *cert_file, const char *key_file, char **ret_cert, char **ret_key, struct err *err)
{
    enum err_code code = read_file(cert_file, "tls_cert", ret_cert, err);
    return code == OK ? read_file(key_file, "tls_key", ret_key, err) : code;
}
