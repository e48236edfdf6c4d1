# SPDX-License-Identifier: Apache-2.0
"""Questions to a long audit log: 10,000,000 events of 90 days (HORAE_BENCH_AUDIT=N for fewer), the newest 50 by every filter,
with totals; free text inside a day; an export. Each question asks for another value, so that no answer is the one before."""
import datetime
import json
import os
import random
import time
import urllib.parse

from harness import ADMIN_TOKEN
from kit import Caller, Row, cpu_ns, load, resident_kib, running_server, tool

EVENTS, DAYS, ASKED = int(os.environ.get("HORAE_BENCH_AUDIT", "10000000")), 90, 200
DAY_MS = 86400 * 1000
assert ADMIN_TOKEN
FILTERS = {
    "user_uid": lambda e: e["user"]["uid"], "resource_type": lambda e: e["resource_type"], "action": lambda e: e["action"],
    "resource_id": lambda e: e["resource"]["identifier"], "client_ip": lambda e: e["client_ip"], "request_id": lambda e: e["request_id"],
    "status": lambda e: e["status"], "subsystem": lambda e: e["subsystem"], "space_path": lambda e: e["space_path"],
}


def percent(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def ask(call, pid, questions):
    """Milliseconds of each answer, how many events were shown, and the server's CPU milliseconds per question."""
    times, shown, before = [], 0, cpu_ns(pid)
    for question in questions:
        path = "/audit/events?" + urllib.parse.urlencode({"page_size": 50, **question})
        begun = time.perf_counter()
        answer = call("GET", path)
        times.append((time.perf_counter() - begun) * 1000)
        shown += len(answer["data"])
    return times, shown / len(times), (cpu_ns(pid) - before) / 1e6 / len(times)


def row(what, times, shown, cpu, goal):
    return Row(f"audit, {what}, p99", percent(times, 0.99), "ms",
               f"{EVENTS:,} events, {len(times)} questions with totals; p50 {percent(times, 0.5):.2f} ms, most {max(times):.1f} ms, server CPU {cpu:.2f} ms; {shown:.0f} shown", goal=goal)


def questions_of(samples, rng):
    """Name → questions; times of ranges lie anywhere in the 90 days."""
    some = [rng.choice(samples) for _ in range(ASKED)]
    yield "newest 50", [{} for _ in some], "< 20"
    for name, value in FILTERS.items():
        yield f"newest 50 by {name}", [{name: value(event)} for event in some], "< 20"
    yield "newest 50 of an hour", [{"start_time": e["timestamp"], "end_time": e["timestamp"] + 3600000} for e in some], "< 20"
    yield "newest 50 of a week", [{"start_time": e["timestamp"], "end_time": e["timestamp"] + 7 * DAY_MS} for e in some], "< 20"
    yield "newest 50 by user and action", [{"user_uid": e["user"]["uid"], "action": e["action"]} for e in some], "< 1000"
    yield "newest 50 by type, action and status", [{"resource_type": e["resource_type"], "action": e["action"], "status": "failure"} for e in some], "< 1000"
    yield "newest 50 by user, address and a week", [{"user_uid": e["user"]["uid"], "client_ip": e["client_ip"], "start_time": e["timestamp"] - 7 * DAY_MS,
                                                     "end_time": e["timestamp"]} for e in some], "< 1000"
    yield "by what is nowhere", [{"request_id": f"no-{i}"} for i in range(ASKED)], "< 20"
    yield "by two that never meet", [{"user_uid": "user-0001", "resource_id": "resource-199999", "status": "failure"} for _ in range(20)], "< 1000"
    yield "page 1,000", [{"page": 1000} for _ in range(20)], "< 1000"


def texts_of(samples, rng):
    for what, text in (("that is everywhere", "registry.example"), ("that is rare", None), ("that is nowhere", "not to be found")):
        some = [rng.choice(samples) for _ in range(30)]
        yield f"free text {what}, first page", [{"q": text or event["resource"]["identifier"][:15].upper(), "start_time": event["timestamp"] - DAY_MS // 2,
                                                 "end_time": event["timestamp"] + DAY_MS // 2} for event in some], "< 200"


def at_once(server, samples, parallel=50, asked=2_000):
    """PERF-04: the longest of many answers while so many are asked for at the same time, each by user and action."""
    event = samples[len(samples) // 2]
    path = "/api/v1/audit/events?" + urllib.parse.urlencode({"page_size": 50, "user_uid": event["user"]["uid"], "action": event["action"]})
    report = load(server, parallel, asked, "GET", path)
    return Row(f"audit, {parallel} questions at once, by user and action, p99", report["p99_us"] / 1000, "ms",
               f"{EVENTS:,} events, {asked:,} questions with totals on {parallel} connections; server CPU {report['cpu_us'] / 1000:.2f} ms each", goal="< 1000")


def search_on(call, question):
    """A search with all its pages: the milliseconds until everything was looked at."""
    begun, place = time.perf_counter(), {}
    while True:
        answer = call("GET", "/audit/events?" + urllib.parse.urlencode({"page_size": 100, **question, **place}))
        if "next_cursor" not in answer["pagination"]:
            return (time.perf_counter() - begun) * 1000
        place = {"cursor": answer["pagination"]["next_cursor"]}


def export(server):
    """Bytes, seconds and the growth of memory of an export of a day; read as fast as it comes."""
    import http.client

    end = int(time.time() * 1000) - 10 * DAY_MS
    connection = http.client.HTTPConnection(server.host)
    before, most, begun, lines = resident_kib(server.process.pid), 0, time.perf_counter(), 0
    connection.request("GET", f"/api/v1/audit/events/export?start_time={end - 5 * DAY_MS}&end_time={end}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    response = connection.getresponse()
    while block := response.read(1 << 20):
        lines += block.count(b"\n")
        most = max(most, resident_kib(server.process.pid))
    connection.close()
    return lines - 1, time.perf_counter() - begun, most - before


def measure():
    rng = random.Random(7)
    with running_server() as server:
        server.stop()
        begun = time.monotonic()
        samples = [json.loads(line) for line in tool("audit_fill", server.folder, EVENTS, DAYS).splitlines()]
        print(f"  ({EVENTS:,} events written and sealed in {time.monotonic() - begun:.0f} s, {datetime.datetime.now():%H:%M})", flush=True)
        server.start()
        call = Caller(server)
        for what, questions, goal in questions_of(samples, rng):
            yield row(what, *ask(call, server.process.pid, questions), goal)
        yield at_once(server, samples)
        for what, questions, goal in texts_of(samples, rng):
            yield row(what, *ask(call, server.process.pid, questions), goal)
        events = [search_on(call, {"q": "not to be found", "start_time": e["timestamp"] - DAY_MS // 2, "end_time": e["timestamp"] + DAY_MS // 2}) for e in samples[:3]]
        yield Row("audit, free text, a whole day searched", max(events), "ms", f"{EVENTS // DAYS:,} events a day, every page of the search")
        lines, seconds, grown = export(server)
        yield Row("audit, export of five days", lines / seconds, "events/s", f"{lines:,} lines with their chain; memory grew by {grown / 1024:.1f} MiB")
        yield Row("audit, memory after all questions", resident_kib(server.process.pid) / 1024, "MiB", "resident")
