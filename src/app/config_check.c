/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_check.h"

#include "alert/alert_values.h"
#include "app/lock_settings.h"
#include "audit/audit_event.h"
#include "audit/audit_redact.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "db/store.h"
#include "http/client_address.h"
#include "http/listen.h"
#include "sched/sched_task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A URL may hold a password: only its scheme is shown. */
static void complain_url(struct buf *errors, const char *key, const char *url, const char *allowed)
{
    const char *colon = strstr(url, "://");
    if (colon)
        buf_printf(errors, "%s: \"%.*s://…\" is not allowed; %s\n", key, (int)(colon - url), url, allowed);
    else
        buf_printf(errors, "%s: \"%s\" is not allowed; %s\n", key, url, allowed);
}

static void check_store(const struct config *config, struct buf *errors)
{
    const char *store = config->store;
    char allowed[200];
    (void)snprintf(allowed, sizeof allowed, "it must be %s", store_url_forms());
    if (store[0] && store_url_check(store, NULL) != OK)
        complain_url(errors, "store", store, allowed);
}

static void check_lock(const struct config *config, struct buf *errors)
{
    struct lease_url url;
    struct err err;
    if (lock_settings_read(config, &url, &err) != OK)
        buf_printf(errors, "%s%s\n", strncmp(err.message, "lock", 4) == 0 ? "" : "lock: ", err.message);
    explicit_bzero(&url, sizeof url);
    if (strchr(config->lock_prefix, '/') || !str_is_utf8(config->lock_prefix, strlen(config->lock_prefix)))
        buf_printf(errors, "lock_prefix: \"%s\" is not allowed; it must be UTF-8 text without /\n", config->lock_prefix);
}

static void check_tls_file(const char *key, const char *path, struct buf *errors)
{
    if (path[0] && access(path, R_OK) != 0)
        buf_printf(errors, "%s: \"%s\" cannot be read: %s\n", key, path, strerror(errno));
}

static void check_tls(const struct config *config, struct buf *errors)
{
    if (!config->tls_cert[0] != !config->tls_key[0])
        buf_printf(errors, "%s is missing: tls_cert and tls_key go together\n", config->tls_cert[0] ? "tls_key" : "tls_cert");
    check_tls_file("tls_cert", config->tls_cert, errors);
    check_tls_file("tls_key", config->tls_key, errors);
}

static void check_labels(const struct config *config, struct buf *errors)
{
    for (size_t i = 0; i < config->labels.count; i++) {
        const char *text = config->labels.items[i], *equals = strchr(text, '=');
        size_t n = equals ? (size_t)(equals - text) : 0;
        if (n < 1 || n > LABEL_NAME_MAX || strlen(equals + 1) > LABEL_VALUE_MAX || !str_is_utf8(text, strlen(text)))
            buf_printf(errors, "labels: \"%s\" is not allowed; it must be NAME=VALUE of 1 to %d and 0 to %d bytes\n", text,
                       LABEL_NAME_MAX, LABEL_VALUE_MAX);
        for (size_t k = 0; equals && k < i; k++)
            if (strncmp(config->labels.items[k], text, n + 1) == 0)
                buf_printf(errors, "labels: \"%.*s\" is given twice\n", (int)n, text);
    }
}

static void check_proxies(const struct config *config, struct buf *errors)
{
    struct client_address_rules rules = {.network_count = 0};
    struct err err;
    for (size_t i = 0; i < config->trusted_proxies.count; i++)
        if (client_address_trust(&rules, config->trusted_proxies.items[i], &err) != OK)
            buf_printf(errors, "%s\n", err.message);
    for (size_t i = 0; i < config->client_ip_headers.count; i++)
        if (client_address_use(&rules, config->client_ip_headers.items[i], &err) != OK)
            buf_printf(errors, "%s\n", err.message);
}

static void check_alerts(const struct config *config, struct buf *errors)
{
    const char *url = config->alert_webhook_url;
    unsigned kinds = 0;
    for (size_t i = 0; i < config->alert_on.count; i++) {
        const char *word = config->alert_on.items[i];
        if (alert_kinds_add(&kinds, str_of(word)))
            continue;
        buf_printf(errors, "alerts.on: \"%.*s\" is not allowed; it must be all, none", (int)str_utf8_cut(word, strlen(word), 100),
                   word);
        for (int kind = 0; kind < ALERT_KIND_COUNT; kind++)
            buf_printf(errors, "%s%s", kind + 1 < ALERT_KIND_COUNT ? ", " : " or ", alert_kind_names[kind]);
        buf_add_char(errors, '\n');
    }
    if (url[0] && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        buf_add_text(errors, "alerts.webhook_url: \"***\" is not allowed; it must begin with http:// or https://\n");
    if (config->alert_webhook_secret[0] && !url[0])
        buf_add_text(errors, "alerts.webhook_url is missing: alerts.webhook_secret signs what is posted there\n");
}

static bool is_before(const struct config_list *list, size_t end)
{
    for (size_t i = 0; i < end; i++)
        if (strcmp(list->items[i], list->items[end]) == 0)
            return true;
    return false;
}

static void check_resource_types(const struct config_list *types, struct buf *errors)
{
    struct err err;
    for (size_t i = 0; i < types->count; i++) {
        if (is_before(types, i))
            buf_printf(errors, "audit.resource_types: \"%s\" is given twice\n", types->items[i]);
        else if (audit_type_check(types->items[i], &err) != OK)
            buf_printf(errors, "audit.resource_types: %s\n", err.message);
    }
}

static void check_redact_names(const struct config_list *names, struct buf *errors)
{
    for (size_t i = 0; i < names->count; i++) {
        char *text = xstrdup(names->items[i]);
        size_t n = audit_name_plain(names->items[i], text);
        if (n < 1 || n > AUDIT_REDACT_NAME_MAX || !str_is_utf8(text, n))
            buf_printf(errors, "audit.redact_names: \"%s\" is not allowed; it must have 1 to %d bytes besides _ and -\n",
                       names->items[i], AUDIT_REDACT_NAME_MAX);
        free(text);
    }
}

void config_check(const struct config *config, struct buf *errors)
{
    struct err err;
    if (listen_check(config->listen, &err) != OK)
        buf_printf(errors, "%s\n", err.message);
    check_store(config, errors);
    check_lock(config, errors);
    if (!str_is_utf8(config->instance, strlen(config->instance)))
        buf_add_text(errors, "instance: it must be UTF-8 text\n");
    check_labels(config, errors);
    check_proxies(config, errors);
    check_tls(config, errors);
    check_alerts(config, errors);
    check_resource_types(&config->audit_resource_types, errors);
    check_redact_names(&config->audit_redact_names, errors);
}
