/* SPDX-License-Identifier: Apache-2.0 */
/* Writer of a command's log (format: keeper_log_format.h). The file is made with the first byte, so a silent command
 * leaves none. A disk that is full costs bytes of the log, never the command. */
#ifndef HORAE_KEEPER_LOG_WRITER_H
#define HORAE_KEEPER_LOG_WRITER_H

#include "keeper/keeper_log.h"

enum { LOG_LIMIT_MIN = 4096 };

struct log_writer {
    char *path; /* owned */
    int fd;     /* -1 until the first byte, and after a failure */
    int32_t attempt;
    int64_t limit, size; /* size of the file at `path` */
    int64_t offsets[2];
    bool opened; /* offsets are known */
};

void log_writer_init(struct log_writer *log, const char *path, int64_t limit, int32_t attempt);
/* Appends, in frames; rotates at half of the limit. False when bytes were lost (disk full, folder gone); errno says why. */
bool log_writer_add(struct log_writer *log, enum keeper_stream stream, const char *bytes, size_t length, int64_t at_us);
void log_writer_release(struct log_writer *log);

#endif
