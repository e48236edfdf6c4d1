/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to one segment, on a reader's connection; event_search.h puts the answers of all of them together. The caller's
 * thread. A segment that is sealed is asked by the index of one filter, the others being checked in the index by time; one
 * that is not has this index alone, which covers every filter.
 *
 * What is expected of a segment's indexes: audit_events_time (timestamp, seq, and every column that is filtered by); once it
 * is sealed also (c, timestamp) for each of these columns, and (resource_type, action, timestamp). */
#ifndef HORAE_TRAIL_EVENT_QUERY_H
#define HORAE_TRAIL_EVENT_QUERY_H

#include "base/id.h"
#include "base/str.h"
#include "db/db.h"

/* In the order of how few events each leaves, as a rule: the first that is given chooses the index. */
enum event_column {
    EVENT_REQUEST_ID,
    EVENT_RESOURCE_ID,
    EVENT_CLIENT_IP,
    EVENT_USER_UID,
    EVENT_SPACE_PATH,
    EVENT_RESOURCE_TYPE,
    EVENT_ACTION,
    EVENT_SUBSYSTEM,
    EVENT_STATUS,
    EVENT_COLUMNS
};

struct event_filter {
    const char *texts[EVENT_STATUS]; /* borrowed; NULL = any */
    int failure;                     /* status: -1 any, 0 success, 1 failure */
    int64_t from_ms, to_ms;          /* inclusive; INT64_MIN, INT64_MAX = open */
};

/* Where an event stands in its segment, newest first. */
struct event_key {
    int64_t timestamp_ms, seq;
};

unsigned event_filter_mask(const struct event_filter *filter); /* a bit per column that is filtered by */

/* At most `limit` keys before (older than) `before`, descending. With db_limit_time: ERR_TIMEOUT, and nothing is known. */
enum err_code event_query_keys(struct db *db, bool sealed, const struct event_filter *filter, struct event_key before, int limit,
                               struct event_key *ret, int *ret_count, struct err *err);
/* The same with the texts of at most `most` events, until `row` returns false. *ret_end: there are no more. */
enum err_code event_query_texts(struct db *db, bool sealed, const struct event_filter *filter, struct event_key before, int most,
                                bool (*row)(void *arg, struct event_key key, struct str event), void *arg, bool *ret_end,
                                struct err *err);
/* Counts up to `most`. ERR_TIMEOUT: *ret is what was counted until then. */
enum err_code event_query_count(struct db *db, bool sealed, const struct event_filter *filter, int64_t most, int64_t *ret,
                                struct err *err);
/* Every seq, in no order. */
enum err_code event_query_seqs(struct db *db, bool sealed, const struct event_filter *filter, void (*seq)(void *arg, int64_t seq),
                               void *arg, struct err *err);
/* The text of one event, borrowed during the call. ERR_NOT_FOUND. */
enum err_code event_query_text(struct db *db, int64_t seq, void (*fn)(void *arg, struct str event), void *arg, struct err *err);
enum err_code event_query_find(struct db *db, const struct uuid *id, void (*fn)(void *arg, struct str event), void *arg,
                               struct err *err);

/* For tests of the plans. */
enum event_question { EVENT_KEYS, EVENT_TEXTS, EVENT_COUNT, EVENT_SEQS, EVENT_QUESTIONS };
const struct db_sql *event_query_sql_of(enum event_question question, bool sealed, unsigned mask);

#endif
