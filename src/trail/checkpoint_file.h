/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints that somebody keeps: what GET /audit/checkpoints answered ({"data":[…]}), one object per line, or both after each
 * other. Pure. */
#ifndef HORAE_TRAIL_CHECKPOINT_FILE_H
#define HORAE_TRAIL_CHECKPOINT_FILE_H

#include "trail/checkpoint.h"

enum { CHECKPOINT_FILE_MAX = 64 << 20 };

struct checkpoint_list {
    struct checkpoint *items; /* owned */
    size_t count, capacity;
    uint8_t public_key[AUDIT_PUBLIC_BYTES];
};

/* ERR_INVALID says what is wrong: a form, a signature, more than one key, none at all. Release in either case. */
enum err_code checkpoint_file_read(struct str text, struct checkpoint_list *ret, struct err *err);
void checkpoint_list_release(struct checkpoint_list *list);

#endif
