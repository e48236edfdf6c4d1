/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that trigger tasks (SCH-55 to SCH-60): refused by name, or items within their limits that come back from the body
 * that they make. Input: 0 one run, 1 many; then the body. */
#include "base/clock.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "refusal.h"
#include "sched/sched_task.h"
#include "sched/trigger_body.h"

enum { TEXT_MAX = 4 << 20 };

static void release(struct sched_command *command)
{
    for (size_t i = 0; i < command->item_count; i++) {
        free(command->items[i].override_data);
        free(command->items[i].unique_key);
    }
    free(command->items);
    free(command->task_ref);
    *command = (struct sched_command){.item_count = 0};
}

static enum err_code read_body(const char *text, size_t length, bool bulk, struct sched_command *ret, struct err *err)
{
    struct json_doc *doc;
    *ret = (struct sched_command){.item_count = 0};
    enum err_code code = json_parse(text, length, &doc, err);
    if (code != OK)
        return code;
    code = bulk ? bulk_body_read(json_root(doc), ret, err) : trigger_body_read(json_root(doc), ret, err);
    json_doc_free(doc);
    return code;
}

static void write_item(struct json_writer *w, const struct trigger_item *item)
{
    CHECK(!item->override_data || strlen(item->override_data) <= TASK_DATA_MAX, "long data");
    CHECK(!item->unique_key || (item->unique_key[0] && strlen(item->unique_key) <= 255), "a key of another length");
    CHECK(item->priority >= -TASK_PRIORITY_MAX && item->priority <= TASK_PRIORITY_MAX, "priority %d", item->priority);
    CHECK(item->has_priority || !item->priority, "a priority that was not given");
    if (item->override_data)
        json_put_text(w, "override_data", item->override_data);
    if (item->unique_key)
        json_put_text(w, "unique_key", item->unique_key);
    if (item->run_at_us)
        json_put_time(w, "run_at", item->run_at_us, 6);
    if (item->has_priority)
        json_put_int(w, "priority", item->priority);
}

static char *write_body(const struct sched_command *command, bool bulk)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEXT_MAX);
    json_writer_init(&w, &out);
    CHECK(command->item_count >= 1 && command->item_count <= (bulk ? SCHEDULER_BULK_MAX : 1), "%zu items", command->item_count);
    json_begin_object(&w);
    json_put_bool(&w, "force", command->force);
    if (bulk) {
        CHECK(command->task_ref && command->task_ref[0] && strlen(command->task_ref) <= TASK_NAME_MAX, "no task");
        json_put_text(&w, "task_uid", command->task_ref);
        json_key(&w, "items");
        json_begin_array(&w);
    }
    for (size_t i = 0; i < command->item_count; i++) {
        if (bulk)
            json_begin_object(&w);
        write_item(&w, &command->items[i]);
        if (bulk)
            json_end_object(&w);
    }
    if (bulk)
        json_end_array(&w);
    json_end_object(&w);
    return buf_take(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    struct sched_command command;
    struct err err = {.message = ""};
    const bool bulk = fuzz_choice(&input, 2);
    char *text = fuzz_rest(&input);
    enum err_code code = read_body(text, input.left, bulk, &command, &err);
    if (code == OK) {
        char *body = write_body(&command, bulk);
        release(&command);
        code = read_body(body, strlen(body), bulk, &command, &err);
        CHECK(code == OK, "%s is refused: %s", body, err.message);
        char *again = write_body(&command, bulk);
        CHECK(strcmp(body, again) == 0, "%s becomes %s", body, again);
        free(body);
        free(again);
    } else if (strcmp(err.api_code, "INVALID_JSON") == 0) {
        check_line(err.message);
    } else {
        check_refusal(code, &err);
    }
    release(&command);
    free(text);
    return 0;
}
