/* SPDX-License-Identifier: Apache-2.0 */
/* Task type `noop`: for trying things out and measuring. The file to copy for a new task type: start, stop, and one
 * report of the end. Waiting is one thread with a heap of ends, made with the first sleeper. */
#include "sched/handler_noop.h"

#include "base/clock.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/thread.h"
#include "sched/task_types.h"

#include <stdio.h>

struct sleeper {
    struct heap_node end;
    struct handler_job *job; /* owned */
    struct noop_data data;
};

struct handler_noop {
    struct attempt_sink sink;
    struct thread thread;
    struct mutex mutex; /* guards all below */
    struct condition wake;
    struct heap ends;     /* sleepers by monotonic end */
    struct int_map by_id; /* execution id → sleeper */
    bool stopping;
};

static void report(struct handler_noop *noop, struct sleeper *sleeper, bool stopped)
{
    struct attempt_result result = {0};
    const struct handler_job *job = sleeper->job;
    if (stopped) {
        result.error_message = xstrdup("stopped before its sleep was over");
    } else if (job->attempt <= sleeper->data.fail_attempts) {
        char text[80];
        (void)snprintf(text, sizeof text, "attempt %d fails as asked (fail_attempts %lld)", job->attempt,
                       (long long)sleeper->data.fail_attempts);
        result.error_message = xstrdup(text);
    } else {
        result.success = true;
        result.result = sleeper->data.result ? xstrdup(sleeper->data.result) : NULL;
    }
    noop->sink.ended(noop->sink.context, job->execution_id, job->attempt, &result);
    handler_job_free(sleeper->job);
    noop_data_release(&sleeper->data);
    free(sleeper);
}

static void noop_main(void *arg)
{
    struct handler_noop *noop = arg;
    mutex_lock(&noop->mutex);
    while (!noop->stopping) {
        int64_t now = clock_mono(clock_real()).us, next = heap_min_key(&noop->ends);
        if (next > now) {
            (void)condition_wait_for(&noop->wake, &noop->mutex, next == INT64_MAX ? -1 : next - now);
            continue;
        }
        struct sleeper *sleeper = CONTAINER_OF(heap_pop(&noop->ends), struct sleeper, end);
        (void)int_map_remove(&noop->by_id, sleeper->job->execution_id);
        mutex_unlock(&noop->mutex);
        report(noop, sleeper, false);
        mutex_lock(&noop->mutex);
    }
    mutex_unlock(&noop->mutex);
}

static enum err_code noop_start(void *context, struct handler_job *job, struct err *err)
{
    struct handler_noop *noop = context;
    struct sleeper *sleeper = xcalloc(1, sizeof *sleeper);
    enum err_code code = noop_data_parse(job->data, &sleeper->data, err);
    if (code != OK) {
        free(sleeper);
        return code;
    }
    sleeper->job = job;
    if (!sleeper->data.sleep_ms) {
        report(noop, sleeper, false);
        return OK;
    }
    mutex_lock(&noop->mutex);
    if (!noop->thread.started)
        thread_start(&noop->thread, "horae-noop", noop_main, noop);
    heap_add(&noop->ends, &sleeper->end, clock_mono(clock_real()).us + sleeper->data.sleep_ms * US_PER_MS);
    (void)int_map_put(&noop->by_id, job->execution_id, sleeper);
    condition_signal(&noop->wake);
    mutex_unlock(&noop->mutex);
    return OK;
}

static void noop_stop(void *context, int64_t execution_id, int32_t attempt, bool force)
{
    (void)attempt;
    (void)force; /* it obeys at once */
    struct handler_noop *noop = context;
    mutex_lock(&noop->mutex);
    struct sleeper *sleeper = int_map_remove(&noop->by_id, execution_id);
    if (sleeper)
        heap_remove(&noop->ends, &sleeper->end);
    mutex_unlock(&noop->mutex);
    if (sleeper)
        report(noop, sleeper, true);
}

struct handler_noop *handler_noop_new(void)
{
    struct handler_noop *noop = xcalloc(1, sizeof *noop);
    mutex_init(&noop->mutex);
    condition_init(&noop->wake);
    heap_init(&noop->ends);
    int_map_init(&noop->by_id);
    return noop;
}

void handler_noop_attach(struct handler_noop *noop, const struct attempt_sink *sink)
{
    noop->sink = *sink;
}

struct handler handler_noop_handler(struct handler_noop *noop)
{
    return (struct handler){.type = "noop", .start = noop_start, .stop = noop_stop, .context = noop};
}

void handler_noop_free(struct handler_noop *noop)
{
    if (!noop)
        return;
    mutex_lock(&noop->mutex);
    noop->stopping = true;
    condition_signal(&noop->wake);
    mutex_unlock(&noop->mutex);
    thread_join(&noop->thread);
    for (struct heap_node *node; (node = heap_pop(&noop->ends));)
        report(noop, CONTAINER_OF(node, struct sleeper, end), true);
    heap_release(&noop->ends);
    int_map_release(&noop->by_id);
    condition_release(&noop->wake);
    mutex_release(&noop->mutex);
    free(noop);
}
