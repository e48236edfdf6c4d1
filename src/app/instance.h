/* SPDX-License-Identifier: Apache-2.0 */
/* Who this instance is: id, host and labels (SCH-05, SCH-75). */
#ifndef HORAE_APP_INSTANCE_H
#define HORAE_APP_INSTANCE_H

#include "app/config.h"
#include "base/err.h"
#include "http/listen.h"
#include "sched/sched_task.h"

struct instance_identity {
    char id[256], host[256];
    struct sched_label labels[CONFIG_LIST_MAX]; /* owned */
    size_t label_count;
    char *labels_json; /* owned */
};

/* Labels must be name=value. */
enum err_code instance_identify(const struct config *config, struct instance_identity *ret, struct err *err);
/* Where other instances reach this one: as the settings say, else as it listens; the host's name where that is all addresses. */
void instance_address(const struct config *config, const struct http_listener *listener, const struct instance_identity *identity,
                      char *out, size_t size);
/* Which process was the last in this folder: the random name of its life and its id; "" = none, or that cannot be read. */
void instance_life_read(const char *store_path, char *life, size_t life_size, char *id, size_t id_size);
enum err_code instance_life_write(const char *store_path, const char *life, const char *id, struct err *err);
void instance_identity_release(struct instance_identity *identity);

#endif
