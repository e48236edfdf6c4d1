/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/verify.h"

#include "base/mem.h"
#include "base/thread.h"
#include "trail/verify_priv.h"

#include <string.h>
#include <unistd.h>

enum { THREADS_DEFAULT = 2, PURGE_TRIES = 40, PURGE_PAUSE_US = 50000 };

static const char *const reason_names[VERIFY_REASONS] = {"changed", "removed", "inserted", "reordered", "truncated"};

const char *verify_reason_name(enum verify_reason reason)
{
    return reason_names[reason];
}

/* All that is under way. Segments are taken from the list one by one. */
struct work {
    const struct verify_options *options;
    struct verify_anchors anchors;
    struct verify_segment *segments; /* owned; those with a file, by number */
    size_t count;
    int64_t total; /* events, as far as it is known */
    struct mutex mutex;
    size_t next;        /* mutex */
    size_t bad_at;      /* mutex: index of the first bad one; what is behind it is of no more interest */
    int64_t done;       /* mutex */
    enum err_code code; /* mutex: why it had to end */
    struct err err;     /* mutex */
};

/* ---- segments on threads ---- */

static void note_rows(void *arg, int64_t rows)
{
    struct work *w = arg;
    mutex_lock(&w->mutex);
    w->done += rows;
    if (w->options->progress)
        w->options->progress(w->options->arg, w->done, w->total > w->done ? w->total : w->done);
    mutex_unlock(&w->mutex);
}

static struct verify_segment *take_segment(struct work *w)
{
    mutex_lock(&w->mutex);
    struct verify_segment *segment = w->code == OK && w->next < w->count && w->next < w->bad_at ? &w->segments[w->next++] : NULL;
    mutex_unlock(&w->mutex);
    return segment;
}

/* Signed by the server after this verification began, perhaps: what it says now. */
static bool is_vouched_for(const struct verify_options *o, int64_t number, enum checkpoint_kind kind)
{
    struct verify_anchors now;
    const struct verify_options again = {.place = o->place, .folder = o->folder, .store = o->store, .public_key = o->public_key};
    bool found = false;
    size_t count;
    if (verify_anchors_read(&again, &now, NULL) != OK)
        return false;
    const struct verify_anchor *items = verify_anchors_of(&now, number, &count);
    for (size_t i = 0; i < count && !found; i++)
        found =
            items[i].kind == kind || (kind != CHECKPOINT_PURGED && (items[i].from_heads || items[i].kind == CHECKPOINT_PURGED));
    verify_anchors_release(&now);
    return found;
}

/* The sealed state of a segment stands in a checkpoint, that of every other one in the file heads: somebody removed it. In a database
 * an open segment may be another server's, with its heads; a checkpoint of its beginning is there all the same. */
static void check_vouched(const struct work *w, struct verify_segment *segment)
{
    const enum checkpoint_kind kind = segment->meta.state == SEGMENT_SEALED ? CHECKPOINT_SEALED : CHECKPOINT_HEAD;
    size_t count;
    const struct verify_anchor *items = verify_anchors_of(&w->anchors, segment->number, &count);
    for (size_t i = 0; i < count; i++)
        if (items[i].from_heads || (kind == CHECKPOINT_SEALED ? items[i].kind == kind : !segment_place_folder(w->options->place)))
            return;
    if (!segment->meta.count || is_vouched_for(w->options, segment->number, CHECKPOINT_SEALED))
        return;
    if (w->anchors.bad && w->anchors.first_bad.reason == VERIFY_CHANGED && w->anchors.first_bad.segment == segment->number)
        return; /* it is there, and not what was signed: that is said of it */
    segment->bad = true;
    verify_say(&segment->first_bad, VERIFY_REMOVED, segment->number, segment->meta.count, NULL,
               kind == CHECKPOINT_SEALED ? "the checkpoint of its end is missing" : "its record in the file heads is missing");
}

static enum err_code run_segment(struct work *w, struct verify_segment *segment, struct err *err)
{
    enum err_code code = verify_segment_run(w->options, &w->anchors, segment, note_rows, w, err);
    if (code == ERR_NOT_FOUND) { /* it went meanwhile */
        if (!is_vouched_for(w->options, segment->number, CHECKPOINT_PURGED)) {
            segment->bad = true;
            verify_say(&segment->first_bad, VERIFY_REMOVED, segment->number, 1, NULL, "the file of the segment is missing");
        }
        return OK;
    }
    if (code == OK && !segment->bad && segment->is_signed)
        check_vouched(w, segment);
    return code;
}

static void work_main(void *arg)
{
    struct work *w = arg;
    for (struct verify_segment *segment; (segment = take_segment(w));) {
        struct err err = {.code = OK};
        const enum err_code code = run_segment(w, segment, &err);
        mutex_lock(&w->mutex);
        if (code != OK && w->code == OK) {
            w->code = code;
            w->err = err;
        }
        const size_t at = (size_t)(segment - w->segments);
        if (segment->bad && at < w->bad_at)
            w->bad_at = at;
        mutex_unlock(&w->mutex);
    }
}

static void run_threads(struct work *w)
{
    struct thread threads[VERIFY_THREADS_MAX] = {{.started = false}};
    int count = w->options->threads ? w->options->threads : THREADS_DEFAULT;
    if (count > VERIFY_THREADS_MAX)
        count = VERIFY_THREADS_MAX;
    if ((size_t)count > w->count)
        count = (int)w->count;
    for (int i = 1; i < count; i++)
        thread_start(&threads[i], "verify", work_main, w);
    work_main(w);
    for (int i = 1; i < count; i++)
        thread_join(&threads[i]);
}

/* ---- which segments there must be ---- */

static bool has_time_of(const struct verify_options *o, const struct verify_anchor *anchor)
{
    return anchor->max_ms >= o->from_ms && anchor->min_ms <= o->to_ms;
}

static enum err_code list_files(struct work *w, struct err *err)
{
    int64_t *numbers;
    enum err_code code = segment_list(w->options->place, &numbers, &w->count, err);
    if (code != OK)
        return code;
    w->segments = xcalloc(w->count + 1, sizeof w->segments[0]);
    for (size_t i = 0; i < w->count; i++) {
        size_t count;
        w->segments[i].number = numbers[i];
        const struct verify_anchor *items = verify_anchors_of(&w->anchors, numbers[i], &count);
        w->total += count ? items[count - 1].seq : 0;
    }
    free(numbers);
    w->bad_at = w->count;
    return OK;
}

static bool has_file(const struct work *w, int64_t number)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (w->segments[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < w->count && w->segments[low].number == number;
}

/* The least number from `from` on that anything is known of; 0 = none. */
static int64_t next_known(const struct work *w, int64_t from)
{
    int64_t next = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->segments[i].number >= from && (!next || w->segments[i].number < next))
            next = w->segments[i].number;
    for (size_t i = 0; i < w->anchors.count; i++)
        if (w->anchors.items[i].segment >= from && (!next || w->anchors.items[i].segment < next))
            next = w->anchors.items[i].segment;
    return next;
}

/* A segment without a file. False: retention has dropped it, or it holds nothing of the time that is asked for. */
static bool is_missing(const struct work *w, int64_t number, struct verify_bad *ret)
{
    size_t count;
    const struct verify_anchor *items = verify_anchors_of(&w->anchors, number, &count);
    const struct verify_anchor *tombstone = verify_tombstone(&w->anchors, number);
    if (tombstone && items[count - 1].seq > tombstone->seq && has_time_of(w->options, &items[count - 1])) {
        verify_say(ret, VERIFY_TRUNCATED, number, tombstone->seq + 1, NULL, "it was cut off before retention dropped it");
        return true;
    }
    if (tombstone || (count && items[count - 1].seq && !has_time_of(w->options, &items[count - 1])) ||
        is_vouched_for(w->options, number, CHECKPOINT_PURGED))
        return false;
    verify_say(ret, VERIFY_REMOVED, number, 1, NULL, "the file of the segment is missing");
    return true;
}

/* Retention removes a file just behind its tombstone. */
static bool is_back(const struct work *w, int64_t number, struct verify_bad *ret)
{
    if (!verify_tombstone(&w->anchors, number))
        return false;
    for (int i = 0; i < PURGE_TRIES; i++) {
        if (!segment_is_there(w->options->place, number))
            return false;
        (void)usleep(PURGE_PAUSE_US);
    }
    struct uuid id;
    const bool found = verify_first_id(w->options->place, number, &id);
    verify_say(ret, VERIFY_INSERTED, number, 1, found ? &id : NULL, "retention has dropped this segment, and it is back");
    return true;
}

/* The first number that should have a file and has none, or has one and should not. */
static bool find_misplaced(const struct work *w, struct verify_bad *ret)
{
    for (int64_t number = 1, next; (next = next_known(w, number)) != 0; number = next + 1) {
        if (next > number) {
            verify_say(ret, VERIFY_REMOVED, number, 1, NULL, "the file of the segment is missing, and nothing is known of it");
            return true;
        }
        if (has_file(w, number) ? is_back(w, number, ret) : is_missing(w, number, ret))
            return true;
    }
    return false;
}

static void look_no_further_than(struct work *w, int64_t number)
{
    w->bad_at = 0;
    while (w->bad_at < w->count && w->segments[w->bad_at].number < number)
        w->bad_at++;
}

/* ---- how segments follow each other ---- */

/* NULL: nothing is known of it. */
static const struct audit_hash *genesis_of(const struct work *w, int64_t number)
{
    size_t count;
    for (size_t i = 0; i < w->count; i++)
        if (w->segments[i].number == number && w->segments[i].is_signed)
            return &w->segments[i].meta.genesis;
    const struct verify_anchor *items = verify_anchors_of(&w->anchors, number, &count);
    return count ? &items[0].genesis : NULL;
}

static void check_links(struct work *w)
{
    for (size_t i = 0; i < w->bad_at && i < w->count; i++) {
        struct verify_segment *segment = &w->segments[i];
        struct audit_hash genesis;
        if (!segment->is_signed)
            continue;
        segment_genesis(&segment->meta, genesis_of(w, segment->number - 1), &genesis);
        if (memcmp(&genesis, &segment->meta.genesis, sizeof genesis) == 0)
            continue;
        segment->bad = true;
        verify_say(&segment->first_bad, VERIFY_INSERTED, segment->number, 1, NULL,
                   "the segment does not follow the one before it");
        w->bad_at = i;
    }
}

/* ---- the whole ---- */

static void take_heads(struct work *w, struct verify_result *ret)
{
    ret->heads = xcalloc(w->count + 1, sizeof ret->heads[0]);
    for (size_t i = 0; i < w->count; i++) {
        ret->checked += w->segments[i].checked;
        if (w->segments[i].is_signed)
            ret->heads[ret->head_count++] = w->segments[i].meta;
    }
}

static enum err_code run(struct work *w, struct verify_result *ret, struct err *err)
{
    struct verify_bad misplaced;
    enum err_code code = list_files(w, err);
    if (code != OK)
        return code;
    const bool is_misplaced = find_misplaced(w, &misplaced);
    if (is_misplaced)
        look_no_further_than(w, misplaced.segment);
    const size_t end = w->bad_at;
    run_threads(w);
    if (w->code != OK) {
        if (err)
            *err = w->err;
        return w->code;
    }
    check_links(w);
    take_heads(w, ret);
    ret->ok = false;
    if (w->bad_at < end)
        ret->first_bad = w->segments[w->bad_at].first_bad;
    else if (is_misplaced)
        ret->first_bad = misplaced;
    else if (w->anchors.bad)
        ret->first_bad = w->anchors.first_bad;
    else
        ret->ok = true;
    return OK;
}

enum err_code verify_store(const struct verify_options *options, struct verify_result *ret, struct err *err)
{
    struct work w = {.options = options};
    *ret = (struct verify_result){.ok = false};
    enum err_code code = verify_anchors_read(options, &w.anchors, err);
    if (code != OK)
        return code;
    mutex_init(&w.mutex);
    code = run(&w, ret, err);
    mutex_release(&w.mutex);
    verify_anchors_release(&w.anchors);
    free(w.segments);
    if (code != OK)
        verify_result_release(ret);
    return code;
}

void verify_result_release(struct verify_result *result)
{
    free(result->heads);
    *result = (struct verify_result){.ok = false};
}

static void write_bad(const struct verify_bad *bad, struct json_writer *w)
{
    json_begin_object(w);
    json_key(w, "id");
    if (bad->has_id) {
        char text[UUID_TEXT_LEN + 1];
        uuid_format(&bad->id, text);
        json_text(w, text);
    } else {
        json_null(w);
    }
    json_put_int(w, "segment", bad->segment);
    json_put_int(w, "seq", bad->seq);
    json_put_text(w, "reason", reason_names[bad->reason]);
    json_put_text(w, "detail", bad->detail);
    json_end_object(w);
}

void verify_result_write(const struct verify_result *result, struct json_writer *w)
{
    json_begin_object(w);
    json_put_bool(w, "ok", result->ok);
    json_put_int(w, "checked", result->checked);
    json_key(w, "first_bad");
    if (result->ok)
        json_null(w);
    else
        write_bad(&result->first_bad, w);
    json_key(w, "heads");
    json_begin_array(w);
    for (size_t i = 0; i < result->head_count; i++) {
        json_begin_object(w);
        segment_meta_write(&result->heads[i], w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}
