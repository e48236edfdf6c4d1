# SPDX-License-Identifier: Apache-2.0
"""A million armed tasks: memory of each, start, CPU and wake-ups between firings; start with 100,000."""
import contextlib
import os
import sqlite3
import statistics
import time

from kit import Row, cpu_ns, resident_kib, running_server, switches

SECONDS = 20
# The same task again under another name: what a million creates would leave in the store.
COPY = """
WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
INSERT INTO sched_tasks ({columns}) SELECT {values} FROM n, sched_tasks AS t WHERE t.name = 'model'
"""


def fill(database, last):
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")
        first = db.execute("SELECT MAX(id) + 1 FROM sched_tasks").fetchone()[0]
        columns = [row[1] for row in db.execute("PRAGMA table_info(sched_tasks)")]
        own = {"id": "n.i", "uid": "randomblob(16)", "name": "'task-' || n.i", "epoch_id": "n.i + 1000", "snapshot_id": "n.i + 1000"}
        values = ", ".join(own.get(column, f"t.{column}") for column in columns)
        db.execute(COPY.format(first=first, last=last, columns=", ".join(columns), values=values))
        db.execute("INSERT INTO task_epochs (id, task_id, started_at, definition) SELECT t.epoch_id, t.id, t.created_at, t.definition"
                   " FROM sched_tasks AS t WHERE t.id >= ?", (first,))
        db.execute("INSERT INTO task_snapshots (id, task_id, task_uid, task_name, task_type) SELECT t.snapshot_id, t.id, t.uid, t.name, t.type"
                   " FROM sched_tasks AS t WHERE t.id >= ?", (first,))
        db.commit()


def start_time(server):
    times = []
    for _ in range(3):
        begun = time.monotonic()
        server.start()
        times.append(time.monotonic() - begun)
        settled = resident_kib(server.process.pid)
        server.stop()
    return statistics.median(times), settled


def measure():
    with running_server() as server:
        base = resident_kib(server.process.pid)
        # due once a year: armed, and nothing fires while this measures
        server.create(name="model", type="noop", is_recurring=True, cron_expr="30 2 1 1 *", timezone="America/New_York")
        server.stop()
        database = os.path.join(server.folder, "horae.db")
        fill(database, 100_000)
        seconds, resident = start_time(server)
        yield Row("start to ready, 100,000 armed tasks", seconds * 1000, "ms", "median of 3; the tasks stand in the store", goal="< 1,000")
        fill(database, 1_000_000)
        seconds, resident = start_time(server)
        yield Row("start to ready, 1,000,000 armed tasks", seconds * 1000, "ms", "median of 3; the tasks stand in the store", goal="< 5,000")
        yield Row("memory of an armed task", (resident - base) * 1024 / 1e6, "B", "resident with 1,000,000 less resident with none", goal="≤ 200")
        server.start()
        time.sleep(3)
        pid = server.process.pid
        cpu, sleeps, begun = cpu_ns(pid), switches(pid), time.monotonic()
        time.sleep(SECONDS)
        lasted = time.monotonic() - begun
        yield Row("idle with 1,000,000 armed tasks: CPU", (cpu_ns(pid) - cpu) / lasted / 1e7, "%", f"over {SECONDS} s without a firing", goal="< 0.1")
        yield Row("idle with 1,000,000 armed tasks: wake-ups", (switches(pid) - sleeps) / lasted * 5, "per 5 s", f"over {SECONDS} s without a firing",
                  goal="≤ 1 per 5 s")
