/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"
#include "base/mem.h"
#include "base/panic.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

void mutex_init(struct mutex *mutex)
{
    must(pthread_mutex_init(&mutex->m, NULL) == 0);
    mutex->held = false;
}

void mutex_release(struct mutex *mutex)
{
    (void)pthread_mutex_destroy(&mutex->m);
}

void mutex_lock(struct mutex *mutex)
{
    must(pthread_mutex_lock(&mutex->m) == 0);
    mutex->holder = pthread_self();
    mutex->held = true;
}

void mutex_unlock(struct mutex *mutex)
{
    mutex->held = false;
    must(pthread_mutex_unlock(&mutex->m) == 0);
}

void mutex_assert_held(const struct mutex *mutex)
{
    must(mutex->held && pthread_equal(mutex->holder, pthread_self()));
}

void condition_init(struct condition *condition)
{
    pthread_condattr_t attributes;
    must(pthread_condattr_init(&attributes) == 0);
    must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    must(pthread_cond_init(&condition->c, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
}

void condition_release(struct condition *condition)
{
    (void)pthread_cond_destroy(&condition->c);
}

void condition_signal(struct condition *condition)
{
    (void)pthread_cond_signal(&condition->c);
}

void condition_broadcast(struct condition *condition)
{
    (void)pthread_cond_broadcast(&condition->c);
}

void condition_wait(struct condition *condition, struct mutex *mutex)
{
    (void)condition_wait_for(condition, mutex, -1);
}

bool condition_wait_for(struct condition *condition, struct mutex *mutex, int64_t timeout_us)
{
    mutex_assert_held(mutex);
    mutex->held = false;
    int result;
    if (timeout_us < 0) {
        result = pthread_cond_wait(&condition->c, &mutex->m);
    } else {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + (timeout_us % US_PER_S) * 1000;
        until.tv_sec += timeout_us / US_PER_S + ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
        result = pthread_cond_timedwait(&condition->c, &mutex->m, &until);
    }
    mutex->holder = pthread_self();
    mutex->held = true;
    must(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

struct start {
    void (*main)(void *);
    void *arg;
    char name[16];
};

static void *trampoline(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    (void)pthread_setname_np(pthread_self(), start.name);
    start.main(start.arg);
    return NULL;
}

enum { STACK_BYTES = 512 * 1024 };

void thread_start(struct thread *thread, const char *name, void (*main)(void *arg), void *arg)
{
    struct start *start = xmalloc(sizeof *start);
    *start = (struct start){.main = main, .arg = arg};
    (void)snprintf(start->name, sizeof start->name, "%s", name);
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    must(pthread_attr_init(&attributes) == 0);
    must(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    must(pthread_create(&thread->id, &attributes, trampoline, start) == 0);
    (void)pthread_attr_destroy(&attributes);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    thread->started = true;
}

void thread_join(struct thread *thread)
{
    if (!thread->started)
        return;
    must(pthread_join(thread->id, NULL) == 0);
    thread->started = false;
}
