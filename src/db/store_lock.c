/* SPDX-License-Identifier: Apache-2.0 */
#include "db/store_lock.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err_code unwritable(const char *path, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, NULL,
                   "cannot write %s: %s: make room on the disk, and let this user write the file and its folder", path,
                   strerror(errno));
}

enum err_code store_lock_take(struct store_lock *lock, const char *path, struct err *err)
{
    char name[4200], text[32] = "";
    *lock = (struct store_lock){.path = path, .device = lock->device, .inode = lock->inode};
    (void)snprintf(name, sizeof name, "%s.lock", path);
    lock->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock->fd < 0)
        return unwritable(name, err);
    if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(lock->fd, text, sizeof text - 1, 0);
        text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
        return err_set(err, ERR_BUSY, NULL, "another server uses %s: process %s", path, text[0] ? text : "unknown");
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, text, (size_t)n, 0) != n)
        return unwritable(name, err);
    return OK;
}

void store_lock_note(struct store_lock *lock)
{
    struct stat info;
    if (stat(lock->path, &info) != 0)
        return; /* the first check finds the same */
    lock->device = info.st_dev;
    lock->inode = info.st_ino;
}

static bool is_in_place(const struct store_lock *lock)
{
    struct stat info;
    return stat(lock->path, &info) == 0 && info.st_dev == lock->device && info.st_ino == lock->inode;
}

static bool take_again(struct store_lock *lock)
{
    struct err err;
    store_lock_release(lock);
    if (store_lock_take(lock, lock->path, &err) != OK)
        return false;
    log_warn("store", "%s.lock was removed and has been made again", lock->path);
    return true;
}

enum err_code store_lock_check(struct store_lock *lock, struct err *err)
{
    struct stat info;
    if (!lock->lost && !is_in_place(lock))
        lock->lost = true;
    if (!lock->lost && (fstat(lock->fd, &info) != 0 || info.st_nlink == 0))
        lock->lost = !take_again(lock);
    if (!lock->lost)
        return OK;
    return err_set(err, ERR_UNAVAILABLE, NULL,
                   "the database %s was removed or replaced, or another server took it: nothing more is written; end this server",
                   lock->path);
}

void store_lock_release(struct store_lock *lock)
{
    if (lock->fd >= 0)
        (void)close(lock->fd);
    lock->fd = -1;
}
