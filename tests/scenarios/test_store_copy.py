# SPDX-License-Identifier: Apache-2.0
"""horae store copy and migrate: a store in a file, with all that belongs to it, becomes one on a PostgreSQL server and back; what was
broken off is repeated; nothing of somebody else is touched; every mistake is named."""
import contextlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import unittest

import postgres_kit
from harness import BINARY, MEMORY_FACTOR, Server, end_keeper, run_cli, wait_until
from postgres_kit import PASSWORD

NOT_COPIED = {"schema_migrations", "store_commits", "store_leader", "sqlite_sequence", "store_copy"}


def setUpModule():
    unittest.enterModuleContext(postgres_kit.for_tests())


class Case(unittest.TestCase):
    def folder(self, name=""):
        folder = tempfile.mkdtemp(prefix="horae-copy-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return os.path.join(folder, name)

    def serve(self, data, store, *arguments):
        server = Server(arguments, {"HORAE_STORE": store}, data=data)
        self.addCleanup(end_keeper, data)
        self.addCleanup(lambda: server.process and server.stop())
        return server

    def database(self, suffix=""):
        name = "copy_" + self.id().rsplit(".", 1)[1][-40:] + suffix
        postgres_kit.drop_database(name)
        self.addCleanup(postgres_kit.drop_database, name)
        return name, postgres_kit.make_database(name)

    def source(self, fill=True):
        """A folder with a store in a file, which a server has used and left."""
        data = self.folder("data")
        os.mkdir(data)
        url = f"sqlite:{data}/horae.db"
        server = self.serve(data, url)
        if fill:
            server.create(name="says", type="command", data='{"command":"echo said; echo wrong >&2"}')
            server.create(name="elsewhere", type="noop", labels={"a": "b", "c": "d"})
            server.create(name="ticks", type="noop", interval=3600, is_recurring=True)
            self.said = server.finished(server.trigger("says"))
            server.post("/scheduler/executions", {"task_uid": "ticks", "items": [{"override_data": json.dumps({"result": "é中" * 100})}] * 300})
            wait_until("all to end", lambda: server.get("/scheduler/tasks/ticks").data["total_executions"] >= 300)
            server.post("/users", {"username": "other", "password": "a long password", "role": "viewer"})
            answer = server.post("/audit/events", [{"action": "created", "resource": {"type": "pod", "identifier": f"document-{i}"}, "user": {"uid": "u", "username": "u", "type": "user"}} for i in range(200)])
            self.assertEqual(answer.status, 201, answer.body)
        server.stop()
        return data, url

    def copy(self, *arguments, code=0, text=""):
        done = run_cli("store", "copy", *arguments)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        self.assertIn(text, done.stderr if code else done.stdout)
        self.assertNotIn(PASSWORD, done.stderr + done.stdout)
        return done.stdout

    def assert_same(self, path, name):
        """Every table of the file has the rows of the database's."""
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'") if row[0] not in NOT_COPIED]
            self.assertGreater(len(tables), 15)
            for table in tables:
                mine = [tuple("\\x" + value.hex() if isinstance(value, bytes) else value for value in row) for row in db.execute(f"SELECT * FROM {table}")]
                self.assertEqual(sorted(mine, key=repr), sorted(postgres_kit.rows(name, f"SELECT * FROM {table}"), key=repr), table)


class Copy(Case):
    def test_all_that_a_store_has_goes_to_a_new_folder_and_a_server_goes_on_with_it(self):
        data, url = self.source()
        name, target = self.database()
        new = self.folder("new")
        out = self.copy(url, target, "--data", data, "--to-data", new, text="all compared")
        self.assertRegex(out, r"(?m)^task_executions +301 +301  [0-9a-f]{16}$")
        self.assertRegex(out, r"audit log: 2\d\d events in 1 segment, as they were signed")
        self.assertIn(f"horae serve --store 'postgres://horae@127.0.0.1", out)
        self.assert_same(f"{data}/horae.db", name)
        self.assertEqual({os.stat(os.path.join(new, entry)).st_mode & 0o77 for entry in os.listdir(new)}, {0})
        self.assertEqual(run_cli("store", "check", "--store", target, "--data", new).returncode, 0)
        self.assertEqual(run_cli("audit", "verify", "--store", target, "--data", new).returncode, 0)
        server = self.serve(new, target)
        self.assertEqual(server.execution(self.said["execution_uid"]), self.said)
        self.assertIn(b"said\n", server.get(f"/scheduler/executions/{self.said['execution_uid']}/logs").body)
        again = server.finished(server.trigger("says"))
        self.assertEqual(again["state"], "success")
        self.assertGreater(again["fencing_token"], self.said["fencing_token"])
        server.create(name="new", type="noop")
        self.assertEqual(server.post("/users", {"username": "third", "password": "a long password", "role": "viewer"}).status, 201)  # numbers go on
        self.assertTrue(server.get("/audit/verify").data["ok"])
        events = server.get("/audit/events?resource_type=server&action=updated").data
        self.assertIn('"operation":"copy"', json.dumps(events, separators=(",", ":")))
        self.assertEqual(len(server.get("/audit/events?resource_type=pod&page_size=100").data), 100)
        server.stop()
        self.copy(url, target, "--data", data, "--to-data", new, code=1, text="it holds data already")
        self.serve(data, url).stop()  # the source stayed as it was

    def test_a_rehearsal_is_repeated_in_the_same_folder_with_what_came_since(self):
        data, url = self.source()
        name, target = self.database()
        self.copy(url, target)
        self.assertIn("0 of them copied now", self.copy(url, target))
        server = self.serve(data, url)
        server.request("DELETE", "/scheduler/tasks/ticks")
        server.create(name="later", type="noop", cron_expr="0 0 1 1 *")
        server.kill()  # what the file beside the database has is copied too
        end_keeper(data)
        out = self.copy(url, target, text="the audit log that lay there is")
        self.assertIn("postgres-audit.before-copy.2 now", out)
        self.assert_same(f"{data}/horae.db", name)
        server = self.serve(data, target)
        self.assertEqual([server.get(f"/scheduler/tasks/{task}").status for task in ("says", "later", "ticks")], [200, 200, 404])
        self.assertTrue(server.get("/audit/verify").data["ok"])

    def test_and_back_to_a_file(self):
        data, url = self.source()
        name, target = self.database()
        new, back = self.folder("new"), self.folder("back")
        self.copy(url, target, "--to-data", new)
        server = self.serve(new, target)
        server.create(name="on-the-server", type="noop")
        server.stop()
        self.copy(target, f"sqlite:{back}/horae.db", "--data", new, text="as they were signed")
        self.assert_same(f"{back}/horae.db", name)
        self.assertEqual(os.stat(f"{back}/horae.db").st_mode & 0o77, 0)
        server = self.serve(back, f"sqlite:{back}/horae.db")
        self.assertEqual([server.get(f"/scheduler/tasks/{task}").status for task in ("says", "on-the-server")], [200, 200])
        self.assertTrue(server.get("/audit/verify").data["ok"])
        self.assertIn(b"said\n", server.get(f"/scheduler/executions/{self.said['execution_uid']}/logs").body)

    def test_killed_at_any_moment_it_is_repeated(self):
        """No server starts before it is finished; then all is there."""
        data, url = self.source()
        name, target = self.database()
        new = self.folder("new")
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        command = [os.path.abspath(BINARY), "store", "copy", url, target, "--to-data", new]
        began = time.monotonic()
        self.assertEqual(subprocess.run([*command[:4], self.database("_once")[1], "--to-data", self.folder("once")], capture_output=True, check=False).returncode, 0)
        whole = time.monotonic() - began
        killed = 0
        while killed < 8:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.random() * whole)
            process.send_signal(signal.SIGKILL)
            if process.wait() == -signal.SIGKILL:
                killed += 1
            else:
                whole *= 0.8  # what is there already takes less time
            if postgres_kit.rows(name, "SELECT 1 FROM pg_tables WHERE tablename = 'store_copy'") and postgres_kit.rows(name, "SELECT 1 FROM store_copy WHERE finished_at IS NULL"):
                done = run_cli("serve", "--listen", "127.0.0.1:0", "--data", self.folder(), env={"HORAE_STORE": target})
                self.assertEqual((done.returncode, "was not finished" in done.stderr), (1, True), done.stderr)
        self.copy(url, target, "--to-data", new)
        self.assert_same(f"{data}/horae.db", name)
        server = self.serve(new, target)
        self.assertTrue(server.get("/audit/verify").data["ok"], f"seed {seed}")
        self.assertEqual(server.execution(self.said["execution_uid"]), self.said)

    def test_large_rows_cost_little_memory_and_the_password_does_not_show(self):
        data, url = self.source()
        name, target = self.database()
        with contextlib.closing(sqlite3.connect(f"{data}/horae.db")) as db, db:
            db.execute("UPDATE task_executions SET result = hex(randomblob(65536)), error_stack = hex(randomblob(16384))")  # 50 MB
        process = subprocess.Popen([os.path.abspath(BINARY), "store", "copy", url, target], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)

        def proc(name):
            with open(f"/proc/{process.pid}/{name}", encoding="utf-8") as file:
                return file.read()

        wait_until("the password to be hidden", lambda: "postgres://horae:***@" in proc("cmdline"))
        peaks = []  # a high water mark, in KiB, which an ended process does not show; what wait4 tells counts what this process had at its fork
        while process.poll() is None:
            peaks += map(int, re.findall(r"VmHWM:\s+(\d+)", proc("status")))
            time.sleep(0.01)
        self.assertEqual((process.communicate()[1], process.returncode), (b"", 0))
        self.assertGreater(len(peaks), 5)
        self.assertLess(max(peaks), 130_000 * MEMORY_FACTOR)
        self.assertEqual(postgres_kit.rows(name, "SELECT sum(length(result)) AS n FROM task_executions"), [(301 * 131072,)])

    def test_a_log_that_is_not_in_order_is_copied_as_it_is_and_said(self):
        data, url = self.source()
        _, target = self.database()
        with contextlib.closing(sqlite3.connect(f"{data}/horae.db-audit/000001.db")) as db, db:
            db.execute("DROP TRIGGER IF EXISTS audit_events_update")
            for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                db.execute(f"DROP TRIGGER {trigger}")
            db.execute("UPDATE audit_events SET event = replace(event, 'document-', 'dokument-') WHERE seq = 100")
        done = run_cli("store", "copy", url, target)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("is not in order (changed", done.stderr)
        self.assertEqual(run_cli("audit", "verify", "--store", target, "--data", data).returncode, 1)


class Refused(Case):
    def test_while_a_server_runs_on_either(self):
        data, url = self.source(fill=False)
        _, target = self.database()
        server = self.serve(data, url)
        self.copy(url, target, code=1, text=f"process {server.process.pid}: stop it first")
        server.stop()
        other = self.folder("other")
        os.mkdir(other)
        server = self.serve(other, target)
        self.copy(url, target, code=1, text=f"another server uses this store: instance {server.get('/scheduler/instances').data[0]['id']} on ")
        self.copy(url, target, "--to-data", other, code=1, text=f"process {server.process.pid}: stop it first")  # its folder as well

    def test_what_belongs_to_another_store(self):
        _, url = self.source(fill=False)
        other_data, other = self.source(fill=False)
        name, target = self.database()
        postgres_kit.admin_sql("CREATE TABLE theirs (a int)", name)
        self.copy(url, target, code=1, text="no database of horae")
        postgres_kit.admin_sql("DROP TABLE theirs", name)
        self.copy(url, target)
        self.copy(other, target, code=1, text="it is a copy of another store")
        self.copy(other, self.database("_two")[1], "--data", other_data, "--to-data", url[7:].rsplit("/", 1)[0], code=1, text="audit.key is the key of another log")

    def test_mistakes(self):
        data, url = self.source(fill=False)
        name, target = self.database()
        for arguments, code, text in ((("sqlite:/nowhere/horae.db", target), 1, "/nowhere/horae.db"), (("mongodb://a:geheim@b/c", target), 2, "FROM is not allowed; it must be sqlite:PATH"),
                                      ((url, "nonsense"), 2, "TO is not allowed"), ((url,), 2, "TO is missing"), ((), 2, "FROM TO is missing"), ((url, target, "third"), 2, 'unexpected argument "third"'),
                                      ((url, target, "--dry-run"), 2, "there is no option --dry-run"), ((url, target, "--store", url), 2, "there is no option --store"),
                                      ((url, url), 1, "cannot be copied into itself"), ((url, target.replace(name, "absent")), 1, "CREATE DATABASE"),
                                      ((url, target.replace(PASSWORD, "geheim")), 1, "password authentication failed"), ((url, target, "--to-data", "/proc/nowhere"), 1, "cannot make /proc/nowhere"),
                                      ((url, "postgres://horae@127.0.0.1:1/db"), 1, "Connection refused")):
            with self.subTest(arguments):
                self.copy(*arguments, code=code, text=text)
                self.assertNotIn("geheim", run_cli("store", "copy", *arguments).stderr)
        self.assertEqual(postgres_kit.rows(name, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'"), [])  # nothing of it was begun
        os.rename(f"{data}/audit.key", f"{data}/kept")
        self.copy(url, target, code=1, text="which the audit log is signed with")
        os.rename(f"{data}/kept", f"{data}/audit.key")
        self.copy(url, target)


class Migrate(Case):
    def migrate(self, *arguments, code=0):
        done = run_cli("store", "migrate", *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertNotIn(PASSWORD, done.stdout + done.stderr)
        return done.stderr if code else done.stdout

    def test_an_empty_database_is_brought_up_to_date_once(self):
        name, target = self.database()
        names = [line.removeprefix("missing ") for line in self.migrate("--store", target, "--dry-run").splitlines()[:-1]]
        self.assertGreaterEqual(len(names), 7)
        self.assertIn("would be brought up to date", self.migrate("--store", target, "--dry-run"))
        self.assertEqual(postgres_kit.rows(name, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'"), [])
        self.assertEqual([line.removeprefix("applied ") for line in self.migrate("--store", target).splitlines()[:-1]], names)
        self.assertEqual(self.migrate("--store", target), f"{target.replace(':' + PASSWORD, '')} is up to date\n")
        self.assertEqual(self.migrate("--store", target, "--dry-run"), f"{target.replace(':' + PASSWORD, '')} is up to date\n")
        self.serve(self.folder(), target).create(name="there", type="noop")

    def test_what_an_older_version_has_left_is_brought_up_to_date(self):
        data, url = self.source(fill=False)
        _, target = self.database()
        with contextlib.closing(sqlite3.connect(f"{data}/horae.db")) as db, db:
            last = db.execute("SELECT max(number) FROM schema_migrations").fetchone()[0]
            made = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'alert%'")}
            for number in range(7, last + 1):
                with open(f"migrations/{next(file for file in os.listdir('migrations') if file.startswith(f'{number:04}'))}", encoding="utf-8") as file:
                    lines = [line.split() for line in file]
                made |= {words[2] for words in lines if words[:2] == ["CREATE", "TABLE"]}
                for words in lines:
                    if words[:2] == ["ALTER", "TABLE"] and words[3:5] == ["ADD", "COLUMN"]:
                        db.execute(f"ALTER TABLE {words[2]} DROP COLUMN {words[5]}")
            for table in made:
                db.execute(f"DROP TABLE {table}")
            db.execute("DELETE FROM schema_migrations WHERE number >= 7")
        self.copy(url, target, code=1, text="older version: run `horae store migrate`")
        checked = run_cli("store", "check", "--store", url)
        self.assertEqual((checked.returncode, "migration" in checked.stdout and "`horae store migrate`" in checked.stdout), (0, True), checked)
        self.assertIn("missing 0007_alerts\n", self.migrate("--store", url, "--dry-run"))
        self.assertIn("applied 0007_alerts\n", self.migrate("--store", url))
        self.copy(url, target)

    def test_a_running_server_keeps_it(self):
        data, url = self.source(fill=False)
        server = self.serve(data, url)
        self.assertIn(f"process {server.process.pid}: stop it first", self.migrate("--store", url, code=1))
        self.assertIn("is up to date", self.migrate("--store", url, "--dry-run"))

    def test_mistakes(self):
        self.assertIn("No such file", self.migrate("--data", "/nowhere", code=1))
        self.assertIn("No such file", self.migrate("--data", "/nowhere", "--dry-run", code=1))
        self.assertIn("--store is not allowed", self.migrate("--store", "nonsense", code=2))
        self.assertIn("there is no option --to-data", self.migrate("--to-data", "x", code=2))
        path = self.folder("foreign")
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE t (a)")
        self.assertIn("no database of horae", self.migrate("--store", f"sqlite:{path}", code=1))

    def test_check_finds_a_table_that_was_changed(self):
        name, target = self.database()
        self.migrate("--store", target)
        self.assertEqual(run_cli("store", "check", "--store", target, "--data", self.folder()).returncode, 0)
        postgres_kit.admin_sql("ALTER TABLE users RENAME COLUMN role TO rank", name)
        done = run_cli("store", "check", "--store", target, "--data", self.folder())
        self.assertEqual((done.returncode, "table users is not as it is to be" in done.stderr), (1, True), done.stderr)


if __name__ == "__main__":
    unittest.main()
