/* SPDX-License-Identifier: Apache-2.0 */
/* etcd as arbiter: a key hangs on a lease, put where its create revision is 0. The lease's number is taken from the token, so
 * that whoever knows the token can extend and revoke. Times are whole seconds, rounded up; etcd makes short ones longer, which
 * costs time after a crash and nothing else. */
#include "cluster/etcd_gateway.h"
#include "cluster/lease_arbiter.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/panic.h"
#include "base/thread.h"

#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 4096, KEY_MAX = LEASE_PREFIX_MAX + 1 + 255, BASE64_MAX = 600 };

struct etcd_arbiter {
    struct lease_arbiter arbiter;
    struct mutex mutex; /* guards the gateway */
    struct etcd_gateway *gateway;
    char prefix[LEASE_PREFIX_MAX + 2];
};

static struct etcd_arbiter *of(struct lease_arbiter *arbiter)
{
    return CONTAINER_OF(arbiter, struct etcd_arbiter, arbiter);
}

/* The last 63 bits of the token, which are random. */
static int64_t lease_of(const char *token)
{
    struct uuid uuid;
    uint64_t number = 0;
    must(uuid_parse(token, strlen(token), &uuid));
    for (size_t i = 8; i < sizeof uuid.b; i++)
        number = number << 8 | uuid.b[i];
    number &= INT64_MAX;
    return number ? (int64_t)number : 1;
}

/* ---- bodies ---- */

static void begin_body(struct buf *body, struct json_writer *w)
{
    buf_init(body, BODY_MAX);
    json_writer_init(w, body);
    json_begin_object(w);
}

static void put_number(struct json_writer *w, const char *name, int64_t number)
{
    char text[24]; /* 64-bit numbers are text in this gateway */
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    json_put_text(w, name, text);
}

static void put_base64(struct json_writer *w, const char *name, const char *text)
{
    struct buf out;
    buf_init(&out, BASE64_MAX);
    etcd_put_base64(&out, text);
    json_put_text(w, name, out.data);
    buf_release(&out);
}

static void put_key(struct json_writer *w, const struct etcd_arbiter *e, const char *key)
{
    char whole[KEY_MAX + 1];
    (void)snprintf(whole, sizeof whole, "%s%s", e->prefix, key);
    put_base64(w, "key", whole);
}

static void begin_list(struct json_writer *w, const char *name, const char *item)
{
    json_key(w, name);
    json_begin_array(w);
    json_begin_object(w);
    if (item) {
        json_key(w, item);
        json_begin_object(w);
    }
}

static void end_list(struct json_writer *w, bool item)
{
    if (item)
        json_end_object(w);
    json_end_object(w);
    json_end_array(w);
}

/* ---- calls; the caller holds the mutex ---- */

static enum err_code call(struct etcd_arbiter *e, const char *path, struct json_writer *w, enum etcd_status *ret_status,
                          struct json_doc **ret_doc, struct err *err)
{
    json_end_object(w);
    *ret_doc = NULL;
    enum err_code code = etcd_gateway_call(e->gateway, path, w->out->data, ret_status, ret_doc, err);
    buf_release(w->out);
    return code;
}

/* A number that is there already is ours, from a call whose answer did not arrive. */
static enum err_code grant(struct etcd_arbiter *e, int64_t lease, int64_t ttl_us, struct err *err)
{
    struct buf body;
    struct json_writer w;
    struct json_doc *doc;
    enum etcd_status status;
    begin_body(&body, &w);
    put_number(&w, "TTL", (ttl_us + US_PER_S - 1) / US_PER_S);
    put_number(&w, "ID", lease);
    enum err_code code = call(e, "/v3/lease/grant", &w, &status, &doc, err);
    json_doc_free(doc);
    return code;
}

static enum err_code revoke(struct etcd_arbiter *e, int64_t lease, bool *ret_found, struct err *err)
{
    struct buf body;
    struct json_writer w;
    struct json_doc *doc;
    enum etcd_status status;
    begin_body(&body, &w);
    put_number(&w, "ID", lease);
    enum err_code code = call(e, "/v3/lease/revoke", &w, &status, &doc, err);
    *ret_found = code == OK && status == ETCD_OK;
    json_doc_free(doc);
    return code;
}

static void put_comparison(struct json_writer *w, const struct etcd_arbiter *e, const char *key, const char *target)
{
    begin_list(w, "compare", NULL);
    put_key(w, e, key);
    json_put_text(w, "target", target);
}

/* Is this value what the key had, by the answer to the range in the failure branch? */
static bool range_has(const struct json *answer, const char *token)
{
    const struct json *response = json_item(json_member(answer, "responses"), 0);
    const struct json *kv = response ? json_item(json_member(json_member(response, "response_range"), "kvs"), 0) : NULL;
    struct buf value;
    buf_init(&value, BASE64_MAX);
    etcd_put_base64(&value, token);
    bool same = kv && str_equal(json_get_text(json_member(kv, "value")), value.data);
    buf_release(&value);
    return same;
}

static enum err_code transact(struct etcd_arbiter *e, struct json_writer *w, const char *token, bool *ret_ours, struct err *err)
{
    struct json_doc *doc;
    enum etcd_status status;
    enum err_code code = call(e, "/v3/kv/txn", w, &status, &doc, err);
    const struct json *succeeded = code == OK && status == ETCD_OK ? json_member(json_root(doc), "succeeded") : NULL;
    char *text = succeeded ? json_print(succeeded) : NULL; /* left out when false */
    *ret_ours = code == OK && ((text && strcmp(text, "true") == 0) || range_has(json_root(doc), token));
    free(text);
    json_doc_free(doc);
    return code;
}

/* A key that has our token already was put by a call whose answer did not arrive. */
static enum err_code put_first(struct etcd_arbiter *e, const char *key, const char *token, bool *ret_ours, struct err *err)
{
    struct buf body;
    struct json_writer w;
    begin_body(&body, &w);
    put_comparison(&w, e, key, "CREATE");
    put_number(&w, "create_revision", 0);
    end_list(&w, false);
    begin_list(&w, "success", "request_put");
    put_key(&w, e, key);
    put_base64(&w, "value", token);
    put_number(&w, "lease", lease_of(token));
    end_list(&w, true);
    begin_list(&w, "failure", "request_range");
    put_key(&w, e, key);
    end_list(&w, true);
    return transact(e, &w, token, ret_ours, err);
}

static enum err_code compare(struct etcd_arbiter *e, const char *key, const char *token, bool *ret_ours, struct err *err)
{
    struct buf body;
    struct json_writer w;
    begin_body(&body, &w);
    put_comparison(&w, e, key, "VALUE");
    put_base64(&w, "value", token);
    end_list(&w, false);
    return transact(e, &w, token, ret_ours, err);
}

static enum err_code keep_alive(struct etcd_arbiter *e, int64_t lease, bool *ret_lives, struct err *err)
{
    struct buf body;
    struct json_writer w;
    struct json_doc *doc;
    enum etcd_status status;
    begin_body(&body, &w);
    put_number(&w, "ID", lease);
    enum err_code code = call(e, "/v3/lease/keepalive", &w, &status, &doc, err);
    const struct json *result = code == OK && status == ETCD_OK ? json_member(json_root(doc), "result") : NULL;
    struct str ttl = result ? json_get_text(json_member(result, "TTL")) : str_of(NULL);
    int64_t seconds = 0;
    *ret_lives = str_to_int(ttl, 1, INT32_MAX, &seconds); /* left out when it has ended */
    json_doc_free(doc);
    return code;
}

/* ---- the arbiter ---- */

static enum err_code not_held(const char *key, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "LOCK_NOT_HELD", "the lock %s is not held by this holder", key);
}

static enum err_code etcd_take(struct lease_arbiter *arbiter, const char *key, const char *token, int64_t ttl_us, struct err *err)
{
    struct etcd_arbiter *e = of(arbiter);
    bool taken = false, found;
    mutex_lock(&e->mutex);
    enum err_code code = grant(e, lease_of(token), ttl_us, err);
    if (code == OK)
        code = put_first(e, key, token, &taken, err);
    if (code == OK && !taken)
        (void)revoke(e, lease_of(token), &found, NULL);
    mutex_unlock(&e->mutex);
    return code == OK && !taken ? err_set(err, ERR_CONFLICT, "LOCK_HELD", "the lock %s is held by another", key) : code;
}

/* The lease may outlive its key, where somebody deleted that. */
static enum err_code etcd_extend(struct lease_arbiter *arbiter, const char *key, const char *token, int64_t ttl_us,
                                 struct err *err)
{
    (void)ttl_us; /* the lease knows it */
    struct etcd_arbiter *e = of(arbiter);
    bool fits = false, lives = false;
    mutex_lock(&e->mutex);
    enum err_code code = keep_alive(e, lease_of(token), &lives, err);
    if (code == OK && lives)
        code = compare(e, key, token, &fits, err);
    mutex_unlock(&e->mutex);
    return code == OK && !fits ? not_held(key, err) : code;
}

static enum err_code etcd_drop(struct lease_arbiter *arbiter, const char *key, const char *token, struct err *err)
{
    struct etcd_arbiter *e = of(arbiter);
    bool found;
    mutex_lock(&e->mutex);
    enum err_code code = revoke(e, lease_of(token), &found, err);
    mutex_unlock(&e->mutex);
    return code == OK && !found ? not_held(key, err) : code;
}

static void etcd_free(struct lease_arbiter *arbiter)
{
    struct etcd_arbiter *e = of(arbiter);
    etcd_gateway_free(e->gateway);
    mutex_release(&e->mutex);
    free(e);
}

static const struct lease_arbiter_ops etcd_ops = {
    .name = "etcd", .take = etcd_take, .extend = etcd_extend, .drop = etcd_drop, .free = etcd_free};

enum err_code etcd_arbiter_new(const struct lease_arbiter_options *options, struct lease_arbiter **ret, struct err *err)
{
    struct etcd_gateway *gateway;
    enum err_code code = etcd_gateway_new(options->url, &gateway, err);
    if (code != OK)
        return code;
    struct etcd_arbiter *e = xcalloc(1, sizeof *e);
    e->arbiter.ops = &etcd_ops;
    e->gateway = gateway;
    (void)snprintf(e->prefix, sizeof e->prefix, "%s%s", options->prefix, options->prefix[0] ? "/" : "");
    mutex_init(&e->mutex);
    *ret = &e->arbiter;
    return OK;
}
