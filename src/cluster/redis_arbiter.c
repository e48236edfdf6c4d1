/* SPDX-License-Identifier: Apache-2.0 */
/* Redis as arbiter: SET NX PX, and scripts that compare the token before they change a key. One connection, made when it is
 * needed, closed on any trouble; what a broken connection may have carried out already is asked for before it is
 * done again. */
#include "cluster/lease_arbiter.h"
#include "cluster/redis_library.h"

#include "base/mem.h"
#include "base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 8, KEY_MAX = LEASE_PREFIX_MAX + 1 + 255 };

static const char drop_script[] = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end";
static const char extend_script[] =
    "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('pexpire',KEYS[1],ARGV[2]) else return 0 end";

struct redis_arbiter {
    struct lease_arbiter arbiter;
    const struct redis_library *redis;
    struct lease_url url;
    char prefix[LEASE_PREFIX_MAX + 2], name[LEASE_HOST_MAX + 16];
    struct mutex mutex; /* guards the connection */
    redisContext *connection;
};

static struct redis_arbiter *of(struct lease_arbiter *arbiter)
{
    return CONTAINER_OF(arbiter, struct redis_arbiter, arbiter);
}

static void disconnect(struct redis_arbiter *r)
{
    if (r->connection)
        r->redis->redisFree(r->connection);
    r->connection = NULL;
}

/* ---- answers ---- */

/* What a refusal means for us: by its first word. */
static const struct {
    const char *word;
    enum err_code code;
    const char *advice;
} refusals[] = {
    {"NOAUTH", ERR_DENIED, "it wants a password: give one in the URL, HORAE_LOCK_PASSWORD or lock_password_file"},
    {"WRONGPASS", ERR_DENIED, "it does not take this user or password"},
    {"NOPERM", ERR_DENIED, "this user may not use the keys or commands of locks (SET, GET, EVAL, PEXPIRE, DEL)"},
    {"READONLY", ERR_UNAVAILABLE, "it is a read-only replica: name the primary"},
    {"LOADING", ERR_UNAVAILABLE, "it is loading its data"},
    {"OOM", ERR_UNAVAILABLE, "its memory is full"},
    {"MISCONF", ERR_UNAVAILABLE, "it refuses writes, as it cannot save them"},
    {"MASTERDOWN", ERR_UNAVAILABLE, "its primary is away"},
};

/* Of what the server says only the first word is shown: the rest may quote what was sent, a password among it. */
static enum err_code refused(const struct redis_arbiter *r, const char *text, struct err *err)
{
    size_t n = strcspn(text, " \r\n");
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (strlen(refusals[i].word) == n && strncmp(text, refusals[i].word, n) == 0)
            return err_set(err, refusals[i].code, "LOCK_SERVER_REFUSED", "Redis at %s: %s", r->name, refusals[i].advice);
    return err_set(err, ERR_UNAVAILABLE, "LOCK_SERVER_REFUSED", "Redis at %s refuses (%.*s)", r->name, n < 40 ? (int)n : 40,
                   text);
}

static enum err_code away(const struct redis_arbiter *r, const char *why, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "LOCK_SERVER_AWAY", "Redis at %s is away: %s", r->name, why);
}

/* ---- one command on the connection ---- */

static bool is_time_out(const redisContext *c)
{
    return c->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT);
}

/* OK: *ret is to be freed and no error. ERR_UNAVAILABLE with *ret_broken: the connection ended before the answer. */
static enum err_code command(struct redis_arbiter *r, const char *const *arguments, redisReply **ret, bool *ret_broken,
                             struct err *err)
{
    size_t lengths[ARGUMENTS_MAX];
    const char *list[ARGUMENTS_MAX];
    int count = 0;
    for (; count < ARGUMENTS_MAX && arguments[count]; count++) {
        list[count] = arguments[count];
        lengths[count] = strlen(arguments[count]);
    }
    errno = 0;
    redisReply *reply = r->redis->redisCommandArgv(r->connection, count, list, lengths);
    *ret_broken = false;
    if (!reply) {
        bool timed_out = is_time_out(r->connection);
        char why[160];
        (void)snprintf(why, sizeof why, "%s", timed_out ? "it does not answer" : r->connection->errstr);
        *ret_broken = !timed_out;
        disconnect(r);
        return away(r, why, err);
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        enum err_code code = refused(r, reply->str, err);
        r->redis->freeReplyObject(reply);
        disconnect(r);
        return code;
    }
    *ret = reply;
    return OK;
}

static enum err_code command_for_nothing(struct redis_arbiter *r, const char *const *arguments, struct err *err)
{
    redisReply *reply = NULL;
    bool broken;
    enum err_code code = command(r, arguments, &reply, &broken, err);
    if (code == OK)
        r->redis->freeReplyObject(reply);
    return code;
}

static enum err_code sign_in(struct redis_arbiter *r, struct err *err)
{
    if (!r->url.password[0])
        return OK;
    const char *by_name[] = {"AUTH", r->url.user, r->url.password, NULL}, *by_password[] = {"AUTH", r->url.password, NULL};
    enum err_code code = command_for_nothing(r, r->url.user[0] ? by_name : by_password, err);
    /* a server without a password says ERR */
    return code == ERR_UNAVAILABLE && err && strcmp(err->api_code, "LOCK_SERVER_REFUSED") == 0
               ? err_set(err, ERR_DENIED, "LOCK_SERVER_REFUSED", "Redis at %s does not take this user or password", r->name)
               : code;
}

static enum err_code select_database(struct redis_arbiter *r, struct err *err)
{
    char number[16];
    if (!r->url.database)
        return OK;
    (void)snprintf(number, sizeof number, "%d", r->url.database);
    const char *arguments[] = {"SELECT", number, NULL};
    enum err_code code = command_for_nothing(r, arguments, err);
    return code == ERR_UNAVAILABLE && err && strcmp(err->api_code, "LOCK_SERVER_REFUSED") == 0
               ? err_set(err, ERR_DENIED, "LOCK_SERVER_REFUSED", "Redis at %s has no database %d", r->name, r->url.database)
               : code;
}

static struct timeval time_of(int ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static enum err_code connect_now(struct redis_arbiter *r, struct err *err)
{
    struct err own;
    redisContext *c =
        r->redis->redisConnectWithTimeout(r->url.endpoints[0].host, r->url.endpoints[0].port, time_of(LEASE_CONNECT_MS));
    if (!c || c->err) {
        enum err_code code = away(r, c ? c->errstr : "no memory", err);
        if (c)
            r->redis->redisFree(c);
        return code;
    }
    r->connection = c;
    (void)r->redis->redisSetTimeout(c, time_of(LEASE_CALL_MS));
    (void)r->redis->redisEnableKeepAlive(c);
    enum err_code code = sign_in(r, &own);
    if (code == OK)
        code = select_database(r, &own);
    if (code != OK) {
        disconnect(r);
        if (err)
            *err = own;
    }
    return code;
}

/* On the connection, or a new one; once more when an old one turns out to be broken (the server was restarted, somebody cut
 * it). *ret_again: the command may have been carried out before. */
static enum err_code call(struct redis_arbiter *r, const char *const *arguments, redisReply **ret, bool *ret_again,
                          struct err *err)
{
    bool broken = false, was_old = r->connection != NULL;
    enum err_code code = was_old ? OK : connect_now(r, err);
    *ret_again = false;
    if (code == OK)
        code = command(r, arguments, ret, &broken, err);
    if (code == OK || !was_old || !broken)
        return code;
    *ret_again = true;
    code = connect_now(r, err);
    return code == OK ? command(r, arguments, ret, &broken, err) : code;
}

/* ---- the arbiter ---- */

static const char *key_of(const struct redis_arbiter *r, const char *key, char *out)
{
    (void)snprintf(out, KEY_MAX + 1, "%s%s", r->prefix, key);
    return out;
}

static enum err_code not_held(const char *key, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "the lock %s is not held by this holder", key);
}

/* The caller holds the mutex. */
static enum err_code is_ours(struct redis_arbiter *r, const char *place, const char *token, bool *ret, struct err *err)
{
    const char *arguments[] = {"GET", place, NULL};
    redisReply *reply;
    bool again;
    enum err_code code = call(r, arguments, &reply, &again, err);
    if (code != OK)
        return code;
    *ret = reply->type == REDIS_REPLY_STRING && strcmp(reply->str, token) == 0;
    r->redis->freeReplyObject(reply);
    return OK;
}

static enum err_code redis_take(struct lease_arbiter *arbiter, const char *key, const char *token, int64_t ttl_us,
                                struct err *err)
{
    struct redis_arbiter *r = of(arbiter);
    char place[KEY_MAX + 1], ms[24];
    bool again = false, taken = false;
    redisReply *reply;
    (void)snprintf(ms, sizeof ms, "%lld", (long long)(ttl_us + US_PER_MS - 1) / US_PER_MS);
    const char *arguments[] = {"SET", key_of(r, key, place), token, "NX", "PX", ms, NULL};
    mutex_lock(&r->mutex);
    enum err_code code = call(r, arguments, &reply, &again, err);
    if (code == OK) {
        taken = reply->type == REDIS_REPLY_STATUS;
        r->redis->freeReplyObject(reply);
    }
    if (code == OK && !taken && again)
        code = is_ours(r, place, token, &taken, err);
    mutex_unlock(&r->mutex);
    return code == OK && !taken ? err_set(err, ERR_CONFLICT, "LOCK_HELD", "the lock %s is held by another", key) : code;
}

/* A script on the key; it answers with 1 when the token was the key's. */
static enum err_code run_script(struct redis_arbiter *r, const char *script, const char *key, const char *token, const char *ms,
                                struct err *err)
{
    char place[KEY_MAX + 1];
    bool again;
    redisReply *reply;
    const char *arguments[] = {"EVAL", script, "1", key_of(r, key, place), token, ms, NULL};
    mutex_lock(&r->mutex);
    enum err_code code = call(r, arguments, &reply, &again, err);
    if (code == OK) {
        bool done = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
        r->redis->freeReplyObject(reply);
        code = done ? OK : not_held(key, err);
    }
    mutex_unlock(&r->mutex);
    return code;
}

static enum err_code redis_extend(struct lease_arbiter *arbiter, const char *key, const char *token, int64_t ttl_us,
                                  struct err *err)
{
    char ms[24];
    (void)snprintf(ms, sizeof ms, "%lld", (long long)(ttl_us + US_PER_MS - 1) / US_PER_MS);
    return run_script(of(arbiter), extend_script, key, token, ms, err);
}

static enum err_code redis_drop(struct lease_arbiter *arbiter, const char *key, const char *token, struct err *err)
{
    return run_script(of(arbiter), drop_script, key, token, NULL, err);
}

static void redis_free(struct lease_arbiter *arbiter)
{
    struct redis_arbiter *r = of(arbiter);
    disconnect(r);
    mutex_release(&r->mutex);
    explicit_bzero(&r->url, sizeof r->url);
    free(r);
}

static const struct lease_arbiter_ops redis_ops = {
    .name = "redis", .take = redis_take, .extend = redis_extend, .drop = redis_drop, .free = redis_free};

enum err_code redis_arbiter_new(const struct lease_arbiter_options *options, struct lease_arbiter **ret, struct err *err)
{
    const struct redis_library *redis = redis_library_load(err);
    if (!redis)
        return ERR_UNAVAILABLE;
    if (options->url->tls)
        return err_param(err, "lock",
                         "rediss:// needs TLS, which the client library (hiredis %d.%d) does not have: use redis:// on a private"
                         " network or through a TLS tunnel, or another provider",
                         HIREDIS_MAJOR, HIREDIS_MINOR);
    struct redis_arbiter *r = xcalloc(1, sizeof *r);
    r->arbiter.ops = &redis_ops;
    r->redis = redis;
    r->url = *options->url;
    (void)snprintf(r->prefix, sizeof r->prefix, "%s%s", options->prefix, options->prefix[0] ? ":" : "");
    (void)snprintf(r->name, sizeof r->name, "%s:%d", r->url.endpoints[0].host, r->url.endpoints[0].port);
    mutex_init(&r->mutex);
    *ret = &r->arbiter;
    return OK;
}
