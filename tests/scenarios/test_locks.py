# SPDX-License-Identifier: Apache-2.0
"""Lock providers as `--lock` names them: each with a server of its own, and what happens while that is away."""
import os
import subprocess
import tempfile
import unittest

from harness import BINARY, Server, ServerCase, audit_events, run_cli, wait_until
from lock_kit import LockServer, free_port

PASSWORD = "open sesame"


def planner_lock(server):
    return next((lock for lock in server.get("/scheduler/locks").data if lock["key"] == "scheduler_global"), None)


def lock_state(server):
    return server.get("/readyz").json["lock"]


class Providers:
    """The same for each provider."""

    kind = None

    def test_it_holds_the_planners_lock_and_says_so(self):
        """LCK-01"""
        wait_until("the lock", lambda: lock_state(self.server) == {"provider": self.kind, "state": "held", "failing": False})
        lock = planner_lock(self.server)
        self.assertEqual((lock["state"], lock["purpose"]), ("active", "planner"))
        self.assertGreater(lock["fencing_token"], 0)
        metrics = self.server.get("/metrics").body.decode()
        for text in (f'horae_lock_provider_up{{provider="{self.kind}"}} 1\n', 'horae_lock_held{key="scheduler_global"} 1\n',
                     f'horae_lock_seconds_count{{provider="{self.kind}",op="acquire"}}'):
            self.assertTrue(text in metrics, text)

    def test_one_that_is_released_by_hand_is_taken_again_with_a_greater_number(self):
        """LCK-02"""
        before = wait_until("the lock", lambda: planner_lock(self.server))
        self.assertIn("scheduler_global", run_cli("lock", "list", server=self.server).stdout)
        self.assertEqual(run_cli("lock", "release", "scheduler_global", server=self.server).returncode, 0)
        after = wait_until("the lock again", lambda: planner_lock(self.server))
        self.assertGreater(after["fencing_token"], before["fencing_token"])
        events = [e for e in audit_events(self.server) if e["action"] == "revoked" and e["resource"]["type"] == "lock"]
        self.assertEqual(events[-1]["old"]["fencing_token"], before["fencing_token"])
        uid = self.server.trigger(self.server.create(name=f"after-{self.kind}", type="noop", is_recurring=False)["uid"])
        self.assertEqual(self.server.finished(uid)["state"], "success")

    def test_a_server_that_is_killed_plans_again_when_its_lock_has_ended(self):
        """LCK-07"""
        server = Server(("--lock", self.url()), {**self.env, "HORAE_LOCK_PREFIX": f"killed-{self.kind}"})
        self.addCleanup(server.remove)
        before = wait_until("the lock", lambda: planner_lock(server))
        server.kill()
        server.start()
        wait_until("the lock again", lambda: lock_state(server)["state"] == "held")
        self.assertGreater(planner_lock(server)["fencing_token"], before["fencing_token"])
        server.stop()
        server.start()  # what was released is there at once
        self.assertEqual(wait_until("the lock", lambda: planner_lock(server))["state"], "active")

    def url(self):
        return self.kind


class Local(Providers, ServerCase):
    kind = "local"


class Store(Providers, ServerCase):
    kind = "store"
    arguments = ("--lock", "store")


class OfServers(Providers):
    """What only lock servers do: they are away, forget, and come back."""

    @classmethod
    def setUpClass(cls):
        cls.locks = LockServer(cls.kind)
        cls.addClassCleanup(cls.locks.remove)
        cls.arguments = ("--lock", cls.locks.url)
        super().setUpClass()

    def url(self):
        return self.locks.url

    def stays_up_and_starts_nothing(self, task):
        wait_until("that it notices", lambda: lock_state(self.server) == {"provider": self.kind, "state": "away", "failing": True})
        uid = self.server.trigger(task["uid"])
        for line in (f'horae_lock_provider_up{{provider="{self.kind}"}} 0\n', 'horae_lock_held{key="scheduler_global"} 0\n'):
            wait_until(f"the metric {line}", lambda line=line: line in self.server.get("/metrics").body.decode())
        wait_until("the log", lambda: "the lock scheduler_global cannot be kept" in self.server.log_text())
        wait_until("the alert", lambda: "alert: lock_failure {" in self.server.log_text())
        self.assertEqual(self.server.execution(uid)["state"], "pending")
        return uid

    def comes_back(self, uid):
        wait_until("the lock again", lambda: lock_state(self.server) == {"provider": self.kind, "state": "held", "failing": False})
        self.assertEqual(self.server.finished(uid)["state"], "success")
        wait_until("that the alert is over", lambda: self.server.log_text().count('"status":"resolved"') == self.server.log_text().count("alert: lock_failure {") / 2)

    def ticking(self, name):
        return self.server.create(name=f"{name}-{self.kind}", type="noop", is_recurring=True, cron_expr="* * * * * *", priority=1, misfire_policy="run_all", overlap="allow")

    def test_nothing_starts_while_the_lock_server_stands_still_and_all_goes_on_by_itself(self):
        """LCK-09, LCK-05"""
        task = self.ticking("paused")
        wait_until("a run", lambda: self.server.executions(task_uid=task["uid"]))
        fence = planner_lock(self.server)["fencing_token"]
        self.locks.pause()
        try:
            uid = self.stays_up_and_starts_nothing(task)
        finally:
            self.locks.go_on()
        self.comes_back(uid)
        self.assertGreaterEqual(planner_lock(self.server)["fencing_token"], fence)
        count = len(self.server.executions(task_uid=task["uid"]))
        wait_until("further runs", lambda: len(self.server.executions(task_uid=task["uid"])) > count)
        self.server.post(f"/scheduler/tasks/{task['uid']}/disable")
        scheduled = [run["scheduled_at"] for run in self.server.executions(task_uid=task["uid"]) if run["trigger_type"] == "scheduled"]
        self.assertEqual(len(scheduled), len(set(scheduled)))

    def test_a_lock_server_that_was_killed_and_forgot_everything_turns_no_number_back(self):
        """LCK-06"""
        task = self.server.create(name=f"killed-{self.kind}", type="noop", is_recurring=False)
        before = wait_until("the lock", lambda: planner_lock(self.server))["fencing_token"]
        self.locks.kill()
        try:
            uid = self.stays_up_and_starts_nothing(task)
        finally:
            if self.kind == "etcd":
                subprocess.run(["rm", "-rf", os.path.join(self.locks.folder, "member")], check=True)
            self.locks.start()
        self.comes_back(uid)
        after = wait_until("the lock", lambda: planner_lock(self.server))["fencing_token"]
        self.assertGreater(after, before)
        self.assertEqual(len(self.server.executions(task_uid=task["uid"])), 1)

    def test_one_other_cluster_on_the_same_server_needs_a_prefix_of_its_own(self):
        """LCK-02"""
        for prefix, state in (("horae", "waiting"), ("another", "held")):
            other = Server(("--lock", self.url()), {"HORAE_LOCK_PREFIX": prefix})
            self.addCleanup(other.remove)
            seen = wait_until("a state", lambda other=other, state=state: (found := lock_state(other))["state"] == state and found)
            self.assertFalse(seen["failing"])
            other.remove()


class Redis(OfServers, ServerCase):
    kind = "redis"


class Etcd(OfServers, ServerCase):
    kind = "etcd"

    def test_one_dead_endpoint_does_not_matter(self):
        """LCK-06"""
        dead = free_port()
        for hosts in (f"127.0.0.1:{dead},127.0.0.1:{self.locks.port}", f"127.0.0.1:{self.locks.port},127.0.0.1:{dead}"):
            server = Server(("--lock", f"etcd://{hosts}"), {"HORAE_LOCK_PREFIX": "several"})
            self.addCleanup(server.remove)
            wait_until("the lock", lambda server=server: lock_state(server) == {"provider": "etcd", "state": "held", "failing": False})
            server.remove()


class Refused(unittest.TestCase):
    """A server that cannot have its locks does not start, and says why without saying the password."""

    def refused(self, url, *texts, code=1, env=None, arguments=()):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", folder, "--lock", url, *arguments], env={"PATH": os.environ["PATH"], **(env or {})},
                                  capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        for text in texts:
            self.assertIn(text, done.stderr)
        self.assertNotIn("ready on", done.stderr)
        self.assertNotIn("sesame", done.stderr)

    def test_a_wrong_place_is_named(self):
        """LCK-03"""
        port = free_port()
        self.refused(f"redis://127.0.0.1:{port}", f"lock: Redis at 127.0.0.1:{port} is away", "start it first")
        self.refused(f"redis://:sesame@127.0.0.1:{port}", f"lock: Redis at 127.0.0.1:{port} is away")
        self.refused(f"etcd://127.0.0.1:{port}", f"lock: etcd is away: 127.0.0.1:{port}", "start it first")
        self.refused("redis://no-such-host.invalid", "lock: Redis at no-such-host.invalid:6379")

    def test_what_is_not_there_is_said(self):
        """LCK-01"""
        self.refused("rediss://127.0.0.1", "rediss:// needs TLS", "hiredis")
        self.refused("zookeeper://user:sesame@host", 'lock: "zookeeper://…" is not allowed', "redis://", "etcd://", code=2)
        self.refused("etcd://user@127.0.0.1", "etcd's user has no password", code=2)
        self.refused("redis://h:99999", "a port must be a number from 1 to 65535", code=2)

    def test_passwords_have_one_place(self):
        """LCK-01"""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "password")
            self.refused("redis://h", "cannot be read: No such file", code=2, arguments=("--lock-password-file", path))
            for text, message in (("", "is empty"), ("\nsesame\n", "is empty"), ("s" * 600, "longer than 512 bytes")):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                self.refused("redis://h", message, code=2, arguments=("--lock-password-file", path))
            with open(path, "w", encoding="utf-8") as file:
                file.write("sesame\n")
            self.refused("redis://h", "both given", code=2, env={"HORAE_LOCK_PASSWORD": "sesame"}, arguments=("--lock-password-file", path))
            self.refused("redis://:sesame@h", "given twice", code=2, env={"HORAE_LOCK_PASSWORD": "sesame"})
            self.refused("store", "names none of them", code=2, env={"HORAE_LOCK_PASSWORD": "sesame"})


class Passwords(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.locks = LockServer("redis", PASSWORD)
        cls.addClassCleanup(cls.locks.remove)

    def test_a_wrong_password_or_none_is_said_at_the_start(self):
        """LCK-03"""
        Refused.refused(self, self.locks.url, "it wants a password")
        Refused.refused(self, self.locks.url, "does not take this user or password", env={"HORAE_LOCK_PASSWORD": "wrong sesame"})

    def test_it_is_taken_from_each_place_and_shown_nowhere(self):
        """LCK-01"""
        folder = tempfile.mkdtemp(prefix="horae-test-")
        path = os.path.join(folder, "password")
        with open(path, "w", encoding="utf-8") as file:
            file.write(PASSWORD + "\n")
        inside = self.locks.url.replace("://", "://:open%20sesame@")
        for number, (arguments, env) in enumerate(((("--lock", self.locks.url, "--lock-password-file", path), {}), (("--lock", self.locks.url), {"HORAE_LOCK_PASSWORD": PASSWORD}),
                                                   ((), {"HORAE_LOCK": inside}), (("--lock", inside), {}))):
            server = Server(arguments, {**env, "HORAE_LOCK_PREFIX": f"place-{number}"})
            self.addCleanup(server.remove)
            wait_until("the lock", lambda server=server: lock_state(server)["state"] == "held")
            with open(f"/proc/{server.process.pid}/cmdline", "rb") as file:
                self.assertNotIn(b"sesame", file.read())
            self.assertNotIn("sesame", str(audit_events(server)))
            for path_ in ("/readyz", "/metrics", "/scheduler/locks", "/scheduler/config"):
                self.assertNotIn(b"sesame", server.get(path_).body)
            server.stop()
            self.assertNotIn("sesame", server.log_text())
            server.remove()


if __name__ == "__main__":
    unittest.main()
