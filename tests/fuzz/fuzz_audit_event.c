/* SPDX-License-Identifier: Apache-2.0 */
/* Events that others send (AUD-32): refused by name, or an event within its limits that is the same when it is written and
 * read again. */
#include "audit/audit_event.h"
#include "base/mem.h"
#include "refusal.h"

#include <string.h>

enum { TEXT_MAX = 8 << 20 };
#define NOW_MS INT64_C(1800000000000)

static const char *const own_types[] = {"invoice"};
static const struct audit_types types = {own_types, 1};

static enum err_code read_event(const char *text, size_t length, struct audit_event **ret, struct err *err)
{
    struct json_doc *doc;
    enum err_code code = json_parse_exact(text, length, &doc, err);
    if (code != OK)
        return code;
    code = audit_event_read(json_root(doc), "", &types, NOW_MS, ret, err);
    json_doc_free(doc);
    return code;
}

static char *write_event(const struct audit_event *event)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEXT_MAX);
    json_writer_init(&w, &out);
    audit_event_write(event, &w);
    CHECK(!out.failed, "the event does not fit");
    return buf_take(&out);
}

static void check_limits(const struct audit_event *event)
{
    const char *identifier = event->texts[AUDIT_TEXT_RESOURCE_ID], *uid = event->texts[AUDIT_TEXT_USER_UID];
    CHECK(identifier && strlen(identifier) >= 1 && strlen(identifier) <= AUDIT_IDENTIFIER_MAX, "the identifier");
    CHECK(uid && strlen(uid) >= 1 && strlen(uid) <= AUDIT_UID_MAX, "the uid");
    CHECK(event->timestamp_ms >= 0 && event->timestamp_ms <= NOW_MS + AUDIT_FUTURE_MAX_S * INT64_C(1000), "the time");
    CHECK(audit_type_is_known(&types, str_of(event->resource_type)), "type %s", event->resource_type);
    for (int i = 0; i < AUDIT_TEXT_COUNT; i++)
        CHECK(!event->texts[i] || event->texts[i][0], "an empty text");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct audit_event *event, *again;
    struct err err;
    enum err_code code = read_event((const char *)data, size, &event, &err);
    if (code != OK) {
        check_refusal(code, &err);
        return 0;
    }
    check_limits(event);
    char *text = write_event(event);
    CHECK(read_event(text, strlen(text), &again, &err) == OK, "%s\nof\n%s", err.message, text);
    char *twice = write_event(again);
    CHECK(strcmp(text, twice) == 0, "%s\nis then\n%s", text, twice);
    free(text);
    free(twice);
    audit_event_free(event);
    audit_event_free(again);
    return 0;
}
