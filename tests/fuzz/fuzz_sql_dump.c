/* SPDX-License-Identifier: Apache-2.0 */
/* Dumps of old audit tables: each row is of a table and its columns, what cannot be read is one complaint that names a line, and
 * every event that a row becomes is one that the server takes. Input: the dump. */
#include "audit/audit_event.h"
#include "cli/migrate_map.h"
#include "cli/sql_dump.h"
#include "refusal.h"

#include <stdlib.h>

static const struct migrate_rules rules = {.from_ms = 1, .now_ms = INT64_C(1760860800000)};

static void check_event(const struct buf *out, const struct uuid *id)
{
    struct json_doc *doc;
    struct audit_event *event;
    struct err err;
    CHECK(json_parse_exact(out->data, out->len, &doc, &err) == OK, "%s: %.*s", err.message, (int)out->len, out->data);
    CHECK(audit_event_read(json_root(doc), "", NULL, rules.now_ms, &event, &err) == OK, "%s: %.*s", err.message, (int)out->len,
          out->data);
    CHECK(memcmp(&event->id, id, sizeof *id) == 0, "the id is another");
    audit_event_free(event);
    json_doc_free(doc);
}

static enum err_code take(void *arg, const struct old_row *row, struct err *err)
{
    int64_t *rows = arg;
    struct buf out;
    struct uuid id;
    struct str word;
    (void)err;
    CHECK(row->number == ++*rows, "row %lld is the %lld.", (long long)row->number, (long long)*rows);
    CHECK(row->table < OLD_TABLE_COUNT, "of no table");
    buf_init(&out, OLD_ROW_MAX);
    if (migrate_map(row, &rules, &out, &id, &word) == MIGRATE_EVENT)
        check_event(&out, &id);
    else
        CHECK(out.len == 0, "what is no event wrote something");
    buf_release(&out);
    return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.message = ""};
    int64_t rows = 0;
    FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
    if (!in)
        return 0;
    enum err_code code = sql_dump_each(in, take, &rows, &err);
    CHECK(code == OK || code == ERR_INVALID, "code %d", (int)code);
    CHECK(code == OK || strncmp(err.message, "line ", 5) == 0, "no line is named: %s", err.message);
    if (code != OK)
        check_line(err.message);
    (void)fclose(in);
    return 0;
}
