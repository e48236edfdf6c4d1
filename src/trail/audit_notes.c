/* SPDX-License-Identifier: Apache-2.0 */
#include "trail/audit_notes.h"

#include "base/clock.h"
#include "base/log.h"
#include "trail/pending_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void path_of(const char *store_path, char *out, size_t capacity)
{
    (void)snprintf(out, capacity, "%.4100s.notes", store_path);
}

enum err_code audit_notes_add(const char *store_path, const struct audit_event *event, struct err *err)
{
    char path[4200];
    struct buf line;
    struct json_writer w;
    path_of(store_path, path, sizeof path);
    buf_init(&line, AUDIT_NOTES_BYTES_MAX);
    json_writer_init(&w, &line);
    audit_event_write(event, &w);
    buf_add(&line, "\n", 1);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool fine = fd >= 0 && !line.failed && write(fd, line.data, line.len) == (ssize_t)line.len && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    buf_release(&line);
    return fine ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "cannot write %s: %s", path, strerror(saved));
}

static struct audit_event *read_line(struct str line, int64_t now_us)
{
    struct json_doc *doc = NULL;
    struct audit_event *event = NULL;
    struct err err;
    enum err_code code = json_parse_exact(line.p, line.n, &doc, &err);
    if (code == OK)
        code = audit_event_read(json_root(doc), "", NULL, now_us / US_PER_MS, &event, &err);
    json_doc_free(doc);
    if (code == OK)
        return event;
    event = audit_event_new(AUDIT_ACTION_UPDATED, AUDIT_RESOURCE_SERVER, "notes");
    audit_event_fail(event, err.message);
    return event;
}

static enum err_code put_lines(struct db *tx, struct str text, int64_t now_us, struct err *err)
{
    enum err_code code = OK;
    struct str line;
    while (code == OK && str_split(&text, '\n', &line)) {
        if (!line.n)
            continue;
        struct audit_event *event = read_line(line, now_us);
        code = audit_put(tx, event, now_us, err);
        audit_event_free(event);
    }
    return code;
}

enum err_code audit_notes_put(struct db *tx, const char *store_path, int64_t now_us, struct err *err)
{
    char path[4200], block[4096];
    path_of(store_path, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno != ENOENT)
        log_warn("audit", "%s was not read: %s", path, strerror(errno));
    if (fd < 0)
        return OK;
    struct buf text;
    buf_init(&text, AUDIT_NOTES_BYTES_MAX);
    for (ssize_t n; !text.failed && (n = read(fd, block, sizeof block)) > 0;)
        buf_add(&text, block, (size_t)n);
    (void)close(fd);
    if (text.failed)
        log_warn("audit", "%s has more than %d bytes: the rest is left out", path, AUDIT_NOTES_BYTES_MAX);
    enum err_code code = put_lines(tx, (struct str){text.data ? text.data : "", text.len}, now_us, err);
    buf_release(&text);
    return code;
}

void audit_notes_remove(const char *store_path)
{
    char path[4200];
    path_of(store_path, path, sizeof path);
    if (unlink(path) != 0 && errno != ENOENT)
        log_warn("audit", "%s was not removed: %s", path, strerror(errno));
}
