# SPDX-License-Identifier: Apache-2.0
"""The server that does nothing: memory, CPU, wake-ups, start; and what one small answer costs."""
import statistics
import time

from harness import Server
from kit import Row, cpu_ns, floor_server, load, resident_kib, running_server, switches

SECONDS = 20


def starts():
    """From the start of the process to the ready line, with an empty store that exists already."""
    times = []
    with running_server() as server:
        for _ in range(5):
            server.stop()
            begun = time.monotonic()
            server.start()
            times.append((time.monotonic() - begun) * 1000)
    return statistics.median(times)


def measure():
    yield Row("start to ready, empty", starts(), "ms", "process start to the ready line, median of 5", goal="< 50")
    server = Server()
    try:
        time.sleep(2)
        pid, cpu, sleeps, begun = server.process.pid, cpu_ns(server.process.pid), switches(server.process.pid), time.monotonic()
        time.sleep(SECONDS)
        seconds = time.monotonic() - begun
        yield Row("idle: resident memory", resident_kib(pid) / 1024, "MiB", "after start, keeper apart", goal="≤ 12")
        yield Row("idle: CPU", (cpu_ns(pid) - cpu) / seconds / 1e7, "%", f"all threads over {SECONDS} s", goal="< 0.1")
        yield Row("idle: wake-ups", (switches(pid) - sleeps) / seconds * 5, "per 5 s", f"voluntary switches of all threads over {SECONDS} s", goal="≤ 1 per 5 s")
        server.create(name="small", type="noop")
        for path, what in (("/api/v1/scheduler/tasks/small", "GET of one task"),):
            reports = [load(server, 1, 20_000, "GET", path) for _ in range(3)]
            mine = statistics.median(report["cpu_us"] for report in reports)
            with floor_server() as floor:
                bare = statistics.median(load(floor, 1, 20_000, "GET", path)["cpu_us"] for _ in range(3))
            yield Row(f"{what}, server CPU", mine, "µs", "20,000 requests on one keep-alive connection, median of 3", peer=f"bare epoll loop {bare:.1f} µs",
                      ratio=bare / mine, goal="≤ 25")
    finally:
        server.remove()
