/* SPDX-License-Identifier: Apache-2.0 */
#include "app/server.h"

#include "app/instance.h"
#include "app/leader.h"
#include "app/roles.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "db/store.h"
#include "db/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLUSTER_READERS = 2 };

struct server {
    const struct config *config;
    struct instance_identity identity;
    struct store_lock folder;               /* held where the store is on a server; where it is a file it has one itself */
    char store_path[4200], store_url[4200]; /* what its files begin with, and itself: not to be shown */
    struct client_address_rules client_rules;
    struct http_listener listener;
    struct leader_parts parts;
    struct leader *alone; /* on the embedded store; else the next ones */
    struct store *store;  /* without an epoch: what every instance may write */
    struct membership member;
    bool joined;
    struct planner planner;
    char secret[CLUSTER_SECRET_SIZE];
    char address[INSTANCE_ADDRESS_MAX];
    struct roles *roles;
};

const char *server_address(const struct server *server)
{
    return server->listener.address;
}

/* ---- the folder ---- */

static enum err_code make_data_dir(const char *path, struct err *err)
{
    char part[4096];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return err_param(err, "data", "data: cannot make %s: %s", part, strerror(errno));
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_param(err, "data", "data: cannot make %s: %s", path, strerror(errno));
    return OK;
}

/* The database holds password hashes and secrets: nobody else reads it, whatever the folder's mode is. SQLite gives the
 * files beside it the same mode. */
static void protect_database(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat info;
    if (fd < 0)
        return; /* opening the store says why */
    if (fstat(fd, &info) == 0 && (info.st_mode & 077))
        (void)fchmod(fd, 0600);
    (void)close(fd);
}

/* A server that ran here left its token, and a database that was ever opened is not empty: beginning anew without a word
 * would hide that everything is gone. */
static enum err_code refuse_emptied(const struct server *server, const char *path, struct err *err)
{
    char token[4200];
    struct stat info;
    (void)snprintf(token, sizeof token, "%s/cli-token", server->config->data);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > 0 || access(token, F_OK) != 0)
        return OK;
    return err_set(err, ERR_CORRUPT, NULL,
                   "%s is empty, although a server has run here: put a copy in its place with `horae store restore`, or remove"
                   " the empty file to begin anew",
                   path);
}

static bool is_embedded(const struct server *server)
{
    return strncmp(server->store_url, "sqlite:", 7) == 0;
}

static enum err_code find_store(struct server *server, struct err *err)
{
    char *url = server->store_url;
    if (server->config->store[0])
        (void)snprintf(url, sizeof server->store_url, "%s", server->config->store);
    else
        (void)snprintf(url, sizeof server->store_url, "sqlite:%s/horae.db", server->config->data);
    store_files(url, server->config->data, server->store_path, sizeof server->store_path);
    if (!is_embedded(server)) /* the audit log and what commands write are of this folder, whatever the store */
        return store_lock_take(&server->folder, server->store_path, err);
    if (refuse_emptied(server, server->store_path, err) != OK)
        return ERR_CORRUPT;
    protect_database(server->store_path);
    return OK;
}

static enum err_code trust_proxies(struct server *server, struct err *err)
{
    enum err_code code = OK;
    for (size_t i = 0; code == OK && i < server->config->trusted_proxies.count; i++)
        code = client_address_trust(&server->client_rules, server->config->trusted_proxies.items[i], err);
    for (size_t i = 0; code == OK && i < server->config->client_ip_headers.count; i++)
        code = client_address_use(&server->client_rules, server->config->client_ip_headers.items[i], err);
    return code;
}

static void register_build_info(void)
{
    metric_set(metric_get(METRIC_GAUGE, "horae_build_info", "The version that runs.", "version=\"" HORAE_VERSION "\""), 1);
    metric_set(metric_get(METRIC_GAUGE, "horae_instance_up", "1 while this instance serves.", ""), 1);
}

/* Connections and outgoing requests take a descriptor each; shells give 1,024 and allow more. */
static uint64_t raise_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return 0;
    uint64_t given = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ? given : 0;
}

/* ---- one of several ---- */

static enum err_code open_cluster_store(struct server *server, struct err *err)
{
    struct store_options options = {.url = server->store_url, .readers = CLUSTER_READERS};
    return store_open(&options, &server->store, err);
}

static enum err_code join(struct server *server, struct err *err)
{
    const struct config *c = server->config;
    struct membership *member = &server->member;
    instance_address(c, &server->listener, &server->identity, server->address, sizeof server->address);
    *member = (struct membership){.store = server->store,
                                  .clock = server->parts.clock,
                                  .self = {.id = server->identity.id,
                                           .host = server->identity.host,
                                           .version = HORAE_VERSION,
                                           .labels = server->identity.labels_json,
                                           .address = server->address,
                                           .capacity = c->capacity,
                                           .plans = c->enable_cron},
                                  .offset_max_us = c->clock_limit_ms * US_PER_MS};
    membership_init(member);
    instance_life_read(server->store_path, member->former_life, sizeof member->former_life, member->former_id,
                       sizeof member->former_id);
    enum err_code code = membership_join(member, err);
    server->joined = code == OK;
    if (code == OK)
        code = instance_life_write(server->store_path, member->life, server->identity.id, err);
    return code == OK ? membership_secret(member, server->secret, err) : code;
}

static enum err_code start_one_of_several(struct server *server, struct err *err)
{
    struct leader_parts *parts = &server->parts;
    enum err_code code = open_cluster_store(server, err);
    if (code == OK && (code = join(server, err)) != OK && strcmp(err->api_code, "INSTANCE_TAKEN") != 0)
        store_explain(server->store, err);
    if (code == OK)
        code = planner_open(&server->planner, server->config, server->store, parts->clock, server->identity.id, err);
    parts->planner = &server->planner;
    parts->secret = server->secret;
    return code == OK ? roles_start(parts, &server->member, server->store, &server->roles, err) : code;
}

static void leave(struct server *server)
{
    struct err err;
    if (server->joined && membership_leave(&server->member, &err) != OK)
        log_warn("cluster", "the instance was not signed off: %s", err.message);
}

/* ---- life ---- */

static enum err_code prepare(struct server *server, struct err *err)
{
    const struct config *c = server->config;
    enum err_code code = instance_identify(c, &server->identity, err);
    if (code == OK)
        code = trust_proxies(server, err);
    if (code == OK)
        code = make_data_dir(c->data, err);
    if (code == OK)
        code = find_store(server, err);
    return code == OK ? http_listener_open(c->listen, c->tls_cert[0] != '\0', &server->listener, err) : code;
}

enum err_code server_start(const struct config *config, struct server **ret, struct err *err)
{
    struct server *server = xcalloc(1, sizeof *server);
    server->config = config;
    server->folder.fd = server->listener.fd = -1;
    server->parts = (struct leader_parts){.config = config,
                                          .clock = clock_real(),
                                          .identity = &server->identity,
                                          .store_url = server->store_url,
                                          .store_path = server->store_path,
                                          .listener = &server->listener,
                                          .client_rules = &server->client_rules,
                                          .files = raise_files()};
    register_build_info();
    enum err_code code = prepare(server, err);
    if (code == OK)
        code = is_embedded(server) ? leader_start(&server->parts, &server->alone, err) : start_one_of_several(server, err);
    if (code != OK) {
        server_stop(server, true); /* a failed start ends nothing that a former server left running */
        return code;
    }
    *ret = server;
    return OK;
}

static enum leader_end end_of(bool handover)
{
    return handover ? LEADER_HANDS_OVER : LEADER_STOPS;
}

void server_drain(struct server *server, bool handover)
{
    if (server->alone)
        leader_drain(server->alone, end_of(handover));
    else if (server->roles)
        roles_stop(server->roles, end_of(handover));
}

void server_drain_hurry(struct server *server)
{
    if (server->alone)
        leader_drain_hurry(server->alone);
    else
        roles_hurry(server->roles);
}

int64_t server_running(const struct server *server)
{
    return server->alone ? leader_running(server->alone) : roles_running(server->roles);
}

void server_stop(struct server *server, bool handover)
{
    server_drain(server, handover);
    http_listener_close(&server->listener);
    if (server->alone)
        leader_stop(server->alone, end_of(handover));
    leave(server);
    roles_free(server->roles);
    planner_free(&server->planner);
    if (server->store)
        store_close(server->store);
    instance_identity_release(&server->identity);
    store_lock_release(&server->folder);
    free(server);
}
