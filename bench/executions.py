# SPDX-License-Identifier: Apache-2.0
"""Durable executions with full history: bulk trigger and run, run only, single triggers, trigger to start, many due at once."""
import os
import re
import sqlite3
import statistics
import subprocess
import time

from harness import wait_until
from kit import Caller, Row, load, micros, percentile, running_server, tool

ROWS, BULK, ROUNDS = 100_000, 10_000, 3


def trigger_bulk(call, name, count, item):
    for _ in range(count // BULK):
        call("POST", "/scheduler/executions", {"task_uid": name, "items": [item] * BULK})


def finished(call, name, total):
    wait_until(f"{total} to end", lambda: call("GET", f"/scheduler/tasks/{name}")["data"]["total_executions"] >= total, 120)


def raw_rate(server):
    """Insert + update of the same rows by a bare loop, in the server's own database while it is stopped."""
    server.stop()
    rate = statistics.median(float(tool("raw_rows", os.path.join(server.folder, "horae.db"), ROWS, BULK)) for _ in range(ROUNDS))
    server.start()
    return rate


def rows_in_store(server, count):
    with sqlite3.connect(f"file:{server.folder}/horae.db?mode=ro", uri=True) as db:
        found = db.execute("SELECT COUNT(*) FROM task_executions WHERE state = 2").fetchone()[0]
    if found < count:
        raise RuntimeError(f"{count} executions acknowledged, {found} finished in the store")


def enqueue_and_run(server, call):
    for name, item, note in (("noop", {}, "no effect outside: claimed and ended in one write"),
                             ("worked", {"override_data": '{"result":"x"}'}, "claim, handler and end as writes of their own")):
        server.create(name=name, type="noop", overlap="queue_all", max_concurrent=10_000)
        rates, total = [], 0
        for _ in range(ROUNDS):
            total += ROWS
            begun = time.monotonic()
            trigger_bulk(call, name, ROWS, item)
            finished(call, name, total)
            rates.append(ROWS / (time.monotonic() - begun))
        rows_in_store(server, total)
        yield name, statistics.median(rates), note


def run_only(server, call):
    """Queued beforehand for one instant; from that instant to the last end."""
    server.create(name="queued", type="noop", overlap="queue_all", max_concurrent=10_000)
    rates, total = [], 0
    for _ in range(ROUNDS):
        total += ROWS
        due_ms = (int(time.time()) + 6) * 1000
        trigger_bulk(call, "queued", ROWS, {"run_at": due_ms})
        if time.time() * 1000 > due_ms:
            raise RuntimeError("queueing took longer than the time given to it")
        finished(call, "queued", total)
        last = micros(call("GET", "/scheduler/tasks/queued")["data"]["last_executed_at"])
        rates.append(ROWS * 1e6 / (last - due_ms * 1000))
    return statistics.median(rates)


def syncs_per_execution():
    """fsync and fdatasync calls counted by strace over one round, in a server of its own that is not timed."""
    with running_server() as server:
        server.create(name="noop", type="noop", overlap="queue_all", max_concurrent=10_000)
        call = Caller(server)
        tracer = subprocess.Popen(["strace", "-f", "-c", "-e", "trace=fsync,fdatasync", "-p", str(server.process.pid)],
                                  stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        trigger_bulk(call, "noop", ROWS, {})
        finished(call, "noop", ROWS)
        tracer.terminate()
        text = tracer.communicate()[1]
    calls = [int(found) for found in re.findall(r"\d\s+(\d+)(?:\s+\d+)?\s+f(?:data)?sync", text)]
    if not calls:
        raise RuntimeError(f"strace counted nothing:\n{text}")
    return sum(calls) / ROWS


def single_triggers(server):
    server.create(name="single", type="noop", overlap="queue_all", max_concurrent=10_000)
    reports = [load(server, 32, 60_000, "POST", "/api/v1/scheduler/tasks/single/trigger") for _ in range(ROUNDS)]
    return sorted(reports, key=lambda report: report["rate"])[ROUNDS // 2]


def trigger_to_start(server, call, count=2000):
    """One at a time; from just before the request is sent to started_at of the row, both in microseconds of the same clock."""
    name = "latency"
    server.create(name=name, type="noop", data='{"sleep_ms":1}', overlap="queue_all", max_concurrent=10_000)
    sent = load(server, 1, count, "POST", f"/api/v1/scheduler/tasks/{name}/trigger")["sent_at_us"]
    finished(call, name, count)
    with sqlite3.connect(f"file:{server.folder}/horae.db?mode=ro", uri=True) as db:
        started = [row[0] for row in db.execute("SELECT started_at FROM task_executions WHERE task_id ="
                                                " (SELECT id FROM sched_tasks WHERE name = ?) ORDER BY id", (name,))]
    return [(b - a) / 1000 for a, b in zip(sent, started, strict=True)]


def due_together(count=10_000):
    """That many tasks, each with one slot in the same second; lateness from the slot to started_at."""
    with running_server() as server:
        call = Caller(server)
        due = int(time.time()) + 12
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due))
        for i in range(count):
            call("POST", "/scheduler/tasks", {"name": f"due-{i}", "type": "noop", "data": '{"sleep_ms":1}', "next_run": at})
        if time.time() > due - 1:
            raise RuntimeError("making the tasks took longer than the time given to it")

        def all_ended():
            with sqlite3.connect(f"file:{server.folder}/horae.db?mode=ro", uri=True) as db:
                return db.execute("SELECT COUNT(*) FROM task_executions WHERE state = 2").fetchone()[0] == count

        wait_until("all to end", all_ended, 60)
        with sqlite3.connect(f"file:{server.folder}/horae.db?mode=ro", uri=True) as db:
            return [row[0] / 1000 for row in db.execute("SELECT started_at - scheduled_at FROM task_executions WHERE cause IN (0, 3)")]


def measure():
    with running_server() as server:
        call = Caller(server)
        figures = list(enqueue_and_run(server, call))
        queued = run_only(server, call)
        single = single_triggers(server)
        waits = trigger_to_start(server, call)
        raw = raw_rate(server)
        fsync_p50, fsync_p99 = (int(part) / 1000 for part in tool("fsync_floor", server.folder, 2000).split())
    bulk = f"{ROWS:,} in bulks of {BULK:,} over HTTP, median of {ROUNDS}"
    for name, rate, note in figures:
        yield Row(f"executions with history, enqueue and run ({name})", rate, "/s", f"{bulk}; {note}", "full",
                  f"bare SQLite loop, insert + update of the same rows, {raw:,.0f}/s", rate / raw, "≥ 25,000; ratio ≥ 0.6")
    yield Row("syncs per execution", syncs_per_execution(), "calls", f"strace over one untimed round of {ROWS:,}", "full", goal="≤ 0.02")
    yield Row("executions with history, run only", queued, "/s", f"{ROWS:,} queued for one instant, to the last end, median of {ROUNDS}", "full",
              f"the same bare loop {raw:,.0f}/s", queued / raw, "≥ 45,000")
    yield Row("single triggers over HTTP", single["rate"], "/s", f"32 connections, 60,000 requests, median of {ROUNDS}; p99 {single['p99_us'] / 1000:.2f} ms; "
              f"server CPU {single['cpu_us']:.0f} µs each", "full", goal="≥ 10,000")
    for percent, goal, floor in ((50, "< 0.5", fsync_p50), (99, "< 1", fsync_p99)):
        value = percentile(waits, percent)
        yield Row(f"trigger over HTTP to start, p{percent}", value, "ms", f"{len(waits):,} one at a time, from sending to started_at", "full",
                  f"append 4 KiB + fdatasync p{percent} {floor:.2f} ms", floor / value, goal)
    late = due_together()
    yield Row("10,000 tasks due in one second, lateness p99", percentile(late, 99), "ms",
              f"{len(late):,} started and ended, one slot each; p50 {percentile(late, 50):.0f} ms, worst {max(late):.0f} ms", "full", goal="< 250, none lost")
