/* SPDX-License-Identifier: Apache-2.0 */
/* A set of ids that may say "perhaps" for one that is not in it, about once in 400: two bytes per id instead of a look into a
 * file. Owned by one thread. */
#ifndef HORAE_TRAIL_ID_FILTER_H
#define HORAE_TRAIL_ID_FILTER_H

#include "base/id.h"

#include <stddef.h>

struct id_filter;

/* For about `expected` ids; more make it say "perhaps" more often. */
struct id_filter *id_filter_new(size_t expected);
void id_filter_free(struct id_filter *filter); /* NULL allowed */
void id_filter_add(struct id_filter *filter, const struct uuid *id);
bool id_filter_may_hold(const struct id_filter *filter, const struct uuid *id);

/* The hash that it is built on. */
uint64_t id_hash(const struct uuid *id);

#endif
