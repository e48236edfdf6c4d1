# SPDX-License-Identifier: Apache-2.0
"""Drives the real binary from outside: servers on free loopback ports, REST with every answer checked against the
OpenAPI file, and waiting for conditions instead of sleeping."""
import contextlib
import glob
import http.client
import json
import os
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import openapi_check
import postgres_kit

BINARY = os.environ.get("HORAE_BINARY", "build/release/horae")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ADMIN_TOKEN = "an-administrator-for-tests-only"
READY = re.compile(rb"horae ready on (https?://\S+)")
WAIT_S = 30  # a limit for broken servers, not an expectation
MEMORY_FACTOR = 10 if re.search("/(asan|tsan)/", os.path.realpath(BINARY)) else 1  # what sanitizers take beside


def wait_until(what, condition, limit_s=WAIT_S):
    """Polls until `condition()` is true and returns its value."""
    end = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s} s: {what}")
        time.sleep(0.02)


# ---- on which store ----

POSTGRES = os.environ.get("HORAE_TEST_STORE") == "postgres"  # run-tests.py; each data folder has a database of its own
AUDIT_FOLDER = "postgres-audit" if POSTGRES else "horae.db-audit"  # with segments on the file store only


def of_the_file_store(why):
    """For tests of what only a store in a file has, or that look into that file."""
    return unittest.skipIf(POSTGRES, f"of the embedded store: {why}")


def database_of(folder):
    return "horae_" + re.sub("[^a-z0-9]", "_", os.path.realpath(folder).lower())[-50:]


def store_environment(folder):
    return {"HORAE_STORE": postgres_kit.make_database(database_of(folder))} if POSTGRES else {}


def store_arguments(folder):
    """For commands that work on the store of a data folder without a server."""
    return [*(["--store", store_environment(folder)["HORAE_STORE"]] if POSTGRES else []), "--data", folder]


def store_rows(server, sql):
    """What a query finds in the store of a server, also of one that was stopped."""
    if POSTGRES:
        return postgres_kit.rows(database_of(server.folder), sql)
    with contextlib.closing(sqlite3.connect(f"file:{server.folder}/horae.db?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self):
        return self.json["data"]


class Server:
    """One server with its data folder. `stop` is clean, `kill` is SIGKILL; both keep the data for `start`. What it says goes to
    server.log in the data folder, or in `log_folder`."""

    def __init__(self, arguments=(), env=None, data=None, log_folder=None):
        self.folder = data or tempfile.mkdtemp(prefix="horae-test-")
        self.log_path = os.path.join(log_folder or self.folder, "server.log")
        self.arguments, self.env = list(arguments), env or {}
        self.process = None
        self.url = None
        self.start()

    def start(self):
        env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "HORAE_ADMIN_TOKEN": ADMIN_TOKEN,
               "HORAE_ADMIN_PASSWORD": "correct horse", **store_environment(self.folder), **self.env}
        self.log = open(self.log_path, "ab")
        command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--data", self.folder, "--stop-timeout", "5", *self.arguments]
        self.process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        seen = b""
        end = time.monotonic() + WAIT_S
        while True:
            ready, _, _ = select.select([self.process.stderr], [], [], 1)
            chunk = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            seen += chunk
            found = READY.search(seen)
            if found:
                self.url = found.group(1).decode()
                break
            if (ready and not chunk) or time.monotonic() > end:
                self.process.kill()
                self.process.wait()
                self.process.stderr.close()
                self.log.close()
                self.process = None
                raise AssertionError(f"the server did not start: {seen.decode(errors='replace')}")
        self.log.write(seen)
        self.log.flush()
        self.host = urllib.parse.urlsplit(self.url).netloc
        self._drain()

    def _drain(self):
        """What the server says later goes to server.log."""
        import threading

        stream, log = self.process.stderr, self.log

        def copy():
            for line in stream:
                log.write(line)
                log.flush()

        self.drainer = threading.Thread(target=copy, daemon=True)
        self.drainer.start()

    def log_text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _end(self, signo, expected):
        if self.process is None:
            return
        self.process.send_signal(signo)
        code = self.process.wait(timeout=WAIT_S + 10)
        self.drainer.join(timeout=5)
        self.process.stderr.close()
        self.log.close()
        self.process = None
        if code not in expected:
            raise AssertionError(f"the server ended with {code}:\n{self.log_text()[-4000:]}")

    def stop(self, signo=signal.SIGTERM):
        self._end(signo, (0,))

    def kill(self):
        self._end(signal.SIGKILL, (-signal.SIGKILL,))

    def remove(self):
        if self.process is not None:
            self.stop()
        end_keeper(self.folder)
        if POSTGRES:
            postgres_kit.drop_database(database_of(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- REST ----
    def request(self, method, path, body=None, token=ADMIN_TOKEN, headers=None, raw=None):
        connection = http.client.HTTPConnection(self.host, timeout=WAIT_S)
        send = dict(headers or {})
        if token:
            send.setdefault("Authorization", f"Bearer {token}")
        payload = raw
        if body is not None:
            payload = json.dumps(body).encode()
            send.setdefault("Content-Type", "application/json")
        full = path if path.startswith(("/api", "/healthz", "/readyz", "/metrics")) or path == "/" else "/api/v1" + path
        connection.request(method, full, body=payload, headers=send)
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        openapi_check.check(method, full, answer, payload, send.get("Content-Type"))
        return answer

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.request("POST", path, body, **kwargs)

    def create(self, **fields):
        answer = self.post("/scheduler/tasks", fields)
        if answer.status != 201:
            raise AssertionError(f"create {fields}: {answer.status} {answer.body}")
        return answer.data

    def trigger(self, task, **body):
        answer = self.post(f"/scheduler/tasks/{task}/trigger", body or None)
        if answer.status != 202:
            raise AssertionError(f"trigger {task}: {answer.status} {answer.body}")
        return answer.json["execution_uid"]

    def execution(self, uid):
        return self.get(f"/scheduler/executions/{uid}").data

    def finished(self, uid, limit_s=WAIT_S):
        def done():
            found = self.execution(uid)
            return found if found["state"] not in ("pending", "running") else None

        return wait_until(f"execution {uid} to end", done, limit_s)

    def in_state(self, uid, state):
        return wait_until(f"execution {uid} to be {state}", lambda: (found := self.execution(uid))["state"] == state and found)

    def executions(self, **filters):
        found, page = [], 1
        while True:
            query = urllib.parse.urlencode({**filters, "page": page, "page_size": 100})
            answer = self.get(f"/scheduler/executions?{query}").json
            found += answer["data"]
            if len(answer["data"]) < 100:
                return found
            page += 1

    def metric(self, name):
        """Sum over all label sets."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name) and line[len(name)] in " {":
                total += float(line.rsplit(" ", 1)[1])
        return total


def end_keeper(folder):
    """Stops a keeper that was left running for a next server, by its process id."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                command = file.read()
            if folder.encode() in command and b"keeper" in command:
                os.kill(int(entry), signal.SIGTERM)
        except OSError:
            continue


def segment_rows(folder):
    """(segment, seq, text of the event) of all that is in segments of a server's database, in the order of storing."""
    name = database_of(folder)
    if not postgres_kit.rows(name, "SELECT 1 WHERE to_regclass('audit_log') IS NOT NULL"):
        return []
    return postgres_kit.rows(name, "SELECT segment, seq, event FROM audit_log ORDER BY segment, seq")


def stored_events(server):
    """(events in segments, the last row of audit_pending that is in them)."""
    rows, moved = [], 0
    if POSTGRES:
        name = database_of(server.folder)
        if postgres_kit.rows(name, "SELECT 1 WHERE to_regclass('audit_segments') IS NOT NULL"):
            moved = postgres_kit.rows(name, "SELECT coalesce(max(pending_id), 0) FROM audit_segments")[0][0]
        return [json.loads(text) for _, _, text in segment_rows(server.folder)], moved
    for path in sorted(glob.glob(f"{server.folder}/{AUDIT_FOLDER}/*.db")):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            db.execute("BEGIN")  # both of one moment
            rows += [json.loads(row[0]) for row in db.execute("SELECT event FROM audit_events ORDER BY seq")]
            moved = max(moved, *(row[0] for row in db.execute("SELECT pending_id FROM audit_segment")))
    return rows, moved


def audit_events(server):
    """What the audit log has by now, in the order of its storing; `old` and `new` are the objects as values. Also of a server that
    was stopped."""
    rows = store_rows(server, "SELECT id, event FROM audit_pending ORDER BY id")
    last = rows[-1][0] if rows else 0
    if server.process is None:  # what was committed and not moved is moved by the next start
        events, moved = stored_events(server)
        events += [json.loads(row[1]) for row in rows if row[0] > moved]
    else:
        events, _ = wait_until("events to be in segments", lambda: next((found for found in [stored_events(server)] if found[1] >= last), None))
    for event in events:
        diff = event.get("diff_object", {})
        for which in ("old", "new"):
            event[which] = json.loads(diff[f"{which}_object"]) if f"{which}_object" in diff else event.pop(f"{which}_object", None)
        event.setdefault("data", {})
        event["resource"].setdefault("data", {})
    return events


class ServerCase(unittest.TestCase):
    """One server for the tests of a class; `arguments` and `env` may be overridden."""

    arguments = ()
    env = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.arguments, cls.env)
        cls.addClassCleanup(cls.server.remove)  # also when the set-up of a subclass fails

    def assert_error(self, answer, status, code, param=None):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.json["code"], code, answer.body)
        self.assertTrue(answer.json["error"])
        if param:
            self.assertEqual(answer.json["params"]["param"], param, answer.body)


def run_cli(*arguments, server=None, env=None, stdin=None):
    full = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **(env or {})}
    if server:
        full.setdefault("HORAE_URL", server.url)
        full.setdefault("HORAE_TOKEN", ADMIN_TOKEN)
    return subprocess.run([BINARY, *arguments], env=full, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def cron_answers(queries, env=None):
    """What `horae cron batch` answers to each query."""
    done = run_cli("cron", "batch", stdin="".join(json.dumps(query) + "\n" for query in queries), env=env)
    return [json.loads(line) for line in done.stdout.splitlines()]
