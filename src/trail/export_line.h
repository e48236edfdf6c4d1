/* SPDX-License-Identifier: Apache-2.0 */
/* NDJSON exports of events, so that `horae audit verify --file` can prove them without the server. Each line is the event's own
 * text with one more member at its end:
 *   {"id":…,"created_at":…,"chain":{"segment":3,"seq":17,"hash":"64 hex digits","before":"64 hex digits"}}
 * and the last line is the manifest, signed as a whole, without which the export was cut off:
 *   {"manifest":{"filtered":false,"events":N,"segments":[{…state of the segment, first_seq, last_seq}],"public_key":…},"signature":…}
 * An export that is not filtered holds whole segments, by number ascending, each by seq ascending from 1 to the count of its
 * state, which was read in the same transaction as its rows. Every other one is filtered: its lines can be compared each by
 * itself, but what is missing cannot be seen, so that verification refuses it. Pure. */
#ifndef HORAE_TRAIL_EXPORT_LINE_H
#define HORAE_TRAIL_EXPORT_LINE_H

#include "trail/segment.h"

struct export_chain {
    int64_t segment, seq;
    struct audit_hash hash, before; /* before: hash of seq - 1, the genesis of the segment for seq 1 */
};

/* Appends the line and its end. `event` is an event's text. */
void export_line_write(struct buf *out, struct str event, const struct export_chain *chain);
/* False: the line has no such member at its end. `line` (of `length` bytes) is changed: `*ret_event` is a view into it. */
bool export_line_read(char *line, size_t length, struct str *ret_event, struct export_chain *ret_chain);

struct export_part {
    struct segment_meta meta;
    int64_t first_seq, last_seq; /* of the lines; 0: none */
};

struct export_manifest {
    bool filtered;
    int64_t events;            /* lines */
    struct export_part *parts; /* owned by whoever made it */
    size_t count;
    uint8_t public_key[AUDIT_PUBLIC_BYTES]; /* filled in by the writer */
};

/* Appends the line and its end. */
void export_manifest_write(struct buf *out, const struct export_manifest *manifest, const struct audit_key *key);
bool export_line_is_manifest(struct str line);
/* ERR_INVALID: not one, or not signed by the key in it. `parts` is owned by the caller (free). */
enum err_code export_manifest_read(struct str line, struct export_manifest *ret, struct err *err);

#endif
