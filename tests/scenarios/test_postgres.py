# SPDX-License-Identifier: Apache-2.0
"""The store on a PostgreSQL server: what a start says when it cannot be used, where passwords show (nowhere), and that nothing that was
acknowledged is lost and no slot runs twice whatever happens to the connection or the server. All scenarios run on it too, with
HORAE_TEST_STORE=postgres (tools/run-tests.py)."""
import collections
import contextlib
import glob
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import uuid

from harness import ADMIN_TOKEN, BINARY, Server, ServerCase, run_cli, wait_until
from postgres_kit import PASSWORD, Cluster

ENV = {"PATH": os.environ["PATH"], "HORAE_ADMIN_TOKEN": ADMIN_TOKEN}


def setUpModule():
    global cluster  # one for this file, which tests stop and start again
    cluster = Cluster()
    unittest.addModuleCleanup(cluster.close)


def files_with(folder, text):
    found = []
    for path in glob.glob(f"{folder}/**", recursive=True):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                if text.encode() in file.read():
                    found.append(path)
    return found


class Case(unittest.TestCase):
    def folder(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def database(self):
        name = "db_" + self.id().rsplit(".", 1)[1][-50:]
        cluster.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.addCleanup(cluster.sql, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        return name, cluster.database(name)

    def serve(self, url, *arguments, **env):
        server = Server(list(arguments), {"HORAE_STORE": url, **env})
        self.addCleanup(server.remove)
        return server

    def refused(self, url, *words, status=1, **env):
        """A start that fails, says why in one line, and shows no password."""
        done = subprocess.run([os.path.abspath(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", self.folder()], stdin=subprocess.DEVNULL,
                              env={**ENV, "HORAE_STORE": url, **env}, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertTrue(done.stderr.splitlines()[-1].startswith("horae: "), done.stderr)
        for secret in (PASSWORD, "wrong-guess"):
            self.assertNotIn(secret, done.stderr + done.stdout)
        return done.stderr


class Refused(Case):
    def test_a_wrong_password_a_missing_one_and_an_unknown_user(self):
        _, url = self.database()
        self.refused(url.replace(PASSWORD, "wrong-guess"), 'password authentication failed for user "horae"', "PGPASSWORD", "password_file")
        self.refused(url.replace(f":{PASSWORD}", ""), "no password supplied", "PGPASSWORD", "password_file")
        self.refused(url.replace("//horae:", "//nobody:"), 'password authentication failed for user "nobody"')

    def test_a_server_that_is_not_there(self):
        with socket.socket() as s:  # bound, and nobody listens
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
            text = self.refused(f"postgres://horae:{PASSWORD}@127.0.0.1:{port}/db", f'server at "127.0.0.1", port {port} failed: Connection refused',
                                "is the server running", f"postgres://horae@127.0.0.1:{port}/db")
            self.assertLess(len(text), 600)
        self.refused("postgres://horae@/db?host=/nowhere", "/nowhere", "is the server running")
        self.refused("postgres://horae@127.0.0.1/db?sslmode=nonsense", "sslmode", "the options of the url")  # nothing is tried

    def test_a_database_that_is_not_there(self):
        self.refused(cluster.url("absent"), 'database "absent" does not exist', "CREATE DATABASE")

    def test_a_user_that_may_not_make_tables(self):
        cluster.sql("DROP ROLE IF EXISTS guest")
        cluster.sql(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
        _, url = self.database()
        self.refused(url.replace("//horae:", "//guest:"), "permission denied for schema public", "GRANT USAGE, CREATE ON SCHEMA public")

    def test_a_database_that_is_read_only(self):
        name, url = self.database()
        cluster.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        self.refused(url, "session is read-only", "name the primary")

    def test_a_replica(self):
        name, url = self.database()
        folder = tempfile.mkdtemp(prefix="horae-replica-")
        replica = Cluster.__new__(Cluster)
        replica.__dict__.update(cluster.__dict__, folder=folder, data=os.path.join(folder, "data"))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            replica.port = s.getsockname()[1]
        if cluster.user:
            shutil.chown(folder, cluster.user)
        self.addCleanup(replica.close)
        cluster.run("pg_basebackup", "-D", replica.data, "-R", "-c", "fast", "-d", cluster.admin(), "--no-sync")
        replica.start()
        self.refused(replica.url(name), "name the primary")
        both = f"postgres://horae:{PASSWORD}@127.0.0.1:{replica.port},127.0.0.1:{cluster.port}/{name}"
        server = self.serve(both)  # of several hosts the one that can be written to
        server.create(name="there", type="noop")
        self.assertEqual(cluster.sql("SELECT name FROM sched_tasks WHERE name = 'there'", name), "there")

    def test_a_server_that_is_too_old(self):
        old = OldServer()
        self.addCleanup(old.close)
        self.refused(f"postgres://horae@127.0.0.1:{old.port}/db?sslmode=disable", "version 12.4", "must be 13 or newer")

    def test_a_server_that_does_not_answer(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.refused(f"postgres://horae@127.0.0.1:{s.getsockname()[1]}/db", "no answer within 5 s", "is the server running")

    def test_tables_of_somebody_else(self):
        name, url = self.database()
        cluster.sql("CREATE TABLE theirs (id int)", name)
        self.refused(url, "no database of horae", "an empty database")
        self.assertEqual(cluster.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'", name), "1")

    def test_a_schema_that_is_newer_or_another(self):
        name, url = self.database()
        self.serve(url).stop()
        cluster.sql("INSERT INTO schema_migrations VALUES (9999, 'later', 'x', 1)", name)
        self.refused(url, "9999", "newer")
        self.assertIn("newer", run_cli("store", "check", "--store", url).stderr)
        cluster.sql("DELETE FROM schema_migrations WHERE number = 9999; UPDATE schema_migrations SET checksum = 'x' WHERE number = 4", name)
        self.refused(url, "migration 4", "differs")

    def test_a_migration_that_was_cut_off_and_one_that_somebody_else_makes(self):
        """All of them are one transaction: what a killed server leaves is nothing."""
        name, url = self.database()
        holder = subprocess.Popen(cluster.command("psql", "-X", "-q", "-d", cluster.admin(name), "-c", "SELECT pg_advisory_lock(448378266981)", "-c", "SELECT pg_sleep(120)"),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cluster.folder)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        wait_until("the lock", lambda: cluster.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1", name))
        self.refused(url, "the database is locked", "lock timeout", "then start again")
        process = subprocess.Popen([os.path.abspath(BINARY), "serve", "--listen", "127.0.0.1:0", "--data", self.folder()], env={**ENV, "HORAE_STORE": url},
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        wait_until("it to wait", lambda: cluster.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", name))
        process.kill()
        process.wait()
        cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1", name)
        wait_until("nobody to wait", lambda: not cluster.sql("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'", name))
        self.assertEqual(cluster.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'", name), "0")
        self.serve(url).create(name="there", type="noop")

    def test_urls_that_cannot_be_understood_show_nothing(self):
        for rest in ("horae:wrong-guess%zz@127.0.0.1/db", "horae:wrong-guess/@127.0.0.1/db", "horae:wrong-guess@127.0.0.1:port/db", "horae:wrong-guess@127.0.0.1/db?nonsense=1",
                     "horae@127.0.0.1/db?password=wrong-guess%"):
            with self.subTest(rest):
                self.refused("postgres://" + rest, "the url of the store cannot be understood", "postgres://USER@HOST:PORT/DATABASE")
        self.refused("postgres://", "must be sqlite:PATH or postgres://", status=2)

    def test_schemas_of_one_database_are_stores_of_their_own(self):
        name, url = self.database()
        servers = []
        for schema in ("one", "two"):
            cluster.sql(f"CREATE SCHEMA {schema} AUTHORIZATION horae", name)
            servers.append(self.serve(f"{url}?options=-csearch_path%3D{schema}"))
            servers[-1].create(name=schema, type="noop")
        self.assertEqual([server.get("/scheduler/tasks/one").status for server in servers], [200, 404])
        self.refused(f"{url}?options=-csearch_path%3Dthree", "no schema has been selected", "search_path")

    def test_copies_are_made_with_other_tools(self):
        for arguments in (("backup", "copy"), ("restore", "copy")):
            done = run_cli("store", *arguments, "--store", "postgres://horae:wrong-guess@127.0.0.1:1/db")
            self.assertEqual((done.returncode, "pg_dump" in done.stderr, "wrong-guess" in done.stderr), (1, True, False), done.stderr)


class OldServer:
    """Speaks as much of the protocol as a client hears before it asks for the version."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def message(kind, body):
        return kind + struct.pack("!i", len(body) + 4) + body

    def run(self):
        ready = self.message(b"Z", b"I")
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                status = b"".join(self.message(b"S", f"{name}\0{value}\0".encode()) for name, value in
                                  (("server_version", "12.4"), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on")))
                peer.sendall(self.message(b"R", struct.pack("!i", 0)) + status + ready)
                if peer.recv(65536)[:1] == b"Q":  # SHOW transaction_read_only
                    row = self.message(b"T", b"\0\1transaction_read_only\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)) + self.message(b"D", b"\0\1\0\0\0\3off")
                    peer.sendall(row + self.message(b"C", b"SHOW\0") + ready)
                    peer.recv(65536)

    def close(self):
        self.listener.close()


class Passwords(Case):
    def assert_hidden(self, server):
        with open(f"/proc/{server.process.pid}/cmdline", "rb") as file:
            self.assertNotIn(PASSWORD.encode(), file.read())
        server.create(name="leaves-events", type="command", data='{"command":"env"}')
        self.assertNotIn(PASSWORD, json.dumps(server.finished(server.trigger("leaves-events"))))
        self.assertNotIn(PASSWORD, server.get("/audit/events?page_size=100").body.decode())
        self.assertNotIn(PASSWORD, server.get("/metrics").body.decode())
        self.assertTrue(server.get("/audit/verify").data["ok"])
        server.stop()
        self.assertEqual(files_with(server.folder, PASSWORD), [])

    def test_in_the_url_of_the_environment(self):
        _, url = self.database()
        server = self.serve(url)
        started = next(event for event in server.get("/audit/events?action=started").data)
        self.assertIn("postgres://horae:***@127.0.0.1", json.dumps(started))
        self.assert_hidden(server)

    def test_in_a_variable_of_its_own(self):
        _, url = self.database()
        self.assert_hidden(self.serve(url.replace(f":{PASSWORD}", ""), PGPASSWORD=PASSWORD))

    def test_in_a_file_that_may_change(self):
        name, url = self.database()
        path = os.path.join(self.folder(), "the password")
        plain = url.replace(f":{PASSWORD}", "") + f"?sslmode=prefer&password_file={urllib.parse.quote(path, safe='')}&connect_timeout=3"
        self.refused(plain, "the password file", "No such file", path)
        with open(path, "w", encoding="utf-8"):
            pass
        self.refused(plain, "is empty")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{PASSWORD}\nsecond line")
        server = self.serve(plain)
        self.addCleanup(cluster.sql, f"ALTER ROLE horae PASSWORD '{PASSWORD}'")
        cluster.sql("ALTER ROLE horae PASSWORD 'another'")
        with open(path, "w", encoding="utf-8") as file:
            file.write("another\n")
        cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND usename = 'horae'")
        server.create(name="with-the-new-one", type="noop")
        cluster.sql(f"ALTER ROLE horae PASSWORD '{PASSWORD}'")
        with open(path, "w", encoding="utf-8") as file:
            file.write(PASSWORD)
        self.assert_hidden(server)

    def test_on_the_command_line_it_is_hidden_and_warned_of(self):
        _, url = self.database()
        server = self.serve("", "--store", url)
        self.assertIn("a password stood on the command line", server.log_text())
        with open(f"/proc/{server.process.pid}/cmdline", encoding="utf-8") as file:
            self.assertIn("postgres://horae:***@127.0.0.1", file.read())
        self.assert_hidden(server)


WRITTEN = "COMMIT of a transaction that writes"


class Proxy:
    """Between horae and PostgreSQL. `cut` is told every message of the client that is a simple query (the COMMIT of a transaction that
    writes as WRITTEN), and says when to cut the connection: "before" it is passed on, "after" the server has carried it out and before its
    answer is passed on, or None."""

    def __init__(self, port):
        self.target = port
        self.cut = lambda text: None
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        hold, held, writes = threading.Event(), threading.Event(), False
        threading.Thread(target=self.back, args=(server, client, hold, held), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                text = data[5:].rstrip(b"\0").decode(errors="replace") if data[:1] == b"Q" else None
                writes = "INSERT INTO store_commits" in text if text and text.startswith("BEGIN") else writes
                how = self.cut(WRITTEN if text == "COMMIT" and writes else text) if text else None
                if how == "after":
                    hold.set()
                if how != "before":
                    server.sendall(data)
                if how == "after" and not held.wait(10):  # until it is carried out
                    raise AssertionError("no answer")
                if how:
                    self.cuts += 1
                    break
        self.end(client, server)

    def back(self, server, client, hold, held):
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                if hold.is_set():
                    held.set()
                    return
                client.sendall(data)
        self.end(client, server)

    @staticmethod
    def end(*sockets):
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


class Running(Case):
    def load(self, server, count=40):
        """Executions that leave a mark each; the uids that were acknowledged, and how often each ran."""
        uids = []
        for _ in range(count):
            answer = server.post("/scheduler/tasks/marks/trigger")
            if answer.status == 202:
                uids.append(answer.json["execution_uid"])
            else:
                self.assertEqual(answer.status, 503, answer.body)
        return uids

    def marks_task(self, server):
        self.marks = os.path.join(self.folder(), "marks")
        server.create(name="marks", type="command", overlap="queue_all", max_concurrent=20, max_retries=0,
                      data=json.dumps({"command": f'echo "$HORAE_EXECUTION_UID" >> {self.marks}'}))

    def assert_each_once(self, server, uids):
        for uid in uids:
            self.assertEqual(server.finished(uid)["state"], "success")
        self.assertEqual(len(server.executions(task_name="marks")), len(uids))
        with open(self.marks, encoding="utf-8") as file:
            ran = collections.Counter(file.read().split())
        self.assertEqual(ran, collections.Counter(uids))

    def test_it_schedules_runs_records_and_goes_on_after_a_restart(self):
        name, url = self.database()
        server = self.serve(url)
        server.create(name="tick", type="noop", cron_expr="* * * * * *")
        self.marks_task(server)
        uids = self.load(server)
        wait_until("slots", lambda: len(server.executions(task_name="tick")) >= 2)
        server.stop()
        server.start()
        uids += self.load(server, 5)
        for uid in uids:  # what a kill finds between the claim and the keeper would be interrupted
            server.finished(uid)
        server.kill()
        server.start()
        self.assert_each_once(server, uids)
        summary = server.get("/scheduler/tasks/tick/occurrences").json["summary"]
        self.assertEqual(summary["expected"], sum(summary[verdict] for verdict in ("fired", "coalesced", "skipped", "missed", "shifted")))
        self.assertEqual(cluster.sql("SELECT count(*) - count(DISTINCT (task_id, scheduled_at)) FROM task_executions WHERE cause = 0", name), "0")
        self.assertTrue(server.get("/audit/verify").data["ok"])
        server.stop()
        done = run_cli("audit", "verify", "--store", url, "--data", server.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"postgres://horae@127.0.0.1:{cluster.port}/{name} is sound", run_cli("store", "check", "--store", url, "--data", server.folder).stdout)
        cluster.sql("ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL; DELETE FROM audit_checkpoints", name)
        self.assertEqual(run_cli("audit", "verify", "--store", url, "--data", server.folder).returncode, 1)

    def test_a_hand_at_the_database_writes_no_audit_events(self):
        """AUD-39: not even with all rights, by triggers like those of the embedded store."""
        name, url = self.database()
        self.serve(url).create(name="there", type="noop")
        for sql in ("INSERT INTO audit_pending VALUES (999, '{}')", "UPDATE audit_pending SET event = '{}'", "DELETE FROM audit_pending", "TRUNCATE audit_pending",
                    "UPDATE audit_checkpoints SET seq = 1", "DELETE FROM audit_checkpoints", "TRUNCATE audit_checkpoints"):
            with self.assertRaisesRegex(RuntimeError, "written by the server only|cannot be (changed|removed)", msg=sql):
                cluster.sql(sql, name)

    def test_the_server_goes_and_comes_back(self):
        _, url = self.database()
        server = self.serve(url)
        self.marks_task(server)
        server.create(name="tick", type="noop", cron_expr="* * * * * *")
        uids = self.load(server)
        cluster.stop("immediate")
        try:
            wait_until("it to say so", lambda: server.get("/readyz", token=None).status == 503)
            self.assertEqual(server.get("/healthz", token=None).status, 200)
            self.assertEqual(self.load(server, 5), [])
            answer = server.get("/scheduler/tasks")
            self.assertEqual((answer.status, PASSWORD in answer.body.decode()), (503, False))
        finally:
            cluster.start()
        wait_until("it to be back", lambda: server.get("/readyz", token=None).status == 200)
        uids += self.load(server, 10)
        self.assert_each_once(server, uids)
        last = len(server.executions(task_name="tick"))
        wait_until("slots", lambda: len(server.executions(task_name="tick")) > last)
        self.assertNotIn(PASSWORD, server.log_text())
        self.assertTrue(server.get("/audit/verify").data["ok"])

    def test_sessions_that_are_ended_lose_nothing(self):
        name, url = self.database()
        server = self.serve(url)
        self.marks_task(server)
        over = threading.Event()

        def end():
            while not over.is_set():
                cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND usename = 'horae'")
                time.sleep(0.1)

        thread = threading.Thread(target=end)
        thread.start()
        try:
            uids = self.load(server, 150)
        finally:
            over.set()
            thread.join()
        self.assertGreater(len(uids), 10)
        self.assert_each_once(server, uids)

    def through(self, url):
        proxy = Proxy(cluster.port)
        self.addCleanup(proxy.close)
        return proxy, url.replace(f":{cluster.port}/", f":{proxy.port}/") + "?sslmode=disable"

    def test_a_commit_without_an_answer_is_neither_lost_nor_made_twice(self):
        """The connection is cut when COMMIT was sent: what it has done is found out, and each call is answered by that."""
        for how in ("after", "before"):
            with self.subTest(how):
                name, url = self.database()
                proxy, url = self.through(url)
                server = self.serve(url)
                self.marks_task(server)
                every = [0]

                def cut(text, every=every, how=how):
                    every[0] += text == WRITTEN
                    return how if text == WRITTEN and every[0] % 7 == 3 else None

                proxy.cut = cut
                uids = self.load(server, 30)
                self.assertEqual(len(uids), 30)  # nobody is told of it
                proxy.cut = lambda text: None
                self.assertGreater(proxy.cuts, 4)
                self.assert_each_once(server, uids)
                self.assertTrue(server.get("/audit/verify").data["ok"])
                server.stop()

    def test_a_server_that_was_away_while_another_led_writes_nothing_and_reads_anew(self):
        """It knows nothing of what the other did; what it had not written is refused."""
        _, direct = self.database()
        proxy, url = self.through(direct)
        away = self.serve(url)
        away.create(name="there", type="noop")
        proxy.cut = lambda text: "before"
        wait_until("it to be away", lambda: away.post("/scheduler/tasks/there/trigger").status == 503)
        other = self.serve(direct)
        wait_until("another to lead", lambda: other.get("/healthz", token=None).json["cluster"]["role"] == "planner")
        other.create(name="meanwhile", type="noop")
        proxy.cut = lambda text: None
        wait_until("it to follow", lambda: away.get("/healthz", token=None).json["cluster"]["role"] == "member")
        wait_until("it to hand on", lambda: away.get("/scheduler/tasks/meanwhile").status == 200)
        other.stop()
        wait_until("it to lead", lambda: away.get("/healthz", token=None).json["cluster"]["role"] == "planner")
        self.assertEqual(away.get("/scheduler/tasks/meanwhile").status, 200)
        self.assertEqual(away.finished(away.trigger("there"))["state"], "success")

    @staticmethod
    def from_a_commit_on():
        """The first COMMIT is carried out without an answer; after it nothing gets through."""
        seen = []

        def cut(text):
            first = text == WRITTEN and not seen
            if first:
                seen.append(text)
            return "after" if first else "before" if seen else None

        return cut

    def test_a_commit_in_doubt_waits_for_the_server_and_others_do_not(self):
        _, url = self.database()
        proxy, url = self.through(url)
        server = self.serve(url, "--stop-timeout", "1")
        self.marks_task(server)
        proxy.cut = self.from_a_commit_on()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(server.post("/scheduler/tasks/marks/trigger")))
        thread.start()
        wait_until("the cut", lambda: proxy.cuts >= 2)
        self.assertEqual(server.post("/scheduler/tasks/marks/trigger").status, 503)  # nothing of it was begun
        self.assertEqual(answers, [])
        proxy.cut = lambda text: None
        thread.join(30)
        self.assertEqual([answer.status for answer in answers], [202])
        self.assert_each_once(server, [answers[0].json["execution_uid"]])
        proxy.cut = self.from_a_commit_on()
        thread = threading.Thread(target=lambda: answers.append(server.post("/scheduler/tasks/marks/trigger")))
        cuts = proxy.cuts
        thread.start()
        wait_until("the cut", lambda: proxy.cuts >= cuts + 2)
        server.stop()  # it does not wait for ever
        thread.join(30)
        self.assertFalse(thread.is_alive())


USER = {"uid": "u-1", "username": "Ann", "type": "user"}


class AuditLog(Case):
    """Segments in the database (decision 18): whoever has it has the log."""

    def configured(self, **settings):
        path = os.path.join(self.folder(), "horae.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("audit:\n" + "".join(f"  {name}: {value}\n" for name, value in settings.items()))
        return ["--config", path]

    def post(self, server, count):
        """Ids that were acknowledged."""
        events = [{"id": str(uuid.uuid4()), "action": "created", "resource": {"type": "pod", "identifier": "p"}, "user": USER} for _ in range(count)]
        return [event["id"] for event in events] if server.post("/audit/events", events).status == 201 else []

    def stored(self, name):
        return [json.loads(line)["id"] for line in cluster.sql("SELECT event FROM audit_log WHERE resource_type = 'pod' ORDER BY segment, seq", name).splitlines()]

    def sealed(self, server):
        return sum(row["kind"] == "sealed" for row in server.get("/audit/checkpoints?page_size=100").data)

    def test_another_server_goes_on_with_the_log(self):
        name, url = self.database()
        settings = self.configured(segment_events=100)
        server = self.serve(url, *settings)
        ids = sum((self.post(server, 60) for _ in range(5)), [])
        wait_until("segments to be sealed", lambda: self.sealed(server) >= 2)
        self.assertEqual(glob.glob(f"{server.folder}/postgres-audit/*.db*"), [])
        server.kill()
        other = self.folder()
        shutil.copy(f"{server.folder}/audit.key", other)
        second = Server(settings, {"HORAE_STORE": url}, data=other)
        self.addCleanup(second.remove)
        ids += self.post(second, 60)
        self.assertEqual(self.stored(name), ids)
        self.assertTrue(second.get("/audit/verify").data["ok"])
        self.assertEqual(second.get("/audit/events?resource_type=pod&page_size=1").json["pagination"]["total"], len(ids))
        second.stop()
        done = run_cli("audit", "verify", "--store", url, "--data", other)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_events_whose_commit_has_no_answer_are_there_once(self):
        for how in ("after", "before"):
            with self.subTest(how):
                name, direct = self.database()
                proxy, url = Running.through(self, direct)
                server = self.serve(url, *self.configured(segment_events=100))
                server.create(name="task", type="noop")
                ids, seen = self.post(server, 1), [0]

                def cut(text, seen=seen, how=how):
                    seen[0] += text == "COMMIT"  # of a segment: those of the store are WRITTEN
                    return how if text == "COMMIT" and seen[0] % 5 == 3 else None

                proxy.cut = cut
                for number in range(60):
                    ids += self.post(server, 3)
                    server.request("PATCH", "/scheduler/tasks/task", {"description": f"{number}"})
                proxy.cut = lambda text: None
                self.assertGreater(proxy.cuts, 4)
                wait_until("events to be stored", lambda: self.post(server, 1))
                stored = collections.Counter(self.stored(name))
                self.assertEqual(set(stored.values()), {1})
                self.assertEqual([one for one in ids if one not in stored], [])
                changed = server.get("/audit/events?resource_type=scheduledTask&action=updated&page_size=100").data
                self.assertEqual(len({one["id"] for one in changed}), len(changed))
                self.assertTrue(server.get("/audit/verify").data["ok"])
                server.stop()

    def test_retention_drops_partitions(self):
        name, url = self.database()
        server = self.serve(url, *self.configured(segment_events=100))
        old = int(time.time() * 1000) - 100 * 86_400_000
        events = [{"action": "created", "resource": {"type": "pod", "identifier": "old"}, "user": USER, "timestamp": old} for _ in range(250)]
        self.assertEqual(server.post("/audit/events", events).status, 201)
        self.post(server, 5)
        self.assertRegex(server.finished(server.trigger("audit_cleanup"))["result"], "^deleted 250 audit events in 1 segments")
        self.assertEqual(cluster.sql("SELECT count(*) FROM audit_log WHERE resource_id = 'old'", name), "0")
        self.assertEqual(cluster.sql("SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass", name), cluster.sql("SELECT count(*) FROM audit_segments", name))
        self.assertTrue(server.get("/audit/verify").data["ok"])


if __name__ == "__main__":
    unittest.main()
