/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/migrate_send.h"

#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX = 60 << 20, TRIES_MAX = 30, TRY_AGAIN_S = 1 };

/* Found wherever it was stored, not only in the last day: a row is stored once however often it is sent (MIG-05). */
static const char path[] = "/audit/events?ack=stored&dedupe=all";

void migrate_batch_init(struct migrate_batch *batch, const struct client *client)
{
    *batch = (struct migrate_batch){.client = client};
    buf_init(&batch->body, BODY_MAX);
}

void migrate_batch_begin(struct migrate_batch *batch)
{
    buf_add_char(&batch->body, batch->count ? ',' : '[');
}

void migrate_batch_undo(struct migrate_batch *batch)
{
    batch->body.len--;
}

/* A server that has too much to do says so with 503; anything else is final. */
static int call(const struct migrate_batch *batch, struct answer *answer)
{
    for (int i = 1; i < TRIES_MAX; i++) {
        int code = client_ask(batch->client, "POST", path, batch->body.data, answer);
        if (code == CLI_DONE || answer->status != 503)
            break;
        answer_release(answer);
        (void)sleep(TRY_AGAIN_S);
    }
    if (answer->status >= 200 && answer->status <= 299)
        return CLI_DONE;
    answer_release(answer);
    progress_clear();
    return client_call(batch->client, "POST", path, batch->body.data, answer);
}

/* The answer must name the very events that were sent, in their order. */
static bool is_confirmed(const struct migrate_batch *batch, const struct answer *answer)
{
    const struct json *data = answer_data(answer), *ids = data ? json_member(data, "ids") : NULL, *item;
    struct json_walk walk = {0};
    size_t n = 0;
    while (ids && json_walk_array(ids, &walk, &item)) {
        char expected[UUID_TEXT_LEN + 1];
        if (n == batch->count)
            return false;
        uuid_format(&batch->ids[n++], expected);
        if (!str_equal(json_get_text(item), expected))
            return false;
    }
    return n == batch->count;
}

int migrate_batch_flush(struct migrate_batch *batch)
{
    struct answer answer;
    if (!batch->count)
        return CLI_DONE;
    buf_add_char(&batch->body, ']');
    int code = batch->body.failed ? CLI_FAILED : call(batch, &answer);
    if (!batch->body.failed && code == CLI_DONE && !is_confirmed(batch, &answer)) {
        progress_clear();
        (void)fprintf(stderr, "horae: the server did not confirm the events that it was sent\n");
        code = CLI_FAILED;
    }
    if (!batch->body.failed)
        answer_release(&answer);
    if (code != CLI_DONE)
        (void)fprintf(stderr,
                      "horae: nothing of rows %" PRId64 " to %" PRId64 " of the source was stored; what came before was:"
                      " run it again when this is mended\n",
                      batch->rows[0], batch->rows[batch->count - 1]);
    for (size_t i = 0; code == CLI_DONE && i < batch->count; i++)
        batch->stored[batch->tables[i]]++;
    batch->count = 0;
    buf_clear(&batch->body);
    return code;
}

int migrate_batch_add(struct migrate_batch *batch, const struct uuid *id, enum old_table table, int64_t row)
{
    batch->ids[batch->count] = *id;
    batch->tables[batch->count] = table;
    batch->rows[batch->count++] = row;
    return batch->count == SEND_EVENTS_MAX || batch->body.len >= SEND_BYTES_MAX ? migrate_batch_flush(batch) : CLI_DONE;
}

void migrate_batch_release(struct migrate_batch *batch)
{
    buf_release(&batch->body);
}
