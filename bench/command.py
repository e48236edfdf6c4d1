# SPDX-License-Identifier: Apache-2.0
"""Runs of commands with captured output and history, beside bare loops of posix_spawn over the same program."""
import json
import statistics
import time

from kit import Caller, Row, cpu_ns, running_server, tool

PROGRAM = "/bin/true"
RUNS, ROUNDS, AT_ONCE, RUNNING = 2000, 3, 4, 200


def one_round(call, runs, before):
    """Commands per second, from the bulk trigger to the last row; nothing but success counts."""
    begun = time.monotonic()
    call("POST", "/scheduler/executions", {"task_uid": "bench-command", "items": [{}] * runs})
    while (found := call("GET", "/scheduler/tasks/bench-command")["data"])["total_executions"] < before + runs:
        time.sleep(0.01)
    took = time.monotonic() - begun
    if found["success_executions"] != before + runs:
        raise RuntimeError(f"not all succeeded: {found}")
    return runs / took


def recovery():
    """Seconds from SIGKILL of the server until the next one has adopted all commands and records the end of one."""
    times = []
    with running_server("--capacity", str(RUNNING + 1)) as server:
        call = Caller(server)
        server.create(name="bench-long", type="command", data=json.dumps({"argv": ["sleep", "600"]}), max_concurrent=RUNNING, overlap="queue_all", timeout_grace_period=0)
        uids = call("POST", "/scheduler/executions", {"task_uid": "bench-long", "items": [{}] * RUNNING})["execution_uids"]
        for uid in uids:
            server.in_state(uid, "running")
        for uid in uids[:ROUNDS]:
            begun = time.monotonic()
            server.kill()
            server.start()
            server.post(f"/scheduler/executions/{uid}/cancel")
            server.finished(uid)
            times.append(time.monotonic() - begun)
        states = [server.execution(uid)["state"] for uid in uids]
        if states.count("running") != RUNNING - ROUNDS:
            raise RuntimeError(f"not adopted: {states}")
    return statistics.median(times)


def measure():
    yield Row(f"recovery with {RUNNING} running commands", recovery() * 1000, "ms", f"SIGKILL, next server, all adopted, one cancelled and recorded; median of {ROUNDS}",
              "full", goal="< 2,000")
    bare, wide, ours = [], [], []
    with running_server() as server:
        call = Caller(server)
        server.create(name="bench-command", type="command", data=json.dumps({"argv": [PROGRAM]}), max_concurrent=10000, overlap="queue_all")
        used = cpu_ns(server.process.pid)
        for i in range(ROUNDS):  # in turns, so that all see the same machine
            bare.append(float(tool("spawn_rate", RUNS, PROGRAM)))
            ours.append(one_round(call, RUNS, i * RUNS))
            wide.append(float(tool("spawn_rate", RUNS, PROGRAM, AT_ONCE)))
        used = (cpu_ns(server.process.pid) - used) / (ROUNDS * RUNS) / 1000
    rate, one, many = (statistics.median(values) for values in (ours, bare, wide))
    method = f"{PROGRAM} with captured output and history, bulk of {RUNS:,}, default capacity, median of {ROUNDS}, server CPU {used:.0f} us each"
    yield Row("commands", rate, "per second", method, "full", f"bare posix_spawn and wait, one at a time, {one:,.0f}", rate / one, "ratio 0.6")
    yield Row("commands, all processors", rate, "per second", "the same", "full", f"the bare loop, {AT_ONCE} at once, {many:,.0f}", rate / many)
