/* SPDX-License-Identifier: Apache-2.0 */
/* From nothing to a connection: look for a living keeper, launch one, say HELLO, read the listing. A keeper that is
 * just leaving may take the connection and close it; then the next round finds, or makes, another one. */
#include "keeper/keeper_client.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RETRY_MS = 10, LAUNCH_TEXT_MAX = 400, ENVIRONMENT_MAX = 3, LAUNCHED_ALREADY = 3 };

static int64_t left_ms(int64_t until_us)
{
    int64_t left = (until_us - clock_mono(clock_real()).us) / US_PER_MS;
    return left > 0 ? left : 0;
}

static void rest(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* ---- launching ---- */

/* The keeper gets two variables at most: what it inherits is what anybody can read of it for its whole life. */
static void collect_environment(char *out[ENVIRONMENT_MAX])
{
    static const char *const names[] = {"HORAE_CGROUP_ROOT", "HORAE_TEST_CLOCK_FILE"};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        if (!value)
            continue;
        size_t size = strlen(names[i]) + strlen(value) + 2;
        out[count] = xmalloc(size);
        (void)snprintf(out[count++], size, "%s=%s", names[i], value);
    }
    out[count] = NULL;
}

/* Descriptors of ours that lack close-on-exec are closed by the keeper, first thing. */
static int spawn_launcher(const struct keeper *keeper, int stderr_fd, pid_t *ret_pid)
{
    char files[24];
    (void)snprintf(files, sizeof files, "%llu", (unsigned long long)keeper->files_soft);
    char *argv[] = {
        xstrdup(keeper->executable), xstrdup("--daemon"), xstrdup("--files"), xstrdup(files), xstrdup(keeper->data_dir), NULL};
    char *env[ENVIRONMENT_MAX];
    collect_environment(env);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, stderr_fd, STDERR_FILENO);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    int error = posix_spawn(ret_pid, keeper->executable, &actions, &attributes, argv, env);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    for (size_t i = 0; env[i]; i++)
        free(env[i]);
    for (size_t i = 0; argv[i]; i++)
        free(argv[i]);
    return error;
}

/* The launcher ends by itself after 4 s at most; one that does not is killed. */
static int wait_for_launcher(pid_t pid, int64_t until_us)
{
    int status = 0;
    for (;;) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (ended < 0 && errno != EINTR)
            return 0; /* somebody else took its status (SIGCHLD ignored): the connection will tell */
        if (left_ms(until_us) == 0)
            break;
        rest(2);
    }
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return -1;
}

static enum err_code launch(const struct keeper *keeper, int64_t until_us, struct err *err)
{
    int ends[2];
    pid_t pid;
    char text[LAUNCH_TEXT_MAX];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot launch the keeper: %s", strerror(errno));
    int error = spawn_launcher(keeper, ends[1], &pid);
    (void)close(ends[1]);
    int status = error ? -1 : wait_for_launcher(pid, until_us);
    ssize_t n = error ? 0 : read(ends[0], text, sizeof text - 1);
    (void)close(ends[0]);
    if (error)
        return err_set(err, ERR_UNAVAILABLE, NULL, "cannot launch the keeper %s: %s", keeper->executable, strerror(error));
    if (status == 0 || status == LAUNCHED_ALREADY)
        return OK;
    text[n > 0 ? n : 0] = '\0';
    return err_set(err, ERR_UNAVAILABLE, NULL, "cannot launch the keeper: %s", text[0] ? text : "it ended without a word");
}

/* ---- connecting ---- */

/* The socket's path may be longer than sun_path: it is reached through the open directory. */
static int connect_socket(const struct keeper *keeper)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int folder = open(keeper->data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -1;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" KEEPER_SOCKET_NAME, folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        fd = -1;
    }
    int saved = errno;
    (void)close(folder);
    errno = saved;
    return fd;
}

static bool receive(int fd, char *out, size_t length, int64_t until_us)
{
    while (length) {
        ssize_t n = recv(fd, out, length, MSG_DONTWAIT);
        if (n > 0) {
            out += n;
            length -= (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return false;
        else {
            struct pollfd wait = {.fd = fd, .events = POLLIN};
            int64_t left = left_ms(until_us);
            if (!left || poll(&wait, 1, (int)left) < 0)
                return false;
        }
    }
    return true;
}

static bool say_hello(int fd)
{
    struct buf message;
    buf_init(&message, 64);
    size_t begin = message_begin(&message, KEEPER_MESSAGE_HELLO);
    put_u32(&message, KEEPER_PROTOCOL_VERSION); /* lowest and highest that we speak */
    put_u32(&message, KEEPER_PROTOCOL_VERSION);
    message_end(&message, begin);
    bool good = send(fd, message.data, message.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)message.len;
    buf_release(&message);
    return good;
}

static enum err_code refused(const struct keeper *keeper, struct wire *wire, int64_t pid, struct err *err)
{
    uint32_t lowest = wire_u32(wire), highest = wire_u32(wire), commands = wire_u32(wire);
    return err_set(err, ERR_CONFLICT, NULL,
                   "the keeper of %.200s (process %lld, %u commands) speaks protocol %u to %u, this server %d: start the version"
                   " of horae that it belongs to, or end it with `kill %lld`; its commands end with it, as interrupted",
                   keeper->data_dir, (long long)pid, commands, lowest, highest, KEEPER_PROTOCOL_VERSION, (long long)pid);
}

/* The first message; what follows stays in the socket for keeper_dispatch. ERR_BUSY: the keeper closed, or is none. */
static enum err_code read_answer(const struct keeper *keeper, int fd, int64_t pid, int64_t until_us,
                                 struct keeper_hello_answer *ret, struct err *err)
{
    char head[KEEPER_HEADER_BYTES];
    struct keeper_header header;
    bool good = receive(fd, head, sizeof head, until_us) && keeper_header_read(head, KEEPER_SIDE_KEEPER, &header) &&
                (header.type == KEEPER_MESSAGE_LISTING || header.type == KEEPER_MESSAGE_REFUSED);
    auto_free char *payload = good ? xmalloc(header.length) : NULL;
    struct wire wire = {.p = payload, .left = good ? header.length : 0};
    good = good && receive(fd, payload, header.length, until_us);
    if (good && header.type == KEEPER_MESSAGE_REFUSED)
        return refused(keeper, &wire, pid, err);
    if (good && keeper_listing_decode(&wire, ret))
        return OK;
    return err_set(err, ERR_BUSY, NULL, "the keeper of %s does not answer, or does not speak our protocol", keeper->data_dir);
}

static int64_t peer_pid(int fd)
{
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.pid > 0 ? who.pid : 0;
}

static void adopt(struct keeper *keeper, int fd, int64_t pid, const struct keeper_hello_answer *answer)
{
    keeper_drop(keeper);
    keeper->fd = fd;
    keeper->pidfd = pid ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
    keeper->info = (struct keeper_info){.pid = pid, .abilities = answer->abilities};
    keeper_lose_unlisted(keeper, answer->listing, answer->count);
    for (size_t i = 0; i < answer->count; i++)
        keeper_know(keeper, answer->listing[i].id, answer->listing[i].attempt);
    if (keeper->callbacks.connected)
        keeper->callbacks.connected(keeper->callbacks.arg, answer->listing, answer->count);
}

/* OK, ERR_NOT_FOUND (nobody listens), ERR_BUSY (connected, but no answer came), ERR_CONFLICT (another protocol). */
static enum err_code try_once(struct keeper *keeper, int64_t until_us, struct err *err)
{
    int fd = connect_socket(keeper);
    if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED))
        return err_set(err, ERR_NOT_FOUND, NULL, "no keeper lives for %s", keeper->data_dir);
    if (fd < 0)
        return err_set(err, ERR_BUSY, NULL, "cannot connect to the keeper of %s: %s", keeper->data_dir, strerror(errno));
    struct keeper_hello_answer answer = {.count = 0};
    int64_t pid = peer_pid(fd);
    enum err_code code = say_hello(fd)
                             ? read_answer(keeper, fd, pid, until_us, &answer, err)
                             : err_set(err, ERR_BUSY, NULL, "the keeper of %s has closed the connection", keeper->data_dir);
    if (code == OK)
        adopt(keeper, fd, pid, &answer);
    else
        (void)close(fd);
    free(answer.listing);
    return code;
}

enum err_code keeper_connect(struct keeper *keeper, bool spawn, struct err *err)
{
    int64_t until_us = clock_mono(clock_real()).us + CONNECT_TIMEOUT_MS * US_PER_MS;
    if (keeper->fd >= 0)
        return OK;
    for (int launches = 0;;) {
        enum err_code code = try_once(keeper, until_us, err);
        if (code == OK || code == ERR_CONFLICT || (code == ERR_NOT_FOUND && !spawn))
            return code;
        if (code == ERR_NOT_FOUND && launches++ > 0)
            rest(RETRY_MS); /* the one before left at once, or another one is still leaving */
        if (code == ERR_NOT_FOUND) {
            code = launch(keeper, until_us, err);
            if (code != OK)
                return code;
        }
        if (left_ms(until_us) == 0)
            return err_set(err, ERR_TIMEOUT, NULL, "the keeper of %s (keeper.lock names its process) did not answer within %d s",
                           keeper->data_dir, CONNECT_TIMEOUT_MS / 1000);
        if (code == ERR_BUSY)
            rest(RETRY_MS);
    }
}
