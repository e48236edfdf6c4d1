/* SPDX-License-Identifier: Apache-2.0 */
/* The server's life: start, stop, hand-over, death at any call of the store; and its disk. A server that is dead goes on
 * in memory until it can be taken apart, but nothing of it is heard and nothing reaches the file any more. */
#include "sim.h"

#include "base/log.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READERS = 2, CHECKPOINT_BYTES = 4000 * 4096, KILL_WITHIN_CALLS = 400, HICCUP_PAUSE_US = US_PER_S };

/* ---- the disk ---- */

static enum err_code before(void *arg, const char *what, struct err *err);

void sim_disk_prepare(struct sim *sim)
{
    sim->fault = (struct store_fault){before, sim};
    const char *place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(sim->folder, sizeof sim->folder, "%s/horae-sim-XXXXXX", place);
    must(mkdtemp(sim->folder));
    (void)snprintf(sim->path, sizeof sim->path, "%s/sim.db", sim->folder);
    (void)snprintf(sim->url, sizeof sim->url, "sqlite:%s", sim->path);
}

static void beside(const struct sim *sim, const char *suffix, char out[176])
{
    (void)snprintf(out, 176, "%s%s", sim->path, suffix);
}

void sim_disk_remove(struct sim *sim)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock", "-journal"};
    char path[176];
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        beside(sim, suffixes[i], path);
        (void)unlink(path);
    }
    (void)rmdir(sim->folder);
}

static int64_t wal_size(const struct sim *sim)
{
    char path[176];
    struct stat info;
    beside(sim, "-wal", path);
    return stat(path, &info) == 0 ? info.st_size : 0;
}

static void overwrite(struct sim *sim, int fd, int64_t from, int64_t to)
{
    for (int64_t at = from; at < to; at += 8) {
        uint64_t junk = sim_random(sim);
        size_t n = to - at < 8 ? (size_t)(to - at) : 8;
        must(pwrite(fd, &junk, n, at) == (ssize_t)n);
    }
}

/* What a power failure leaves: the log beyond the last synced commit is cut in a frame, or is not what was written. */
void sim_disk_tear(struct sim *sim)
{
    char path[176];
    beside(sim, "-shm", path);
    (void)unlink(path);
    beside(sim, "-wal", path);
    int64_t size = wal_size(sim), from = size;
    if (sim->torn_commit && size > sim->wal_before && size < CHECKPOINT_BYTES)
        from = sim_range(sim, sim->wal_before, size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    if (from < size && sim_chance(sim, 0.5))
        must(ftruncate(fd, from) == 0);
    else
        overwrite(sim, fd, from, from < size ? size : size + sim_range(sim, 0, 9000));
    (void)close(fd);
    sim_note(sim, "the log of the store is cut at %lld of %lld", (long long)from, (long long)size);
}

/* ---- what the store's calls meet ---- */

static enum err_code refusal(struct sim *sim, const char *what, struct err *err)
{
    static const enum err_code codes[] = {ERR_BUSY, ERR_UNAVAILABLE, ERR_UNAVAILABLE};
    return err_set(err, codes[sim_range(sim, 0, 2)], NULL, "refused by the simulation: %.40s", what);
}

static bool dies_here(struct sim *sim, const char *what, bool *ret_call_goes_through)
{
    *ret_call_goes_through = false;
    if (!sim->kill_at_call || sim->calls < sim->kill_at_call)
        return false;
    if (!sim->die_in_commit)
        return true;
    if (strcmp(what, "COMMIT") != 0)
        return false;
    sim->wal_before = wal_size(sim);
    *ret_call_goes_through = true;
    return true;
}

static enum err_code before(void *arg, const char *what, struct err *err)
{
    struct sim *sim = arg;
    bool goes_through;
    sim->calls++;
    if (sim->dying)
        return err_set(err, ERR_UNAVAILABLE, NULL, "this server is dead");
    if (dies_here(sim, what, &goes_through)) {
        sim_note(sim, "killed at call %llu: %.60s", (unsigned long long)sim->calls, what);
        sim->dying = true;
        return goes_through ? OK : err_set(err, ERR_UNAVAILABLE, NULL, "this server is dead");
    }
    bool pause = sim->clock.mono_us - sim->hiccup_mono < HICCUP_PAUSE_US; /* else a transaction of many calls never ends */
    double share = sim->refuse > 0 || pause ? sim->refuse : sim->hiccup;
    if (share > 0 && strncmp(what, "ROLLBACK", 8) != 0 && sim_chance(sim, share)) {
        sim->disturbed_mono = sim->hiccup_mono = sim->clock.mono_us;
        return refusal(sim, what, err);
    }
    return OK;
}

/* ---- life ---- */

void sim_server_disturb(struct sim *sim)
{
    sim->disturbed_mono = sim->clock.mono_us;
}

static void start_event(struct sim *sim, void *arg)
{
    (void)arg;
    if (!sim->alive)
        sim_server_start(sim);
}

static void adopt_event(struct sim *sim, void *arg)
{
    if (sim->alive && (uintptr_t)arg == sim->life)
        sim_world_adopt(sim);
}

static void restart_later(struct sim *sim)
{
    int64_t most = sim_chance(sim, 0.7) ? 5 * SECOND : sim->plan.dense ? 20 * MINUTE : 9 * HOUR;
    (void)sim_after(sim, sim->quiet ? SECOND : sim_range(sim, 50 * US_PER_MS, most), start_event, NULL);
}

static enum err_code open_both(struct sim *sim, struct err *err)
{
    static const struct sched_label here[] = {{(char *)(uintptr_t) "zone", (char *)(uintptr_t) "here"}};
    struct store_options store = {.url = sim->url, .readers = READERS, .inline_writer = true, .fault = &sim->fault};
    enum err_code code = store_open(&store, &sim->store, err);
    if (code != OK)
        return code;
    struct scheduler_options options = {.store = sim->store,
                                        .clock = &sim->clock.base,
                                        .instance_id = "sim",
                                        .labels = here,
                                        .label_count = 1,
                                        .capacity = sim->plan.capacity,
                                        .resident_max = sim->plan.resident_max,
                                        .plans = true,
                                        .default_max_duration_s = 3600,
                                        .default_max_retries = 3,
                                        .default_grace_s = 30,
                                        .handlers = sim->handlers,
                                        .handler_count = sim->handler_count};
    code = scheduler_new(&options, &sim->scheduler, err);
    if (code != OK) {
        store_close(sim->store);
        sim->store = NULL;
        return code;
    }
    sim->sink = scheduler_sink(sim->scheduler);
    return OK;
}

/* While no server ran somebody touched the files of time zones: the next one goes through all tasks. The log of the store
 * stays as it is, for that server to find. */
static void touch_zone_files(struct sim *sim)
{
    sqlite3 *file;
    if (sqlite3_open_v2(sim->path, &file, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) { /* else it is the first start */
        (void)sqlite3_db_config(file, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (sqlite3_exec(file, "DELETE FROM settings WHERE key = 'zone_rules'", NULL, NULL, NULL) != SQLITE_OK)
            sim_fail(sim, "zone files cannot be touched: %s", sqlite3_errmsg(file));
    }
    (void)sqlite3_close(file);
}

void sim_server_start(struct sim *sim)
{
    struct err err;
    sim->life++;
    sim->life_mono = sim->clock.mono_us;
    if (sim_chance(sim, 0.3))
        touch_zone_files(sim);
    sim_server_disturb(sim);
    sim->dying = sim->die_in_commit = sim->torn_commit = false;
    sim->kill_at_call = 0;
    enum err_code code = open_both(sim, &err);
    if (code != OK) {
        if (sim->refuse == 0 && sim->hiccup == 0)
            sim_fail(sim, "the server does not start: %s", err.message);
        restart_later(sim);
        return;
    }
    sim->alive = true;
    sim->stopping = false;
    sim->drained_mono = 0;
    sim_look(sim, true);
    sim_watch_open(sim);
    sim_client_reread(sim);
    (void)sim_after(sim, sim_chance(sim, 0.8) ? 0 : sim_range(sim, 0, SECOND), adopt_event, (void *)(uintptr_t)sim->life);
    sim_note(sim, "server %u starts", sim->life);
}

/* Another connection to the file keeps the last one from tidying up the log, as no dead process would. */
static void close_untidily(struct sim *sim)
{
    sqlite3 *guard;
    must(sqlite3_open_v2(sim->path, &guard, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    (void)sqlite3_db_config(guard, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_exec(guard, "BEGIN; SELECT COUNT(*) FROM sqlite_master", NULL, NULL, NULL);
    store_close(sim->store);
    (void)sqlite3_exec(guard, "COMMIT", NULL, NULL, NULL);
    (void)sqlite3_close(guard);
}

static void leave(struct sim *sim)
{
    sim->store = NULL;
    scheduler_free(sim->scheduler);
    sim->scheduler = NULL;
    sim->alive = sim->stopping = false;
    sim_cancel_event(sim, &sim->tick);
    sim_client_forget(sim);
    sim_server_disturb(sim);
    restart_later(sim);
}

void sim_server_kill(struct sim *sim)
{
    sim->dying = true;
    sim_note(sim, "server %u is dead", sim->life);
    if (sim->span_count)
        sim->spans[sim->span_count - 1].cut = true;
    sim_watch_close(sim);
    close_untidily(sim);
    leave(sim);
    if (sim->plan.torn)
        sim_disk_tear(sim);
    sim_world_server_gone(sim, SIM_KILLED);
}

void sim_server_kill_soon(struct sim *sim)
{
    if (!sim->alive || sim->kill_at_call)
        return;
    if (sim_chance(sim, 0.2)) {
        sim->dying = true;
        return;
    }
    sim->die_in_commit = sim_chance(sim, 0.5);
    sim->torn_commit = sim->die_in_commit && sim->plan.torn && sim_chance(sim, 0.6);
    sim->kill_at_call = sim->calls + (uint64_t)sim_range(sim, 1, sim->die_in_commit ? 1 : KILL_WITHIN_CALLS);
}

void sim_server_stop(struct sim *sim, bool handover)
{
    if (!sim->alive || sim->stopping)
        return;
    sim_note(sim, "server %u stops%s", sim->life, handover ? ", hands over" : "");
    sim->stopping = true;
    sim->handover = handover;
    scheduler_stop_by(sim->scheduler, sim_range(sim, 0, 60 * SECOND), handover);
}

static void stopped(struct sim *sim)
{
    sim_note(sim, "server %u has stopped", sim->life);
    sim_watch_check(sim);
    sim_watch_close(sim);
    store_close(sim->store);
    bool handover = sim->handover;
    leave(sim);
    sim_world_server_gone(sim, handover ? SIM_HANDED_OVER : SIM_STOPPED);
}

static void tick_event(struct sim *sim, void *arg)
{
    (void)arg;
    sim->tick = NULL;
    if (sim->alive)
        sim->commits += store_tick(sim->store) > 0;
}

static int64_t commit_latency(struct sim *sim)
{
    if (sim_chance(sim, 0.6))
        return 0;
    if (sim->plan.slow && !sim->quiet && sim_chance(sim, 0.1))
        return sim_range(sim, 0, 3 * SECOND);
    return sim_range(sim, 100, 5 * US_PER_MS);
}

static bool is_at_rest(const struct scheduler *s)
{
    return s->works_in_flight == 0 && !s->refused_step && (!s->step || work_is_empty(s->step));
}

void sim_server_turn(struct sim *sim)
{
    if (!sim->alive)
        return;
    if (!sim->dying) {
        if (!sim->stopping) /* it plans no more */
            sim_look(sim, false);
        sim->wake_mono = scheduler_step(sim->scheduler);
        sim->steps++;
    }
    if (sim->dying) {
        sim_server_kill(sim);
        return;
    }
    if (sim->look_wanted)
        sim_watch_check(sim);
    sim->look_wanted = false;
    const struct scheduler *s = sim->scheduler;
    if (atomic_load(&s->draining) && !sim->drained_mono && is_at_rest(s))
        sim->drained_mono = sim->clock.mono_us;
    if (s->works_in_flight && !sim->tick)
        sim->tick = sim_after(sim, commit_latency(sim), tick_event, NULL);
    if (s->closed)
        stopped(sim);
}
