# SPDX-License-Identifier: Apache-2.0
"""A hand at the files of the audit log: refused by the store, and named by `horae audit verify` when it got through (AUD-39)."""
import collections
import contextlib
import glob
import json
import os
import shutil
import sqlite3
import tempfile
import threading
import time
import unittest

from harness import AUDIT_FOLDER, Server, ServerCase, audit_events, of_the_file_store, run_cli, store_arguments, wait_until

TRIGGERS = [f"audit_{table}_{what}" for table in ("events", "segment", "checkpoints", "pending") for what in ("insert", "update", "delete")]
SWAP = "UPDATE audit_events SET seq = -1 WHERE seq = {a}; UPDATE audit_events SET seq = {a} WHERE seq = {b}; UPDATE audit_events SET seq = {b} WHERE seq = -1"
COPY = ("INSERT INTO audit_events SELECT {seq}, randomblob(16), timestamp, action, resource_type, resource_id, user_uid, client_ip, request_id, status, subsystem,"
        " space_path, event, hash FROM audit_events WHERE seq = 3")


def event(number, **more):
    return {"action": "created", "resource": {"type": "pod", "identifier": f"pod-{number}"}, "user": {"uid": "u-1", "username": "Ann", "type": "user"},
            "new_object": {"number": number}, **more}


def segment_path(folder, number):
    return f"{folder}/{AUDIT_FOLDER}/{number:06d}.db"


def sql(path, script, drop=True):
    """By hand: without the triggers when `drop`."""
    if os.path.exists(path):
        os.chmod(path, 0o600)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        for name in TRIGGERS if drop else ():
            db.execute(f"DROP TRIGGER IF EXISTS {name}")
        db.executescript(script)


def rows_of(folder, number):
    """seq → id as text."""
    with contextlib.closing(sqlite3.connect(f"file:{segment_path(folder, number)}?mode=ro", uri=True)) as db:
        return {seq: json.loads(text)["id"] for seq, text in db.execute("SELECT seq, event FROM audit_events")}


def segments(folder):
    return [int(os.path.basename(path)[:-3]) for path in sorted(glob.glob(f"{folder}/{AUDIT_FOLDER}/*.db"))]


def configured(case, **settings):
    folder = tempfile.mkdtemp(prefix="horae-tamper-")
    case.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
    path = os.path.join(folder, "horae.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("audit:\n" + "".join(f"  {name}: {value}\n" for name, value in settings.items()))
    return ["--config", path]


def post_all(server, events):
    answer = server.post("/api/v1/audit/events", events)
    assert answer.status == 201, answer.body
    return answer.data["ids"]


@of_the_file_store("looks into its file")
class Tampering(unittest.TestCase):
    """Segments of 40 events, the first three sealed; the server is stopped, and each test has a copy of its data."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(configured(cls, segment_events=40))
        cls.addClassCleanup(cls.server.remove)
        for begin in range(0, 140, 20):
            post_all(cls.server, [event(number) for number in range(begin, begin + 20)])
        def sealed():
            with contextlib.closing(sqlite3.connect(f"file:{cls.server.folder}/horae.db?mode=ro", uri=True)) as db:
                return db.execute("SELECT count(*) FROM audit_checkpoints WHERE kind = 'sealed'").fetchone()[0] >= 3

        wait_until("three segments to be sealed", sealed)
        cls.checkpoints = os.path.join(cls.server.folder, "kept.json")
        with open(cls.checkpoints, "wb") as file:
            file.write(cls.server.get("/api/v1/audit/checkpoints?page_size=100").body)
        cls.export = os.path.join(cls.server.folder, "export.ndjson")
        with open(cls.export, "wb") as file:
            file.write(cls.server.get("/api/v1/audit/events/export").body)
        cls.filtered = os.path.join(cls.server.folder, "filtered.ndjson")
        with open(cls.filtered, "wb") as file:
            file.write(cls.server.get("/api/v1/audit/events/export?action=created").body)
        cls.server.stop()
        cls.numbers = segments(cls.server.folder)
        cls.last = cls.numbers[-1]
        cls.ids = {number: rows_of(cls.server.folder, number) for number in cls.numbers}

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="horae-tamper-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        shutil.copytree(self.server.folder, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("keeper*", "*.sock"))

    def verify(self, *more):
        done = run_cli("audit", "verify", "--data", self.folder, "--json", *more)
        self.assertEqual(done.stderr, "")
        data = json.loads(done.stdout)["data"]
        self.assertEqual(done.returncode, 0 if data["ok"] else 1)
        self.assertEqual(data["ok"], data["first_bad"] is None)
        return data

    def assert_found(self, reason, segment, seq, event_id, *more):
        bad = self.verify(*more)["first_bad"]
        self.assertIsNotNone(bad, "nothing was found")
        self.assertEqual((bad["reason"], bad["segment"], bad["seq"], bad["id"]), (reason, segment, seq, event_id), bad)
        done = run_cli("audit", "verify", "--data", self.folder, *more)
        self.assertEqual(done.returncode, 1)
        self.assertIn(reason, done.stdout)
        if event_id:
            self.assertIn(event_id, done.stdout)

    def test_a_log_that_was_only_used_is_in_order(self):
        data = self.verify("--checkpoint", self.checkpoints)
        self.assertTrue(data["ok"])
        self.assertEqual(data["checked"], sum(len(rows) for rows in self.ids.values()))
        self.assertEqual([head["segment"] for head in data["heads"]], self.numbers)
        self.assertGreaterEqual(len(self.numbers), 4)
        done = run_cli("audit", "verify", "--data", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"{data['checked']} events in {len(self.numbers)} segments", done.stdout)

    def test_rows(self):
        for number in (1, 2, self.last):
            rows = self.ids[number]
            end = max(rows)
            self.assertGreater(end, 7)
            cases = [
                (f"UPDATE audit_events SET {column} = {value} WHERE seq = 5", "changed", 5, rows[5])
                for column, value in (("timestamp", "timestamp - 1"), ("action", "'deleted'"), ("resource_type", "'node'"), ("resource_id", "'x'"), ("user_uid", "'x'"),
                                      ("client_ip", "'9.9.9.9'"), ("request_id", "'x'"), ("status", "1 - status"), ("subsystem", "'x'"), ("space_path", "'x'"),
                                      ("event", "replace(event, 'u-1', 'u-2') || ' '"), ("hash", "randomblob(32)"), ("id", "randomblob(16)"))
            ]
            cases += [
                ("DELETE FROM audit_events WHERE seq = 1", "removed", 1, None),
                ("DELETE FROM audit_events WHERE seq = 5", "removed", 5, None),
                (f"DELETE FROM audit_events WHERE seq = {end}", "truncated", end, None),
                (f"DELETE FROM audit_events WHERE seq > {end - 3}", "truncated", end - 2, None),
                ("DELETE FROM audit_events WHERE seq = 5; UPDATE audit_events SET seq = seq - 1 WHERE seq > 5", "removed", 5, None),
                (SWAP.format(a=3, b=6), "reordered", 3, rows[6]),
                (SWAP.format(a=4, b=5), "reordered", 4, rows[5]),
                (SWAP.format(a=1, b=end), "reordered", 1, rows[end]),
            ]
            for script, reason, seq, event_id in cases:
                with self.subTest(segment=number, script=script):
                    shutil.copy(segment_path(self.server.folder, number), segment_path(self.folder, number))
                    sql(segment_path(self.folder, number), script)
                    self.assert_found(reason, number, seq, event_id)
            for seq, before in ((end + 1, ""), (4, "UPDATE audit_events SET seq = -(seq + 1) WHERE seq >= 4; UPDATE audit_events SET seq = -seq WHERE seq < 0;")):
                with self.subTest(segment=number, inserted=seq):
                    shutil.copy(segment_path(self.server.folder, number), segment_path(self.folder, number))
                    sql(segment_path(self.folder, number), before + COPY.format(seq=seq))
                    bad = self.verify()["first_bad"]
                    self.assertEqual((bad["reason"], bad["segment"], bad["seq"]), ("inserted", number, seq))
            shutil.copy(segment_path(self.server.folder, number), segment_path(self.folder, number))
        self.assertTrue(self.verify()["ok"])

    def test_a_flipped_byte_of_any_page_of_events(self):
        path = segment_path(self.folder, 2)
        with open(path, "rb") as file:
            content = file.read()
        for seq in (2, 20, 39):
            for part in (b'"created_at"', b'"pod-', b'"u-1"'):
                begin = content.rfind(self.ids[2][seq].encode())  # in the text of the event
                at = content.find(part, begin) + 2
                os.chmod(path, 0o600)
                with open(path, "wb") as file:
                    file.write(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
                with self.subTest(seq=seq, part=part):
                    self.assert_found("changed", 2, seq, self.ids[2][seq])
        for page in (2, len(content) // 4096 // 3):  # all of a page
            with open(path, "wb") as file:
                file.write(content[:page * 4096] + os.urandom(4096) + content[(page + 1) * 4096:])
            bad = self.verify()["first_bad"]
            self.assertEqual((bad["segment"], bad["reason"]), (2, "changed"))

    def test_an_index_that_misses_events_or_says_something_else(self):
        path, name = segment_path(self.folder, 1), "audit_events_user"
        for change, back, word in (("sql = sql || ' WHERE seq <> 3'", "sql = replace(sql, ' WHERE seq <> 3', '')", "does not have"),
                                   ("sql = replace(sql, 'user_uid', 'client_ip')", "sql = replace(sql, 'client_ip', 'user_uid')", None)):
            shutil.copy(segment_path(self.server.folder, 1), path)
            sql(path, f"PRAGMA writable_schema=ON; UPDATE sqlite_schema SET {change} WHERE name = '{name}'")
            sql(path, f"REINDEX {name}")
            sql(path, f"PRAGMA writable_schema=ON; UPDATE sqlite_schema SET {back} WHERE name = '{name}'")
            bad = self.verify()["first_bad"]
            if word:
                self.assertEqual((bad["reason"], bad["segment"], bad["seq"], bad["id"]), ("changed", 1, 0, None))
                self.assertIn(f"{name} {word}", bad["detail"])
            else:  # every event is there and in it: what it says is looked at by the other command
                self.assertIsNone(bad)
            done = run_cli("store", "check", "--data", self.folder)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("000001.db", done.stdout + done.stderr)

    def test_files(self):
        for number in self.numbers:
            with self.subTest(removed=number):
                for path in glob.glob(segment_path(self.folder, number) + "*"):
                    os.unlink(path)
                self.assert_found("removed", number, 1, None)
                shutil.copy(segment_path(self.server.folder, number), segment_path(self.folder, number))
        self.assertTrue(self.verify()["ok"])
        os.unlink(f"{self.folder}/{AUDIT_FOLDER}/heads")
        self.assert_found("removed", self.last, len(self.ids[self.last]), None)

    def test_checkpoints_and_the_database(self):
        database = f"{self.folder}/horae.db"
        for script, reason in (("DELETE FROM audit_checkpoints WHERE id = 2", "removed"), ("UPDATE audit_checkpoints SET seq = seq + 1 WHERE id = 2", "changed"),
                               ("UPDATE audit_checkpoints SET seq = seq + 1 WHERE kind = 'sealed' AND segment = 1", "changed"),
                               ("DELETE FROM audit_checkpoints WHERE id = (SELECT max(id) FROM audit_checkpoints)", "truncated"), ("DELETE FROM audit_checkpoints", "removed")):
            with self.subTest(script=script):
                for beside in glob.glob(database + "-*"):  # of the copy before: its write-ahead log would be taken for this one's
                    if os.path.isfile(beside):
                        os.unlink(beside)
                shutil.copy(f"{self.server.folder}/horae.db", database)
                sql(database, script)
                self.assertEqual(self.verify()["first_bad"]["reason"], reason)

    def test_an_export(self):
        def verify(lines, *more):
            path = os.path.join(self.folder, "tampered.ndjson")
            with open(path, "wb") as file:
                file.write(b"".join(lines))
            return run_cli("audit", "verify", "--file", path, "--json", *more)

        with open(self.export, "rb") as file:
            lines = file.readlines()
        done = verify(lines)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("--checkpoint", done.stderr)  # that its key is its own
        self.assertEqual(json.loads(done.stdout)["data"]["checked"], len(lines) - 1)
        self.assertEqual(verify(lines, "--checkpoint", self.checkpoints).stderr, "")
        wrong = lines[7].replace(b"pod-", b"pid-")
        self.assertNotEqual(wrong, lines[7])
        for name, tampered, reason in (("changed", lines[:7] + [wrong] + lines[8:], "changed"), ("removed", lines[:7] + lines[8:], "removed"),
                                       ("inserted", lines[:8] + lines[7:], "inserted"), ("cut off", lines[:-5], "truncated"), ("without its end", lines[:-1], "truncated"),
                                       ("swapped", lines[:7] + [lines[9], lines[8], lines[7]] + lines[10:], "reordered")):
            with self.subTest(name):
                done = verify(tampered)
                self.assertEqual(done.returncode, 1)
                bad = json.loads(done.stdout)["data"]["first_bad"]
                self.assertEqual(bad["reason"], reason)
                if reason == "changed":
                    self.assertEqual(bad["id"], json.loads(lines[7])["id"])
        done = run_cli("audit", "verify", "--file", self.filtered)
        self.assertEqual(done.returncode, 1)
        self.assertIn("filtered export", done.stderr)

    def test_wrong_arguments(self):
        for arguments, code, word in ((["--file", "x", "--data", "y"], 2, "--file"), (["more"], 2, "more"), (["--store", "mysql://x"], 2, "sqlite:PATH"),
                                      (["--data", "/nowhere"], 1, "/nowhere"), (["--file", "/nowhere"], 1, "/nowhere"), (["--checkpoint", "/nowhere"], 1, "/nowhere"),
                                      (["--data", self.folder, "--checkpoint", self.export], 1, "export.ndjson")):
            with self.subTest(arguments=arguments):
                done = run_cli("audit", "verify", *arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(word, done.stderr)


@of_the_file_store("looks into its file")
class Running(ServerCase):
    """While the server runs."""

    @classmethod
    def setUpClass(cls):
        cls.arguments = configured(cls, segment_events=30)
        super().setUpClass()

    def verify(self, query=""):
        answer = self.server.get(f"/api/v1/audit/verify{query}")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.data

    def test_it_proves_itself_while_events_come(self):
        stop = threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                post_all(self.server, [event(number + i) for i in range(25)])
                number += 25

        writer = threading.Thread(target=write)
        writer.start()
        try:
            checked = 0
            for _ in range(5):
                data = self.verify()
                self.assertTrue(data["ok"], data["first_bad"])
                self.assertGreaterEqual(data["checked"], checked)
                checked = data["checked"]
                done = run_cli("audit", "verify", *store_arguments(self.server.folder))
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        finally:
            stop.set()
            writer.join()

    def test_sql_by_hand_is_refused(self):
        post_all(self.server, [event(1), event(2), event(3)])
        path = segment_path(self.server.folder, 1)
        for script in ("UPDATE audit_events SET action = 'read'", "DELETE FROM audit_events", COPY.format(seq=99999), "UPDATE audit_segment SET count = 1", "DELETE FROM audit_segment"):
            with self.assertRaises(sqlite3.Error, msg=script):
                sql(path, script, drop=False)
        for script in ("DELETE FROM audit_checkpoints", "UPDATE audit_checkpoints SET seq = 1", "INSERT INTO audit_pending (event) VALUES ('{}')"):
            with self.assertRaises(sqlite3.Error, msg=script):
                sql(f"{self.server.folder}/horae.db", script, drop=False)
        self.assertTrue(self.verify()["ok"])

    def test_times_and_callers(self):
        ids = post_all(self.server, [event(1)])
        at = self.server.get(f"/api/v1/audit/events/{ids[0]}").data["timestamp"]
        self.assertGreaterEqual(self.verify(f"?from={at}&to={at}")["checked"], 1)
        self.assertEqual(self.verify("?to=2001-01-01T00:00:00Z")["checked"], 0)
        self.assert_error(self.server.get("/api/v1/audit/verify?from=2001-01-01T00:00:00Z&to=2000-01-01T00:00:00Z"), 400, "INVALID_PARAMETER", "from")
        self.assert_error(self.server.get("/api/v1/audit/verify?since=1"), 400, "INVALID_PARAMETER", "since")
        for role, status in (("viewer", 403), ("operator", 403), ("auditor", 200)):
            token = self.server.post("/api/v1/tokens", {"name": role, "role": role}).data["token"]
            for path in ("verify", "checkpoints"):
                self.assertEqual(self.server.get(f"/api/v1/audit/{path}", token=token).status, status)

    def test_checkpoints_are_listed_newest_first(self):
        for _ in range(2):  # a segment is ended by the first event behind it
            post_all(self.server, [event(number) for number in range(100)])
        first = wait_until("checkpoints", lambda: next((answer for answer in [self.server.get("/api/v1/audit/checkpoints?page_size=2")] if len(answer.data) == 2), None))
        ids = [row["id"] for row in first.data]
        self.assertEqual(ids, [ids[0], ids[0] - 1])
        self.assertEqual("next_cursor" in first.json["pagination"], ids[1] > 1)
        if ids[1] > 1:
            more = self.server.get(f"/api/v1/audit/checkpoints?cursor={first.json['pagination']['next_cursor']}")
            self.assertEqual(more.data[0]["id"], ids[1] - 1)
        self.assertEqual({len(row["public_key"]) for row in first.data}, {64})


@of_the_file_store("copies are made by horae")
class OlderCopies(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.remove)

    def verify(self, *more):
        done = run_cli("audit", "verify", "--data", self.server.folder, "--json", *more)
        self.assertEqual(done.stderr, "")
        return json.loads(done.stdout)["data"]["first_bad"]

    def test_of_a_segment_of_the_database_and_of_everything(self):
        folder, older = self.server.folder, tempfile.mkdtemp(prefix="horae-tamper-")
        self.addCleanup(shutil.rmtree, older, ignore_errors=True)
        post_all(self.server, [event(number) for number in range(10)])
        self.server.stop()
        shutil.copytree(f"{folder}/{AUDIT_FOLDER}", f"{older}/audit")
        shutil.copy(f"{folder}/horae.db", older)
        self.server.start()
        post_all(self.server, [event(number) for number in range(10)])
        self.server.stop()
        self.server.start()
        kept = os.path.join(older, "kept.json")
        with open(kept, "wb") as file:
            file.write(self.server.get("/api/v1/audit/checkpoints?page_size=100").body)
        self.server.stop()
        self.assertIsNone(self.verify("--checkpoint", kept))
        newer = os.path.join(older, "newer")
        shutil.copytree(folder, newer, ignore=shutil.ignore_patterns("keeper*", "*.sock"))
        count = len(self.rows(f"{older}/audit/000001.db"))

        shutil.copy(f"{older}/audit/000001.db", segment_path(folder, 1))
        bad = self.verify()
        self.assertEqual((bad["reason"], bad["segment"], bad["seq"]), ("truncated", 1, count + 1))
        self.server.start()  # goes on, and does not hide it
        post_all(self.server, [event(1)])
        bad = self.server.get("/api/v1/audit/verify").data["first_bad"]
        self.assertEqual((bad["reason"], bad["segment"], bad["seq"]), ("truncated", 1, count + 1))
        self.server.stop()

        shutil.rmtree(f"{folder}/{AUDIT_FOLDER}")
        shutil.copytree(f"{newer}/{AUDIT_FOLDER}", f"{folder}/{AUDIT_FOLDER}")
        shutil.copy(f"{older}/horae.db", f"{folder}/horae.db")
        self.assertEqual(self.verify()["reason"], "truncated")

        shutil.rmtree(f"{folder}/{AUDIT_FOLDER}")
        shutil.copytree(f"{older}/audit", f"{folder}/{AUDIT_FOLDER}")
        self.assertIsNone(self.verify())  # all of one moment: only what was kept elsewhere knows better
        bad = self.verify("--checkpoint", kept)
        self.assertEqual((bad["reason"], bad["segment"]), ("truncated", 1))

    def rows(self, path):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute("SELECT seq FROM audit_events").fetchall()


class Held(unittest.TestCase):
    """A verification that takes long: it waits at its first file, which is a pipe, until the test lets it go."""

    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.remove)
        for _ in range(10):  # more than are read between two looks at whether the server stops
            post_all(self.server, [event(number) for number in range(1000)])
        self.log = f"{self.server.folder}/{AUDIT_FOLDER}"
        os.rename(f"{self.log}/heads", f"{self.log}/kept")
        os.mkfifo(f"{self.log}/pipe")
        os.link(f"{self.log}/pipe", f"{self.log}/heads")
        self.answer = []
        self.first = threading.Thread(target=lambda: self.answer.append(self.server.get("/audit/verify")))
        self.first.start()
        self.addCleanup(self.first.join)
        self.addCleanup(self.let_go)
        wait_until("it to run", lambda: "horae-verify" in self.threads())

    def threads(self):
        names = []
        for path in glob.glob(f"/proc/{self.server.process.pid}/task/*/comm"):
            with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
                names.append(file.read().strip())
        return names

    def let_go(self):
        if os.path.exists(f"{self.log}/kept"):
            os.rename(f"{self.log}/kept", f"{self.log}/heads")
        if os.path.exists(f"{self.log}/pipe"):
            with open(f"{self.log}/pipe", "wb"):  # returns once somebody reads
                os.unlink(f"{self.log}/pipe")

    def test_a_second_one_is_told_to_come_again(self):
        second = self.server.get("/audit/verify")
        self.assertEqual((second.status, second.json["code"]), (409, "CONFLICT"))
        self.assertIn("ask again", second.json["error"])
        self.let_go()
        self.first.join()
        self.assertEqual((self.answer[0].status, self.answer[0].data["ok"]), (200, True), self.answer[0].body)
        self.assertTrue(self.server.get("/audit/verify").data["ok"])

    def test_a_stop_ends_it_and_says_so(self):
        process = self.server.process
        process.terminate()
        wait_until("the stop to come to it", lambda: self.server.get("/audit/verify").status == 503)
        self.let_go()
        self.first.join()
        self.assertEqual((self.answer[0].status, self.answer[0].json["code"]), (503, "UNAVAILABLE"))
        self.assertIn("stopping", self.answer[0].json["error"])
        self.server.stop()  # it ends with 0
        done = run_cli("audit", "verify", *store_arguments(self.server.folder))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


@of_the_file_store("looks into its file")
class Retention(unittest.TestCase):
    def test_a_purge_verifies_and_what_looks_like_one_does_not(self):
        server = Server()
        self.addCleanup(server.remove)
        old = int(time.time() * 1000) - 100 * 86400 * 1000
        post_all(server, [event(1)])
        post_all(server, [event(number, timestamp=old) for number in range(20)])
        numbers = segments(server.folder)
        late = numbers[-1]
        path, copy = segment_path(server.folder, late), os.path.join(server.folder, "kept.db")
        ids = rows_of(server.folder, late)
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        task = next(row for row in server.get("/api/v1/scheduler/tasks?page_size=100").data if row["type"] == "audit_cleanup")
        self.assertEqual(server.finished(server.trigger(task["uid"]))["state"], "success")
        self.assertFalse(os.path.exists(path))
        data = server.get("/api/v1/audit/verify").data
        self.assertTrue(data["ok"], data["first_bad"])
        self.assertNotIn(late, [head["segment"] for head in data["heads"]])
        shutil.copy(copy, path)
        bad = server.get("/api/v1/audit/verify").data["first_bad"]
        self.assertEqual((bad["reason"], bad["segment"], bad["id"]), ("inserted", late, ids[1]))
        os.unlink(path)
        self.assertTrue(server.get("/api/v1/audit/verify").data["ok"])
        server.stop()
        sql(f"{server.folder}/horae.db", f"DELETE FROM audit_checkpoints WHERE kind = 'purged' AND segment = {late}")
        done = run_cli("audit", "verify", "--data", server.folder, "--json")
        bad = json.loads(done.stdout)["data"]["first_bad"]
        self.assertEqual((bad["reason"], bad["segment"]), ("removed", late))


class Kills(unittest.TestCase):
    def test_what_was_acknowledged_is_there_and_the_chain_holds(self):
        server = Server(configured(type(self), segment_events=50))
        self.addCleanup(server.remove)
        stored = set()
        for round_ in range(4):
            for begin in range(3):
                stored.update(post_all(server, [event(number) for number in range(20 + 7 * begin)]))
            server.kill()
            done = run_cli("audit", "verify", *store_arguments(server.folder))
            self.assertEqual(done.returncode, 0, f"round {round_}: {done.stdout}{done.stderr}")
            server.start()
            data = server.get("/api/v1/audit/verify").data
            self.assertTrue(data["ok"], data["first_bad"])
        there = collections.Counter(event["id"] for event in audit_events(server))
        self.assertEqual(set(there.values()), {1})
        self.assertEqual(stored - set(there), set())


if __name__ == "__main__":
    unittest.main()
