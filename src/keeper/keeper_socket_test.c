/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers, broken programs and slow readers do to the keeper's socket: every length is checked, and the
 * server is not disturbed. */
#include "keeper/keeper_test_kit.h"

#include "base/buf.h"
#include "keeper/keeper_protocol.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SLEEPER = 1000000 }; /* an id that the random orders do not use */

static void expect_closed(int fd)
{
    char bytes[4096];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (;;) {
        assert_int_equal(poll(&wait, 1, KIT_WAIT_MS), 1);
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            break;
    }
    (void)close(fd);
}

static void send_hello(int fd)
{
    struct buf message;
    buf_init(&message, 64);
    size_t begin = message_begin(&message, KEEPER_MESSAGE_HELLO);
    put_u32(&message, KEEPER_PROTOCOL_VERSION - 1);
    put_u32(&message, KEEPER_PROTOCOL_VERSION + 5);
    put_u32(&message, 0); /* a later version may say more */
    message_end(&message, begin);
    for (size_t i = 0; i < message.len; i++) /* byte by byte: messages may come in any pieces */
        assert_int_equal(send(fd, message.data + i, 1, MSG_NOSIGNAL), 1);
    buf_release(&message);
}

static void messages_before_hello_and_wrong_versions_close_the_connection(void **state)
{
    struct kit *kit = *state;
    static const struct {
        struct keeper_header header;
        uint32_t first, second;
    } cases[] = {
        {{8, KEEPER_MESSAGE_HELLO, KEEPER_PROTOCOL_VERSION}, KEEPER_PROTOCOL_VERSION, KEEPER_PROTOCOL_VERSION},
        {{7, KEEPER_MESSAGE_HELLO, KEEPER_VERSION_ANY}, 1, 1},
        {{4, KEEPER_MESSAGE_HELLO, 1}, 1, 0}, /* before versions were negotiated */
        {{8, KEEPER_MESSAGE_HELLO, KEEPER_VERSION_ANY}, KEEPER_PROTOCOL_VERSION + 1, KEEPER_PROTOCOL_VERSION + 2},
        {{0, KEEPER_MESSAGE_SHUTDOWN, KEEPER_PROTOCOL_VERSION}, 0},
        {{0xFFFFFFFF, KEEPER_MESSAGE_START, KEEPER_PROTOCOL_VERSION}, 0},
        {{0, KEEPER_MESSAGE_LISTING, KEEPER_PROTOCOL_VERSION}, 0},
        {{0, 0, 0}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int fd = kit_raw_socket(kit);
        assert_int_equal(send(fd, &cases[i], sizeof cases[i], MSG_NOSIGNAL), sizeof cases[i]);
        expect_closed(fd);
    }
    assert_int_equal(kit_run(kit, 1, "exit 3")->exit_code, 3); /* the server was not disturbed */
    assert_int_equal(kit->disconnections, 0);
}

/* Both sides: what a keeper of today says to a server of tomorrow, and what a server of today makes of it. */
static void another_version_is_told_what_to_do(void **state)
{
    struct kit *kit = *state;
    char *argv[4];
    struct keeper_start start = kit_shell(kit, 1, argv, "sleep 1000");
    kit_start(kit, &start);
    free(argv[2]);
    kit_wait(kit, &kit_find(kit, 1, 1)->started, 1);
    const struct {
        struct keeper_header header;
        uint32_t lowest, highest;
    } hello = {{8, KEEPER_MESSAGE_HELLO, KEEPER_VERSION_ANY}, 7, 9};
    struct {
        struct keeper_header header;
        uint32_t lowest, highest, commands;
    } answer;
    int fd = kit_raw_socket(kit);
    assert_int_equal(send(fd, &hello, sizeof hello, MSG_NOSIGNAL), sizeof hello);
    assert_int_equal(recv(fd, &answer, sizeof answer, MSG_WAITALL), sizeof answer);
    assert_int_equal(answer.header.type, KEEPER_MESSAGE_REFUSED);
    assert_int_equal(answer.header.version, KEEPER_VERSION_ANY);
    assert_int_equal(answer.lowest, KEEPER_PROTOCOL_VERSION);
    assert_int_equal(answer.highest, KEEPER_PROTOCOL_VERSION);
    assert_int_equal(answer.commands, 1);
    expect_closed(fd);
    assert_int_equal(kit->disconnections, 0);
}

struct stranger {
    int listener;
    pthread_t thread;
};

/* A keeper of another version: takes HELLO, refuses. */
static void *refuse_once(void *arg)
{
    const struct stranger *stranger = arg;
    static const struct {
        struct keeper_header header;
        uint32_t lowest, highest, commands, more;
    } refusal = {{16, KEEPER_MESSAGE_REFUSED, KEEPER_VERSION_ANY}, 41, 43, 12, 0};
    char hello[64];
    int fd = accept(stranger->listener, NULL, NULL);
    if (fd >= 0 && recv(fd, hello, sizeof hello, 0) > 0)
        (void)!send(fd, &refusal, sizeof refusal, MSG_NOSIGNAL);
    (void)close(fd);
    return NULL;
}

static void a_keeper_of_another_version_is_named(void **state)
{
    struct kit *kit = *state;
    kit_close(kit, true);
    kit_wait_gone(kit->keeper_pid);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%.80s/keeper.sock", kit->dir);
    struct stranger stranger = {.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(bind(stranger.listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(stranger.listener, 1), 0);
    assert_int_equal(pthread_create(&stranger.thread, NULL, refuse_once, &stranger), 0);
    struct err err = {.message = ""};
    kit_open(kit);
    assert_int_equal(keeper_connect(kit->keeper, true, &err), ERR_CONFLICT);
    assert_non_null(strstr(err.message, "12 commands) speaks protocol 41 to 43, this server 2: start the version"));
    (void)pthread_join(stranger.thread, NULL);
    (void)close(stranger.listener);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* A message that is right except for some bytes, or random bytes under a right head. */
static size_t make_message(uint32_t *seed, char *out, size_t capacity)
{
    static char program[] = "/bin/true", *argv[] = {program, NULL}, *env[] = {program, program, NULL};
    struct keeper_start start = {.id = next_random(seed) % 8,
                                 .attempt = 1,
                                 .argv = argv,
                                 .env = env,
                                 .cwd = "/",
                                 .user = next_random(seed) % 4 ? NULL : "nobody",
                                 .stdin_data = "abc",
                                 .stdin_length = 3,
                                 .log_path = "/dev/null",
                                 .log_limit = (int64_t)next_random(seed)};
    struct buf message;
    buf_init(&message, capacity);
    if (next_random(seed) % 2)
        keeper_start_encode(&start, &message);
    else {
        static const enum keeper_message types[] = {KEEPER_MESSAGE_START, KEEPER_MESSAGE_SIGNAL, KEEPER_MESSAGE_ACK,
                                                    KEEPER_MESSAGE_SHUTDOWN, KEEPER_MESSAGE_HELLO};
        size_t begin = message_begin(&message, types[next_random(seed) % ARRAY_LEN(types)]);
        uint32_t length = next_random(seed) % 200;
        for (uint32_t i = 0; i < length; i++)
            put_bool(&message, next_random(seed) % 2);
        message_end(&message, begin);
    }
    uint32_t changes = next_random(seed) % 4;
    for (uint32_t i = 0; i < changes; i++) {
        size_t at = next_random(seed) % message.len;
        message.data[at] = (char)next_random(seed);
    }
    size_t length = message.len;
    memcpy(out, message.data, length);
    buf_release(&message);
    return length;
}

static void random_bytes_do_no_harm(void **state)
{
    struct kit *kit = *state;
    uint32_t seed = 20260731;
    char bytes[4096];
    char *argv[4];
    struct keeper_start start = kit_shell(kit, SLEEPER, argv, "sleep 1000");
    kit_start(kit, &start);
    free(argv[2]);
    kit_wait(kit, &kit_find(kit, SLEEPER, 1)->started, 1);
    kit_close(kit, false);
    for (int round = 0; round < 600; round++) {
        int fd = kit_raw_socket(kit);
        assert_true(fd >= 0);
        if (round % 3)
            send_hello(fd);
        for (int i = 0; i < 8; i++) {
            size_t length = make_message(&seed, bytes, sizeof bytes);
            for (size_t at = 0; round % 3 == 0 && at < length; at++)
                bytes[at] = (char)next_random(&seed);
            if (send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                break; /* closed on us: as it should be */
        }
        (void)close(fd);
    }
    kit_connect(kit);
    assert_int_equal(kit->disconnections, 0);
    assert_true(kit_is_alive(kit->keeper_pid));
    bool sleeps = false;
    for (size_t i = 0; i < kit->listed; i++)
        sleeps |= kit->listing[i].id == SLEEPER && !kit->listing[i].exited;
    assert_true(sleeps);
    assert_int_equal(kit_run(kit, 2000000, "exit 3")->exit_code, 3);
}

static void many_silent_connections_do_not_push_the_server_out(void **state)
{
    struct kit *kit = *state;
    int fds[20];
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = kit_raw_socket(kit);
    assert_int_equal(kit_run(kit, 1, "exit 3")->exit_code, 3);
    assert_int_equal(kit->disconnections, 0);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

/* 200 ends of 64 KiB are more than socket and buffers hold while nobody reads. */
static void a_server_that_reads_late_gets_everything(void **state)
{
    struct kit *kit = *state;
    for (int i = 0; i < 200; i++) {
        char *argv[4], script[100], log_path[3200];
        struct err err;
        (void)snprintf(script, sizeof script, "head -c 70000 /dev/zero | tr '\\0' %c; touch done-%d", 'a' + i % 26, i);
        (void)snprintf(log_path, sizeof log_path, "%s/%d.log", kit->dir, i);
        struct keeper_start start = kit_shell(kit, i + 1, argv, script);
        start.log_path = log_path;
        assert_int_equal(keeper_start(kit->keeper, &start, &err), OK);
        free(argv[2]);
    }
    kit_wait(kit, &kit_find(kit, 1, 1)->started, 1); /* lets waiting orders out */
    kit_pause(300);
    kit_wait(kit, &kit->exits, 200);
    for (int i = 0; i < 200; i++) {
        const struct kit_record *record = kit_find(kit, i + 1, 1);
        assert_int_equal(record->exited, 1);
        assert_int_equal(record->out_length, KEEPER_RESULT_MAX);
        assert_true(record->stdout_truncated);
        assert_int_equal(record->out[KEEPER_RESULT_MAX - 1], 'a' + i % 26);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define KIT_TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        KIT_TEST(messages_before_hello_and_wrong_versions_close_the_connection),
        KIT_TEST(another_version_is_told_what_to_do),
        KIT_TEST(a_keeper_of_another_version_is_named),
        KIT_TEST(random_bytes_do_no_harm),
        KIT_TEST(many_silent_connections_do_not_push_the_server_out),
        KIT_TEST(a_server_that_reads_late_gets_everything),
    };
    return cmocka_run_group_tests_name("keeper: its socket", tests, NULL, NULL);
}
