# SPDX-License-Identifier: Apache-2.0
"""The audit log in trouble: many at once, a queue that is full, no room on the disk, its folder gone, SIGKILL at any moment, and
retention. What was acknowledged is there, once, and the chain holds (AUD-33 to AUD-39, RET-01 to RET-06)."""
import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import resource
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

from harness import ADMIN_TOKEN, AUDIT_FOLDER, BINARY, POSTGRES, Server, of_the_file_store, segment_rows, store_arguments, wait_until
from scenarios.test_audit_ingest import NDJSON, by_id, event, lines, stored_events

DAY_MS = 86400000


def request_bytes(body, path="/api/v1/audit/events"):
    payload = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n").encode() + payload


def ids_of(answer):
    return answer.data["ids"]


class Faults(unittest.TestCase):
    def serve(self, text="", data=None):
        arguments = []
        if text:
            folder = tempfile.mkdtemp(prefix="horae-test-")
            self.addCleanup(shutil.rmtree, folder)
            with open(os.path.join(folder, "horae.yaml"), "w", encoding="utf-8") as file:
                file.write(text)
            arguments = ["--config", file.name]
        elsewhere = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, elsewhere)
        server = Server(arguments, data=data, log_folder=elsewhere)
        self.addCleanup(server.remove)
        return server

    def verify(self, server):
        done = subprocess.run([BINARY, "audit", "verify", *store_arguments(server.folder)], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def check(self, server, acknowledged, refused=()):
        """Everything acknowledged is there once, in chains without gaps; nothing refused is."""
        rows = stored_events(server.folder)
        found = {one["id"]: one for _, _, one in rows}
        self.assertEqual(len(found), len(rows), "an event is stored twice")
        self.assertEqual(set(acknowledged) - set(found), set(), "acknowledged and lost")
        self.assertEqual(set(refused) & set(found), set(), "refused and stored")
        places = collections.defaultdict(list)
        for segment, seq, _ in rows:
            places[segment].append(seq)
        for segment, seqs in places.items():
            self.assertEqual(seqs, list(range(1, len(seqs) + 1)), segment)
        self.verify(server)
        return found


class Load(Faults):
    def test_a_thousand_writers_at_once_lose_nothing(self):
        """AUD-35, PERF-05: at default settings."""
        server = self.serve()
        host, port = server.host.split(":")
        sockets = [socket.create_connection((host, int(port))) for _ in range(1000)]
        try:
            for number, one in enumerate(sockets):
                one.sendall(request_bytes(event(request_id=f"writer-{number}"))[:-1])
            for one in sockets:  # the last byte of each: all at once
                one.sendall(b"}")
            answers = []
            for one in sockets:
                one.settimeout(30)
                with one.makefile("rb") as stream:
                    answers.append(stream.read())
        finally:
            for one in sockets:
                one.close()
        self.assertEqual(collections.Counter(answer.split(b" ", 2)[1] for answer in answers), {b"201": 1000})
        found = self.check(server, [json.loads(answer.partition(b"\r\n\r\n")[2])["data"]["ids"][0] for answer in answers])
        self.assertEqual({one["request_id"] for one in found.values() if one.get("request_id", "").startswith("writer-")}, {f"writer-{i}" for i in range(1000)})
        self.assertEqual(server.metric("horae_audit_dropped_total"), 0)

    def test_a_full_queue_refuses_who_waits_and_drops_what_may_be_dropped(self):
        """AUD-34."""
        server = self.serve("audit: {queue_events: 16}\n")
        stored, refused, queued = [], [], []
        lock = threading.Lock()

        def send(number):
            batch = [event(id=str(uuid.uuid4()), new_object={"text": "x" * 2000}) for _ in range(16)]
            path = "/audit/events?ack=queued" if number % 2 else "/audit/events"
            answer = server.post(path, batch)
            with lock:
                if number % 2:
                    self.assertEqual(answer.status, 202)
                    queued.extend(ids_of(answer))
                elif answer.status == 201:
                    stored.extend(ids_of(answer))
                else:
                    self.assertEqual((answer.status, answer.json["code"]), (503, "UNAVAILABLE"))
                    self.assertTrue(answer.headers["Retry-After"])
                    refused.extend(one["id"] for one in batch)

        def until_both():
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                for done in [pool.submit(send, number) for number in range(128)]:
                    done.result()
            return refused and server.metric("horae_audit_dropped_total")

        wait_until("a refusal and a drop", until_both)
        wait_until("the queue to be empty", lambda: server.metric("horae_audit_queue_depth") == 0)
        found = self.check(server, stored, refused)
        self.assertEqual(len(queued) - len(set(queued) & set(found)), server.metric("horae_audit_dropped_total"))
        self.assertIn("audit events were dropped", server.log_text())


class NoRoom:
    """Both ways of having no room."""

    def setUp(self):
        self.server = self.serve(data=self.make_folder())

    def test_who_waits_is_refused_who_does_not_is_counted_and_all_goes_on_with_room(self):
        server, stored, refused = self.server, [], []
        stored += ids_of(server.post("/audit/events", [event()] * 10))
        self.fill()

        def fails():
            batch = [event(id=str(uuid.uuid4()), new_object={"text": "x" * 20000}) for _ in range(20)]
            answer = server.post("/audit/events", batch)
            if answer.status == 201:
                stored.extend(ids_of(answer))
                return False
            self.assertEqual((answer.status, answer.json["code"]), (503, "UNAVAILABLE"), answer.body)
            self.assertTrue(answer.headers["Retry-After"])
            refused.extend(one["id"] for one in batch)
            return True

        wait_until("a refusal", fails)
        self.assertTrue(server.get("/readyz").json.get("audit", {"failing": True})["failing"])
        before = server.metric("horae_audit_dropped_total")
        answer = server.post("/audit/events?ack=queued", [event(id=str(uuid.uuid4()), new_object={"text": "x" * 20000}) for _ in range(20)])
        self.assertEqual(answer.status, 202)
        wait_until("the drop to be counted", lambda: server.metric("horae_audit_dropped_total") == before + 20)
        raw = lines([event(id=str(uuid.uuid4()), new_object={"text": "x" * 20000}) for _ in range(40)])
        self.assertEqual(server.request("POST", "/audit/events", raw=raw, headers=NDJSON).status, 503)
        refused += [json.loads(line)["id"] for line in raw.splitlines()]
        self.free()
        wait_until("room", lambda: server.post("/audit/events", event()).status == 201)
        stored += ids_of(server.post("/audit/events", [event()] * 10))
        self.check(server, stored, refused)
        server.kill()
        server.start()
        self.check(server, [*stored, *ids_of(server.post("/audit/events", event()))], refused)


@of_the_file_store("the disk of a server is another one")
class DiskFull(NoRoom, Faults):
    def make_folder(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "horae-test", folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here ({done.stderr.strip()}); FilesAtTheirLimit tests the same by a limit on file sizes")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        return folder

    def fill(self):
        with open(os.path.join(self.server.folder, "filler"), "ab", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass

    def free(self):
        os.unlink(os.path.join(self.server.folder, "filler"))


@of_the_file_store("the disk of a server is another one")
class FilesAtTheirLimit(NoRoom, Faults):
    def make_folder(self):
        return tempfile.mkdtemp(prefix="horae-test-")

    def limit(self, most):
        resource.prlimit(self.server.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def fill(self):
        self.limit(0)

    def free(self):
        self.limit(resource.RLIM_INFINITY)


@of_the_file_store("segments of a server lie in its database")
class Gone(Faults):
    def folder_of(self, server):
        return os.path.join(server.folder, AUDIT_FOLDER)

    def test_the_folder_goes_and_comes_back(self):
        server = self.serve()
        stored = ids_of(server.post("/audit/events", [event()] * 5))
        away = os.path.join(server.folder, "away")
        os.rename(self.folder_of(server), away)
        answer = server.post("/audit/events", event())
        self.assertEqual((answer.status, answer.json["code"]), (503, "UNAVAILABLE"), answer.body)
        self.assertIn("gone", answer.json["error"])
        task = server.create(name="made-meanwhile", type="noop")  # horae's own changes go on: their events wait
        os.rename(away, self.folder_of(server))
        wait_until("events to be stored again", lambda: server.post("/audit/events", event()).status == 201)
        stored += ids_of(server.post("/audit/events", event()))

        def moved():
            return [one for one in by_id(server.folder).values() if one["resource"]["identifier"] == task["uid"]]

        wait_until("the event of the change", moved)
        self.assertEqual([one["action"] for one in moved()], ["created"])
        self.check(server, stored)

    def test_a_file_that_is_taken_away_is_not_written_to(self):
        server = self.serve()
        server.post("/audit/events", [event()] * 5)
        shutil.rmtree(self.folder_of(server))
        os.mkdir(self.folder_of(server), 0o700)
        task = server.create(name="made-meanwhile", type="noop")
        wait_until("a new file", lambda: server.post("/audit/events", event(request_id="later")).status == 201)
        wait_until("the event of the change", lambda: [one for one in by_id(server.folder).values() if one["resource"]["identifier"] == task["uid"]])
        self.assertEqual({segment for segment, _, _ in stored_events(server.folder)}, {2})
        done = subprocess.run([BINARY, "audit", "verify", *store_arguments(server.folder)], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)  # what was taken away is missed


class Read(Faults):
    """Readers of files: another program while a segment is sealed, and somebody with a copy on ground where nothing can be written."""

    def post(self, server, count):
        return ids_of(server.post("/audit/events", [event() for _ in range(count)]))

    @of_the_file_store("segments of a server lie in its database")
    def test_a_segment_that_is_read_while_it_is_sealed_is_one_file_once_it_is_not(self):
        server = self.serve("audit: {segment_events: 100}\n")
        sent = self.post(server, 50)
        path = os.path.join(server.folder, AUDIT_FOLDER, "000001.db")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            seen = reader.execute("SELECT count(*) FROM audit_events").fetchone()[0]
            for _ in range(3):
                sent += self.post(server, 50)
            wait_until("the checkpoint of its end", lambda: any(row["kind"] == "sealed" and row["segment"] == 1 for row in server.get("/audit/checkpoints").data))
            self.assertTrue(os.path.exists(path + "-wal"))
            self.verify(server)
            self.assertEqual(server.get("/audit/events?page_size=1").json["pagination"]["total"], len(self.check_ids(server)))
            self.assertEqual(reader.execute("SELECT count(*) FROM audit_events").fetchone()[0], seen)  # it reads on what it had begun with
        wait_until("it to be one file", lambda: not os.path.exists(path + "-wal"))
        wait_until("it to be protected", lambda: os.stat(path).st_mode & 0o777 == 0o400)
        self.check(server, sent)

    def check_ids(self, server):
        return {one["id"] for _, _, one in stored_events(server.folder)}

    @of_the_file_store("copies are made by horae")
    def test_a_copy_that_cannot_be_written_is_verified(self):
        server = self.serve("audit: {segment_events: 100}\n")
        self.post(server, 250)
        server.stop()
        copy = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, copy)
        shutil.copytree(server.folder, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("keeper*", "*.sock"))
        for folder, _, names in os.walk(copy):
            for name in names:
                os.chmod(os.path.join(folder, name), 0o444)
            os.chmod(folder, 0o555)
        self.addCleanup(lambda: [os.chmod(folder, 0o700) for folder, _, _ in os.walk(copy)])
        before = sorted(os.listdir(copy) + os.listdir(f"{copy}/{AUDIT_FOLDER}"))
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] if os.getuid() == 0 else []
        command = [*nobody, os.path.abspath(BINARY), "audit", "verify", "--data", copy]
        counts = tempfile.mkdtemp(prefix="horae-test-")  # a build that measures coverage writes its counts, and this user cannot elsewhere
        self.addCleanup(shutil.rmtree, counts)
        os.chmod(counts, 0o777)
        environment = {**os.environ, "GCOV_PREFIX": counts}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout + done.stderr)
        self.assertEqual(sorted(os.listdir(copy) + os.listdir(f"{copy}/{AUDIT_FOLDER}")), before)
        path = f"{copy}/{AUDIT_FOLDER}/000001.db"
        with open(path, "rb") as file:
            content = file.read()
        os.chmod(path, 0o644)
        with open(path, "wb") as file:
            file.write(content.replace(b'"status":"success"', b'"status":"failure"'))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
        self.assertEqual((done.returncode, "not in order" in done.stdout), (1, True), done.stdout + done.stderr)


class Killed(Faults):
    """SIGKILL at any moment, with segments of 40 events, so that they are made, ended and sealed all the time."""

    ROUNDS = int(os.environ.get("HORAE_AUDIT_KILLS", "12"))

    def test_what_was_acknowledged_is_there_and_the_chain_holds(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        server = self.serve("audit: {segment_events: 40}\n")
        acknowledged, tasks = [], []
        with self.subTest(seed=seed):
            for number in range(self.ROUNDS):
                self.load_and_kill(server, chance, acknowledged, tasks, number)
                server.start()
                wait_until("what waits to be moved", lambda: self.own(server) >= set(tasks))
                self.check(server, acknowledged)
            self.assertGreater(len(acknowledged), 40)

    def own(self, server):
        return {one["resource"]["identifier"] for one in by_id(server.folder).values() if one["action"] == "created" and one["resource_type"] == "scheduledTask"}

    def load_and_kill(self, server, chance, acknowledged, tasks, number):
        ended, lock = threading.Event(), threading.Lock()

        def write(worker):
            connection = http.client.HTTPConnection(server.host, timeout=10)
            count = 0
            while not ended.is_set():
                count += 1
                now = int(time.time() * 1000)
                batch = [event(id=str(uuid.uuid4()), timestamp=now - (chance.choice((0, 0, 0, 3, 5)) * DAY_MS)) for _ in range(worker + 1)]
                try:
                    connection.request("POST", "/api/v1/audit/events", json.dumps(batch), {"Content-Type": "application/json", "Authorization": f"Bearer {ADMIN_TOKEN}"})
                    answer = connection.getresponse()
                    body = answer.read()
                except (OSError, http.client.HTTPException):
                    return
                with lock:
                    assert answer.status == 201, body
                    acknowledged.extend(json.loads(body)["data"]["ids"])

        def change():
            count = 0
            while not ended.is_set():
                count += 1
                with contextlib.suppress(OSError, http.client.HTTPException):
                    answer = server.post("/scheduler/tasks", {"name": f"made-{number}-{count}", "type": "noop"})
                    with lock:
                        tasks.append(answer.data["uid"])

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)] + [threading.Thread(target=change)]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.02, 0.4))
        process = server.process
        server.kill()
        self.assertIsNotNone(process.returncode)
        ended.set()
        for thread in threads:
            thread.join()


class Retention(Faults):
    def purge(self, server, **data):
        body = {"override_data": json.dumps(data)} if data else {}
        done = server.finished(server.trigger("audit_cleanup", **body))
        self.assertEqual(done["state"], "success", done)
        return done["result"]

    def purges(self, server):
        return [one for one in by_id(server.folder).values() if one["action"] == "purged" and one["data"].get("segments")]

    def test_old_events_go_and_new_ones_stay(self):
        """RET-01, RET-05, RET-06: even when they came in one batch; the purge is in the log, and the chain still verifies."""
        server = self.serve()
        now = int(time.time() * 1000)
        ages = [0, 1, *range(60, 90), 91, 92, 92, 100, 400, 3000]
        given = {age * 1000 + number: event(id=str(uuid.uuid4()), timestamp=now - age * DAY_MS - 60000) for number, age in enumerate(ages)}
        self.assertEqual(server.post("/audit/events", list(given.values())).status, 201)
        self.assertRegex(self.purge(server), r"^deleted 6 audit events in 5 segments before 2\d{3}-\d\d-\d\dT")
        wait_until("the event of the purge", lambda: self.purges(server))
        left = self.check(server, [one["id"] for key, one in given.items() if key < 90000], [one["id"] for key, one in given.items() if key >= 90000])
        self.assertEqual(len([one for one in left.values() if one["user"]["uid"] == "u-1"]), 32)
        self.assertEqual([one["data"]["deleted"] for one in self.purges(server)], ["6"])
        self.assertRegex(self.purge(server), "^deleted 0 audit events in 0 segments")
        server.kill()
        server.start()
        self.check(server, [given[0]["id"]])

    def test_the_task_can_name_other_days(self):
        server = self.serve()
        old = ids_of(server.post("/audit/events", event(timestamp=int(time.time() * 1000) - 10 * DAY_MS)))
        self.assertRegex(self.purge(server), "^deleted 0 ")
        self.assertRegex(self.purge(server, retention_days=5), "^deleted 1 audit events in 1 segments")
        self.assertNotIn(old[0], by_id(server.folder))

    def test_events_of_many_days_need_few_files(self):
        server = self.serve()
        now = int(time.time() * 1000)
        given = [event(id=str(uuid.uuid4()), timestamp=now - day * DAY_MS) for day in range(2, 202)]
        self.assertEqual(server.post("/audit/events", given).status, 201)
        if POSTGRES:
            segments = {segment for segment, _, _ in segment_rows(server.folder)}
        else:
            segments = [name for name in os.listdir(os.path.join(server.folder, AUDIT_FOLDER)) if name.endswith(".db")]
        self.assertEqual(len(segments), 102)  # a hundred days, one for all others, and the current one
        self.check(server, [one["id"] for one in given])

    def test_writers_are_not_disturbed(self):
        server = self.serve("audit: {segment_events: 500}\n")
        old = [event(timestamp=int(time.time() * 1000) - (100 + day) * DAY_MS) for day in range(5)] * 200
        for _ in range(5):
            self.assertEqual(server.post("/audit/events", old).status, 201)
        stored, ended = [], threading.Event()

        def write():
            while not ended.is_set():
                stored.extend(ids_of(server.post("/audit/events", event())))

        thread = threading.Thread(target=write)
        thread.start()
        self.assertRegex(self.purge(server), "^deleted 5000 audit events")
        ended.set()
        thread.join()
        self.check(server, stored)
