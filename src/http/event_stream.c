/* SPDX-License-Identifier: Apache-2.0 */
#include "http/event_stream.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/thread.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { LINGER_US = 60 * US_PER_S };

static const char *const topic_names[EVENT_TOPIC_COUNT] = {"task", "execution", "lock", "instance", "audit", "alert"};

struct event {
    enum event_topic topic;
    char *text; /* owned: the whole frame */
    size_t length;
};

struct subscriber {
    struct list_node node;
    struct event_hub *hub;
    struct http_stream *stream; /* NULL until the answer was given */
    unsigned topics;
    char caller[64];     /* uid */
    int64_t next;        /* number of the event to send next */
    char intro[160];     /* goes first: the place in the stream, or that the state must be read again */
    size_t intro_length; /* 0: it is sent */
    bool beat;           /* a heartbeat is due */
    int64_t opened_us;   /* monotonic */
};

struct event_hub {
    struct mutex mutex; /* guards all below */
    struct condition changed;
    struct list subscribers;
    struct event ring[EVENTS_KEPT];
    /* Numbers of the events in the ring: [first, next). They begin at the time of the start in microseconds, so that they
     * grow over restarts too, and an id of an earlier process lies before `first`. */
    int64_t first, next;
    struct thread heart;
    bool stopping;
    struct topic {
        _Atomic int64_t wanted_until_us; /* monotonic; INT64_MAX while somebody listens */
        _Atomic bool gap;                /* an event was not kept because nobody listened */
        int64_t first;                   /* no event of it is missing from here on */
    } topics[EVENT_TOPIC_COUNT];
};

bool event_hub_wanted(struct event_hub *hub, enum event_topic topic)
{
    struct topic *t = &hub->topics[topic];
    int64_t until = atomic_load_explicit(&t->wanted_until_us, memory_order_relaxed);
    if (until == INT64_MAX || (until && clock_mono(clock_real()).us < until))
        return true;
    if (!atomic_load_explicit(&t->gap, memory_order_relaxed))
        atomic_store_explicit(&t->gap, true, memory_order_relaxed);
    return false;
}

static struct event *slot_of(struct event_hub *hub, int64_t number)
{
    return &hub->ring[number % EVENTS_KEPT];
}

/* Wakes those who want it; for the others it is as if they had read it, so that it never makes them late. */
static void tell(struct event_hub *hub, enum event_topic topic, int64_t number)
{
    for (struct list_node *node = list_first(&hub->subscribers); node; node = list_next(&hub->subscribers, node)) {
        struct subscriber *subscriber = CONTAINER_OF(node, struct subscriber, node);
        if (!(subscriber->topics >> topic & 1))
            subscriber->next += subscriber->next == number;
        else if (subscriber->stream)
            http_stream_wake(subscriber->stream);
    }
}

/* The next event; takes the text. */
static void append(struct event_hub *hub, enum event_topic topic, char *text, size_t length)
{
    int64_t number = hub->next++;
    struct event *event = slot_of(hub, number);
    free(event->text);
    *event = (struct event){.topic = topic, .text = text, .length = length};
    if (hub->next - hub->first > EVENTS_KEPT)
        hub->first = hub->next - EVENTS_KEPT;
    tell(hub, topic, number);
}

/* What lies before a gap counts as forgotten: who asks for it must read the state again. An empty event stands in for what was
 * not kept, so that a reader who saw the last one before it is behind it, too. */
static void close_gap(struct event_hub *hub, enum event_topic topic)
{
    if (!atomic_exchange(&hub->topics[topic].gap, false))
        return;
    append(hub, topic, xstrdup(""), 0);
    hub->topics[topic].first = hub->next;
}

/* The first number from which on nothing of these topics is missing. */
static int64_t first_of(const struct event_hub *hub, unsigned topics)
{
    int64_t first = hub->first;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        if (topics >> i & 1 && hub->topics[i].first > first)
            first = hub->topics[i].first;
    return first;
}

void event_hub_publish(struct event_hub *hub, enum event_topic topic, const char *name, const char *json)
{
    struct buf text;
    buf_init(&text, EVENT_MAX);
    mutex_lock(&hub->mutex);
    close_gap(hub, topic);
    size_t n = strlen(json);
    must(n > 2 && json[n - 1] == '}');
    buf_printf(&text, "id: %" PRId64 "\nevent: %s\ndata: ", hub->next, name);
    buf_add(&text, json, n - 1);
    buf_printf(&text, ",\"seq\":%" PRId64 "}\n\n", hub->next);
    if (!text.failed) {
        size_t length = text.len;
        append(hub, topic, buf_take(&text), length);
    }
    mutex_unlock(&hub->mutex);
    buf_release(&text);
}

/* ---- one subscriber ---- */

static void set_resync(struct subscriber *subscriber)
{
    struct event_hub *hub = subscriber->hub;
    int n = snprintf(subscriber->intro, sizeof subscriber->intro,
                     "id: %" PRId64 "\nevent: resync\ndata: {\"seq\":%" PRId64 "}\n\n", hub->next - 1, hub->next - 1);
    subscriber->intro_length = (size_t)n;
    subscriber->next = hub->next;
}

/* Whole events only: the ring may have gone on when the next block is asked for. */
static bool add_whole(const char *text, size_t length, char *out, size_t capacity, size_t *total)
{
    if (length > capacity - *total)
        return false;
    memcpy(out + *total, text, length);
    *total += length;
    return true;
}

static size_t take_events(struct subscriber *subscriber, char *out, size_t capacity)
{
    struct event_hub *hub = subscriber->hub;
    size_t total = 0;
    must(capacity >= EVENT_MAX);
    if (subscriber->next < hub->first)
        set_resync(subscriber); /* it read too slowly, or nobody kept the events */
    if (add_whole(subscriber->intro, subscriber->intro_length, out, capacity, &total))
        subscriber->intro_length = 0;
    for (; subscriber->next < hub->next; subscriber->next++) {
        const struct event *event = slot_of(hub, subscriber->next);
        if (subscriber->topics >> event->topic & 1 && !add_whole(event->text, event->length, out, capacity, &total))
            break;
    }
    return total;
}

/* A comment that carries the server's time: consoles show how far their clock is off. */
static size_t write_beat(char *out, size_t capacity)
{
    char now[40], text[64];
    (void)time_format_utc(clock_wall(clock_real()).us, 3, now, sizeof now);
    size_t n = (size_t)snprintf(text, sizeof text, ": %s\n\n", now);
    if (n > capacity)
        return 0;
    memcpy(out, text, n);
    return n;
}

static long produce(void *arg, char *out, size_t capacity)
{
    struct subscriber *subscriber = arg;
    mutex_lock(&subscriber->hub->mutex);
    size_t n = take_events(subscriber, out, capacity);
    bool end = !n && clock_mono(clock_real()).us - subscriber->opened_us > (int64_t)EVENT_STREAM_MAX_S * US_PER_S;
    if (!n && subscriber->beat)
        n = write_beat(out, capacity);
    subscriber->beat = false;
    mutex_unlock(&subscriber->hub->mutex);
    return end ? -1 : (long)n;
}

static void set_wanted(struct event_hub *hub)
{
    unsigned topics = 0;
    int64_t until = clock_mono(clock_real()).us + LINGER_US;
    for (struct list_node *node = list_first(&hub->subscribers); node; node = list_next(&hub->subscribers, node))
        topics |= CONTAINER_OF(node, struct subscriber, node)->topics;
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++) {
        _Atomic int64_t *wanted = &hub->topics[i].wanted_until_us;
        if (topics >> i & 1)
            atomic_store(wanted, INT64_MAX);
        else if (atomic_load(wanted) == INT64_MAX) /* the last one has left: it may come back */
            atomic_store(wanted, until);
    }
}

static void closed(void *arg)
{
    struct subscriber *subscriber = arg;
    struct event_hub *hub = subscriber->hub;
    mutex_lock(&hub->mutex);
    list_remove(&hub->subscribers, &subscriber->node);
    set_wanted(hub);
    mutex_unlock(&hub->mutex);
    free(subscriber);
}

/* After the event that the client saw last; without one, from now on. */
static void start_after(struct subscriber *subscriber, const char *last_id)
{
    struct event_hub *hub = subscriber->hub;
    int64_t number = hub->next - 1;
    if (!last_id || (str_to_int(str_of(last_id), first_of(hub, subscriber->topics) - 1, hub->next - 1, &number))) {
        subscriber->next = number + 1;
        subscriber->intro_length = (size_t)snprintf(subscriber->intro, sizeof subscriber->intro,
                                                    ": connected\nretry: 2000\nid: %" PRId64 "\n\n", number);
    } else {
        set_resync(subscriber);
    }
}

static bool read_topics(const char *list, unsigned *ret, struct err *err)
{
    struct str rest = str_of(list), item;
    while (str_split(&rest, ',', &item)) {
        int i = 0;
        while (i < EVENT_TOPIC_COUNT && !str_equal(str_trim(item), topic_names[i]))
            i++;
        if (i == EVENT_TOPIC_COUNT) {
            (void)err_param(err, "topics", "topics must be a list of: task, execution, lock, instance, audit, alert");
            return false;
        }
        *ret |= 1u << i;
    }
    return true;
}

const struct http_param_spec event_stream_params[] = {
    {"topics", HTTP_PARAM_TEXT, 1, 256, NULL}, {"since", HTTP_PARAM_TEXT, 1, 64, NULL}, {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};

/* Topics that the caller asked for and may see: audit is for those who may read it. */
static enum err_code choose_topics(const struct http_request *request, unsigned *ret, struct err *err)
{
    bool may_audit = http_principal(request)->permissions & HTTP_MAY_AUDIT;
    const char *list = http_param_text(request, "topics");
    *ret = 0;
    if (!list)
        *ret = may_audit ? ~0u : ~(1u << EVENT_AUDIT);
    else if (!read_topics(list, ret, err))
        return ERR_INVALID;
    if (*ret >> EVENT_AUDIT & 1 && !may_audit)
        return err_set(err, ERR_DENIED, NULL, "Forbidden");
    return OK;
}

static enum err_code check_room(const struct event_hub *hub, const char *caller, struct err *err)
{
    int own = 0;
    if (hub->subscribers.count >= EVENT_SUBSCRIBERS_MAX)
        return err_set(err, ERR_LIMIT, "UNAVAILABLE", "%d event streams are open already", EVENT_SUBSCRIBERS_MAX);
    for (struct list_node *node = list_first(&hub->subscribers); node; node = list_next(&hub->subscribers, node))
        own += strcmp(CONTAINER_OF(node, struct subscriber, node)->caller, caller) == 0;
    if (own < EVENT_PER_CALLER_MAX)
        return OK;
    return err_set(err, ERR_LIMIT, "RATE_LIMITED", "this caller has %d event streams open already; close one", own);
}

static void open_stream(struct http_request *request, struct event_hub *hub, unsigned topics)
{
    struct subscriber *subscriber = xcalloc(1, sizeof *subscriber);
    const char *since = http_header(request, "Last-Event-ID");
    subscriber->hub = hub;
    subscriber->topics = topics;
    subscriber->opened_us = clock_mono(clock_real()).us;
    (void)snprintf(subscriber->caller, sizeof subscriber->caller, "%s", http_principal(request)->uid);
    for (int i = 0; i < EVENT_TOPIC_COUNT; i++)
        if (topics >> i & 1)
            close_gap(hub, (enum event_topic)i);
    start_after(subscriber, since ? since : http_param_text(request, "since"));
    list_push_back(&hub->subscribers, &subscriber->node);
    set_wanted(hub);
    if (hub->subscribers.count == 1)
        condition_signal(&hub->changed);
    const struct http_stream_source source = {produce, closed, subscriber, false};
    subscriber->stream = http_answer_stream(request, "text/event-stream", &source);
}

void event_stream_handle(struct http_request *request, void *context)
{
    struct event_hub *hub = context;
    unsigned topics;
    struct err err;
    enum err_code code = choose_topics(request, &topics, &err);
    mutex_lock(&hub->mutex);
    if (code == OK)
        code = check_room(hub, http_principal(request)->uid, &err);
    if (code == OK)
        open_stream(request, hub, topics);
    mutex_unlock(&hub->mutex);
    if (code != OK)
        http_answer_error(request, code, &err);
}

/* ---- life ---- */

/* Heartbeats keep proxies from closing quiet streams and find clients that are gone; none while nobody listens. */
static void beat(void *arg)
{
    struct event_hub *hub = arg;
    mutex_lock(&hub->mutex);
    while (!hub->stopping) {
        if (!hub->subscribers.count) {
            condition_wait(&hub->changed, &hub->mutex);
            continue;
        }
        (void)condition_wait_for(&hub->changed, &hub->mutex, (int64_t)EVENT_HEARTBEAT_S * US_PER_S);
        for (struct list_node *node = list_first(&hub->subscribers); node; node = list_next(&hub->subscribers, node)) {
            struct subscriber *subscriber = CONTAINER_OF(node, struct subscriber, node);
            subscriber->beat = true;
            if (subscriber->stream)
                http_stream_wake(subscriber->stream);
        }
    }
    mutex_unlock(&hub->mutex);
}

struct event_hub *event_hub_new(void)
{
    struct event_hub *hub = xcalloc(1, sizeof *hub);
    mutex_init(&hub->mutex);
    condition_init(&hub->changed);
    list_init(&hub->subscribers);
    hub->first = hub->next = clock_wall(clock_real()).us;
    thread_start(&hub->heart, "horae-events", beat, hub);
    return hub;
}

void event_hub_free(struct event_hub *hub)
{
    if (!hub)
        return;
    mutex_lock(&hub->mutex);
    hub->stopping = true;
    condition_broadcast(&hub->changed);
    mutex_unlock(&hub->mutex);
    thread_join(&hub->heart);
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        free(hub->ring[i].text);
    condition_release(&hub->changed);
    mutex_release(&hub->mutex);
    free(hub);
}
