#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where the CPU time of one hot path goes: a server under one kind of load, looked at by perf (docs/profiles.md).

usage: hot_path.py BUILD_DIR bulk|triggers|get|history|cron [--program FILE] [--seconds N] [--top N]
The load comes from BUILD_DIR; --program takes another build of the server, to look at an older state.
"""
import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

arguments = argparse.ArgumentParser(usage=__doc__)
arguments.add_argument("build")
arguments.add_argument("path", choices=("bulk", "triggers", "get", "history", "cron"))
arguments.add_argument("--program")
arguments.add_argument("--seconds", type=int, default=4)
arguments.add_argument("--top", type=int, default=12)
options = arguments.parse_args()
build = os.path.abspath(options.build)
os.environ["HORAE_BINARY"] = os.path.join(build, "horae")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402
import harness  # noqa: E402  (kit makes it findable)

BULK, TASKS = 10_000, 30


def bulk(call, _host):
    """No-ops, enqueued 10,000 at a time."""
    call("POST", "/scheduler/tasks", {"name": "noop", "type": "noop", "overlap": "queue_all", "max_concurrent": BULK})
    body = {"task_uid": "noop", "items": [{}] * BULK}
    return BULK, lambda: call("POST", "/scheduler/executions", body)


def http(host, connections, requests, method, path):
    command = [os.path.join(build, "bench", "http_load"), host, connections, requests, method, path, harness.ADMIN_TOKEN]
    return requests, lambda: subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, check=True)


def triggers(call, host):
    """Triggers, one per request, 32 connections."""
    call("POST", "/scheduler/tasks", {"name": "noop", "type": "noop", "overlap": "queue_all", "max_concurrent": BULK})
    return http(host, 32, 3200, "POST", "/api/v1/scheduler/tasks/noop/trigger")


def get(call, host):
    """GETs of one task over one connection."""
    call("POST", "/scheduler/tasks", {"name": "small", "type": "noop"})
    return http(host, 1, 500, "GET", "/api/v1/scheduler/tasks/small")


def history(call, host):
    """Pages of one task's failures, of 300,000 executions of 30 tasks."""
    items = [{"override_data": '{"fail_attempts":1}'} if i % 100 == 0 else {} for i in range(BULK)]
    for i in range(TASKS):
        call("POST", "/scheduler/tasks", {"name": f"task-{i}", "type": "noop", "overlap": "queue_all", "max_concurrent": BULK, "max_retries": 0})
        call("POST", "/scheduler/executions", {"task_uid": f"task-{i}", "items": items})
    for i in range(TASKS):
        harness.wait_until("all to end", lambda i=i: call("GET", f"/scheduler/tasks/task-{i}")["data"]["total_executions"] == BULK, 120)
    return http(host, 1, 50, "GET", "/api/v1/scheduler/executions?task_name=task-7&state=failure")


def show(data):
    """By thread, library and function; `self` time only."""
    for what, key, rows in (("thread", "comm", 5), ("library", "dso", 7), ("function", "symbol,dso", options.top)):
        text = subprocess.run(["perf", "report", "-i", data, "--no-children", "-g", "none", "--sort", key], capture_output=True, text=True, check=True).stdout
        lines = [re.sub(r"\s+-\s+-\s*$", "", line).rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        print(f"\nby {what}\n" + "\n".join(re.sub(r"\s{2,}", "  ", line) for line in lines[:rows]))


def record(data, *command):
    subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-o", data, *command], stdout=subprocess.DEVNULL, check=True)


def look_at_server(data):
    harness.BINARY = os.path.abspath(options.program) if options.program else harness.BINARY
    with kit.running_server() as server:
        size, once = globals()[options.path](kit.Caller(server), server.host)
        stop, counted = threading.Event(), []

        def keep_busy():
            while not stop.is_set():
                once()
                counted.append(time.monotonic())

        thread = threading.Thread(target=keep_busy)
        thread.start()
        try:
            time.sleep(1)
            before, cpu = len(counted), kit.cpu_ns(server.process.pid)
            record(data, "-p", str(server.process.pid), "--", "sleep", str(options.seconds))
            rounds, cpu = len(counted) - before, kit.cpu_ns(server.process.pid) - cpu
        finally:
            stop.set()
            thread.join()
        each = f"{cpu / 1000 / rounds / size:.1f} µs of CPU each" if rounds else "not one round was done"
        print(f"{globals()[options.path].__doc__} {rounds * size:,} in {options.seconds} s, {each}")


def main():
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        data = os.path.join(folder, "perf.data")
        if options.path == "cron":
            record(data, os.path.join(build, "bench", "cron_next"))
            print("Next firing of 50 mixed schedules, and of some that look far, in process.")
        else:
            look_at_server(data)
        show(data)


main()
