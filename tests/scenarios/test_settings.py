# SPDX-License-Identifier: Apache-2.0
"""Settings: flag beats environment beats file (contract section 2, CRON-60, CRON-61); TLS; instance and labels."""
import http.client
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
import time
import unittest

from harness import ADMIN_TOKEN, BINARY, POSTGRES, READY, ROOT, Server, of_the_file_store, run_cli, wait_until


def refused(*arguments, env=None):
    return subprocess.run([BINARY, "serve", *arguments], env={"PATH": os.environ["PATH"], **(env or {})}, capture_output=True, text=True, timeout=30,
                          check=False)


class Refused(unittest.TestCase):
    """Settings that are wrong: nothing is started, and everything wrong is said at once."""

    def refused(self, *arguments, env=None, texts=(), code=2):
        done = refused(*arguments, env=env)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        for text in texts:
            self.assertIn(text, done.stderr)
        return done.stderr

    def file(self, text):
        file = tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False, encoding="utf-8")
        with file:
            file.write(text)
        self.addCleanup(os.unlink, file.name)
        return file.name

    def test_all_errors_are_reported_at_once_with_key_value_and_what_is_allowed(self):
        path = self.file("capacty: 5\nstop_timeout: long\nlog_bytes: 1\nscheduler:\n  log_bytes: 1\n")
        text = self.refused("--capacity", "many", "--durability", "maybe", "--listen", "nonsense", "--label", "bad", "--trusted-proxy", "10.0.0.0/33", "--tls-cert",
                            "/nonexistent", "--config", path, "--lisen", "x", env={"HORAE_LOG_LEVEL": "loud", "HORAE_ADMIN_TOKEN": "short", "PORT": "65536"})
        for words in (("capacity (--capacity)", '"many"', "from 1 to 100000"), ("durability (--durability)", '"maybe"', "full or relaxed"),
                      ("log_level (HORAE_LOG_LEVEL)", '"loud"', "debug, info, warn or error"), ("admin_token (HORAE_ADMIN_TOKEN)", '"***"', "20 to 512"),
                      ("port (PORT)", '"65536"', "from 0 to 65535"), ("listen", '"nonsense"', "HOST:PORT"), ("labels", '"bad"', "NAME=VALUE"),
                      ("trusted_proxies", '"10.0.0.0/33"', "CIDR"), ("tls_key is missing",), ("tls_cert", "/nonexistent", "No such file"),
                      ("line 1", '"capacty"', 'did you mean "capacity"'), ("stop_timeout", "line 2", '"long"', "0 to 86400"), ("line 3", '"log_bytes"'),
                      ("scheduler.log_bytes", "line 5", '"1"', "65536"), ('"--lisen"', 'did you mean "--listen"'), ("unexpected argument", '"x"')):
            self.assertTrue(any(all(word in line for word in words) for line in text.splitlines()), (words, text))
        self.assertNotIn("short", text)

    def test_every_value_of_the_table_is_checked_in_every_source(self):
        for flag, variable, value in (("--capacity", "HORAE_CAPACITY", "0"), ("--stop-timeout", "HORAE_STOP_TIMEOUT", "-1"), ("--max-connections", "HORAE_MAX_CONNECTIONS", "15"),
                                      ("--default-timeout", "HORAE_DEFAULT_TIMEOUT_SECONDS", "0"), ("--default-retries", "HORAE_DEFAULT_MAX_RETRIES", "101"),
                                      ("--default-grace", "HORAE_DEFAULT_GRACE_PERIOD", "x"), ("--log-bytes", "HORAE_LOG_BYTES", "65535"), ("--durability", "HORAE_DURABILITY", "FULL"),
                                      ("--log-level", "HORAE_LOG_LEVEL", "trace"), ("--listen", "HORAE_LISTEN", "127.0.0.1"), ("--label", "HORAE_LABELS", "=x"),
                                      ("--label", "HORAE_LABELS", "a=1,a=2"), ("--trusted-proxy", "HORAE_TRUSTED_PROXIES", "1.2.3"), ("--instance", "HORAE_INSTANCE_ID", "a\nb"),
                                      ("--handover=maybe", "HORAE_HANDOVER", "maybe"), ("--instance", "INSTANCE_ID", "x" * 201)):
            self.refused(*((flag,) if "=" in flag else (flag, value)))
            self.refused(env={variable: value}, texts=() if flag in ("--label", "--trusted-proxy", "--listen") else (variable,))
        self.refused(env={"ENABLE_CRON": "yes"}, texts=("ENABLE_CRON", "true or false"))
        self.refused(env={"HORAE_ADMIN_PASSWORD": "1234567"}, texts=("HORAE_ADMIN_PASSWORD", "8 to 1024"))
        self.refused("--listen", texts=("--listen needs a value: --listen HOST:PORT",))

    def test_lists_are_checked_item_by_item(self):
        text = f"""\
audit:
  resource_types: [pod, pod, a b]
  redact_names: [__, {"n" * 40}]
client_ip_headers: [a b]
labels: [{", ".join(f"l{i}=" for i in range(65))}]
"""
        for line, words in (('"": 1\n', "a key must be text"), ("k" * 300 + ": 1\n", "key too long")):
            self.refused(f"--config={self.file(text + line)}", texts=(words,))
        self.refused(f"--config={self.file(text)}", env={"HORAE_INSTANCE_ID": os.fsdecode(b"a\xff")}, texts=(
            'audit.resource_types: "pod" is given twice', 'resource type "a b" is not allowed', 'audit.redact_names: "__" is not allowed', f'"{"n" * 40}" is not allowed',
            'client_ip_headers: "a b" is not allowed', '"l64=" is not allowed; there are more than 64 items', "instance: it must be UTF-8 text"))

    def test_an_error_is_one_line_whatever_it_quotes(self):
        path = self.file('log_level: "a\\nb"\n"c\\nd": 1\ndurability: ' + "x" * 5000 + '\nlabels: ["e\\nf=g"]\n')
        text = self.refused("--config", path, "--capacity", "1\n2", "h\ni", texts=('"a?b"', '"c?d"', '"1?2"', '"h?i"', "labels", "control characters"))
        self.assertEqual(len(text.splitlines()), 6, text)
        self.assertTrue(all(line.startswith("horae: ") and len(line) < 400 for line in text.splitlines()), text)

    def test_what_this_version_does_not_have_is_said_without_showing_passwords(self):
        for flag, value, text in (("--store", "mysql://u:pass@host/db", "sqlite:PATH"),
                                  ("--store", "sqlite:", "sqlite:PATH"), ("--store", "file.db", "sqlite:PATH"), ("--lock", "redis://:pass@host/x", "must be a number"),
                                  ("--lock", "etcd://host/pass", "nothing may follow"), ("--lock", "zookeeper://u:pass@host", "redis://"), ("--lock", "nonsense", "auto, local, store"),
                                  ("--lock", "redis://:pass@host\n", "control characters"), ("--lock", "redis://:pass@" + "h" * 5000, "1 to 4000")):
            self.assertNotIn("pass", self.refused(flag, value, texts=(flag[2:], text)))

    def test_files_that_are_no_settings_are_refused(self):
        for text, message in (("capacity: 5\ncapacity: 6\n", "given twice"), ("? {a: 1}\n: 2\n", "key must be text"), ("- a\n", "a list is not expected"),
                              ("just text\n", "key: value"), ("capacity: [1\n", "line 2"), ("capacity: &a 5\nstop_timeout: *a\n", "aliases"), ("a: {b: {c: {d: {e: 1}}}}\n", "nested too deep"),
                              ("labels: [{a: 1}]\n", "item of a list"), ("labels: [[a]]\n", "a list is not expected"), ("instance: \"a\\0b\"\n", "control characters"),
                              ("labels: [\"a\\0=b\"]\n", "control characters"), ("nonsense: 1\n", "nonsense"), ("capacity:\n", '"" is not allowed'), ("\tcapacity: 1\n", "line 1"),
                              ("audit: {retention_days: 0}\n", "1 to 3650")):
            self.refused("--config", self.file(text), texts=(message,))
        self.refused("--config", "/nonexistent.yaml", texts=("No such file",))
        self.refused("--config", "/", texts=("directory",))
        self.refused(env={"HORAE_CONFIG": "/nonexistent.yaml"}, texts=("/nonexistent.yaml",))
        self.refused("--config", self.file("#" * (1 << 20)), texts=("larger than 1 MiB",))

    def test_places_that_cannot_be_used_are_named(self):
        self.refused("--data", "/proc/horae", "--listen", "127.0.0.1:0", texts=("/proc/horae",), code=1)
        with tempfile.TemporaryDirectory() as folder:
            self.refused("--data", folder, "--listen", "192.0.2.1:0", texts=("192.0.2.1:0",), code=1)
            with open(os.path.join(folder, "file"), "w", encoding="utf-8"):
                pass
            self.refused("--data", os.path.join(folder, "file"), "--listen", "127.0.0.1:0", code=1)
            self.refused("--data", os.path.join(folder, "file", "below"), "--listen", "127.0.0.1:0", texts=("Not a directory",), code=1)
            with open(os.path.join(folder, "no.pem"), "w", encoding="utf-8") as file:
                file.write("no certificate\n")
            self.refused("--data", folder, "--listen", "127.0.0.1:0", "--tls-cert", file.name, "--tls-key", file.name, code=1)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_a_folder_that_cannot_be_written_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o555)
            done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", os.path.abspath(BINARY), "serve", "--data", folder, "--listen",
                                   "127.0.0.1:0"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(folder, done.stderr)
        self.assertIn("Permission denied", done.stderr)


class Documented(unittest.TestCase):
    def test_the_manual_page_agrees_with_the_help(self):
        made = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tools", "make-man.py"), BINARY], capture_output=True, text=True, check=True).stdout
        with open(os.path.join(ROOT, "docs", "horae.1"), encoding="utf-8") as file:
            self.assertEqual(file.read(), made, "run: make man")

    def test_the_help_lists_every_flag_and_variable_of_the_contract(self):
        text = run_cli("serve", "--help").stdout
        for name in ("--config FILE", "--listen HOST:PORT", "--data DIR", "--store URL", "--lock URL", "--instance ID", "--label K=V", "--durability full|relaxed",
                     "--trusted-proxy CIDR", "--tls-cert FILE", "--tls-key FILE", "--capacity N", "--stop-timeout S", "--max-connections N", "--log-level", "--handover",
                     "HORAE_CONFIG", "HORAE_LISTEN", "PORT", "HORAE_DATA", "HORAE_STORE", "HORAE_LOCK", "HORAE_LOCK_PASSWORD", "HORAE_LOCK_PASSWORD_FILE", "HORAE_LOCK_PREFIX", "HORAE_INSTANCE_ID", "INSTANCE_ID", "HORAE_LABELS", "HORAE_DURABILITY",
                     "HORAE_TRUSTED_PROXIES", "HORAE_TLS_CERT", "HORAE_TLS_KEY", "HORAE_ADMIN_TOKEN", "HORAE_ADMIN_PASSWORD", "ENABLE_CRON", "scheduler.default_timeout_seconds",
                     "scheduler.default_max_retries", "scheduler.default_grace_period", "audit.retention_days", "audit.max_object_bytes", "default 127.0.0.1:8600", "default ./data"):
            self.assertIn(name, text)
        self.assertEqual(run_cli("serve", "--help", "--nonsense").returncode, 0)


class Settings(unittest.TestCase):
    def serve(self, arguments, env=None, text=None):
        """A server whose data folder is given by the caller's settings; stopped and removed at the end."""
        folder = tempfile.mkdtemp(prefix="horae-test-")
        if text is not None:
            with open(os.path.join(folder, "horae.yaml"), "w", encoding="utf-8") as file:
                file.write(text)
            arguments = [*arguments, "--config", file.name]
        server = Server(arguments, env, folder)
        self.addCleanup(server.remove)
        return server

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

    def test_every_key_of_the_file_is_taken(self):
        server = self.serve([], text="""# all of it
capacity: 5
stop_timeout: 6
max_connections: 77
log_level: debug
durability: relaxed
instance: from-file
labels: [a=1, "b = 2"]
trusted_proxies:
  - 10.0.0.0/8
  - unix
handover: false
enable_cron: true
scheduler:
  default_timeout_seconds: 61
  default_max_retries: 7
  default_grace_period: 5
  log_bytes: 65536
audit: {retention_days: 120, max_object_bytes: 32768}
""")
        row = server.get("/scheduler/instances").data[0]
        self.assertEqual((row["id"], row["capacity"], row["labels"]), ("from-file", 5, {"a": "1", "b ": " 2"}))
        task = server.create(name="defaults", type="noop")
        self.assertEqual((task["max_retries"], task["max_duration_seconds"], task["timeout_grace_period"]), (7, 61, 5))

    def test_lists_of_a_higher_source_replace_those_of_a_lower_one(self):
        server = self.serve(["--label", "c=3", "--label", "d=4"], {"HORAE_LABELS": "b=2"}, "labels: [a=1]\n")
        self.assertEqual(server.get("/scheduler/instances").data[0]["labels"], {"c": "3", "d": "4"})
        server = self.serve([], {"HORAE_LABELS": "b=2, e=5"}, "labels: [a=1]\n")
        self.assertEqual(server.get("/scheduler/instances").data[0]["labels"], {"b": "2", "e": "5"})

    def test_variables_that_are_empty_count_as_absent(self):
        server = self.serve([], {"HORAE_CAPACITY": "", "ENABLE_CRON": "", "PORT": "", "HORAE_LABELS": "", "HORAE_CONFIG": "", "HORAE_INSTANCE_ID": "", "INSTANCE_ID": "second"})
        self.assertEqual(server.get("/scheduler/instances").data[0]["id"], "second")

    def ready(self, *arguments, env=None):
        """The address in the ready line of a server, which is stopped again."""
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen([BINARY, "serve", "--data", folder, *arguments], env={"PATH": os.environ["PATH"], **(env or {})}, stderr=subprocess.PIPE)
            try:
                return next((found.group(1).decode() for line in process.stderr if (found := READY.search(line))), None)
            finally:
                process.send_signal(signal.SIGINT)
                process.stderr.read()
                process.stderr.close()
                self.assertEqual(process.wait(timeout=30), 0)

    def free_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def test_addresses_and_ports_from_every_source(self):
        port, other = self.free_port(), self.free_port()
        self.assertRegex(self.ready("--listen", "[::1]:0"), r"^http://\[::1\]:[1-9]\d*$")
        self.assertRegex(self.ready("--listen", "localhost:0"), r"^http://localhost:[1-9]\d*$")
        self.assertEqual(self.ready(env={"PORT": str(port)}), f"http://127.0.0.1:{port}")
        self.assertEqual(self.ready(env={"PORT": str(port), "HORAE_LISTEN": f"127.0.0.1:{other}"}), f"http://127.0.0.1:{other}")
        self.assertEqual(self.ready("--listen", f"127.0.0.1:{other}", env={"PORT": str(port)}), f"http://127.0.0.1:{other}")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(f'listen: "[::1]:{other}"\n')
            file.flush()
            self.assertEqual(self.ready("--config", file.name, env={"PORT": str(port)}), f"http://[::1]:{port}")

    def test_files_of_the_data_folder_are_for_the_owner_only(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        os.chmod(folder, 0o755)
        server = Server([], {"HORAE_ADMIN_PASSWORD": ""}, folder)
        self.addCleanup(server.remove)
        server.create(name="logged", type="command", data='{"command":"echo x"}')
        server.finished(server.trigger("logged"))
        for name in os.listdir(folder):
            if name != "server.log":
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) & 0o077, 0, name)
        with open(os.path.join(folder, "admin-password"), encoding="utf-8") as file:
            password = file.read().strip()
        answer = server.post("/auth/login", {"username": "admin", "password": password}, token=None)
        self.assertEqual(answer.status, 200)
        server.stop()
        if not POSTGRES:
            os.chmod(os.path.join(folder, "horae.db"), 0o644)
        os.unlink(os.path.join(folder, "admin-password"))
        server.start()
        if not POSTGRES:
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, "horae.db")).st_mode), 0o600)
        self.assertFalse(os.path.exists(os.path.join(folder, "admin-password")), "it is written once")

    def test_the_admin_token_and_password_come_from_the_environment(self):
        server = self.serve([], {"HORAE_ADMIN_TOKEN": "exactly-20-characters", "HORAE_ADMIN_PASSWORD": "from the environment"})
        self.assertEqual(server.get("/auth/me", token="exactly-20-characters").data["role"], "admin")
        self.assertEqual(server.post("/auth/login", {"username": "admin", "password": "from the environment"}, token=None).status, 200)
        self.assertFalse(os.path.exists(os.path.join(server.folder, "admin-password")))

    def test_an_instance_without_cron_never_plans(self):
        server = self.serve([], {"ENABLE_CRON": "false"})
        server.create(name="secondly", type="noop", cron_expr="* * * * * *")
        with_cron = self.serve([])
        with_cron.create(name="secondly", type="noop", cron_expr="* * * * * *")
        wait_until("the planner to fire", lambda: len(with_cron.executions()) >= 2)
        self.assertEqual(server.executions(), [])
        self.assertEqual(server.finished(server.trigger("secondly"))["state"], "success")
        self.assertNotIn("scheduler_global", [row["key"] for row in server.get("/scheduler/locks").data])

    def test_a_second_signal_does_not_wait_for_what_runs(self):
        server = self.serve(["--stop-timeout", "600"])
        server.create(name="long", type="noop", data='{"sleep_ms":600000}', max_retries=0)
        uid = server.trigger("long")
        server.in_state(uid, "running")
        server.process.send_signal(signal.SIGINT)
        wait_until("the advice", lambda: "once more (Ctrl-C) ends it now" in server.log_text())
        server.stop(signal.SIGINT)
        self.assertTrue(server.log_text().endswith("serve: stopped\n"))
        server.start()
        self.assertEqual(server.execution(uid)["state"], "interrupted")

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

    def test_the_list_of_instances_shows_what_each_offers_and_carries(self):
        """SCH-75: labels, places and how many of them are taken, for people too."""
        server = Server(["--instance", "one", "--label", "zone=east", "--label", "disk=fast", "--capacity", "3"])
        try:
            server.create(name="busy", type="noop", data='{"sleep_ms": 60000}')
            server.in_state(server.trigger("busy"), "running")
            head, row = run_cli("instance", "list", server=server).stdout.splitlines()
            shown = dict(zip(re.split(r"  +", head.strip()), re.split(r"  +", row.strip())))
            self.assertEqual((shown["ID"], shown["RUNNING"], shown["CAPACITY"]), ("one", "1", "3"))
            self.assertEqual(sorted(shown["LABELS"].split(",")), ["disk=fast", "zone=east"])
        finally:
            server.remove()
        bare = Server()
        try:
            self.assertRegex(run_cli("instance", "list", server=bare).stdout, r"  -  ")
        finally:
            bare.remove()

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
            self.assertIn(f"cannot listen on {server.host}: Address already in use: another server may run there; choose another port with --listen or PORT", done.stderr)
        finally:
            server.remove()

    @of_the_file_store("test_postgres.py has its own")
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
