/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/roster.h"

#include "base/mem.h"
#include "base/panic.h"

#include <stdlib.h>
#include <string.h>

void roster_init(struct roster *roster)
{
    *roster = (struct roster){0};
}

static void free_labels(struct roster_member *member)
{
    for (size_t i = 0; i < member->label_count; i++) {
        free(member->labels[i].name);
        free(member->labels[i].value);
    }
    free(member->labels);
    member->labels = NULL;
    member->label_count = 0;
}

void roster_release(struct roster *roster)
{
    for (size_t i = 0; i < roster->count; i++)
        free_labels(&roster->members[i]);
    free(roster->members);
    *roster = (struct roster){0};
}

/* Where the id stands, or would: the order makes ties of a placement the same in every run. */
static size_t place_of(const struct roster *roster, const char *id, bool *ret_found)
{
    size_t low = 0, high = roster->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(roster->members[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = low < roster->count && strcmp(roster->members[low].id, id) == 0;
    return low;
}

static enum err_code check(const struct roster_news *news, struct err *err)
{
    size_t length = news->id ? strlen(news->id) : 0;
    if (length < 1 || length > LEASE_HOLDER_MAX)
        return err_param(err, "id", "id: an instance's name has 1 to %d bytes, not %zu", LEASE_HOLDER_MAX, length);
    if (news->capacity < 1 || news->capacity > ROSTER_CAPACITY_MAX)
        return err_param(err, "capacity", "capacity: instance %s must offer 1 to %d places, not %lld", news->id,
                         ROSTER_CAPACITY_MAX, (long long)news->capacity);
    if (news->label_count > TASK_LABELS_MAX)
        return err_param(err, "labels", "labels: instance %s may offer at most %d labels, not %zu", news->id, TASK_LABELS_MAX,
                         news->label_count);
    return OK;
}

static struct roster_member *insert_at(struct roster *roster, size_t at)
{
    roster->members = xrealloc(roster->members, (roster->count + 1) * sizeof *roster->members);
    memmove(&roster->members[at + 1], &roster->members[at], (roster->count - at) * sizeof *roster->members);
    roster->count++;
    roster->members[at] = (struct roster_member){.heard_us = INT64_MIN};
    return &roster->members[at];
}

static void copy_labels(struct roster_member *member, const struct roster_news *news)
{
    free_labels(member);
    member->labels = news->label_count ? xcalloc(news->label_count, sizeof *member->labels) : NULL;
    member->label_count = news->label_count;
    for (size_t i = 0; i < news->label_count; i++)
        member->labels[i] = (struct sched_label){xstrdup(news->labels[i].name), xstrdup(news->labels[i].value)};
}

enum err_code roster_put(struct roster *roster, const struct roster_news *news, struct err *err)
{
    enum err_code code = check(news, err);
    if (code)
        return code;
    bool found;
    size_t at = place_of(roster, news->id, &found);
    if (!found && roster->count == ROSTER_MAX)
        return err_set(err, ERR_LIMIT, NULL, "instance %s: at most %d instances run work together", news->id, ROSTER_MAX);
    struct roster_member *member = found ? &roster->members[at] : insert_at(roster, at);
    memcpy(member->id, news->id, strlen(news->id) + 1);
    copy_labels(member, news);
    member->capacity = (int32_t)news->capacity;
    member->draining = news->draining;
    /* Answers of two connections may arrive in the other order. */
    if (news->heard_us > member->heard_us)
        member->heard_us = news->heard_us;
    return OK;
}

struct roster_member *roster_find(const struct roster *roster, const char *id)
{
    bool found;
    size_t at = place_of(roster, id, &found);
    return found ? &roster->members[at] : NULL;
}

bool roster_remove(struct roster *roster, const char *id)
{
    bool found;
    size_t at = place_of(roster, id, &found);
    if (!found)
        return false;
    free_labels(&roster->members[at]);
    roster->count--;
    memmove(&roster->members[at], &roster->members[at + 1], (roster->count - at) * sizeof *roster->members);
    return true;
}

void roster_begin(struct roster_member *member)
{
    must(member->running < INT32_MAX);
    member->running++;
}

void roster_end(struct roster_member *member)
{
    must(member->running > 0);
    member->running--;
}

bool roster_is_silent(const struct roster_member *member, int64_t now_us, int64_t silent_us)
{
    return member->heard_us < now_us - silent_us;
}
