/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static enum err_code split(const char *where, char *host, size_t capacity, const char **ret_port, struct err *err)
{
    const char *colon = strrchr(where, ':');
    int64_t number;
    size_t n = colon ? (size_t)(colon - where) : 0;
    if (!colon || !str_to_int(str_of(colon + 1), 0, 65535, &number) || n >= capacity)
        return err_param(err, "listen", "listen: \"%s\" is not HOST:PORT with a port between 0 and 65535", where);
    bool bracketed = n >= 2 && where[0] == '[' && where[n - 1] == ']';
    (void)snprintf(host, capacity, "%.*s", (int)(bracketed ? n - 2 : n), bracketed ? where + 1 : where);
    *ret_port = colon + 1;
    return OK;
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

static void write_address(int fd, const char *host, const char *scheme, char *address, size_t capacity)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    int port = 0;
    if (getsockname(fd, (struct sockaddr *)&bound, &length) == 0)
        port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&bound)->sin6_port
                                                 : ((struct sockaddr_in *)(void *)&bound)->sin_port);
    bool v6 = strchr(host, ':') != NULL;
    (void)snprintf(address, capacity, "%s://%s%s%s:%d", scheme, v6 ? "[" : "", host[0] ? host : "0.0.0.0", v6 ? "]" : "", port);
}

enum err_code listen_open(const char *where, const char *scheme, int *ret_fd, char *address, size_t capacity, struct err *err)
{
    char host[256];
    const char *port = "";
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    enum err_code code = split(where, host, sizeof host, &port, err);
    if (code != OK)
        return code;
    int result = getaddrinfo(host[0] ? host : "0.0.0.0", port, &hints, &list);
    if (result != 0)
        return err_param(err, "listen", "listen: the host \"%s\" cannot be resolved: %s", host, gai_strerror(result));
    int fd = -1;
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = open_one(info);
    int saved = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot listen on %s: %s%s", where, strerror(saved),
                       saved == EADDRINUSE ? " (another server may run there: choose a port with --listen)" : "");
    write_address(fd, host, scheme, address, capacity);
    *ret_fd = fd;
    return OK;
}
