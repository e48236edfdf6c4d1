/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/store_commands.h"
#include "trail/audit_notes.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

enum err_code store_note(const char *files, const char *operation, const char *from, const char *former, struct err *err)
{
    char uid[24];
    const struct passwd *user = getpwuid(getuid());
    struct audit_event *event = audit_event_new(AUDIT_ACTION_UPDATED, AUDIT_RESOURCE_SERVER, files);
    (void)snprintf(uid, sizeof uid, "uid:%lld", (long long)getuid());
    audit_event_set_user(event, AUDIT_PRINCIPAL_USER, uid, user ? user->pw_name : uid);
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, "cli");
    audit_event_put(event, "operation", operation);
    audit_event_put(event, "from", from);
    if (former[0])
        audit_event_put(event, "former", former);
    event->timestamp_ms = clock_wall(clock_real()).us / US_PER_MS;
    enum err_code code = audit_notes_add(files, event, err);
    audit_event_free(event);
    return code;
}
