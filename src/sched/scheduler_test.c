/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler on its own thread, without a server: which handlers it takes (GEN-03), and what becomes of runs of a type
 * that has none (DATA-16). */
#include "sched/scheduler.h"

#include "base/compiler.h"
#include "base/mem.h"
#include "db/store.h"
#include "sched/execution_query.h"
#include "sched/sched_task_json.h"
#include "sched/scheduler_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "db/store_test_kit.h"

static enum err_code start_nothing(void *context, struct handler_job *job, struct err *err)
{
    (void)context;
    (void)job;
    return err_set(err, ERR_INTERNAL, NULL, "not asked for here");
}

static void stop_nothing(void *context, int64_t execution_id, int32_t attempt, bool force)
{
    (void)context;
    (void)execution_id;
    (void)attempt;
    (void)force;
}

static enum err_code make(struct store_kit *kit, const struct handler *handlers, size_t count, struct scheduler **ret,
                          struct err *err)
{
    struct scheduler_options options = {.store = kit->store,
                                        .clock = clock_real(),
                                        .instance_id = "test",
                                        .capacity = 4,
                                        .plans = true,
                                        .default_max_duration_s = 60,
                                        .default_grace_s = 1,
                                        .handlers = handlers,
                                        .handler_count = count};
    return scheduler_new(&options, ret, err);
}

static void handlers_are_checked_before_anything_runs(void **state)
{
    (void)state;
    const struct handler good = {.type = "noop", .start = start_nothing, .stop = stop_nothing};
    const struct handler wrong[][2] = {
        {good, good},
        {good, {.type = "", .start = start_nothing, .stop = stop_nothing}},
        {good, {.type = NULL, .start = start_nothing, .stop = stop_nothing}},
        {good, {.type = "magic", .start = start_nothing, .stop = stop_nothing}},
        {good, {.type = "http", .stop = stop_nothing}},
        {good, {.type = "http", .start = start_nothing}},
    };
    static const char *const texts[] = {"noop has two", "must name", "must name", "no task type magic", "http must", "http must"};
    struct store_kit kit;
    struct scheduler *scheduler = NULL;
    struct err err;
    store_kit_open(&kit);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(make(&kit, wrong[i], 2, &scheduler, &err), ERR_INVALID);
        assert_non_null(strstr(err.message, texts[i]));
        assert_null(scheduler);
    }
    assert_int_equal(make(&kit, &good, 1, &scheduler, &err), OK);
    scheduler_free(scheduler);
    store_kit_close(&kit);
}

static void create_task(struct scheduler *scheduler)
{
    static const char text[] = "{\"name\":\"orphan\",\"type\":\"http\",\"data\":\"{\\\"url\\\":\\\"http://localhost/\\\"}\"}";
    const struct sched_task_defaults defaults = {60, 0, 1};
    struct sched_command *command = sched_command_new(SCHED_CREATE, NULL, NULL);
    struct err err;
    assert_int_equal(sched_task_from_json(text, sizeof text - 1, SCHED_TASK_JSON_CREATE, NULL, &defaults,
                                          clock_wall(clock_real()).us, &command->task, &err),
                     OK);
    assert_int_equal(scheduler_execute(scheduler, command, &err), OK);
    sched_command_free(command);
}

static void trigger(struct scheduler *scheduler, char *ret_uid)
{
    struct sched_command *command = sched_command_new(SCHED_TRIGGER, NULL, NULL);
    struct err err;
    command->task_ref = xstrdup("orphan");
    command->items = xcalloc(1, sizeof *command->items);
    command->item_count = 1;
    assert_int_equal(scheduler_execute(scheduler, command, &err), OK);
    uuid_format(&command->execution_uid, ret_uid);
    sched_command_free(command);
}

struct shown {
    const char *uid;
    struct buf text;
};

static enum err_code show(struct db *db, void *arg, struct err *err)
{
    struct shown *shown = arg;
    struct json_writer w;
    buf_clear(&shown->text);
    json_writer_init(&w, &shown->text);
    return execution_query_get(db, shown->uid, &w, err);
}

static void a_run_without_a_handler_is_recorded_as_a_failure(void **state)
{
    (void)state;
    struct store_kit kit;
    struct scheduler *scheduler;
    struct err err;
    char uid[UUID_TEXT_LEN + 1];
    store_kit_open(&kit);
    assert_int_equal(make(&kit, NULL, 0, &scheduler, &err), OK);
    scheduler_start(scheduler);
    create_task(scheduler);
    trigger(scheduler, uid);
    scheduler_stop(scheduler, 10 * (int64_t)US_PER_S, false); /* returns when all is on disk */
    struct shown shown = {.uid = uid};
    buf_init(&shown.text, 1 << 16);
    assert_int_equal(store_read(kit.store, show, &shown, &err), OK);
    assert_non_null(strstr(shown.text.data, "\"state\":\"failure\""));
    assert_non_null(strstr(shown.text.data, "no handler for task type http"));
    buf_release(&shown.text);
    store_kit_close(&kit); /* first: its thread tells the scheduler of commits */
    scheduler_free(scheduler);
}

static bool is_allowed(void *arg)
{
    return *(const bool *)arg;
}

/* A lease that is away for no longer than a fail-over makes slots late; after a longer time nobody was there for them. */
static void a_while_without_the_lease_is_down_time_when_it_is_long(void **state)
{
    (void)state;
    static const struct {
        int64_t barred_us;
        bool is_down;
    } rows[] = {{4 * US_PER_S, false}, {6 * US_PER_S, true}, {1 * US_PER_S, false}};
    struct store_kit kit;
    struct fake_clock fake;
    struct scheduler *scheduler;
    struct err err;
    bool allowed = true;
    store_kit_open(&kit);
    fake_clock_init(&fake, 1700000000000000);
    struct scheduler_options options = {.store = kit.store,
                                        .clock = &fake.base,
                                        .instance_id = "test",
                                        .capacity = 4,
                                        .plans = true,
                                        .may_decide = is_allowed,
                                        .may_decide_arg = &allowed};
    assert_int_equal(scheduler_new(&options, &scheduler, &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t down_until = scheduler->down_until_us;
        allowed = false;
        assert_true(scheduler_step(scheduler) > clock_mono(&fake.base).us); /* it does not turn round and round */
        fake_clock_advance(&fake, rows[i].barred_us);
        (void)scheduler_step(scheduler);
        assert_int_equal(scheduler->down_until_us, down_until);
        allowed = true;
        (void)scheduler_step(scheduler);
        assert_int_equal(scheduler->down_until_us, rows[i].is_down ? clock_wall(&fake.base).us : down_until);
    }
    store_kit_close(&kit);
    scheduler_free(scheduler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handlers_are_checked_before_anything_runs),
        cmocka_unit_test(a_run_without_a_handler_is_recorded_as_a_failure),
        cmocka_unit_test(a_while_without_the_lease_is_down_time_when_it_is_long),
    };
    return STORE_KIT_RUN(tests);
}
