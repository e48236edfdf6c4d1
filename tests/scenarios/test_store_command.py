# SPDX-License-Identifier: Apache-2.0
"""horae store backup, restore, check (rulings, "serve also has"): on a running server and without one."""
import os
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import threading
import unittest

from harness import BINARY, Server, of_the_file_store, run_cli, wait_until


@of_the_file_store("copies are made by horae")
class StoreCase(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.remove)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.copy = os.path.join(self.folder, "copy.db")

    def store(self, *arguments, data=None):
        return run_cli("store", *arguments, "--data", data or self.server.folder)

    def ok(self, *arguments, **kwargs):
        done = self.store(*arguments, **kwargs)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def failed(self, *arguments, text, **kwargs):
        done = self.store(*arguments, **kwargs)
        self.assertEqual((done.returncode, done.stdout), (1, ""), (arguments, done.stderr))
        self.assertIn(text, done.stderr)


class Store(StoreCase):
    def test_a_running_database_is_copied_checked_and_restored(self):
        self.server.create(name="kept", type="noop")
        self.ok("backup", self.copy)
        self.assertEqual(sorted(os.listdir(self.folder)), ["copy.db", "copy.db-audit"])
        self.assertEqual(sorted(os.listdir(self.copy + "-audit")), ["000001.db", "audit.key", "heads"])
        self.assertEqual({stat.S_IMODE(os.stat(os.path.join(self.copy + "-audit", name)).st_mode) for name in os.listdir(self.copy + "-audit")}, {0o600})
        self.assertEqual(stat.S_IMODE(os.stat(self.copy).st_mode), 0o600)
        self.ok("check")
        self.assertIn("is sound", run_cli("store", "check", "--store", "sqlite:" + self.copy).stdout)
        self.failed("restore", self.copy, text="stop it first")
        self.server.request("DELETE", "/scheduler/tasks/kept")
        self.server.create(name="later", type="noop")
        self.server.stop()
        kept = self.ok("restore", self.copy).split("the former one is ")[1].strip()
        self.server.start()
        self.assertEqual(self.server.get("/scheduler/tasks/kept").status, 200)
        self.assertEqual(self.server.get("/scheduler/tasks/later").status, 404)
        self.server.stop()
        self.ok("restore", kept)
        self.server.start()
        self.assertEqual(self.server.get("/scheduler/tasks/later").status, 200)
        self.assertEqual(len([name for name in os.listdir(self.server.folder) if "before-restore" in name]), 2)

    def test_the_former_database_is_kept_with_changes_that_were_not_checkpointed(self):
        self.ok("backup", self.copy)
        self.server.create(name="in-the-log", type="noop")
        self.server.kill()
        self.assertTrue(os.path.getsize(os.path.join(self.server.folder, "horae.db-wal")))
        kept = self.ok("restore", self.copy).split("the former one is ")[1].strip()
        self.server.start()
        self.assertEqual(self.server.get("/scheduler/tasks/in-the-log").status, 404)
        self.server.stop()
        with sqlite3.connect(kept) as database:
            self.assertEqual(database.execute("SELECT count(*) FROM sched_tasks WHERE name = 'in-the-log'").fetchone(), (1,))

    def test_a_copy_is_taken_while_the_server_writes(self):
        """The copy is of one moment, and ends although writes never pause."""
        self.server.create(name="busy", type="noop", overlap="queue_all", max_concurrent=100)
        stop, sent = threading.Event(), []

        def write():
            while not stop.is_set():
                answer = self.server.post("/scheduler/executions", {"task_uid": "busy", "items": [{}] * 1000})
                sent.append(answer.json["count"])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for i in range(3):
                self.ok("backup", f"{self.copy}.{i}")
                with sqlite3.connect(f"{self.copy}.{i}") as database:
                    rows = database.execute("SELECT count(*) FROM task_executions").fetchone()[0]
                    self.assertEqual(rows % 1000, 0)
                self.assertEqual(run_cli("store", "check", "--store", f"sqlite:{self.copy}.{i}").returncode, 0)
        finally:
            stop.set()
            writer.join()
        self.assertGreater(sum(sent), 0)

    def test_what_is_damaged_or_of_somebody_else_is_never_put_in_place(self):
        self.server.create(name="precious", type="noop")
        self.ok("backup", self.copy)
        self.server.stop()
        files = {"text": b"no database at all, but long enough to look like one\n" * 100, "empty": b""}
        for name, content in files.items():
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(content)
        with sqlite3.connect(os.path.join(self.folder, "foreign")) as database:
            database.execute("CREATE TABLE t (a)")
        shutil.copy(self.copy, os.path.join(self.folder, "damaged"))
        with open(os.path.join(self.folder, "damaged"), "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 8192)
        shutil.copy(self.copy, os.path.join(self.folder, "newer"))
        with sqlite3.connect(os.path.join(self.folder, "newer")) as database:
            database.execute("INSERT INTO schema_migrations SELECT 9999, name, checksum, applied_at FROM schema_migrations LIMIT 1")
        for name, text in (("text", "not a database"), ("empty", "no database of horae"), ("foreign", "no database of horae"), ("damaged", "damaged"), ("newer", "newer"),
                           ("absent", "No such file")):
            path = os.path.join(self.folder, name)
            done = run_cli("store", "check", "--store", "sqlite:" + path)
            self.assertEqual((done.returncode, done.stdout), (1, ""), name)
            self.assertIn(path, done.stderr)
            self.failed("restore", path, text="" if name == "damaged" else text)
        self.server.start()
        self.assertEqual(self.server.get("/scheduler/tasks/precious").status, 200)

    def test_a_copy_never_replaces_a_file(self):
        self.ok("backup", self.copy)
        self.failed("backup", self.copy, text="exists already")
        self.failed("backup", "/nonexistent/copy.db", text="/nonexistent/copy.db")
        self.failed("backup", self.copy + ".x", text="No such file", data="/nonexistent")

    def test_a_new_machine_gets_its_folder(self):
        self.server.create(name="moved", type="noop")
        self.ok("backup", self.copy)
        data = os.path.join(self.folder, "data")
        self.assertNotIn("former", self.ok("restore", self.copy, data=data))
        self.assertEqual(stat.S_IMODE(os.stat(data).st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(data, "horae.db")).st_mode), 0o600)
        second = Server(data=data)
        self.addCleanup(second.remove)
        self.assertEqual(second.get("/scheduler/tasks/moved").status, 200)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_a_copy_can_be_checked_where_nothing_can_be_written(self):
        self.ok("backup", self.copy)
        for path in (self.copy, *(os.path.join(self.copy + "-audit", name) for name in os.listdir(self.copy + "-audit"))):
            os.chmod(path, 0o444)
        os.chmod(self.copy + "-audit", 0o555)
        os.chmod(self.folder, 0o555)
        try:
            done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", os.path.abspath(BINARY), "store", "check", "--store",
                                   "sqlite:" + self.copy], capture_output=True, text=True, check=False)
        finally:
            os.chmod(self.folder, 0o700)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_mistakes_of_usage(self):
        for arguments, text in (((), "Usage"), (("bakup", "x"), 'did you mean "backup"'), (("backup",), "FILE is missing"), (("backup", ""), "Usage"), (("check", "x"), 'unexpected argument "x"'),
                                (("check", "--store", "mysql://x"), "sqlite:PATH"), (("check", "--dta", "x"), 'did you mean "--data"')):
            done = run_cli("store", *arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(text, done.stderr)
        for arguments in (("store", "--help"), ("store", "help"), ("help", "store"), ("store", "backup", "--help"), ("help", "store", "check")):
            done = run_cli(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("--data DIR", done.stdout)


class AuditLog(StoreCase):
    """The audit log goes along (contract section 7): a copy that is taken while events are stored is whole and proves itself."""

    def event(self, number):
        return {"action": "created", "resource": {"type": "pod", "identifier": f"p-{number}"}, "user": {"uid": "u", "username": "u", "type": "user"}}

    def verify(self, folder):
        return run_cli("audit", "verify", "--data", folder)

    def test_a_copy_of_a_busy_log_is_restored_where_there_is_none(self):
        self.server.stop()
        self.server.arguments += ["--config", self.config("audit: {segment_events: 50}\n")]
        self.server.start()
        ended, count = threading.Event(), [0]

        def write():
            while not ended.is_set():
                self.assertEqual(self.server.post("/audit/events", [self.event(count[0])] * 20).status, 201)
                count[0] += 20

        thread = threading.Thread(target=write)
        thread.start()
        wait_until("some events", lambda: count[0] > 300)
        before = count[0]
        self.ok("backup", self.copy)
        ended.set()
        thread.join()
        fresh = os.path.join(self.folder, "fresh")
        self.assertIn("the audit log is restored with it", self.ok("restore", self.copy, data=fresh))
        self.assertIn("is sound", self.ok("check", data=fresh))
        done = self.verify(fresh)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        server = Server(data=fresh)
        self.addCleanup(server.remove)
        self.assertGreaterEqual(server.get("/audit/events?resource_type=pod").json["pagination"]["total"], before)
        self.assertEqual(server.post("/audit/events", self.event(0)).status, 201)
        self.assertEqual(self.verify(fresh).returncode, 0)

    def config(self, text):
        path = os.path.join(self.folder, "horae.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_a_log_that_is_there_stays(self):
        self.server.post("/audit/events", [self.event(1)] * 5)
        self.ok("backup", self.copy)
        later = self.server.post("/audit/events", self.event(2)).data["ids"][0]
        for _ in range(2):  # checkpoints that the copy does not know
            self.server.stop()
            self.server.start()
        self.server.stop()
        self.assertNotIn("the audit log is restored", self.ok("restore", self.copy))
        self.assertEqual(self.verify(self.server.folder).returncode, 0)
        self.server.start()
        self.assertEqual(self.verify(self.server.folder).returncode, 0)
        self.assertEqual(self.server.get(f"/audit/events/{later}").status, 200)

    def test_a_damaged_file_of_it_is_named_and_a_copy_is_never_written_over(self):
        self.ok("backup", self.copy)
        self.failed("backup", self.copy, text="exists already")
        os.unlink(self.copy)
        self.failed("backup", self.copy, text="copy.db-audit exists already")
        self.assertFalse(os.path.exists(self.copy))
        self.server.post("/audit/events", [self.event(1)] * 500)
        self.server.stop()
        path = os.path.join(self.server.folder, "horae.db-audit", "000001.db")
        with open(path, "r+b") as file:
            file.seek(3 * 4096)
            file.write(b"\xa5" * 4096 * 4)
        self.failed("check", text="000001.db: ")
