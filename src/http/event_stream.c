/* SPDX-License-Identifier: Apache-2.0 */
#include "http/event_stream.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
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
    int64_t next;    /* number of the event to send next */
    size_t sent;     /* bytes of it that are sent */
    char intro[160]; /* goes first */
    size_t intro_length, intro_sent;
    bool beat; /* a heartbeat is due */
};

struct event_hub {
    struct mutex mutex; /* guards all below */
    struct condition changed;
    struct list subscribers;
    struct event ring[EVENTS_KEPT];
    int64_t first, next; /* numbers of the events in the ring: [first, next) */
    char epoch[20];      /* tells ids of this process from those of another */
    struct thread heart;
    bool stopping;
    _Atomic int64_t wanted_until_us; /* monotonic; INT64_MAX while somebody listens */
    _Atomic bool gap;                /* an event was not kept because nobody listened */
};

bool event_hub_wanted(struct event_hub *hub, enum event_topic topic)
{
    (void)topic;
    int64_t until = atomic_load_explicit(&hub->wanted_until_us, memory_order_relaxed);
    if (until == INT64_MAX || (until && clock_mono(clock_real()).us < until))
        return true;
    if (!atomic_load_explicit(&hub->gap, memory_order_relaxed))
        atomic_store_explicit(&hub->gap, true, memory_order_relaxed);
    return false;
}

/* Forgets what lies before a gap: who asks for it must read the state again. */
static void close_gap(struct event_hub *hub)
{
    if (atomic_exchange(&hub->gap, false))
        hub->first = ++hub->next;
}

static struct event *slot_of(struct event_hub *hub, int64_t number)
{
    return &hub->ring[number % EVENTS_KEPT];
}

void event_hub_publish(struct event_hub *hub, enum event_topic topic, const char *name, const char *json)
{
    struct buf text;
    buf_init(&text, EVENT_MAX);
    mutex_lock(&hub->mutex);
    close_gap(hub);
    buf_printf(&text, "id: %s-%" PRId64 "\nevent: %s\ndata: ", hub->epoch, hub->next, name);
    buf_add_text(&text, json);
    buf_add_text(&text, "\n\n");
    if (!text.failed) {
        struct event *event = slot_of(hub, hub->next);
        free(event->text);
        *event = (struct event){.topic = topic, .length = text.len};
        event->text = buf_take(&text);
        hub->next++;
        if (hub->next - hub->first > EVENTS_KEPT)
            hub->first = hub->next - EVENTS_KEPT;
        for (struct list_node *node = list_first(&hub->subscribers); node; node = list_next(&hub->subscribers, node)) {
            struct subscriber *subscriber = CONTAINER_OF(node, struct subscriber, node);
            if (subscriber->stream && subscriber->topics >> topic & 1)
                http_stream_wake(subscriber->stream);
        }
    }
    mutex_unlock(&hub->mutex);
    buf_release(&text);
}

/* ---- one subscriber ---- */

static size_t copy_part(const char *from, size_t length, size_t *sent, char *out, size_t capacity)
{
    size_t n = length - *sent < capacity ? length - *sent : capacity;
    memcpy(out, from + *sent, n);
    *sent += n;
    return n;
}

static void set_resync(struct subscriber *subscriber)
{
    struct event_hub *hub = subscriber->hub;
    int n = snprintf(subscriber->intro, sizeof subscriber->intro, "id: %s-%" PRId64 "\nevent: resync\ndata: {}\n\n", hub->epoch,
                     hub->next - 1);
    subscriber->intro_length = (size_t)n;
    subscriber->intro_sent = 0;
    subscriber->next = hub->next;
    subscriber->sent = 0;
}

static size_t take_events(struct subscriber *subscriber, char *out, size_t capacity)
{
    struct event_hub *hub = subscriber->hub;
    size_t total = 0;
    if (subscriber->next < hub->first)
        set_resync(subscriber); /* it read too slowly, or nobody kept the events */
    total += copy_part(subscriber->intro, subscriber->intro_length, &subscriber->intro_sent, out, capacity);
    while (subscriber->next < hub->next && total < capacity) {
        const struct event *event = slot_of(hub, subscriber->next);
        if (subscriber->topics >> event->topic & 1)
            total += copy_part(event->text, event->length, &subscriber->sent, out + total, capacity - total);
        else
            subscriber->sent = event->length;
        if (subscriber->sent < event->length)
            break;
        subscriber->next++;
        subscriber->sent = 0;
    }
    return total;
}

static long produce(void *arg, char *out, size_t capacity)
{
    struct subscriber *subscriber = arg;
    static const char beat[] = ": still here\n\n";
    mutex_lock(&subscriber->hub->mutex);
    size_t n = take_events(subscriber, out, capacity);
    if (!n && subscriber->beat && capacity >= sizeof beat) {
        memcpy(out, beat, sizeof beat - 1);
        n = sizeof beat - 1;
    }
    subscriber->beat = false;
    mutex_unlock(&subscriber->hub->mutex);
    return (long)n;
}

static void set_wanted(struct event_hub *hub)
{
    int64_t until = hub->subscribers.count ? INT64_MAX : clock_mono(clock_real()).us + LINGER_US;
    atomic_store(&hub->wanted_until_us, until);
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

/* "<epoch>-<number>" of the last event that the client saw. */
static void start_after(struct subscriber *subscriber, const char *last_id)
{
    struct event_hub *hub = subscriber->hub;
    size_t n = strlen(hub->epoch);
    int64_t number;
    subscriber->next = hub->next;
    if (!last_id)
        return;
    if (strncmp(last_id, hub->epoch, n) == 0 && last_id[n] == '-' &&
        str_to_int(str_of(last_id + n + 1), 0, hub->next - 1, &number) && number + 1 >= hub->first)
        subscriber->next = number + 1;
    else
        set_resync(subscriber);
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

const struct http_param_spec event_stream_params[] = {{"topics", HTTP_PARAM_TEXT, 1, 256, NULL},
                                                      {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};

/* Topics that the caller may see: audit is for those who may read it. */
static unsigned allowed_topics(const struct http_request *request)
{
    unsigned all = (1u << EVENT_TOPIC_COUNT) - 1;
    return http_principal(request)->permissions & HTTP_MAY_AUDIT ? all : all & ~(1u << EVENT_AUDIT);
}

void event_stream_handle(struct http_request *request, void *context)
{
    struct event_hub *hub = context;
    unsigned topics = 0;
    struct err err;
    const char *list = http_param_text(request, "topics");
    if (list && !read_topics(list, &topics, &err)) {
        http_answer_error(request, ERR_INVALID, &err);
        return;
    }
    mutex_lock(&hub->mutex);
    if (hub->subscribers.count >= EVENT_SUBSCRIBERS_MAX) {
        mutex_unlock(&hub->mutex);
        (void)err_set(&err, ERR_LIMIT, "UNAVAILABLE", "%d event streams are open already", EVENT_SUBSCRIBERS_MAX);
        http_answer_error(request, ERR_LIMIT, &err);
        return;
    }
    struct subscriber *subscriber = xcalloc(1, sizeof *subscriber);
    subscriber->hub = hub;
    subscriber->topics = (topics ? topics : ~0u) & allowed_topics(request);
    subscriber->intro_length = (size_t)snprintf(subscriber->intro, sizeof subscriber->intro, ": connected\nretry: 2000\n\n");
    close_gap(hub);
    start_after(subscriber, http_header(request, "Last-Event-ID"));
    list_push_back(&hub->subscribers, &subscriber->node);
    set_wanted(hub);
    if (hub->subscribers.count == 1)
        condition_signal(&hub->changed);
    const struct http_stream_source source = {produce, closed, subscriber};
    subscriber->stream = http_answer_stream(request, "text/event-stream", &source);
    mutex_unlock(&hub->mutex);
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
    (void)snprintf(hub->epoch, sizeof hub->epoch, "%" PRIx64, (uint64_t)clock_wall(clock_real()).us);
    hub->first = hub->next = 1;
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
