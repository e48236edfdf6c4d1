# SPDX-License-Identifier: Apache-2.0
"""Several instances on one PostgreSQL under load, and faults at random moments: an instance killed, stopped for longer than the lease, ended
by a signal and started again, all sessions of the store ended, the store restarted. After each round of faults the store must account for
everything (cluster_kit.Instances.check).

usage: cluster_loop.py BUILD_DIR [--rounds N] [--seed N] [--kills N]
       prints the seed; the same seed makes the same choices. --kills measures how long the next slot takes after the leader was killed
"""
import argparse
import collections
import os
import random
import statistics
import sys
import time

import harness
from cluster_kit import Callers, Instances, next_slot_after, now_us
from postgres_kit import Cluster

KINDS = {"kill_leader": 4, "kill_follower": 2, "pause_leader": 3, "pause_follower": 1, "stop_leader": 2, "stop_follower": 1, "end_sessions": 3, "restart_store": 1}
FAULTS_PER_ROUND = 4
DOWN_S = (0.1, 2.5)  # how long an instance stays away; a lease lasts 1.5
REST_S = (0.2, 1.5)


class ClusterLoop:
    """`cluster`: a postgres_kit.Cluster of its own, which is restarted; `kinds` as KINDS."""

    def __init__(self, cluster, rounds, seed, say=print, kinds=None, count=3):
        self.cluster, self.rounds, self.seed, self.say, self.kinds = cluster, rounds, seed, say, kinds or KINDS
        self.random = random.Random(seed)
        self.faults = collections.Counter()
        name = f"loop_{seed}"
        cluster.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.instances = Instances(cluster, name, cluster.database(name), count)

    def run(self):
        self.say(f"cluster loop: {self.rounds} rounds, seed {self.seed}")
        try:
            leader = self.instances.leader()
            leader.create(name="tick", type="noop", cron_expr="* * * * * *")
            leader.create(name="work", type="noop", overlap="queue_all", max_concurrent=100)
            for number in range(1, self.rounds + 1):
                with Callers(self.instances, seed=f"{self.seed}/{number}") as callers:
                    for _ in range(FAULTS_PER_ROUND):
                        time.sleep(self.random.uniform(*REST_S))
                        self.fault()
                assert not callers.wrong, callers.wrong[:3]
                summary = self.instances.check(callers.acknowledged)
                self.say(f"round {number}: {dict(self.faults)}, {len(callers.acknowledged)} acknowledged, {callers.refused} refused, {summary}")
                self.instances.leader().post("/scheduler/tasks/tick/enable")
        except BaseException as error:
            self.say(f"seed {self.seed}, {dict(self.faults)}: {error}")
            for one in self.instances.all:
                self.say(f"what {one.name} said last:\n{one.log_text()[-3000:]}")
            raise
        finally:
            self.instances.remove()

    def fault(self):
        kind = self.random.choices(list(self.kinds), self.kinds.values())[0]
        down_s = self.random.uniform(*DOWN_S)
        self.faults[kind] += 1
        if kind == "end_sessions":
            self.cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.instances.name}' AND usename = 'horae'")
        elif kind == "restart_store":
            self.cluster.stop("fast")
            time.sleep(down_s)
            self.cluster.start()
        else:
            how, who = kind.split("_")
            one = self.instances.leader() if who == "leader" else self.instances.follower()
            self.harm(one, how, down_s)

    @staticmethod
    def harm(one, how, down_s):
        if how == "pause":
            one.pause()
            time.sleep(down_s)
            one.go_on()
            return
        if how == "kill":
            one.kill()
        else:
            one.stop()
        time.sleep(down_s)
        one.start()


def measure_kills(cluster, count, say=print):
    """Seconds from the kill of the leader to the start of the next slot under another one."""
    cluster.sql('DROP DATABASE IF EXISTS "kills" WITH (FORCE)')
    instances = Instances(cluster, "kills", cluster.database("kills"))
    found = []
    try:
        instances.leader().create(name="tick", type="noop", cron_expr="* * * * * *")
        for _ in range(count):
            time.sleep(random.uniform(1.5, 2.5))
            leader = instances.leader()
            at = now_us()
            leader.kill()
            found.append(next_slot_after(instances, at))
            leader.start()
        summary = instances.check()
    finally:
        instances.remove()
    found.sort()
    say(f"leader killed to the next slot under another one, {count} times: p50 {statistics.median(found):.2f} s, p99 {found[int(len(found) * 0.99)]:.2f} s,"
        f" longest {found[-1]:.2f} s; {summary}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    harness.BINARY = os.path.abspath(os.path.join(options.build, "horae"))
    cluster = Cluster({"fsync": "on", "full_page_writes": "on"})  # what it acknowledged is there after a restart
    try:
        if options.kills:
            measure_kills(cluster, options.kills)
        else:
            ClusterLoop(cluster, options.rounds, options.seed).run()
    finally:
        cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
