/* SPDX-License-Identifier: Apache-2.0 */
/* The last bytes of a stream: a ring that grows with what comes, up to its maximum and up to what all tails of the
 * process may hold together. */
#ifndef HORAE_KEEPER_TAIL_H
#define HORAE_KEEPER_TAIL_H

#include "base/buf.h"

struct tail_budget {
    size_t used, max; /* bytes of all rings */
};

struct tail {
    char *bytes; /* owned ring; NULL while nothing came */
    size_t capacity, max;
    size_t begin, length;
    bool cut; /* bytes before the tail exist */
};

void tail_init(struct tail *tail, size_t max);
void tail_add(struct tail *tail, struct tail_budget *budget, const char *bytes, size_t length);
void tail_append_to(const struct tail *tail, struct buf *out);
void tail_release(struct tail *tail, struct tail_budget *budget);

#endif
