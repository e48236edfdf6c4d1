/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/verify_api.h"

#include "base/mem.h"
#include "base/thread.h"
#include "http/page.h"
#include "trail/audit_api.h"
#include "trail/checkpoint_store.h"
#include "trail/verify.h"

enum { ANSWER_MAX = 64 << 20 };

struct verify_api {
    struct store *store;
    struct trail *trail;
    struct segment_place *place;
    char *url, *folder; /* owned */
    atomic_bool stop;
    struct mutex mutex; /* guards all below */
    struct thread thread;
    struct http_request *request; /* whose verification runs; NULL: none does */
    int64_t from_ms, to_ms;
};

/* ---- verify ---- */

static void answer_result(struct http_request *request, const struct verify_result *result)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, ANSWER_MAX);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_key(&w, "data");
    verify_result_write(result, &w);
    json_end_object(&w);
    http_answer_json(request, 200, &out);
}

/* The next one may begin before this one is answered: its caller may ask again at once. */
static struct http_request *take_request(struct verify_api *api)
{
    mutex_lock(&api->mutex);
    struct http_request *request = api->request;
    api->request = NULL;
    mutex_unlock(&api->mutex);
    return request;
}

static void run(void *arg)
{
    struct verify_api *api = arg;
    const struct verify_options options = {.place = api->place,
                                           .folder = api->folder,
                                           .store = api->url,
                                           .public_key = trail_key(api->trail)->public_key,
                                           .from_ms = api->from_ms,
                                           .to_ms = api->to_ms,
                                           .stop = &api->stop};
    struct verify_result result;
    struct err err;
    trail_settle(api->trail, AUDIT_SETTLE_MS); /* what was changed before it was asked for is checked as well */
    enum err_code code = verify_store(&options, &result, &err);
    struct http_request *request = take_request(api);
    if (code == ERR_CANCELLED)
        code = err_set(&err, ERR_UNAVAILABLE, NULL, "the server is stopping");
    if (code == OK)
        answer_result(request, &result);
    else
        http_answer_error(request, code, &err);
    verify_result_release(&result);
}

static enum err_code read_times(const struct http_request *request, int64_t *ret_from_ms, int64_t *ret_to_ms, struct err *err)
{
    const struct http_param *from = http_param(request, "from"), *to = http_param(request, "to");
    *ret_from_ms = from ? from->number / US_PER_MS : INT64_MIN;
    *ret_to_ms = to ? to->number / US_PER_MS : INT64_MAX;
    if (*ret_from_ms > *ret_to_ms)
        return err_param(err, "from", "from must not be later than to");
    return OK;
}

/* False: another one runs, or the server is stopping. The answer is the thread's from here on. */
static bool begin(struct verify_api *api, struct http_request *request, int64_t from_ms, int64_t to_ms)
{
    mutex_lock(&api->mutex);
    const bool free_now = !api->request && !atomic_load(&api->stop);
    if (free_now) {
        thread_join(&api->thread); /* it has nothing left to do */
        api->thread = (struct thread){.started = false};
        api->request = request;
        api->from_ms = from_ms;
        api->to_ms = to_ms;
        thread_start(&api->thread, "horae-verify", run, api);
    }
    mutex_unlock(&api->mutex);
    return free_now;
}

static void verify(struct http_request *request, void *context)
{
    struct verify_api *api = context;
    int64_t from_ms, to_ms;
    struct err err;
    enum err_code code = read_times(request, &from_ms, &to_ms, &err);
    if (code == OK && begin(api, request, from_ms, to_ms))
        return;
    if (code == OK)
        code = atomic_load(&api->stop)
                   ? err_set(&err, ERR_UNAVAILABLE, NULL, "the server is stopping")
                   : err_set(&err, ERR_CONFLICT, NULL, "the audit log is being verified; ask again when that is done");
    http_answer_error(request, code, &err);
}

/* ---- checkpoints ---- */

struct listing {
    const struct verify_api *api;
    struct http_request *request;
    struct page page;
    struct json_writer w;
    struct buf out;
    int64_t shown, last;
    bool more;
};

static bool list_row(void *arg, const struct checkpoint *c)
{
    struct listing *l = arg;
    l->more = l->shown == l->page.size;
    if (l->more)
        return false;
    checkpoint_write(c, trail_key(l->api->trail)->public_key, &l->w);
    l->shown++;
    l->last = c->id;
    return true;
}

static enum err_code read_list(struct db *db, void *arg, struct err *err)
{
    struct listing *l = arg;
    const struct checkpoint_query query = {
        .after_id = l->page.cursor, .descending = true, .offset = l->page.offset, .limit = l->page.size + 1};
    struct row_count total = {.total = 0};
    json_begin_object(&l->w);
    json_key(&l->w, "data");
    json_begin_array(&l->w);
    enum err_code code = checkpoint_store_each(db, &query, list_row, l, err);
    json_end_array(&l->w);
    if (code == OK && !l->page.cursor)
        code = checkpoint_store_count(db, &total.total, err);
    page_write(&l->w, &l->page, l->page.cursor ? NULL : &total, l->more ? l->last : 0);
    json_end_object(&l->w);
    return code;
}

static void list(struct http_request *request, void *context)
{
    struct verify_api *api = context;
    struct listing l = {.api = api, .request = request};
    struct err err;
    enum err_code code = page_read(request, &l.page, &err);
    buf_init(&l.out, ANSWER_MAX);
    json_writer_init(&l.w, &l.out);
    if (code == OK && !l.page.cursor && trail_settle(api->trail, AUDIT_SETTLE_MS))
        (void)trail_vouch(api->trail, AUDIT_SETTLE_MS); /* else it is the last one that is there */
    if (code == OK)
        code = store_read(api->store, read_list, &l, &err);
    if (code == OK) {
        http_answer_json(request, 200, &l.out);
        return;
    }
    buf_release(&l.out);
    http_answer_error(request, code, &err);
}

/* ---- life ---- */

static const struct http_param_spec verify_params[] = {
    {"from", HTTP_PARAM_TIME, 0, 0, NULL}, {"to", HTTP_PARAM_TIME, 0, 0, NULL}, {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};
static const struct http_param_spec list_params[] = {PAGE_PARAMS, {NULL, HTTP_PARAM_TEXT, 0, 0, NULL}};

static const struct http_route rows[] = {
    {HTTP_GET, "/api/v1/audit/verify", verify, HTTP_MAY_AUDIT, 0, 0, verify_params,
     "Is the log as it was signed: {ok, checked, first_bad, heads}", 0},
    {HTTP_GET, "/api/v1/audit/checkpoints", list, HTTP_MAY_AUDIT, 0, 0, list_params,
     "What was signed, newest first, to be kept elsewhere", 0},
};

struct http_routes verify_routes(struct verify_api *api)
{
    return (struct http_routes){rows, ARRAY_LEN(rows), api};
}

struct verify_api *verify_api_new(const struct verify_api_options *options)
{
    struct verify_api *api = xcalloc(1, sizeof *api);
    api->store = options->store;
    api->url = xstrdup(options->url);
    api->folder = xstrdup(options->folder);
    api->place = options->place;
    api->trail = options->trail;
    mutex_init(&api->mutex);
    return api;
}

void verify_api_stop(struct verify_api *api)
{
    if (!api)
        return;
    atomic_store(&api->stop, true);
    mutex_lock(&api->mutex); /* nobody begins another from here on */
    struct thread thread = api->thread;
    api->thread = (struct thread){.started = false};
    mutex_unlock(&api->mutex);
    thread_join(&thread);
}

void verify_api_free(struct verify_api *api)
{
    if (!api)
        return;
    verify_api_stop(api);
    mutex_release(&api->mutex);
    free(api->url);
    free(api->folder);
    free(api);
}
