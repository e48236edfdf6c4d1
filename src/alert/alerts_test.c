/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that delivers, on a real store, to a port where nobody listens. */
#include "alert/alert_store.h"
#include "alert/alerts.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

enum { WAIT_US = 20 * US_PER_S }; /* less than the loop sleeps when it believes that nothing is due */

struct kit {
    struct store_kit place;
    struct store_fault slow;
    struct alerts *alerts;
    int port_holder; /* bound, not listening: refused */
    char webhook_url[64];
};

/* Each commit takes longer than a row that failed waits. */
static enum err_code slow_commits(void *arg, const char *what, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 30 * 1000 * 1000};
    (void)arg, (void)err;
    if (strcmp(what, "COMMIT") == 0)
        (void)nanosleep(&pause, NULL);
    return OK;
}

static void hold_a_port(struct kit *kit)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    kit->port_holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(kit->port_holder, (struct sockaddr *)&at, length), 0);
    assert_int_equal(getsockname(kit->port_holder, (struct sockaddr *)&at, &length), 0);
    (void)snprintf(kit->webhook_url, sizeof kit->webhook_url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
}

static int set_up(void **state)
{
    struct kit *kit = calloc(1, sizeof *kit);
    struct err err;
    store_kit_place(&kit->place);
    kit->slow.before = slow_commits;
    if (store_open(&(struct store_options){.url = kit->place.url, .readers = 1, .fault = &kit->slow}, &kit->place.store, &err) !=
        OK)
        fail_msg("%s", err.message);
    hold_a_port(kit);
    struct alert_options options = {.store = kit->place.store,
                                    .clock = clock_real(),
                                    .instance_id = "one",
                                    .kinds = 1u << ALERT_AUDIT_DROPPED,
                                    .attempts = 4,
                                    .retry_ms = 1,
                                    .webhook_url = kit->webhook_url};
    kit->alerts = alerts_new(&options);
    *state = kit;
    return 0;
}

static int tear_down(void **state)
{
    struct kit *kit = *state;
    alerts_free(kit->alerts);
    (void)close(kit->port_holder);
    store_kit_close(&kit->place);
    free(kit);
    return 0;
}

static enum err_code count_dead(struct db *db, void *arg, struct err *err)
{
    const struct alert_filter filter = {.state = ALERT_DEAD, .kind = -1, .channel = -1, .limit = 10};
    return alert_store_count(db, &filter, arg, err);
}

static void await_one_dead(struct kit *kit)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    int64_t until = clock_mono(clock_real()).us + WAIT_US;
    struct row_count count = {0};
    struct err err;
    while (count.total != 1) {
        if (clock_mono(clock_real()).us > until)
            fail_msg("it was not given up after its attempts");
        (void)nanosleep(&pause, NULL);
        assert_int_equal(store_read(kit->place.store, count_dead, &count, &err), OK);
    }
}

static void what_becomes_due_while_a_round_is_written_is_sent_at_once(void **state)
{
    struct kit *kit = *state;
    alerts_start(kit->alerts);
    alert_audit_trouble(kit->alerts, 1, NULL);
    await_one_dead(kit);
}

static enum err_code insert_unknown(struct db *tx, void *arg, struct err *err)
{
    (void)arg;
    return db_exec(tx,
                   "INSERT INTO alerts (uid, channel, kind, subject, payload, state, attempt, due_at, created_at, updated_at)"
                   " VALUES (x'00112233445566778899aabbccddeeff', 'pigeon', 'news', 's', '{}', 0, 0, 1, 1, 1)",
                   err);
}

static void what_only_a_newer_version_knows_holds_up_nothing(void **state)
{
    struct kit *kit = *state;
    struct err err;
    if (store_write(kit->place.store, insert_unknown, NULL, &err) != OK)
        fail_msg("%s", err.message);
    alerts_start(kit->alerts);
    alert_audit_trouble(kit->alerts, 1, NULL);
    await_one_dead(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_becomes_due_while_a_round_is_written_is_sent_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_only_a_newer_version_knows_holds_up_nothing, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
