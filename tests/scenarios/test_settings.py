# SPDX-License-Identifier: Apache-2.0
"""Settings: flag beats environment beats file (contract section 2, CRON-60, CRON-61); TLS; instance and labels."""
import http.client
import os
import ssl
import subprocess
import tempfile
import time
import unittest

from harness import ADMIN_TOKEN, BINARY, Server, run_cli, wait_until


def refused(*arguments, env=None):
    return subprocess.run([BINARY, "serve", *arguments], env={"PATH": os.environ["PATH"], **(env or {})}, capture_output=True, text=True, timeout=30,
                          check=False)


class Settings(unittest.TestCase):
    def test_all_errors_are_reported_at_once_with_key_value_and_what_is_allowed(self):
        done = refused("--capacity", "many", "--durability", "maybe", env={"HORAE_LOG_LEVEL": "loud", "HORAE_ADMIN_TOKEN": "short"})
        self.assertEqual(done.returncode, 2)
        for text in ("capacity", "many", "durability", "maybe", "full", "log_level", "loud", "admin_token"):
            self.assertIn(text, done.stderr)
        self.assertNotIn("short", done.stderr)
        self.assertEqual(refused("--nonsense").returncode, 2)

    def test_a_file_with_an_unknown_key_is_refused(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("capacity: 5\nnonsense: 1\n")
            file.flush()
            done = refused("--config", file.name)
        self.assertEqual(done.returncode, 2)
        self.assertIn("nonsense", done.stderr)

    def test_flag_beats_environment_beats_file(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        path = os.path.join(folder, "horae.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("capacity: 5\ninstance: from-file\nscheduler:\n  default_max_retries: 7\n  default_timeout_seconds: 60\n")
        server = Server(["--config", path, "--label", "zone=a"], {"HORAE_CAPACITY": "6", "INSTANCE_ID": "from-environment"}, folder)
        try:
            row = server.get("/scheduler/instances").data[0]
            self.assertEqual((row["id"], row["capacity"], row["labels"]), ("from-environment", 6, {"zone": "a"}))
            task = server.create(name="defaults", type="noop")
            self.assertEqual((task["max_retries"], task["max_duration_seconds"]), (7, 60))
        finally:
            server.remove()

    def test_capacity_limits_what_runs_at_once_and_priority_goes_first(self):
        server = Server(["--capacity", "2"])
        try:
            for name, priority in (("low", 0), ("high", 10)):
                server.create(name=name, type="noop", data='{"sleep_ms":300}', max_concurrent=10, overlap="queue_all", priority=priority)
            blockers = [server.trigger("low") for _ in range(2)]
            late = [server.trigger("low") for _ in range(2)] + [server.trigger("high") for _ in range(2)]
            self.assertLessEqual(server.get("/scheduler/instances").data[0]["running"], 2)
            runs = {uid: server.finished(uid) for uid in blockers + late}
            high = max(runs[uid]["started_at"] for uid in late[2:])
            low = min(runs[uid]["started_at"] for uid in late[:2])
            self.assertLess(high, low)
        finally:
            server.remove()

    def test_waiting_counts_like_priority(self):
        """Ten seconds of waiting weigh as much as one point of priority (SCH-04, ageing)."""
        server = Server(["--capacity", "1"])
        try:
            server.create(name="blocker", type="noop", data='{"sleep_ms":11500}')
            server.create(name="queued", type="noop", data='{"sleep_ms":20}', overlap="queue_all", max_concurrent=10)
            blocker = server.trigger("blocker")
            server.in_state(blocker, "running")
            old = server.trigger("queued", priority=0)
            time.sleep(10.6)
            new, urgent = server.trigger("queued", priority=1), server.trigger("queued", priority=2)
            started = {uid: server.finished(uid)["started_at"] for uid in (old, new, urgent)}
            self.assertEqual(sorted(started, key=started.get), [urgent, old, new])
        finally:
            server.remove()

    def test_labels_decide_where_a_task_runs(self):
        server = Server(["--label", "region=eu"])
        try:
            server.create(name="here", type="noop", labels={"region": "eu"})
            server.create(name="elsewhere", type="noop", labels={"region": "us"}, cron_expr="* * * * * *")
            self.assertEqual(server.finished(server.trigger("here"))["state"], "success")
            waiting = server.trigger("elsewhere")
            wait_until("a slot", lambda: server.get("/scheduler/tasks/elsewhere/occurrences").json["summary"]["skipped"] >= 1)
            self.assertEqual(server.get("/scheduler/tasks/elsewhere/occurrences").data[0]["reason"], "no_instance")
            self.assertEqual(server.execution(waiting)["state"], "pending")
        finally:
            server.remove()

    def test_a_draining_instance_starts_nothing_new(self):
        server = Server(["--instance", "one"])
        try:
            server.create(name="drained", type="noop")
            self.assertEqual(server.post("/scheduler/instances/one/drain").status, 202)
            uid = server.trigger("drained")
            self.assertEqual(server.get("/scheduler/instances").data[0]["role"], "draining")
            self.assertEqual(server.execution(uid)["state"], "pending")
            self.assertEqual(server.post("/scheduler/instances/one/drain", {"drain": False}).status, 202)
            self.assertEqual(server.finished(uid)["state"], "success")
            self.assertEqual(server.post("/scheduler/instances/nobody/drain").status, 404)
        finally:
            server.remove()

    def test_locks_show_the_planner_and_running_executions(self):
        server = Server()
        try:
            task = server.create(name="locked", type="noop", data='{"sleep_ms":60000}')
            uid = server.trigger("locked")
            run = server.in_state(uid, "running")
            locks = {row["key"]: row for row in server.get("/scheduler/locks").data}
            self.assertEqual(locks[f"task:{task['uid']}"]["fencing_token"], run["fencing_token"])
            before = locks["scheduler_global"]["fencing_token"]
            self.assertEqual(server.post(f"/scheduler/locks/task%3A{task['uid']}/release").status, 409)
            self.assertEqual(server.post("/scheduler/locks/nothing/release").status, 404)
            self.assertEqual(server.post("/scheduler/locks/scheduler_global/release").status, 200)
            self.assertGreater({row["key"]: row for row in server.get("/scheduler/locks").data}["scheduler_global"]["fencing_token"], before)
            self.assertEqual(server.get("/scheduler/locks?state=ended").data[0]["state"], "released")
            server.post(f"/scheduler/executions/{uid}/cancel")
            server.finished(uid)
        finally:
            server.remove()

    def test_https_with_a_certificate(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        server = Server(["--tls-cert", cert, "--tls-key", key], data=folder)
        try:
            self.assertTrue(server.url.startswith("https://"))
            context = ssl.create_default_context(cafile=cert)
            connection = http.client.HTTPSConnection(server.host, timeout=20, context=context)
            connection.request("GET", "/api/v1/scheduler/tasks", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
        finally:
            server.remove()
        bad = refused("--tls-cert", cert, "--listen", "127.0.0.1:0", "--data", folder + "-x")
        self.assertEqual(bad.returncode, 2, bad.stderr)

    def test_a_port_that_is_taken_is_named(self):
        server = Server()
        try:
            with tempfile.TemporaryDirectory() as folder:
                done = refused("--listen", server.host, "--data", folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn(server.host, done.stderr)
        finally:
            server.remove()

    def test_a_database_that_is_newer_than_the_program_is_refused(self):
        import sqlite3

        server = Server()
        server.stop()
        try:
            with sqlite3.connect(os.path.join(server.folder, "horae.db")) as database:
                table = next(name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE name LIKE '%migration%'"))
                columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                row = dict(zip(columns, database.execute(f"SELECT * FROM {table} ORDER BY 1 DESC LIMIT 1").fetchone()))
                row[columns[0]] = 9999
                database.execute(f"INSERT INTO {table} ({','.join(columns)}) VALUES ({','.join('?' * len(columns))})", list(row.values()))
            done = refused("--listen", "127.0.0.1:0", "--data", server.folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn("newer", done.stderr)
        finally:
            import shutil

            shutil.rmtree(server.folder)

    def test_metrics_are_valid_prometheus_text(self):
        import re

        server = Server()
        try:
            text = server.get("/metrics").body.decode()
            names = set(re.findall(r"^# TYPE (\S+)", text, re.M))
            for name in ("horae_occurrences_expected_total", "horae_occurrences_total", "horae_executions_started_total",
                         "horae_executions_finished_total", "horae_queue_depth", "horae_start_lateness_seconds", "horae_execution_duration_seconds",
                         "horae_store_commit_seconds", "horae_store_batch_ops", "horae_lock_seconds", "horae_http_requests_total", "horae_children",
                         "horae_build_info"):
                self.assertIn(name, names)
            self.assertEqual(len(re.findall(r"^# HELP ", text, re.M)), len(names))
            sample = re.compile(r'^[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [0-9.eE+-]+$|^# (HELP|TYPE) .+$')
            for line in text.splitlines():
                self.assertRegex(line, sample)
        finally:
            server.remove()

    def test_the_command_line_talks_https_only_when_asked(self):
        self.assertEqual(run_cli("task", "list", "--server", "ftp://x").returncode, 2)
