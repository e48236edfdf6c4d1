/* SPDX-License-Identifier: Apache-2.0 */
/* Lock servers for tests: started on free loopback ports in folders of their own, stopped by process id, and gone with the
 * test. Include after cmocka.h: one that is not installed or does not start fails the test. */
#ifndef HORAE_CLUSTER_LOCK_SERVER_TEST_KIT_H
#define HORAE_CLUSTER_LOCK_SERVER_TEST_KIT_H

#include "base/clock.h"
#include "base/compiler.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_SERVER_START_MS = 30000 }; /* a limit for broken ones */

struct lock_server {
    const char *kind; /* redis | etcd */
    pid_t pid;        /* 0 = not running */
    int port, peer_port;
    char folder[40];
};

static inline void sleep_us(int64_t us)
{
    struct timespec left = {.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};
    while (nanosleep(&left, &left) != 0)
        ;
}

static inline int lock_server_socket(int port, bool listens)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int (*call)(int, const struct sockaddr *, socklen_t) = listens ? bind : connect;
    assert_true(fd >= 0);
    if (call(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* One that nobody listens on; somebody may by the time it is used, which fails the test. */
static inline int lock_server_free_port(void)
{
    struct sockaddr_in address;
    socklen_t n = sizeof address;
    int fd = lock_server_socket(0, true);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

/* Sends bytes and waits until `expected` is part of the answer; false when the connection ends before. */
static inline bool lock_server_ask(const struct lock_server *server, const char *request, const char *expected)
{
    char answer[8192] = "";
    size_t n = 0;
    int fd = lock_server_socket(server->port, false);
    bool fine = false;
    if (fd < 0)
        return false;
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request))
        for (ssize_t got; !fine && n + 1 < sizeof answer && (got = recv(fd, answer + n, sizeof answer - 1 - n, 0)) > 0;) {
            answer[n += (size_t)got] = '\0';
            fine = strstr(answer, expected) != NULL;
        }
    (void)close(fd);
    return fine;
}

/* A call of etcd's gateway with a JSON body. */
static inline bool lock_server_post(const struct lock_server *server, const char *path, const char *body, const char *expected)
{
    char request[2048];
    (void)snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
                   path, strlen(body), body);
    return lock_server_ask(server, request, expected);
}

static inline bool lock_server_answers(const struct lock_server *server)
{
    if (strcmp(server->kind, "redis") == 0)
        return lock_server_ask(server, "PING\r\n", "\r\n");
    return lock_server_post(server, "/v3/kv/range", "{\"key\":\"AA==\"}", "\"header\"") ||
           lock_server_post(server, "/v3/kv/range", "{\"key\":\"AA==\"}", "user name is empty");
}

/* Forgets all keys. */
static inline void lock_server_flush(const struct lock_server *server)
{
    bool redis = strcmp(server->kind, "redis") == 0;
    assert_true(redis
                    ? lock_server_ask(server, "FLUSHALL\r\n", "+OK")
                    : lock_server_post(server, "/v3/kv/deleterange", "{\"key\":\"AA==\",\"range_end\":\"AA==\"}", "\"deleted\""));
}

static inline void lock_server_exec(const struct lock_server *server, const char *option, const char *value)
{
    char port[16], client[64], peer[64], cluster[80], log[64];
    (void)snprintf(port, sizeof port, "%d", server->port);
    (void)snprintf(client, sizeof client, "http://127.0.0.1:%d", server->port);
    (void)snprintf(peer, sizeof peer, "http://127.0.0.1:%d", server->peer_port);
    (void)snprintf(cluster, sizeof cluster, "one=%s", peer);
    (void)snprintf(log, sizeof log, "%s/log", server->folder);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    if (strcmp(server->kind, "redis") == 0)
        (void)execlp("redis-server", "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", server->folder, "--save", "",
                     "--appendonly", "no", option, value, (char *)NULL);
    else /* short elections allow leases of a second */
        (void)execlp("etcd", "etcd", "--name", "one", "--data-dir", server->folder, "--listen-client-urls", client,
                     "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                     "--initial-cluster", cluster, "--heartbeat-interval", "20", "--election-timeout", "200", (char *)NULL);
    _exit(127);
}

/* With one more option of redis-server, NULL = none. Again after lock_server_kill: on the same port. */
static inline void lock_server_run(struct lock_server *server, const char *option, const char *value)
{
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0)
        lock_server_exec(server, option, value);
    for (int i = 0; i < LOCK_SERVER_START_MS / 10 && !lock_server_answers(server); i++) {
        int status = 0;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid)
            fail_msg("%s ended with status %d%s", server->kind, WEXITSTATUS(status),
                     WEXITSTATUS(status) == 127 ? ": it is not installed (packages redis-server, etcd-server; tools/deps.sh)"
                                                : "");
        sleep_us(10 * US_PER_MS);
    }
    assert_true(lock_server_answers(server));
}

static inline void lock_server_start(struct lock_server *server, const char *kind)
{
    *server = (struct lock_server){.kind = kind, .port = lock_server_free_port(), .peer_port = lock_server_free_port()};
    (void)snprintf(server->folder, sizeof server->folder, "/tmp/horae-%s-XXXXXX", kind);
    assert_non_null(mkdtemp(server->folder));
    lock_server_run(server, NULL, NULL);
}

static inline void lock_server_kill(struct lock_server *server)
{
    if (server->pid <= 0)
        return;
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

static inline void lock_server_remove(struct lock_server *server)
{
    char command[80];
    if (!server->folder[0])
        return;
    lock_server_kill(server);
    (void)snprintf(command, sizeof command, "rm -rf %s", server->folder);
    (void)!system(command);
    server->folder[0] = '\0';
}

#endif
