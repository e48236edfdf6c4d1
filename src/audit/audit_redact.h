/* SPDX-License-Identifier: Apache-2.0 */
/* Members whose values are never stored (AUD-13). Names are compared without regard to case, `_` and `-`, and as a whole.
 * A string that holds the text of an object or array, as a task's `data` does, is looked into as well, one level of text. Pure. */
#ifndef HORAE_AUDIT_AUDIT_REDACT_H
#define HORAE_AUDIT_AUDIT_REDACT_H

#include "audit/json_tokens.h"

enum { AUDIT_REDACT_NAME_MAX = 31 };

/* Names in lower case, without `_` and `-`, at most AUDIT_REDACT_NAME_MAX bytes each. */
struct audit_names {
    const struct str *names; /* borrowed */
    size_t count;
};

extern const struct audit_names audit_default_names;

/* A name in that form; `out` has room for all of `name`. Returns the length. */
size_t audit_name_plain(const char *name, char *out);
bool audit_name_is_redacted(const struct audit_names *names, struct str name);
/* Adds the redaction to the rules of reading; `names` must outlive them. */
void audit_redact(struct json_rules *rules, const struct audit_names *names);
/* True: the text without what is redacted was appended to `out`. False: there is nothing to redact, or it is no JSON; it stays as it
 * came and `out` as it was. Done again it changes nothing. */
bool audit_redact_text(struct str json, const struct audit_names *names, struct buf *out);

#endif
