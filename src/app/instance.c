/* SPDX-License-Identifier: Apache-2.0 */
#include "app/instance.h"

#include "base/json_write.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_labels(struct instance_identity *identity)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 1 << 16);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    for (size_t i = 0; i < identity->label_count; i++) {
        json_key_any(&w, identity->labels[i].name, strlen(identity->labels[i].name));
        json_text(&w, identity->labels[i].value);
    }
    json_end_object(&w);
    identity->labels_json = buf_take(&out);
}

enum err_code instance_identify(const struct config *config, struct instance_identity *ret, struct err *err)
{
    struct instance_identity identity = {.label_count = 0};
    if (gethostname(identity.host, sizeof identity.host - 1) != 0)
        (void)snprintf(identity.host, sizeof identity.host, "unknown");
    if (config->instance[0])
        (void)snprintf(identity.id, sizeof identity.id, "%s", config->instance);
    else
        (void)snprintf(identity.id, sizeof identity.id, "%.200s-%08x", identity.host, (unsigned)id_random_fast());
    for (size_t i = 0; i < config->labels.count; i++) {
        const char *text = config->labels.items[i], *equals = strchr(text, '=');
        size_t n = equals ? (size_t)(equals - text) : 0;
        if (!equals || n < 1 || n > LABEL_NAME_MAX || strlen(equals + 1) > LABEL_VALUE_MAX) {
            instance_identity_release(&identity);
            return err_param(err, "labels", "labels: \"%s\" is not allowed; it must be name=value", text);
        }
        identity.labels[identity.label_count++] = (struct sched_label){xstrndup(text, n), xstrdup(equals + 1)};
    }
    write_labels(&identity);
    *ret = identity;
    return OK;
}

void instance_identity_release(struct instance_identity *identity)
{
    for (size_t i = 0; i < identity->label_count; i++) {
        free(identity->labels[i].name);
        free(identity->labels[i].value);
    }
    free(identity->labels_json);
}
