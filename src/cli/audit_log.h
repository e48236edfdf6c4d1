/* SPDX-License-Identifier: Apache-2.0 */
/* horae audit list | show | export | tail: reading the audit log of a server. */
#ifndef HORAE_CLI_AUDIT_LOG_H
#define HORAE_CLI_AUDIT_LOG_H

#include "cli/subcommand.h"

#define AUDIT_FILTER_OPTIONS \
    {"--user", 0, "UID", "by this user"}, {"--action", 0, "ACTION", "created, updated, deleted, …"}, \
        {"--resource-type", 0, "TYPE", "scheduledTask, user, token, …"}, {"--resource-id", 0, "ID", "of this resource"}, \
        {"--status", 0, "STATUS", "success or failure"}, {"--client-ip", 0, "ADDRESS", "from this address"}, \
        {"--request-id", 0, "ID", "of this request"}, {"--subsystem", 0, "NAME", "http, scheduler, auth, …"}, \
        {"--space-path", 0, "PATH", "in this space"}, {"--from", 0, "TIME", "at or after"}, {"--to", 0, "TIME", "at or before"}, \
    { \
        "--text", 0, "TEXT", "events that hold this text, in any case of its letters; needs --from" \
    }

/* Appends the filters that were given as parameters. */
void audit_log_filters(struct buf *path, const struct options *o);

/* One event as a line for people: when, what, on what, who, from where. */
void audit_log_print_line(const struct json *event);

extern const struct option_spec audit_list_specs[], audit_export_specs[], audit_tail_specs[];
int audit_list(const struct client *client, const struct options *o);
int audit_show(const struct client *client, const struct options *o);
int audit_export(const struct client *client, const struct options *o);
int audit_tail(const struct client *client, const struct options *o);

#endif
