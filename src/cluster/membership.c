/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/membership.h"

#include "base/hex.h"
#include "cluster/lease_store.h"
#include "cluster/secret_store.h"
#include "db/leader_store.h"

#include <stdio.h>
#include <string.h>

void membership_init(struct membership *member)
{
    struct uuid life = uuid_v7(clock_wall(member->clock).us);
    uuid_format(&life, member->life);
    member->self.life = member->life;
}

/* The store's time, and how far ours is from it: it was read somewhere between our two looks. */
static enum err_code read_time(struct membership *member, struct db *tx, struct err *err)
{
    int64_t before = clock_wall(member->clock).us, began = clock_mono(member->clock).us, now = 0;
    enum err_code code = lease_store_now(tx, member->clock, &now, err);
    if (code != OK)
        return code;
    member->self.last_seen_us = now;
    member->self.clock_offset_us = before + (clock_mono(member->clock).us - began) / 2 - now;
    return OK;
}

static void keep_lease(void *arg, const struct lease *lease)
{
    *(struct lease *)arg = *lease;
}

/* A process that had the folder of this one before has ended, as its lock says: what it held is free at once. */
static enum err_code end_former(struct membership *member, struct db *tx, struct err *err)
{
    const char *former = member->former_id;
    int64_t now = member->self.last_seen_us;
    struct lease lease = {.fence = 0};
    if (!former[0])
        return OK;
    enum err_code code = instance_store_stop(tx, former, member->former_life, now, err);
    if (code == OK)
        code = lease_store_held(tx, LEASE_PLANNER_KEY, now, keep_lease, &lease, err);
    return code == OK && strcmp(lease.holder, former) == 0 ? lease_store_expire(tx, lease.token, now, now, err) : code;
}

static enum err_code write_join(struct db *tx, void *arg, struct err *err)
{
    struct membership *member = arg;
    enum err_code code = read_time(member, tx, err);
    if (code == OK) /* the first one on a connection takes longer: statements are prepared */
        code = read_time(member, tx, err);
    member->self.started_us = member->self.last_seen_us;
    if (code == OK)
        code = end_former(member, tx, err);
    return code == OK ? instance_store_join(tx, &member->self, member->self.last_seen_us - INSTANCE_STALE_US, err) : code;
}

enum err_code membership_join(struct membership *member, struct err *err)
{
    enum err_code code = store_write(member->store, write_join, member, err);
    if (code == OK)
        member->beaten_us = clock_mono(member->clock).us;
    return code;
}

static enum err_code write_leave(struct db *tx, void *arg, struct err *err)
{
    struct membership *member = arg;
    enum err_code code = read_time(member, tx, err);
    return code == OK ? instance_store_stop(tx, member->self.id, member->life, member->self.last_seen_us, err) : code;
}

enum err_code membership_leave(struct membership *member, struct err *err)
{
    return store_write(member->store, write_leave, member, err);
}

static enum err_code write_sweep(struct db *tx, void *arg, struct err *err)
{
    struct membership *member = arg;
    enum err_code code = read_time(member, tx, err);
    int64_t now = member->self.last_seen_us;
    return code == OK ? instance_store_stop_stale(tx, now - INSTANCE_STALE_US, now, err) : code;
}

enum err_code membership_sweep(struct membership *member, struct err *err)
{
    return store_write(member->store, write_sweep, member, err);
}

/* ---- looking ---- */

struct look {
    struct membership *member;
    struct membership_view *view;
    bool beats;
};

static void note_lease(void *arg, const struct lease *lease)
{
    struct look *look = arg;
    look->view->lease_left_us = lease->left_us;
    (void)snprintf(look->view->leader, sizeof look->view->leader, "%s", lease->holder);
}

static bool is_off(const struct membership *member, int64_t offset_us)
{
    return offset_us > member->offset_max_us || -offset_us > member->offset_max_us;
}

static void note_instance(void *arg, const struct instance *instance)
{
    struct look *look = arg;
    struct membership *member = look->member;
    struct membership_view *view = look->view;
    bool self = strcmp(instance->id, member->self.id) == 0;
    if (!self && strcmp(instance->id, view->leader) == 0) /* however long it was not heard of: it holds the lease */
        (void)snprintf(view->leader_address, sizeof view->leader_address, "%s", instance->address);
    if (self) {
        view->draining = instance->draining;
        view->live++;
        view->any_can |= instance->plans;
    } else if (instance->last_seen_us > view->now_us - INSTANCE_STALE_US) {
        view->live++;
        view->any_can |= instance->plans;
        view->others_can |= instance->plans && !instance->draining && !is_off(member, instance->clock_offset_us);
    }
}

static enum err_code write_look(struct db *tx, void *arg, struct err *err)
{
    struct look *look = arg;
    struct membership *member = look->member;
    enum err_code code = read_time(member, tx, err);
    *look->view = (struct membership_view){.now_us = member->self.last_seen_us};
    if (code == OK)
        code = lease_store_held(tx, LEASE_PLANNER_KEY, look->view->now_us, note_lease, look, err);
    if (code == OK)
        code = instance_store_each(tx, note_instance, look, err);
    look->view->clock_off = is_off(member, member->self.clock_offset_us);
    return code == OK && look->beats ? instance_store_beat(tx, &member->self, err) : code;
}

enum err_code membership_look(struct membership *member, struct membership_view *ret, struct err *err)
{
    int64_t now = clock_mono(member->clock).us;
    struct look look = {member, ret, now - member->beaten_us >= MEMBER_BEAT_US};
    enum err_code code = store_write(member->store, write_look, &look, err);
    if (code == OK && look.beats)
        member->beaten_us = now;
    return code;
}

/* ---- the secret ---- */

static enum err_code write_secret(struct db *tx, void *arg, struct err *err)
{
    char *secret = arg;
    struct err lost;
    enum err_code code = secret_store_get(tx, secret, CLUSTER_SECRET_SIZE, err);
    if (code != ERR_NOT_FOUND)
        return code;
    uint8_t random[(CLUSTER_SECRET_SIZE - 1) / 2];
    id_random_bytes(random, sizeof random);
    hex_format(random, sizeof random, secret);
    if ((code = secret_store_put(tx, secret, clock_wall(clock_real()).us, &lost)) == ERR_CONFLICT) /* another was faster */
        code = ERR_BUSY;
    return code == OK ? OK : err_set(err, code, NULL, "%s", lost.message);
}

enum err_code membership_secret(struct membership *member, char ret[CLUSTER_SECRET_SIZE], struct err *err)
{
    enum err_code code = store_write(member->store, write_secret, ret, err);
    return code == ERR_BUSY ? store_write(member->store, write_secret, ret, err) : code;
}
