/* SPDX-License-Identifier: Apache-2.0 */
/* Events of horae's own changes on their way from the store's table into a segment. They go into the current one whatever their
 * time, in the order of their rows: the row up to which they are there is remembered in the same commit, so that a crash neither
 * loses nor repeats any. The writer's thread. */
#include "trail/pending_store.h"

#include "base/log.h"
#include "base/mem.h"
#include "trail/trail_priv.h"

struct rows {
    struct trail *trail;
    int64_t last;
    size_t count;
};

static enum err_code read_event(const struct trail *trail, struct str text, struct audit_event **ret, struct err *err)
{
    struct json_doc *doc;
    enum err_code code = json_parse_exact(text.p, text.n, &doc, err);
    if (code != OK)
        return code;
    code = audit_event_read(json_root(doc), "", &trail->options.types, trail_now_ms(trail), ret, err);
    json_doc_free(doc);
    return code;
}

void trail_pending_record(const struct trail *trail, struct str text, struct audit_record *ret)
{
    struct audit_event *event;
    struct err err;
    if (read_event(trail, text, &event, &err) != OK) {
        log_error("audit", "an event of ours is kept as text: %s", err.message);
        event = audit_event_new(AUDIT_ACTION_UPDATED, AUDIT_RESOURCE_SERVER, "audit_pending");
        audit_event_fail(event, err.message);
        audit_event_set_object(event, AUDIT_NEW_OBJECT, text.p, text.n);
    }
    audit_record_make(event, &trail->options.rules, trail_now_ms(trail), ret);
    audit_event_free(event);
}

static void take_row(void *arg, int64_t id, struct str text)
{
    struct rows *rows = arg;
    struct trail_row *row = &rows->trail->plan->rows[rows->count++];
    row->id = id;
    trail_pending_record(rows->trail, text, &row->record);
}

static enum err_code read_rows(struct db *db, void *arg, struct err *err)
{
    struct rows *rows = arg;
    rows->count = 0;
    return pending_store_each(db, rows->last, TRAIL_PENDING_ROWS, take_row, rows, err);
}

/* False: a commit on the way refused one. Those behind it are not planned: they come again. */
static bool plan_rows(struct trail *trail, struct rows *rows)
{
    bool fine = true;
    for (size_t i = 0; i < rows->count; i++) {
        struct trail_row *row = &trail->plan->rows[i];
        while (fine && trail_plan_add_pending(trail, row->id, &row->record) == TRAIL_COMMIT_FIRST) {
            trail_commit(trail);
            fine = !trail->pending_refused;
        }
        if (!fine)
            audit_record_release(&row->record);
        else
            fine = trail->plan->groups[trail->plan->group_count - 1].code == OK; /* there is a segment for it */
        rows->last = row->id;
    }
    return fine;
}

bool trail_move_pending(struct trail *trail)
{
    struct rows rows = {.trail = trail, .last = trail->moved_id};
    struct err err;
    do {
        enum err_code code = store_read(trail->options.store, read_rows, &rows, &err);
        bool whole = rows.count == TRAIL_PENDING_ROWS;
        if (!plan_rows(trail, &rows))
            return false;
        if (code != OK) {
            log_warn("audit", "events of ours wait: %s", err.message);
            trail->backoff_us = US_PER_S;
            return false;
        }
        if (whole)
            trail_commit(trail);
        if (!whole || trail->pending_refused)
            return !whole;
    } while (true);
}
