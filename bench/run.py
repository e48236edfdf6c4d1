#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measurements, each with its method, its durability and its ratio to a limit or peer of the same run; medians of five.

usage: run.py BUILD_DIR
"""
import http.client
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(sys.argv[1])
os.environ["HORAE_BINARY"] = os.path.join(BUILD, "horae")
sys.path.insert(0, os.path.join(ROOT, "tests"))
from harness import ADMIN_TOKEN, Server, wait_until  # noqa: E402

ROUNDS = 5
ROWS = 50000


def say(name, value, unit, method, peer=""):
    print(f"{name:<34} {value:>12} {unit:<14} {method}{'; ' + peer if peer else ''}", flush=True)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


def idle(server):
    time.sleep(2)
    before, begun = cpu_seconds(server.process.pid), time.monotonic()
    time.sleep(5)
    used = (cpu_seconds(server.process.pid) - before) / (time.monotonic() - begun)
    say("idle memory", memory_kb(server.process.pid) // 1024, "MiB resident", "after start, 2 tasks", "goal 12")
    say("idle CPU", f"{used * 100:.2f}", "%", "over 5 s")


class Caller:
    """One keep-alive connection."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(server.host)

    def __call__(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        self.connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        data = response.read()
        assert response.status < 300, data
        return json.loads(data)


def executions(server):
    """Durable executions with history: bulk triggers of an instant noop, from the first request to the last row."""
    call = Caller(server)
    server.create(name="bench", type="noop")
    rates, total = [], 0
    for _ in range(ROUNDS):
        total += ROWS
        begun = time.monotonic()
        for _ in range(ROWS // 5000):
            call("POST", "/scheduler/executions", {"task_uid": "bench", "items": [{}] * 5000})
        wait_until("all to end", lambda: call("GET", "/scheduler/tasks/bench")["data"]["total_executions"] >= total)
        rates.append(ROWS / (time.monotonic() - begun))
    server.stop()
    raw = [float(subprocess.run([os.path.join(BUILD, "bench", "raw_rows"), os.path.join(server.folder, "horae.db"), str(ROWS), "5000"],
                                capture_output=True, text=True, check=True).stdout) for _ in range(1)]
    server.start()
    rate = statistics.median(rates)
    say("executions with history", f"{rate:,.0f}", "per second", f"bulk of 5,000, durability full, median of {ROUNDS}",
        f"raw insert+update {raw[0]:,.0f}, ratio {rate / raw[0]:.2f}; goal 25,000")


def latency(server):
    """From the arrival of the request to started_at, both as the server sees them."""
    call = Caller(server)
    server.create(name="latency", type="noop", data='{"sleep_ms":1}', max_concurrent=1000, overlap="queue_all")
    uids = []
    for _ in range(300):
        uids.append(call("POST", "/scheduler/tasks/latency/trigger")["execution_uid"])
    waits = []
    for uid in uids:
        run = wait_until("its end", lambda: (found := call("GET", f"/scheduler/executions/{uid}")["data"])["finished_at"] and found)
        scheduled, started = run["scheduled_at"], run["started_at"]
        seconds = lambda text: float(text[17:].rstrip("Z")) + 60 * int(text[14:16])
        waits.append((seconds(started) - seconds(scheduled)) * 1000)
    waits.sort()
    say("trigger to start", f"{waits[len(waits) // 2]:.2f}", "ms median", f"300 sequential triggers, durability full, p99 {waits[int(len(waits) * 0.99)]:.2f} ms",
        "scheduled_at is to the millisecond")


def small_answer(server):
    call = Caller(server)
    before = cpu_seconds(server.process.pid)
    n = 5000
    for _ in range(n):
        call("GET", "/scheduler/tasks/bench")
    used = (cpu_seconds(server.process.pid) - before) / n
    say("GET of one task", f"{used * 1e6:.0f}", "µs server CPU", f"{n} requests, one keep-alive connection", "bare event loop 7 µs")


def firing():
    for line in subprocess.run([os.path.join(BUILD, "bench", "cron_next")], capture_output=True, text=True, check=True).stdout.splitlines():
        name, zone, ns = line.rsplit("|", 2)
        say(f"next of {name}", ns, "ns", f"200,000 firings in a row, {zone}", "goal 100")


def main():
    print(f"{'measurement':<34} {'value':>12} {'unit':<14} method")
    firing()
    server = Server()
    try:
        idle(server)
        executions(server)
        latency(server)
        small_answer(server)
    finally:
        server.remove()


main()
