/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler tells those who follow the stream of events. */
#include "sched/scheduler_priv.h"

#include "base/json_write.h"
#include "http/event_stream.h"

void scheduler_publish_execution(struct scheduler *s, const struct execution *ex, const char *event)
{
    if (!s->options.events || !event_hub_wanted(s->options.events, EVENT_EXECUTION))
        return;
    struct buf text;
    buf_init(&text, 4096);
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_put_text(&w, "type", "execution");
    json_put_uuid(&w, "id", &ex->uid);
    json_put_int(&w, "version", s->now.us);
    json_put_text(&w, "task_uid", ex->task->uid_text);
    json_put_text(&w, "task_name", ex->task->task->name);
    json_put_text(&w, "state", execution_state_name(ex->state));
    json_put_int(&w, "progress", ex->progress);
    json_end_object(&w);
    event_hub_publish(s->options.events, EVENT_EXECUTION, event, text.data);
    buf_release(&text);
}

void scheduler_publish_task(struct scheduler *s, const struct task_runtime *rt, const char *event)
{
    if (!s->options.events || !event_hub_wanted(s->options.events, EVENT_TASK))
        return;
    struct buf text;
    buf_init(&text, 4096);
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_put_text(&w, "type", "task");
    json_put_text(&w, "id", rt->uid_text);
    json_put_int(&w, "version", rt->task->version);
    json_put_text(&w, "name", rt->task->name);
    json_put_bool(&w, "enabled", rt->task->enabled);
    json_end_object(&w);
    event_hub_publish(s->options.events, EVENT_TASK, event, text.data);
    buf_release(&text);
}
