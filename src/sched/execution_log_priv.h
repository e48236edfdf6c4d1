/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by execution_log.c (reading) and execution_follow.c (following). */
#ifndef HORAE_SCHED_EXECUTION_LOG_PRIV_H
#define HORAE_SCHED_EXECUTION_LOG_PRIV_H

#include "keeper/keeper_log.h"
#include "sched/execution_log.h"
#include "sched/execution_store.h"

struct log_subject {
    const char *reference; /* id or uid */
    struct execution_brief brief;
};

/* For store_read: fills in `brief`. ERR_NOT_FOUND: no such execution. */
enum err_code log_find_subject(struct db *db, void *log_subject, struct err *err);
/* NULL and OK: nothing was written (yet), or it was removed by age. */
enum err_code log_open_of(const char *data_dir, int64_t id, struct keeper_log **ret, struct err *err);
bool log_is_wanted(enum execution_log_stream wanted, enum keeper_stream is);
/* Where the frame's first byte stands in what is wanted: in its stream, or among both. */
int64_t log_place(enum execution_log_stream wanted, const struct keeper_log_frame *frame);
/* The place from which the last `tail` lines of what is there begin; 0 for tail < 0. */
enum err_code log_tail_start(const struct execution_log_request *request, int64_t id, int64_t *ret_place, struct err *err);

#endif
