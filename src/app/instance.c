/* SPDX-License-Identifier: Apache-2.0 */
#include "app/instance.h"

#include "base/json_write.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
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

static bool is_wildcard(const char *host)
{
    return !host[0] || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

void instance_address(const struct config *config, const struct http_listener *listener, const struct instance_identity *identity,
                      char *out, size_t size)
{
    const char *colon = strrchr(listener->address, ':');
    int scheme = (int)strcspn(listener->address, ":");
    size_t n = strlen(config->advertise);
    while (n && config->advertise[n - 1] == '/')
        n--;
    if (n)
        (void)snprintf(out, size, "%.*s", (int)n, config->advertise);
    else if (is_wildcard(listener->host))
        (void)snprintf(out, size, "%.*s://%s%s", scheme, listener->address, identity->host, colon);
    else
        (void)snprintf(out, size, "%s", listener->address);
}

static void life_path(const char *store_path, char *out, size_t size)
{
    (void)snprintf(out, size, "%s.life", store_path);
}

void instance_life_read(const char *store_path, char *life, size_t life_size, char *id, size_t id_size)
{
    char path[4300], line[400] = "";
    life_path(store_path, path, sizeof path);
    FILE *file = fopen(path, "re");
    life[0] = id[0] = '\0';
    if (!file)
        return;
    bool whole = fgets(line, sizeof line, file) && strchr(line, '\n') && strchr(line, ' ');
    (void)fclose(file);
    if (!whole)
        return;
    line[strcspn(line, "\n")] = '\0';
    char *blank = strchr(line, ' ');
    *blank = '\0';
    (void)snprintf(life, life_size, "%s", line);
    (void)snprintf(id, id_size, "%s", blank + 1);
}

enum err_code instance_life_write(const char *store_path, const char *life, const char *id, struct err *err)
{
    char path[4300], line[400];
    life_path(store_path, path, sizeof path);
    int n = snprintf(line, sizeof line, "%s %s\n", life, id), saved;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written = fd >= 0 && write(fd, line, (size_t)n) == n;
    saved = errno;
    if (fd >= 0)
        (void)close(fd);
    return written ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "cannot write %s: %s", path, strerror(saved));
}

void instance_identity_release(struct instance_identity *identity)
{
    for (size_t i = 0; i < identity->label_count; i++) {
        free(identity->labels[i].name);
        free(identity->labels[i].value);
    }
    free(identity->labels_json);
}
