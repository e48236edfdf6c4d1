# SPDX-License-Identifier: Apache-2.0
"""Events of others over HTTP, each durable before its answer: one per request, arrays, NDJSON; then verification and retention of
what was written. Beside bare loops that insert rows of the same columns without an index, and of the published model with its six."""
import glob
import json
import os
import statistics
import subprocess
import tempfile
import time

from harness import wait_until
from kit import Caller, Row, load, running_server, tool

SINGLES, ARRAY, ARRAYS, LINES, ROUNDS, RAW = 60_000, 100, 2_000, 50_000, 3, 100_000
PREFILL = {"bare": 0, "published": 500_000}
OBJECT = {"name": "web-frontend", "replicas": 3, "image": "registry/web:1.27.3", "labels": {"app": "web", "tier": "frontend"},
          "env": [{"name": "MODE", "value": "production"}, {"name": "REGION", "value": "eu-west"}], "ports": [80, 443]}


def event(number=0):
    return {"action": ("created", "updated")[number % 2], "resource": {"type": ("deployment", "pod", "service")[number % 3],
                                                                       "identifier": f"web-{number * 7919 % 100000}"},
            "user": {"uid": f"user-{number * 104729 % 1000}", "username": "alice", "type": "user"}, "subsystem": "http",
            "client_ip": f"10.{number % 200}.{number // 200 % 200}.{number * 31 % 250}", "request_id": f"req-{number}", "new_object": OBJECT}


def median_load(*arguments):
    return sorted((load(*arguments) for _ in range(ROUNDS)), key=lambda report: report["rate"])[ROUNDS // 2]


def raw_rate(model, folder):
    rates = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=folder) as inner:
            rates.append(float(tool("audit_rows", os.path.join(inner, "rows.db"), PREFILL[model], RAW, 1000, model)))
    return statistics.median(rates)


def events_stored(call):
    return call("GET", "/audit/events?page_size=1")["pagination"]["total"]


def verify_rate(server, expected):
    """The command on the files of a stopped server."""
    begun = time.monotonic()
    done = subprocess.run([os.environ["HORAE_BINARY"], "audit", "verify", "--data", server.folder, "--json"], capture_output=True, text=True, check=True)
    seconds = time.monotonic() - begun
    checked = json.loads(done.stdout)["data"]["checked"]
    if checked < expected:
        raise RuntimeError(f"{checked} of {expected} events were verified")
    return checked / seconds, checked


def measure():
    with running_server() as server, tempfile.TemporaryDirectory() as folder:
        call = Caller(server)
        array, lines = os.path.join(folder, "array.json"), os.path.join(folder, "lines.ndjson")
        with open(array, "w", encoding="ascii") as file:
            json.dump([event(n) for n in range(ARRAY)], file, separators=(",", ":"))
        with open(lines, "w", encoding="ascii") as file:
            file.writelines(json.dumps(event(n), separators=(",", ":")) + "\n" for n in range(LINES))
        path = "/api/v1/audit/events"
        single = median_load(server, 64, SINGLES, "POST", path, json.dumps(event(), separators=(",", ":")))
        arrays = median_load(server, 8, ARRAYS, "POST", path, "@" + array)
        ndjson = median_load(server, 2, 4, "POST", path, "@" + lines, "application/x-ndjson")
        written = ROUNDS * (SINGLES + ARRAY * ARRAYS + 4 * LINES)
        bare, published = raw_rate("bare", server.folder), raw_rate("published", server.folder)
        server.stop()
        rate, checked = verify_rate(server, written)
    yield Row("audit events, one per request", single["rate"], "/s", f"64 connections, {SINGLES:,} requests, ack=stored, median of {ROUNDS}; p99 "
              f"{single['p99_us'] / 1000:.2f} ms; server CPU {single['cpu_us']:.0f} µs each", "full", goal="≥ 20,000; p99 < 10 ms")
    for what, per_second, method in ((f"audit events, arrays of {ARRAY}", arrays["rate"] * ARRAY, f"8 connections, {ARRAYS:,} requests"),
                                     ("audit events, NDJSON", ndjson["rate"] * LINES, f"2 connections, 4 requests of {LINES:,} lines")):
        yield Row(what, per_second, "/s", f"{method}, ack=stored, median of {ROUNDS}; published model with six indexes {published:,.0f}/s: "
                  f"{per_second / published:.1f} times", "full", f"bare rows without index, transactions of 1,000, {bare:,.0f}/s", per_second / bare,
                  "≥ 50,000; ≥ 0.25; ≥ 5 times")
    yield Row("verification of the chain", rate, "/s", f"{checked:,} events, the command from its start to its end", goal="≥ 500,000")
    yield from retention()


def settled(server):
    """Whether all segments are sealed but the two that are written to: of now, and of ten days ago."""
    return sum(bool(os.stat(path).st_mode & 0o200) for path in glob.glob(os.path.join(server.folder, "horae.db-audit", "0*.db"))) <= 2


def clean_up(server, call, count, body):
    """The cleanup's run, and the p99 of writers without and beside it."""
    undisturbed = median_load(server, 8, 20_000, "POST", "/api/v1/audit/events", body)
    wait_until("the segments to be sealed", lambda: settled(server), 120)
    task = next(row for row in call("GET", "/scheduler/tasks?type=audit_cleanup")["data"])
    uid = call("POST", f"/scheduler/tasks/{task['uid']}/trigger", {})["execution_uid"]
    during = load(server, 8, 20_000, "POST", "/api/v1/audit/events", body)
    run = wait_until("the cleanup to end", lambda: next((r for r in [call("GET", f"/scheduler/executions/{uid}")["data"]] if r.get("finished_at")), None), 120)
    if run["state"] != "success" or f"{count}" not in run["result"].replace(",", ""):
        raise RuntimeError(f"the cleanup: {run}")
    return undisturbed["p99_us"], during["p99_us"], run


def retention(count=1_000_000):
    """Events of ten days ago, dropped while others are written; their p99 beside that of the same load before."""
    with running_server() as server, tempfile.TemporaryDirectory() as folder:
        call = Caller(server)
        old = os.path.join(folder, "old.ndjson")
        then = int(time.time() * 1000) - 10 * 86_400_000
        with open(old, "w", encoding="ascii") as file:
            file.writelines(json.dumps({**event(n), "timestamp": then}, separators=(",", ":")) + "\n" for n in range(LINES))
        call("PUT", "/audit/config", {"retention_days": 5})
        runs = []
        for _ in range(ROUNDS):
            load(server, 2, count // LINES, "POST", "/api/v1/audit/events", "@" + old, "application/x-ndjson")
            runs.append(clean_up(server, call, count, json.dumps(event(), separators=(",", ":"))))
    undisturbed, during, run = sorted(runs, key=lambda one: one[1] / one[0])[ROUNDS // 2]
    seconds = statistics.median(one[2]["duration_ms"] for one in runs) / 1000
    yield Row(f"retention of {count:,} audit events", seconds, "s", f"the run of audit_cleanup, median of {ROUNDS}; {run['result']}; p99 of writers meanwhile "
              f"{during / 1000:.2f} ms", "full", f"p99 undisturbed {undisturbed / 1000:.2f} ms", during / undisturbed, "< 1 s; p99 ≤ 2 times")
