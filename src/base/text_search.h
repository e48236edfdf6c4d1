/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a text in many others without regard to the case of ASCII letters; other bytes match exactly. Pure. */
#ifndef HORAE_BASE_TEXT_SEARCH_H
#define HORAE_BASE_TEXT_SEARCH_H

#include "base/str.h"

enum { NEEDLE_MAX = 2048 };

struct needle {
    char lower[NEEDLE_MAX]; /* its letters in lower case */
    size_t n;
    size_t rare;      /* where its rarest byte stands: that one is looked for first */
    char variants[2]; /* of the rarest byte; the same one twice when it has no case */
};

/* `text` has 1 to NEEDLE_MAX bytes. */
void needle_init(struct needle *needle, struct str text);
bool needle_in(const struct needle *needle, struct str text);

#endif
