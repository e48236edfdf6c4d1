/* SPDX-License-Identifier: Apache-2.0 */
/* The text of an export (AUD-43): all events of a question, by segment and seq ascending, that is in the order of the chain, as
 * NDJSON (export_line.h) or CSV, block by block, in memory that does not grow with their number. One thread at a time. */
#ifndef HORAE_TRAIL_EVENT_EXPORT_H
#define HORAE_TRAIL_EVENT_EXPORT_H

#include "trail/event_search.h"
#include "trail/export_line.h"

enum export_format { EXPORT_NDJSON, EXPORT_CSV };

struct event_export;

struct event_export_options {
    enum export_format format;
    const struct event_filter *filter; /* copied, with its texts */
    const struct event_text *text;     /* copied; NULL = none */
    struct readers *readers;           /* borrowed */
    struct segment_meta *segments;     /* copied; events that are added later are not exported */
    size_t count;
    const struct audit_key *key; /* borrowed; signs the manifest */
};

struct event_export *event_export_new(const struct event_export_options *options);
void event_export_free(struct event_export *e);
/* Appends some text: a few events at most, perhaps none. *ret_more false: there are no more events; then event_export_end. */
enum err_code event_export_next(struct event_export *e, struct buf *out, bool *ret_more, struct err *err);
/* Appends what comes behind the last event. */
void event_export_end(struct event_export *e, struct buf *out);
int64_t event_export_count(const struct event_export *e); /* events so far */

#endif
