/* SPDX-License-Identifier: Apache-2.0 */
/* Events as CSV (RFC 4180). Fields that a spreadsheet would take for a formula begin with an apostrophe. Pure. */
#ifndef HORAE_TRAIL_EVENT_CSV_H
#define HORAE_TRAIL_EVENT_CSV_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

void event_csv_head(struct buf *out);
/* One line of an event's text. ERR_CORRUPT: it is none. */
enum err_code event_csv_line(struct buf *out, struct str event, struct err *err);

#endif
