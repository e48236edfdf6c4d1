# SPDX-License-Identifier: Apache-2.0
"""What every measurement needs: a row of the table, the server under test, its CPU and memory, load from a C client."""
import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))


@dataclasses.dataclass
class Row:
    """One line of the table. `ratio` is value / peer, or peer / value where less is better; None without a peer."""

    what: str
    value: float
    unit: str
    method: str
    durability: str = "-"
    peer: str = ""
    ratio: float | None = None
    goal: str = ""

    def text(self):
        number = f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:.2f}" if self.value >= 0.1 or not self.value else f"{self.value:.5f}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"{self.what:<46} {number:>11} {self.unit:<12} {ratio:>6}  {self.goal:<22} {self.durability:<5} {self.method}" + (
            f"; peer: {self.peer}" if self.peer else "")


HEADER = f"{'what':<46} {'figure':>11} {'unit':<12} {'ratio':>6}  {'goal':<22} {'dur.':<5} method"


def tool(name, *arguments):
    """Runs a C program of this folder and returns what it prints."""
    build = os.path.dirname(os.environ["HORAE_BINARY"])
    done = subprocess.run([os.path.join(build, "bench", name), *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} {arguments[:3]}: {done.stderr or done.stdout[:300]}")
    return done.stdout


def npm_folder(package):
    """Where a peer from npm lies, kept beside the builds; None and why not where it cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        return None, "node and npm are not installed"
    folder = os.path.join(ROOT, "build", "npm-" + package.replace("@", "-"))
    if not os.path.isdir(os.path.join(folder, "node_modules", package.split("@")[0])):
        os.makedirs(folder, exist_ok=True)
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, package], capture_output=True, text=True,
                              timeout=300, check=False)
        if done.returncode:
            return None, f"{package} cannot be fetched from npm"
    return folder, ""


def cpu_ns(pid):
    """CPU time of all threads of a process, from the scheduler's own account (nanoseconds)."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


def switches(pid):
    """Voluntary context switches of all threads: how often the process went to sleep, so how often it was woken."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            total += int(next(line for line in file if line.startswith("voluntary")).split()[1])
    return total


def load(server, connections, requests, method, path, body="", content_type="application/json"):
    """Closed-loop load; returns http_load's report with `cpu_us`: server CPU per request."""
    from harness import ADMIN_TOKEN

    before = cpu_ns(server.process.pid)
    report = json.loads(tool("http_load", server.host, connections, requests, method, path, ADMIN_TOKEN, body, content_type))
    report["cpu_us"] = (cpu_ns(server.process.pid) - before) / requests / 1000
    return report


class Caller:
    """One keep-alive connection; answers are not checked against the OpenAPI file, that is the tests' work."""

    def __init__(self, server):
        import http.client

        self.connection = http.client.HTTPConnection(server.host)

    def __call__(self, method, path, body=None):
        from harness import ADMIN_TOKEN

        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"}
        self.connection.request(method, "/api/v1" + path, json.dumps(body) if body is not None else None, headers)
        response = self.connection.getresponse()
        data = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:300]}")
        return json.loads(data) if data else None


@contextlib.contextmanager
def running_server(*arguments, **kwargs):
    from harness import Server

    server = Server(arguments, **kwargs)
    try:
        yield server
    finally:
        server.remove()


@contextlib.contextmanager
def floor_server():
    """The bare event loop that answers every request with the same bytes, as a process like the server's."""
    from types import SimpleNamespace

    build = os.path.dirname(os.environ["HORAE_BINARY"])
    with tempfile.TemporaryDirectory() as folder:
        port_file = os.path.join(folder, "port")
        process = subprocess.Popen([os.path.join(build, "bench", "http_load"), "serve", port_file])
        try:
            while not os.path.exists(port_file) or not os.path.getsize(port_file):
                time.sleep(0.01)
            with open(port_file, encoding="ascii") as file:
                yield SimpleNamespace(host=f"127.0.0.1:{file.read().strip()}", process=process)
        finally:
            process.kill()
            process.wait()


def micros(text):
    """Microseconds since 1970 of a time as the API prints it."""
    import datetime

    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
