/* SPDX-License-Identifier: Apache-2.0 */
/* Slow and idle connections by a clock that moves by hand: which are closed, and when. */
#include "http/connections.h"

#include "base/compiler.h"
#include "http/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct client {
    struct connection_age age;
    int ours, theirs;
};

struct fixture {
    struct fake_clock clock;
    struct connections connections;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    fake_clock_init(&f->clock, 0);
    connections_init(&f->connections, 3, &f->clock.base);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    connections_stop(&f->connections);
    free(f);
    return 0;
}

static bool connect_client(struct fixture *f, struct client *client)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    *client = (struct client){.ours = pair[0], .theirs = pair[1]};
    return connections_add(&f->connections, &client->age, client->ours);
}

static bool is_cut(const struct client *client)
{
    char byte;
    return recv(client->theirs, &byte, 1, 0) == 0;
}

static void part(struct fixture *f, struct client *client)
{
    connections_remove(&f->connections, &client->age);
    (void)close(client->ours);
    (void)close(client->theirs);
}

static void each_step_has_its_time(void **state)
{
    static const struct {
        enum connection_step step;
        int64_t limit_s; /* 0: none */
    } cases[] = {{CONNECTION_IDLE, HTTP_IDLE_MAX_S},
                 {CONNECTION_READING, HTTP_BODY_TIME_MAX_S},
                 {CONNECTION_BUSY, 0},
                 {CONNECTION_WRITING, HTTP_WRITE_MAX_S},
                 {CONNECTION_LINGERING, HTTP_LINGER_MAX_S}};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct client client;
        assert_true(connect_client(f, &client));
        connections_enter(&f->connections, &client.age, cases[i].step);
        fake_clock_advance(&f->clock, (cases[i].limit_s ? cases[i].limit_s : 86400) * US_PER_S);
        assert_int_equal(connections_sweep(&f->connections), 0);
        assert_false(is_cut(&client));
        fake_clock_advance(&f->clock, 1);
        assert_int_equal(connections_sweep(&f->connections), cases[i].limit_s ? 1 : 0);
        assert_int_equal(is_cut(&client), cases[i].limit_s != 0);
        part(f, &client);
    }
}

/* Bytes do not enter here at all: only a whole head, or the end of a request, begins a new step. */
static void a_trickle_of_bytes_gives_no_more_time(void **state)
{
    struct fixture *f = *state;
    struct client slow, quick;
    assert_true(connect_client(f, &slow));
    assert_true(connect_client(f, &quick));
    for (int i = 0; i < HTTP_IDLE_MAX_S; i++) {
        assert_int_equal(send(slow.theirs, "x", 1, 0), 1);
        fake_clock_advance(&f->clock, US_PER_S);
        connections_enter(&f->connections, &quick.age, CONNECTION_IDLE);
    }
    fake_clock_advance(&f->clock, 1);
    assert_int_equal(connections_sweep(&f->connections), 1);
    assert_true(is_cut(&slow));
    assert_false(is_cut(&quick));
    part(f, &slow);
    part(f, &quick);
}

static void beyond_the_limit_the_oldest_idle_one_goes(void **state)
{
    struct fixture *f = *state;
    struct client clients[6];
    for (int i = 0; i < 3; i++)
        assert_true(connect_client(f, &clients[i]));
    connections_enter(&f->connections, &clients[0].age, CONNECTION_BUSY);
    assert_true(connect_client(f, &clients[3]));
    assert_true(is_cut(&clients[1])); /* the first is busy */
    assert_true(connect_client(f, &clients[4]));
    assert_true(is_cut(&clients[2]));
    assert_false(is_cut(&clients[0]));
    connections_enter(&f->connections, &clients[3].age, CONNECTION_READING);
    connections_enter(&f->connections, &clients[4].age, CONNECTION_BUSY);
    assert_false(connect_client(f, &clients[5])); /* nobody is idle */
    assert_false(connections_close_oldest(&f->connections));
    (void)close(clients[5].ours);
    (void)close(clients[5].theirs);
    for (int i = 0; i < 5; i++)
        part(f, &clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_has_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trickle_of_bytes_gives_no_more_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beyond_the_limit_the_oldest_idle_one_goes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
