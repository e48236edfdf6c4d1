/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of access/ only. */
#ifndef HORAE_ACCESS_ACCESS_PRIV_H
#define HORAE_ACCESS_ACCESS_PRIV_H

#include "access/access.h"
#include "access/access_store.h"
#include "access/throttle.h"
#include "audit/audit_request.h"
#include "base/map.h"
#include "base/worker.h"
#include "db/store.h"

struct access {
    struct access_options options;
    struct throttle throttle;
    struct worker_pool workers; /* passwords: at most two at a time */
    struct mutex mutex;         /* guards known */
    struct map known;           /* token hash → known_caller */
};

/* Forgets what was looked up: users, sessions or tokens changed. */
void access_forget(struct access *access);

/* Work on a worker's thread for a request; owns itself. */
struct access_job {
    struct worker_item item;
    struct access *access;
    struct http_request *request;
    struct str username; /* borrowed from the request's body, like those below */
    struct str password, new_password;
    enum role role;
    bool enabled;
    uint64_t present;
};
void access_submit(struct access *access, struct http_request *request, const struct access_job *job,
                   void (*work)(struct worker_item *item));

/* access_json.c. Neither has a hash; `text` is the token itself, shown once, NULL = it is not shown. */
void user_write_json(struct json_writer *w, const struct user *user);
void token_write_json(struct json_writer *w, const struct api_token *token, const char *text);
/* The resource of an event, and how it is (AUDIT_NEW_OBJECT) or was. */
void access_audit_user(struct audit_event *event, int which, const struct user *user);
void access_audit_token(struct audit_event *event, int which, const struct api_token *token);

extern const struct http_route access_api_routes[];
extern const size_t access_api_route_count;
/* Handlers of session_api.c, used in the table of access_api.c. */
void session_login(struct http_request *request, void *context);
void session_refresh(struct http_request *request, void *context);
void session_logout(struct http_request *request, void *context);
void session_me(struct http_request *request, void *context);
void session_password(struct http_request *request, void *context);

#endif
