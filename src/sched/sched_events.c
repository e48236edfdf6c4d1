/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler tells those who follow the stream of events. */
#include "sched/scheduler_priv.h"

#include "base/json_write.h"
#include "http/event_stream.h"

enum { EVENT_TEXT_MAX = 4096 };

struct telling {
    struct buf text;
    struct json_writer w;
};

/* False: nobody listens, and nothing is written. */
static bool begin(const struct scheduler *s, enum event_topic topic, const char *type, struct telling *t)
{
    if (!s->options.events || !event_hub_wanted(s->options.events, topic))
        return false;
    buf_init(&t->text, EVENT_TEXT_MAX);
    json_writer_init(&t->w, &t->text);
    json_begin_object(&t->w);
    json_put_text(&t->w, "type", type);
    return true;
}

static void publish(const struct scheduler *s, enum event_topic topic, const char *event, struct telling *t)
{
    json_end_object(&t->w);
    event_hub_publish(s->options.events, topic, event, t->text.data);
    buf_release(&t->text);
}

void scheduler_publish_execution(struct scheduler *s, const struct execution *ex, const char *event)
{
    struct telling t;
    if (!begin(s, EVENT_EXECUTION, "execution", &t))
        return;
    json_put_uuid(&t.w, "id", &ex->uid);
    json_put_int(&t.w, "version", s->now.us);
    json_put_text(&t.w, "task_uid", ex->task->uid_text);
    json_put_text(&t.w, "task_name", ex->task->task->name);
    json_put_text(&t.w, "state", execution_state_name(ex->state));
    json_put_int(&t.w, "progress", ex->progress);
    publish(s, EVENT_EXECUTION, event, &t);
}

void scheduler_publish_task(struct scheduler *s, const struct task_runtime *rt, const char *event)
{
    struct telling t;
    if (!begin(s, EVENT_TASK, "task", &t))
        return;
    json_put_text(&t.w, "id", rt->uid_text);
    json_put_int(&t.w, "version", rt->task->version);
    json_put_text(&t.w, "name", rt->task->name);
    json_put_bool(&t.w, "enabled", rt->task->enabled);
    publish(s, EVENT_TASK, event, &t);
}
