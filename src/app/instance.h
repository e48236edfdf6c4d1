/* SPDX-License-Identifier: Apache-2.0 */
/* Who this instance is: id, host and labels (SCH-05, SCH-75). */
#ifndef HORAE_APP_INSTANCE_H
#define HORAE_APP_INSTANCE_H

#include "app/config.h"
#include "base/err.h"
#include "sched/sched_task.h"

struct instance_identity {
    char id[256], host[256];
    struct sched_label labels[CONFIG_LIST_MAX]; /* owned */
    size_t label_count;
    char *labels_json; /* owned */
};

/* Labels must be name=value. */
enum err_code instance_identify(const struct config *config, struct instance_identity *ret, struct err *err);
void instance_identity_release(struct instance_identity *identity);

#endif
