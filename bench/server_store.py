# SPDX-License-Identifier: Apache-2.0
"""Durable executions with full history on a database server that shares the processors, beside queue libraries on the same server."""
import contextlib
import json
import os
import re
import statistics
import subprocess
import time

import postgres_kit
from executions import BULK, finished, trigger_bulk
from kit import ROOT, Caller, Row, npm_folder, running_server
from lock_kit import LockServer

ROWS, ROUNDS = 50_000, 3
PEERS = {"graphile-worker": "graphile-worker@0.17", "pg-boss": "pg-boss@10", "bullmq": "bullmq@5"}
# As a server for work, not for tests: what was committed is on disk.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "shared_buffers": "256MB", "max_wal_size": "1GB"}


def horae_rate(url):
    with running_server("--store", url) as server:
        call = Caller(server)
        server.create(name="noop", type="noop", overlap="queue_all", max_concurrent=10_000)
        trigger_bulk(call, "noop", BULK, {})
        finished(call, "noop", BULK)
        begun = time.monotonic()
        trigger_bulk(call, "noop", ROWS, {})
        finished(call, "noop", BULK + ROWS)
        return ROWS / (time.monotonic() - begun)


def ended_rows(cluster, database):
    found = int(cluster.sql("SELECT count(*) FROM task_executions WHERE state = 2", database))
    if found < BULK + ROWS:
        raise RuntimeError(f"{BULK + ROWS} executions acknowledged, {found} finished in the store")


def peer_rate(name, folder, url):
    done = subprocess.run(["node", os.path.join(ROOT, "bench", "queue_peer.mjs"), name, folder, url, str(ROWS), str(BULK)], capture_output=True,
                          text=True, timeout=300, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return f"{name} {found['version']}", found["rate"]


@contextlib.contextmanager
def synced_redis():
    """Redis with its log synced each second, as queues in it are run."""
    server = LockServer("redis", options=("--appendonly", "yes", "--appendfsync", "everysec"))
    try:
        yield server.url
    finally:
        server.remove()


def peers_of_a_round(cluster, round_number, folders):
    for name, folder in folders.items():
        if name == "bullmq":
            with synced_redis() as url:
                yield name, peer_rate(name, folder, url)
        else:
            yield name, peer_rate(name, folder, cluster.database(f"{re.sub('-', '_', name)}_{round_number}"))


def measure():
    found = {name: npm_folder(package) for name, package in PEERS.items()}
    folders = {name: folder for name, (folder, _) in found.items() if folder}
    missing = "; ".join(why for folder, why in found.values() if not folder)
    mine, rates, versions = [], {name: [] for name in folders}, {}
    cluster = postgres_kit.Cluster(DURABLE)
    try:
        for i in range(ROUNDS):
            mine.append(horae_rate(cluster.database(f"horae_{i}")))
            ended_rows(cluster, f"horae_{i}")
            for name, (version, rate) in peers_of_a_round(cluster, i, folders):
                versions[name] = version
                rates[name].append(rate)
    finally:
        cluster.close()
    rate = statistics.median(mine)
    method = f"{ROWS:,} no-op jobs added {BULK:,} at a time and run, after {BULK:,} untimed ones; {ROUNDS} rounds in turn, medians"
    notes = {"graphile-worker": "≥ 0.85; deletes what it ran", "pg-boss": "> 1; keeps rows", "bullmq": "> 1; synced each second"}
    for name, theirs in rates.items():
        yield Row(f"executions on PostgreSQL, beside {name}", rate, "/s", method, "full", f"{versions[name]}, {statistics.median(theirs):,.0f}/s",
                  rate / statistics.median(theirs), f"≥ 13,000; ratio {notes[name]}")
    if missing or not rates:
        yield Row("executions on PostgreSQL", rate, "/s", f"{method}; no peers: {missing}", "full", goal="≥ 13,000")
