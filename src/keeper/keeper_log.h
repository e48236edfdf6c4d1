/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of the logs that the keeper writes: frames of {stream, length, offset in the stream, time, bytes}. The log is
 * rotated in two files (PATH and PATH.old) so that at least the last half of the limit is always there. Reading while
 * it is written is fine: an unfinished last frame is not returned. Any thread; a reader belongs to one. */
#ifndef HORAE_KEEPER_KEEPER_LOG_H
#define HORAE_KEEPER_KEEPER_LOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum keeper_stream { KEEPER_STDOUT = 1, KEEPER_STDERR = 2, KEEPER_BOTH = 3 };

struct keeper_log;

struct keeper_log_frame {
    enum keeper_stream stream;
    int32_t attempt;
    int64_t offset;    /* of the first byte in its stream, over all attempts */
    int64_t position;  /* of the first byte among those of both streams */
    int64_t at_us;     /* wall time */
    const char *bytes; /* borrowed until the next call */
    size_t length;     /* 1 … 65536 */
};

/* ERR_NOT_FOUND: no log (nothing was written, or it was removed by age). */
enum err_code keeper_log_open(const char *path, struct keeper_log **ret, struct err *err);
/* The next whole frame; `*ret_more` false when there is none yet (call again later: the reader follows rotation). */
enum err_code keeper_log_next(struct keeper_log *log, struct keeper_log_frame *ret, bool *ret_more, struct err *err);
void keeper_log_close(struct keeper_log *log);
/* Removes a log with its rotated part. */
void keeper_log_remove(const char *path);

#endif
