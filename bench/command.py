# SPDX-License-Identifier: Apache-2.0
"""Runs of commands with captured output and history, beside a bare loop of posix_spawn over the same program.

`measure(build, server, say)` is what bench/run.py calls; alone: command.py BUILD_DIR [RUNS]
"""
import http.client
import json
import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

PROGRAM = "/bin/true"
RUNS, ROUNDS, BULK_MAX = 2000, 3, 5000


def spawn_rate(build, runs=RUNS, at_once=1):
    """Starts per second of the bare loop."""
    command = [os.path.join(build, "bench", "spawn_rate"), str(runs), PROGRAM, str(at_once)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def call(connection, method, path, body=None):
    from harness import ADMIN_TOKEN

    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
    connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
    response = connection.getresponse()
    data = response.read()
    assert response.status < 300, data
    return json.loads(data)


def one_round(connection, task, runs, before):
    """Commands per second, from the bulk trigger to the last row; nothing but success counts."""
    begun = time.monotonic()
    for first in range(0, runs, BULK_MAX):
        call(connection, "POST", "/scheduler/executions", {"task_uid": task, "items": [{}] * min(BULK_MAX, runs - first)})
    while True:
        found = call(connection, "GET", f"/scheduler/tasks/{task}")["data"]
        if found["total_executions"] >= before + runs:
            break
        time.sleep(0.01)
    took = time.monotonic() - begun
    assert found["success_executions"] == before + runs, found
    return runs / took


def measure(build, server, say, runs=RUNS, rounds=ROUNDS):
    """Rounds of the bare loop and of horae take turns, so that both see the same machine."""
    server.create(name="bench-command", type="command", data=json.dumps({"argv": [PROGRAM]}), max_concurrent=10000, overlap="queue_all")
    connection = http.client.HTTPConnection(server.host)
    bare, wide, ours = [], [], []
    for i in range(rounds):
        bare.append(spawn_rate(build, runs))
        wide.append(spawn_rate(build, runs, 2 * (os.cpu_count() or 1)))
        ours.append(one_round(connection, "bench-command", runs, i * runs))
    connection.close()
    rate, limit = statistics.median(ours), statistics.median(bare)
    say("commands with output and history", f"{rate:,.0f}", "per second",
        f"{PROGRAM}, bulk of {runs:,}, default capacity, durability full, median of {rounds}",
        f"bare posix_spawn and wait {limit:,.0f}, ratio {rate / limit:.2f}, goal 0.6; the same loop on all processors "
        f"{statistics.median(wide):,.0f}, ratio {rate / statistics.median(wide):.2f}")
    return rate / limit


def main():
    build = os.path.abspath(sys.argv[1])
    os.environ["HORAE_BINARY"] = os.path.join(build, "horae")
    from harness import Server

    server = Server()
    try:
        measure(build, server, lambda *words: print(*words, flush=True), int(sys.argv[2]) if len(sys.argv) > 2 else RUNS)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
