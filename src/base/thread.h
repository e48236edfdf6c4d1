/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, a mutex that knows its holder, and a condition that waits on monotonic time. */
#ifndef HORAE_BASE_THREAD_H
#define HORAE_BASE_THREAD_H

#include "base/clock.h"

#include <pthread.h>
#include <stdbool.h>

struct mutex {
    pthread_mutex_t m;
    pthread_t holder; /* valid while held */
    bool held;
};

void mutex_init(struct mutex *mutex);
void mutex_release(struct mutex *mutex);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
void mutex_assert_held(const struct mutex *mutex);

struct condition {
    pthread_cond_t c;
};

void condition_init(struct condition *condition);
void condition_release(struct condition *condition);
void condition_signal(struct condition *condition);
void condition_broadcast(struct condition *condition);
void condition_wait(struct condition *condition, struct mutex *mutex);
/* False when `timeout_us` passed first; a negative timeout waits for ever. May wake for no reason. */
bool condition_wait_for(struct condition *condition, struct mutex *mutex, int64_t timeout_us);

/* A named thread with all signals blocked and a 512 KiB stack. Created in app/ or by owners of a thread. */
struct thread {
    pthread_t id;
    bool started;
};
void thread_start(struct thread *thread, const char *name, void (*main)(void *arg), void *arg);
void thread_join(struct thread *thread); /* does nothing when never started */

#endif
