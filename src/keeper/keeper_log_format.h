/* SPDX-License-Identifier: Apache-2.0 */
/* Head of one frame of a log: who reads it (keeper_log.c) and who writes it (log_writer.c) agree here. Both offsets
 * stand in every frame, so that the last whole frame alone says where both streams go on after a rotation, and so
 * that their sum orders all frames of a log. Numbers in this machine's byte order. */
#ifndef HORAE_KEEPER_KEEPER_LOG_FORMAT_H
#define HORAE_KEEPER_KEEPER_LOG_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_FRAME_MAGIC = 0x31464C48, /* "HLF1" */
    LOG_FRAME_MAX = 65536,        /* bytes after the head */
    LOG_PATH_MAX = 4096,
};

#define LOG_OLD_SUFFIX ".old"

struct log_frame_head {
    uint32_t magic, length;
    uint32_t stream; /* enum keeper_stream: 1 or 2 */
    int32_t attempt;
    int64_t offsets[2]; /* before this frame: standard output, standard error */
    int64_t at_us;
};

_Static_assert(sizeof(struct log_frame_head) == 40, "the head of a frame has no padding");

static inline bool log_frame_head_is_valid(const struct log_frame_head *head)
{
    return head->magic == LOG_FRAME_MAGIC && head->length >= 1 && head->length <= LOG_FRAME_MAX &&
           (head->stream == 1 || head->stream == 2) && head->offsets[0] >= 0 && head->offsets[1] >= 0;
}

/* Position of the frame among all bytes of the log, over both streams. */
static inline int64_t log_frame_position(const struct log_frame_head *head)
{
    return head->offsets[0] + head->offsets[1];
}

#endif
