# SPDX-License-Identifier: Apache-2.0
"""Pages of a long history and statistics over it: 10,000,000 executions of 200 tasks over 90 days (HORAE_BENCH_HISTORY=N for fewer)."""
import contextlib
import os
import sqlite3
import time

from harness import ADMIN_TOKEN
from kit import Caller, Row, load, running_server

ROWS, TASKS = int(os.environ.get("HORAE_BENCH_HISTORY", "10000000")), 200
assert ADMIN_TOKEN
# Every seventh run fails, every hundredth times out; one start each 777.6 ms over 90 days.
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
INSERT INTO task_executions (id, uid, task_id, snapshot_id, state, cause, scheduled_at, created_at, due_at, started_at, finished_at, updated_at,
 attempt, fence, lease_owner, progress, result)
SELECT i, randomblob(16), t.id, t.snapshot_id, CASE WHEN i % 100 = 0 THEN 4 WHEN i % 7 = 0 THEN 3 ELSE 2 END, 1, at, at, at, at + 900, at + 5900, at + 5900,
 1, i, 'bench', 100, 'done' FROM (SELECT i, {begin} + i * {step} AS at FROM n) JOIN sched_tasks AS t ON t.id = {first} + (i * 7919) % {tasks}
"""


def fill(database):
    now = int(time.time() * 1e6)
    span = 90 * 86400 * 10**6
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;")
        first = db.execute("SELECT id FROM sched_tasks WHERE name = 'task-0'").fetchone()[0]
        indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'task_executions' AND sql IS NOT NULL").fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        db.execute(FILL.format(rows=ROWS, tasks=TASKS, first=first, begin=now - span, step=span // ROWS))
        for _, sql in indexes:
            db.execute(sql)
        db.execute("INSERT INTO task_execution_hours (hour, block) SELECT DISTINCT created_at / 3600000000, id >> 12 FROM task_executions")
        db.execute("INSERT INTO task_stats_by_hour (task_id, hour, total, success, failure, success_duration_ms) SELECT task_id, finished_at / 3600000000,"
                   " COUNT(*), SUM(state = 2), SUM(state > 2), SUM((state = 2) * 5) FROM task_executions GROUP BY 1, 2")
        db.commit()
    return now


def measure():
    with running_server() as server:
        call = Caller(server)
        for i in range(TASKS):
            call("POST", "/scheduler/tasks", {"name": f"task-{i}", "type": "noop"})
        server.stop()
        begun = time.monotonic()
        now = fill(os.path.join(server.folder, "horae.db"))
        print(f"  ({ROWS:,} rows written in {time.monotonic() - begun:.0f} s)", flush=True)
        server.start()
        day, hour = 86400 * 1000, 3600 * 1000
        late = now // 1000 - 30 * day
        pages = (("newest", ""), ("of a task", "?task_name=task-7"), ("by state", "?state=timeout"), ("of a task by state", "?task_name=task-7&state=failure"),
                 ("of an hour a month ago", f"?start_time={late}&end_time={late + hour}"),
                 ("of a task, state and day", f"?task_name=task-7&state=failure&start_time={late}&end_time={late + day}"),
                 ("of a task, state and 60 days", f"?task_name=task-7&state=timeout&start_time={late - 30 * day}&end_time={late + 30 * day}"),
                 ("successes of a day", f"?state=success&start_time={late}&end_time={late + day}"),
                 ("page 100", "?page=100"))
        for what, query in pages:
            report = load(server, 1, 300, "GET", "/api/v1/scheduler/executions" + query)
            yield Row(f"history page, {what}, p99", report["p99_us"] / 1000, "ms", f"{ROWS:,} rows, 300 requests; p50 {report['p50_us'] / 1000:.2f} ms", goal="< 10")
        for window in ("24h", "7d", "all"):
            report = load(server, 1, 100, "GET", f"/api/v1/scheduler/stats?window={window}")
            yield Row(f"statistics, window {window}, p99", report["p99_us"] / 1000, "ms", f"{ROWS:,} rows, {TASKS} tasks, 100 requests", goal="< 20")
