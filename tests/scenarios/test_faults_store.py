# SPDX-License-Identifier: Apache-2.0
"""The store in trouble: no room on the disk, a file that is read-only, locked, damaged, empty or of somebody else. Either a
clear refusal and nothing half done, or a server that goes on; what was acknowledged before and meanwhile is there afterwards,
and no slot runs twice (SCH-01, SCH-29, DATA-14)."""
import collections
import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

from command_kit import keeper_of
from harness import ADMIN_TOKEN, BINARY, MEMORY_FACTOR, Server, end_keeper, of_the_file_store, wait_until

ENV = {"PATH": os.environ["PATH"], "HORAE_ADMIN_TOKEN": ADMIN_TOKEN}
NOBODY = 65534


def serve(folder, *before, **options):
    """A start that must fail; returns what it said."""
    done = subprocess.run([*before, os.path.abspath(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", folder], env=ENV, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False, **options)
    if done.returncode != 1:
        raise AssertionError(f"status {done.returncode}: {done.stderr}")
    return done.stderr


class NoRoom:
    """Both ways of having no room: `fill` makes every write that needs some fail, `free` ends that."""

    def setUp(self):
        self.folder = self.make_folder()
        self.elsewhere = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, self.elsewhere)
        self.server = Server(["--stop-timeout", "2"], data=self.folder, log_folder=self.elsewhere)
        self.addCleanup(self.end)
        self.acknowledged = []
        self.marks = os.path.join(self.elsewhere, "marks")
        for name, cron in (("often", None), ("tick", "* * * * * *")):
            self.server.create(name=name, type="command", data=json.dumps({"command": f'echo "$HORAE_EXECUTION_UID $HORAE_SCHEDULED_AT" >> {self.marks}'}),
                               overlap="queue_all", max_concurrent=50, max_retries=0, misfire_policy="run_all", **({"cron_expr": cron} if cron else {}))

    def end(self):
        self.free()
        self.server.remove()

    def trigger(self, count=1):
        answer = self.server.post("/scheduler/executions", {"task_uid": "often", "items": [{}] * count})
        if answer.status == 202:
            self.acknowledged += answer.json["execution_uids"]
        return answer

    def assert_refused(self, answer):
        self.assertEqual((answer.status, answer.json["code"]), (503, "UNAVAILABLE"), answer.body)
        self.assertIn("the store cannot be used: ", answer.json["error"])
        self.assertTrue(answer.headers["Retry-After"])

    def until_refused(self):
        """What still fits is acknowledged, and counts."""
        return wait_until("a refusal", lambda: (answer := self.trigger(50)).status != 202 and answer)

    def check_account(self):
        """Everything that was promised is there and ran once; each slot has one verdict."""
        for state in ("pending", "running"):
            wait_until(f"nothing to be {state}", lambda state=state: not self.server.executions(task_name="often", state=state))
        runs = {run["execution_uid"]: run["state"] for run in self.server.executions(task_name="often")}
        self.assertEqual(set(self.acknowledged) - set(runs), set(), "acknowledged and lost")
        self.assertEqual(set(runs) - set(self.acknowledged), set(), "refused and done")
        self.assertLessEqual(set(runs.values()), self.allowed)
        with open(self.marks, encoding="ascii") as file:
            marks = [line.split() for line in file]
        self.assertEqual([uid for uid, count in collections.Counter(mark[0] for mark in marks).items() if count > 1], [], "ran twice")
        slots = collections.Counter(run["scheduled_at"] for run in self.server.executions(task_name="tick", trigger_type="scheduled"))
        self.assertEqual([slot for slot, count in slots.items() if count > 1], [], "a slot twice")
        summary = self.server.get("/scheduler/tasks/tick/occurrences?page_size=1").json["summary"]
        self.assertEqual(summary["expected"], sum(count for verdict, count in summary.items() if verdict != "expected"), summary)
        return summary

    allowed = {"success"}

    def test_changes_are_refused_and_reads_go_on_until_there_is_room(self):
        self.server.create(name="runs", type="command", data=json.dumps({"command": f"echo begun; touch {self.elsewhere}/begun; until [ -e {self.elsewhere}/go ]; do sleep 0.05; done; echo done"}))
        uid = self.server.trigger("runs")
        wait_until("it to begin", lambda: os.path.exists(f"{self.elsewhere}/begun"))
        self.trigger(20)
        self.fill()
        self.assert_refused(self.until_refused())
        wait_until("a creation to be refused", lambda: self.refuses_creation())
        for method, path, body in (("PATCH", "/scheduler/tasks/often", {"description": "x" * 4000}), ("POST", "/scheduler/tasks/often/trigger", {"override_data": json.dumps({"command": "true # " + "x" * 9000})})):
            self.assert_refused(self.server.request(method, path, body))
        for path in ("/healthz", "/scheduler/tasks", "/scheduler/tasks/often", f"/scheduler/executions/{uid}", "/scheduler/executions?page_size=100"):
            self.assertEqual(self.server.get(path).status, 200, path)
        open(f"{self.elsewhere}/go", "w", encoding="ascii").close()  # it ends where its end cannot be recorded
        wait_until("the log to say so", lambda: "the store refused" in self.server.log_text())
        wait_until("readiness to say so", lambda: self.server.get("/readyz").status == 503)
        self.free()
        wait_until("it to be ready again", lambda: self.server.get("/readyz").status == 200)
        self.assertEqual(self.server.finished(uid)["state"], "success")
        self.assertIn("done", self.server.execution(uid)["result"])
        self.assertEqual(self.server.get("/scheduler/tasks/often").data.get("description", ""), "")
        self.assertEqual(self.trigger(5).status, 202)
        self.check_account()

    def refuses_creation(self):
        answer = self.server.post("/scheduler/tasks", {"name": f"made-{time.monotonic_ns()}", "type": "noop", "description": "x" * 4000})
        if answer.status == 201:
            self.made = answer.data["uid"]
            return False
        self.assert_refused(answer)
        return True

    def fill_in_the_middle(self):
        """Some have run, some wait, some are refused."""
        self.allowed = {"success", "interrupted"}
        self.trigger(5)
        wait_until("one to have run", lambda: os.path.exists(self.marks))
        self.trigger(20)
        self.fill()
        self.assert_refused(self.until_refused())

    def test_a_server_killed_without_room_finds_everything_when_there_is_some(self):
        self.fill_in_the_middle()
        self.server.kill()
        words = self.start_refused()
        self.assertRegex(words, f"{self.folder}/horae.db(: the store cannot be used|.lock: (No space left|File too large))")
        self.assertIn("make room on the disk", words)
        self.free()
        self.server.start()
        self.check_account()

    def test_it_stops_in_time_although_it_cannot_record_the_ends(self):
        self.fill_in_the_middle()
        self.server.stop()  # with status 0
        self.free()
        self.server.start()
        self.check_account()


@of_the_file_store("a disk that is full, a file that is locked, damaged or gone")
class DiskFull(NoRoom, unittest.TestCase):
    """A small file system in memory that is filled to the last byte."""

    def make_folder(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "horae-test", folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here ({done.stderr.strip()}); FilesAtTheirLimit tests the same by a limit on file sizes")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        return folder

    def fill(self):
        with open(os.path.join(self.folder, "filler"), "ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, "filler"))

    def start_refused(self):
        return serve(self.folder)


@of_the_file_store("a disk that is full, a file that is locked, damaged or gone")
class FilesAtTheirLimit(NoRoom, unittest.TestCase):
    """No rights are needed for this one: the server may not write to files any more."""

    limited = False

    def make_folder(self):
        return tempfile.mkdtemp(prefix="horae-test-")

    def limit(self, most):
        self.limited = most == 0
        if self.server.process:
            resource.prlimit(self.server.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def fill(self):
        self.limit(0)

    def free(self):
        if self.limited:
            self.limit(resource.RLIM_INFINITY)

    def start_refused(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            if MEMORY_FACTOR > 1:  # a sanitizer's own files come before the program has a say
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        return serve(self.folder, preexec_fn=limit)


class Output(unittest.TestCase):
    """The keeper may not write: what a command says is lost from the log, its verdict is not."""

    def test_a_command_whose_log_cannot_be_written_has_its_verdict(self):
        server = Server()
        self.addCleanup(server.remove)
        server.create(name="says", type="command", data=json.dumps({"command": "echo before; seq 1 5000; echo why >&2; exit 3"}), max_retries=0)
        server.finished(server.trigger("says"))
        resource.prlimit(keeper_of(server), resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        run = server.finished(server.trigger("says"))
        self.assertEqual((run["state"], run["error_message"], run["error_stack"], run["result"][-5:]), ("failure", "exit status 3", "why\n", "5000\n"))
        with open(os.path.join(server.folder, "keeper.log"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"\.log: output is lost: (No space left on device|File too large)\n$")
        resource.prlimit(keeper_of(server), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        run = server.finished(server.trigger("says"))
        self.assertTrue(server.get(f"/scheduler/executions/{run['execution_uid']}/logs?stream=stdout").body.startswith(b"before\n1\n2\n"))


@of_the_file_store("a disk that is full, a file that is locked, damaged or gone")
class Locked(unittest.TestCase):
    """Somebody else holds the file's lock."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.remove)
        self.server.create(name="kept", type="noop", overlap="queue_all", max_concurrent=100)
        self.path = os.path.join(self.server.folder, "horae.db")

    def lock(self):
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        return other

    def test_changes_wait_a_moment_are_refused_and_go_on_afterwards(self):
        uid = self.server.trigger("kept")
        self.server.finished(uid)
        other = self.lock()
        begun, ends, answers = time.monotonic(), [], []

        def ask(number):
            answers.append(self.server.post("/scheduler/tasks", {"name": f"made {number}", "type": "noop"}))
            ends.append(time.monotonic() - begun)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        self.assertEqual(self.server.execution(uid)["state"], "success")  # who reads does not wait
        for thread in threads:
            thread.join()
        for answer in answers:
            self.assertEqual(answer.status, 503, answer.body)
            self.assertIn("locked", answer.json["error"])
        self.assertLess(max(ends), 4 * min(ends))  # those that wait together are refused together
        other.execute("COMMIT")
        self.assertEqual(self.server.get("/scheduler/tasks?name=made").json["data"], [])
        self.assertEqual(self.server.finished(self.server.trigger("kept"))["state"], "success")

    def test_a_start_is_refused_and_says_why(self):
        self.server.stop()
        self.lock()
        words = serve(self.server.folder)
        for part in (self.path, "the database is locked", "end the program that holds it"):
            self.assertIn(part, words)


@of_the_file_store("a disk that is full, a file that is locked, damaged or gone")
class ReadOnly(unittest.TestCase):
    def test_a_file_that_cannot_be_written_is_refused(self):
        server = Server()
        self.addCleanup(server.remove)
        server.stop()
        path = os.path.join(server.folder, "horae.db")
        as_user = ()
        if os.geteuid() == 0:  # whom permissions do not hold
            as_user = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
            for folder, folders, names in os.walk(server.folder):
                for name in (folder, *(os.path.join(folder, each) for each in folders + names)):
                    os.chown(name, NOBODY, NOBODY)
        os.chmod(path, 0o400)
        words = serve(server.folder, *as_user)
        for part in (path, "let this user write the file"):
            self.assertIn(part, words)
        os.chmod(path, 0o600)
        server.start()


@of_the_file_store("a disk that is full, a file that is locked, damaged or gone")
class Damaged(unittest.TestCase):
    """No such file is ever taken for a good one, written to, or begun anew without a word."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.remove)
        cls.server.create(name="kept", type="noop", overlap="queue_all", max_concurrent=1000, data=json.dumps({"result": "x" * 2000}))
        uids = cls.server.post("/scheduler/executions", {"task_uid": "kept", "items": [{}] * 500}).json["execution_uids"]
        cls.server.finished(uids[-1])
        cls.server.stop()
        cls.path = os.path.join(cls.server.folder, "horae.db")
        with open(cls.path, "rb") as file:
            cls.good = file.read()

    def put(self, content):
        for name in ("horae.db", "horae.db-wal", "horae.db-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.server.folder, name))
        with open(self.path, "wb") as file:
            file.write(content)

    def test_what_is_no_sound_database_is_refused_and_left_as_it_is(self):
        half = len(self.good) // 2 // 4096 * 4096
        for name, content, words in (
            ("truncated", self.good[:half], "damaged"), ("truncated within a page", self.good[:half + 100], "damaged"), ("a stump", self.good[:100], "damaged"),
            ("header", b"\xa5" * 200 + self.good[200:], "damaged"), ("all but the header", self.good[:4096] + b"\xa5" * (len(self.good) - 4096), "damaged"),
            ("text", b"This is not a database.\n" * 1000, "damaged"), ("empty", b"", "is empty, although a server has run here"),
        ):
            with self.subTest(name):
                self.put(content)
                said = serve(self.server.folder)
                for part in (self.path, words, "horae store restore"):
                    self.assertIn(part, said)
                with open(self.path, "rb") as file:
                    self.assertEqual(file.read(), content)

    def test_a_database_of_somebody_else_is_left_alone(self):
        self.put(b"")
        with sqlite3.connect(self.path) as other:
            other.execute("CREATE TABLE precious (a)")
        other.close()
        said = serve(self.server.folder)
        for part in (self.path, "no database of horae"):
            self.assertIn(part, said)
        with sqlite3.connect(self.path) as other:
            self.assertEqual(other.execute("SELECT name FROM sqlite_master").fetchall(), [("precious",)])
        other.close()

    def test_damage_in_the_middle_harms_what_lies_there_and_is_said(self):
        """Found at the start, or when somebody asks for what lies there: in no case an answer that is made up."""
        pages = len(self.good) // 4096
        for first in range(2, 8):
            with self.subTest(pages=first):
                content = bytearray(self.good)
                for page in range(pages // 2 + first, pages, 6):
                    content[page * 4096:page * 4096 + 200] = b"\xa5" * 200
                self.put(content)
                try:
                    self.server.start()
                except AssertionError as error:
                    self.assertIn("horae store restore", str(error))
                    continue
                statuses = [self.server.get(path).status for path in ("/scheduler/tasks", *(f"/scheduler/executions?page={page}&page_size=100" for page in range(1, 6)))]
                statuses.append(self.server.post("/scheduler/tasks", {"name": "new", "type": "noop"}).status)
                statuses.append(self.server.post("/scheduler/tasks/kept/trigger").status)
                self.assertTrue("damaged" in self.server.log_text() if 500 in statuses else statuses == [200] * 6 + [201, 202], statuses)
                self.assertLessEqual(set(statuses), {200, 201, 202, 500, 503})
                self.assertEqual(self.server.get("/healthz").status, 200)
                self.server.stop()

    def test_a_torn_end_of_the_log_costs_what_it_held_and_no_more(self):
        """As after a loss of power on a disk that lies about what it wrote."""
        self.put(self.good)
        self.server.start()
        uids = [self.server.trigger("kept") for _ in range(20)]
        for uid in uids:
            self.server.finished(uid)
        self.server.kill()
        log = self.path + "-wal"
        for share in (0.99, 0.5):
            os.truncate(log, int(os.path.getsize(log) * share))
            self.server.start()
            for path in ("/scheduler/tasks/kept", *(f"/scheduler/executions?page={page}&page_size=100" for page in range(1, 6))):
                self.assertEqual(self.server.get(path).status, 200)
            self.assertEqual(self.server.finished(self.server.trigger("kept"))["state"], "success")
            self.server.kill()
        done = subprocess.run([BINARY, "store", "check", "--data", self.server.folder], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


@of_the_file_store("a disk that is full, a file that is locked, damaged or gone")
class TakenAway(unittest.TestCase):
    """Files go while a server has them open: it writes no more to what is nobody's, or another server's."""

    def setUp(self):
        self.server = Server(log_folder=tempfile.mkdtemp(prefix="horae-test-"))
        self.addCleanup(self.server.remove)
        self.server.create(name="tick", type="noop", cron_expr="* * * * * *")
        self.path = os.path.join(self.server.folder, "horae.db")

    def assert_no_writes(self):
        answer = self.server.post("/scheduler/tasks", {"name": "new", "type": "noop"})
        self.assertEqual(answer.status, 503, answer.body)
        self.assertIn("removed or replaced, or another server took it", answer.json["error"])
        self.assertEqual(self.server.get("/healthz").status, 200)

    def test_a_lock_file_that_was_removed_is_made_again(self):
        os.unlink(self.path + ".lock")
        self.server.create(name="after", type="noop")
        self.assertIn("made again", self.server.log_text())
        self.assertIn(f"process {self.server.process.pid}", serve(self.server.folder))

    def try_second(self):
        """The first one may notice and make the file again."""
        os.unlink(self.path + ".lock")
        with contextlib.suppress(AssertionError):
            return Server(data=self.server.folder)
        return None

    def test_two_servers_never_write_to_one_database(self):
        self.server.request("DELETE", "/scheduler/tasks/tick")
        second = wait_until("a second server to get in", self.try_second)
        try:
            self.assert_no_writes()
            second.create(name="second", type="noop")
            self.assertEqual(second.finished(second.trigger("second"))["state"], "success")
        finally:
            second.stop()
        self.assert_no_writes()  # also later: what it knows is out of date
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.get("/scheduler/tasks/second").status, 200)

    def test_nothing_is_acknowledged_into_a_folder_that_is_gone(self):
        away = self.server.folder + "-away"
        os.rename(self.server.folder, away)
        self.assert_no_writes()
        self.server.kill()
        os.rename(away, self.server.folder)
        self.server.start()
        self.assertEqual(self.server.get("/scheduler/tasks/new").status, 404)
        self.assertEqual(self.server.get("/scheduler/tasks/tick").status, 200)


@of_the_file_store("a disk that is full, a file that is locked, damaged or gone")
class Missing(unittest.TestCase):
    def test_a_folder_that_is_not_there_is_made(self):
        outer = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, outer, True)
        server = Server(data=os.path.join(outer, "a", "b"), log_folder=outer)
        self.addCleanup(server.remove)
        server.create(name="kept", type="noop")
        self.assertEqual(os.stat(server.folder).st_mode & 0o777, 0o700)
