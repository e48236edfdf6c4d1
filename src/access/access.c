/* SPDX-License-Identifier: Apache-2.0 */
#include "access/access_priv.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/panic.h"
#include "trail/pending_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct known_caller {
    struct token_hash hash;
    struct http_principal principal;
    int64_t expires_us; /* INT64_MAX = never */
    bool fixed;         /* of the machine: never forgotten */
    int64_t token_id;   /* of an API token; 0 = none */
    int64_t noted_us;   /* when its use was last recorded */
};

static struct str key_of(const struct token_hash *hash)
{
    return (struct str){(const char *)hash->b, TOKEN_HASH};
}

static void set_principal(struct http_principal *p, const struct uuid *uid, const char *username, const char *type,
                          enum role role)
{
    if (uid)
        uuid_format(uid, p->uid);
    else
        (void)snprintf(p->uid, sizeof p->uid, "%s", username);
    (void)snprintf(p->username, sizeof p->username, "%s", username);
    (void)snprintf(p->type, sizeof p->type, "%s", type);
    (void)snprintf(p->role, sizeof p->role, "%s", role_names[role]);
    p->permissions = role_permissions(role);
}

/* ---- what is known ---- */

static void forget_some(struct access *access, bool all)
{
    struct map kept;
    size_t cursor = 0;
    map_init(&kept);
    for (struct known_caller *known; (known = map_next(&access->known, &cursor));) {
        if (known->fixed && !all)
            (void)map_put(&kept, key_of(&known->hash), known);
        else
            free(known);
    }
    map_release(&access->known);
    access->known = kept;
}

void access_forget(struct access *access)
{
    mutex_lock(&access->mutex);
    forget_some(access, false);
    mutex_unlock(&access->mutex);
}

static void remember(struct access *access, const struct known_caller *known)
{
    struct known_caller *copy = xmalloc(sizeof *copy);
    *copy = *known;
    mutex_lock(&access->mutex);
    if (access->known.count >= PRINCIPALS_KEPT)
        forget_some(access, false);
    free(map_remove(&access->known, key_of(&copy->hash)));
    (void)map_put(&access->known, key_of(&copy->hash), copy);
    mutex_unlock(&access->mutex);
}

/* ---- looking up ---- */

struct lookup {
    struct known_caller known;
    int64_t now_us;
    bool found;
};

static enum err_code look_up_session(struct db *db, struct lookup *lookup, struct err *err)
{
    struct session session;
    struct user user = {.enabled = false};
    enum err_code code = session_store_by_access(db, &lookup->known.hash, &session, err);
    if (code == OK && session.access_expires_us > lookup->now_us)
        code = user_store_by_id(db, session.user_id, &user, err);
    else if (code == OK)
        return OK;
    if (code == ERR_NOT_FOUND || (code == OK && !user.enabled))
        return OK;
    if (code != OK)
        return code;
    set_principal(&lookup->known.principal, &user.uid, user.username, "user", user.role);
    (void)snprintf(lookup->known.principal.session, sizeof lookup->known.principal.session, "%lld", (long long)session.id);
    lookup->known.expires_us = session.access_expires_us;
    lookup->found = true;
    return OK;
}

static enum err_code look_up(struct db *db, void *arg, struct err *err)
{
    struct lookup *lookup = arg;
    struct api_token token;
    enum err_code code = token_store_by_hash(db, &lookup->known.hash, &token, err);
    if (code == ERR_NOT_FOUND)
        return look_up_session(db, lookup, err);
    if (code != OK)
        return code;
    if (token.expires_us && token.expires_us <= lookup->now_us)
        return OK;
    set_principal(&lookup->known.principal, &token.uid, token.name, "token", token.role);
    lookup->known.expires_us = token.expires_us ? token.expires_us : INT64_MAX;
    lookup->known.token_id = token.id;
    lookup->found = true;
    return OK;
}

struct use_note {
    struct store_op op;
    int64_t token_id, now_us;
};

static enum err_code write_use(struct db *tx, void *arg, struct err *err)
{
    const struct use_note *note = arg;
    return token_store_used(tx, note->token_id, note->now_us, err);
}

static void use_written(void *arg, enum err_code code, const struct err *err)
{
    if (code != OK)
        log_warn("access", "the use of a token was not recorded: %s", err->message);
    free(arg);
}

static void note_use(struct access *access, int64_t token_id, int64_t now_us)
{
    struct use_note *note = xcalloc(1, sizeof *note);
    *note = (struct use_note){{.run = write_use, .done = use_written, .arg = note}, token_id, now_us};
    if (!store_submit(access->options.store, &note->op))
        free(note);
}

/* From memory. Says whether the use of an API token is to be recorded again. */
static bool find_known(struct access *access, const struct token_hash *hash, int64_t now_us, struct http_principal *ret,
                       int64_t *ret_note)
{
    mutex_lock(&access->mutex);
    struct known_caller *known = map_get(&access->known, key_of(hash));
    bool found = known && known->expires_us > now_us;
    if (found) {
        *ret = known->principal;
        if (known->token_id && now_us - known->noted_us > (int64_t)TOKEN_USE_NOTED_S * US_PER_S) {
            known->noted_us = now_us;
            *ret_note = known->token_id;
        }
    }
    mutex_unlock(&access->mutex);
    return found;
}

static enum err_code unauthorized(struct err *err)
{
    return err_set(err, ERR_UNAUTHENTICATED, NULL, "Unauthorized");
}

static bool read_credentials(struct http_request *request, char *token, size_t capacity, bool *ret_cookie)
{
    const char *header = http_header(request, "Authorization");
    *ret_cookie = !header;
    if (!header)
        return http_cookie(request, "horae_session", token, capacity);
    struct str rest = str_of(header), scheme;
    if (!str_split(&rest, ' ', &scheme) || !str_equal_ignoring_case(scheme, "Bearer") || !rest.p)
        return false;
    rest = str_trim(rest);
    if (!rest.n || rest.n >= capacity)
        return false;
    memcpy(token, rest.p, rest.n);
    token[rest.n] = '\0';
    return true;
}

enum err_code access_authenticate(void *arg, struct http_request *request, struct http_principal *ret, struct err *err)
{
    struct access *access = arg;
    char token[600];
    bool by_cookie;
    const char *known = http_handed_on_caller(request);
    if (known) {
        *ret = (struct http_principal){.by_cookie = false};
        set_principal(ret, NULL, known, "system", ROLE_ADMIN);
        return OK;
    }
    if (!read_credentials(request, token, sizeof token, &by_cookie))
        return unauthorized(err);
    struct lookup lookup = {.known = {.hash = secret_hash_token(token)}, .now_us = http_arrived_us(request)};
    int64_t note = 0;
    secret_wipe(token, sizeof token);
    if (!find_known(access, &lookup.known.hash, lookup.now_us, ret, &note)) {
        enum err_code code = store_read(access->options.store, look_up, &lookup, err);
        if (code != OK)
            return code;
        if (!lookup.found)
            return unauthorized(err);
        *ret = lookup.known.principal;
        note = lookup.known.token_id;
        lookup.known.noted_us = lookup.now_us;
        remember(access, &lookup.known);
    }
    if (note)
        note_use(access, note, lookup.now_us);
    ret->by_cookie = by_cookie;
    return OK;
}

const char *access_own_caller(void *arg, struct http_request *request)
{
    struct access *access = arg;
    char token[600];
    bool by_cookie;
    if (!read_credentials(request, token, sizeof token, &by_cookie))
        return NULL;
    struct token_hash hash = secret_hash_token(token);
    secret_wipe(token, sizeof token);
    mutex_lock(&access->mutex);
    const struct known_caller *known = map_get(&access->known, key_of(&hash));
    const char *name = known && known->fixed ? known->principal.username : NULL;
    mutex_unlock(&access->mutex);
    return name;
}

/* ---- jobs ---- */

void access_submit(struct access *access, struct http_request *request, const struct access_job *job,
                   void (*work)(struct worker_item *item))
{
    struct access_job *copy = xmalloc(sizeof *copy);
    struct err err;
    *copy = *job;
    copy->item = (struct worker_item){.work = work};
    copy->access = access;
    copy->request = request;
    if (worker_pool_submit(&access->workers, &copy->item))
        return;
    free(copy);
    http_answer_error(request, err_set(&err, ERR_LIMIT, "UNAVAILABLE", "too many passwords are being checked"), &err);
}

/* ---- the first start ---- */

static enum err_code write_secret_file(const char *path, const char *text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t n = strlen(text);
    bool fine = fd >= 0 && write(fd, text, n) == (ssize_t)n && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    return fine ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "cannot write %s: %s", path, strerror(saved));
}

static void add_fixed(struct access *access, const char *token, const char *name)
{
    struct known_caller known = {.hash = secret_hash_token(token), .expires_us = INT64_MAX, .fixed = true};
    set_principal(&known.principal, NULL, name, "system", ROLE_ADMIN);
    remember(access, &known);
}

static enum err_code prepare_cli_token(struct access *access, struct err *err)
{
    char path[4200], token[TOKEN_TEXT_MAX] = "";
    (void)snprintf(path, sizeof path, "%s/cli-token", access->options.data_dir);
    FILE *file = fopen(path, "re");
    if (file) {
        if (!fgets(token, sizeof token, file))
            token[0] = '\0';
        (void)fclose(file);
        token[strcspn(token, "\n")] = '\0';
        if (strlen(token) < 20)
            return err_set(err, ERR_CORRUPT, NULL, "%s does not hold a token: remove it, and it is made again", path);
    } else {
        secret_new_token("hc_", token);
        enum err_code code = write_secret_file(path, token, err);
        if (code != OK)
            return code;
    }
    add_fixed(access, token, "cli");
    return OK;
}

static enum err_code count_users(struct db *db, void *arg, struct err *err)
{
    struct user user;
    enum err_code code = user_store_get(db, "admin", &user, err);
    if (code == ERR_NOT_FOUND)
        code = user_store_count_admins(db, arg, err);
    else if (code == OK)
        *(int64_t *)arg = 1;
    return code;
}

static enum err_code write_user(struct db *tx, void *arg, struct err *err)
{
    struct user *user = arg;
    struct audit_event *event = audit_event_new(AUDIT_ACTION_CREATED, AUDIT_RESOURCE_USER, user->username);
    audit_event_set(event, AUDIT_TEXT_SUBSYSTEM, "auth");
    access_audit_user(event, AUDIT_NEW_OBJECT, user);
    enum err_code code = user_store_add(tx, user, err);
    if (code == OK)
        code = audit_put(tx, event, user->created_us, err);
    audit_event_free(event);
    return code;
}

static enum err_code prepare_first_user(struct access *access, struct err *err)
{
    int64_t count = 0;
    char password[32], path[4200];
    enum err_code code = store_read(access->options.store, count_users, &count, err);
    if (code != OK || count)
        return code;
    int64_t now = clock_wall(access->options.clock).us;
    struct user user = {
        .uid = uuid_v7(now), .username = "admin", .role = ROLE_ADMIN, .enabled = true, .created_us = now, .updated_us = now};
    secret_new_password(password);
    const char *given = access->options.admin_password;
    if (!given) {
        (void)snprintf(path, sizeof path, "%s/admin-password", access->options.data_dir);
        (void)unlink(path); /* of a database that is gone */
        if ((code = write_secret_file(path, password, err)) != OK)
            return code;
    }
    code = secret_hash_password(given ? given : password, user.password_hash, err);
    return code == OK ? store_write(access->options.store, write_user, &user, err) : code;
}

enum err_code access_new(const struct access_options *options, struct access **ret, struct err *err)
{
    must(sodium_init() >= 0);
    struct access *access = xcalloc(1, sizeof *access);
    access->options = *options;
    throttle_init(&access->throttle, options->clock);
    worker_pool_init(&access->workers);
    mutex_init(&access->mutex);
    map_init(&access->known);
    enum err_code code = options->store ? prepare_first_user(access, err) : OK;
    if (code == OK)
        code = prepare_cli_token(access, err);
    if (code == OK && options->admin_token)
        add_fixed(access, options->admin_token, "admin-token");
    if (code != OK) {
        worker_pool_release(&access->workers);
        access_free(access);
        return code;
    }
    *ret = access;
    return OK;
}

void access_drain(struct access *access)
{
    worker_pool_release(&access->workers);
}

void access_free(struct access *access)
{
    if (!access)
        return;
    forget_some(access, true);
    map_release(&access->known);
    throttle_release(&access->throttle);
    mutex_release(&access->mutex);
    free(access);
}

struct http_routes access_routes(struct access *access)
{
    return (struct http_routes){access_api_routes, access_api_route_count, access};
}
