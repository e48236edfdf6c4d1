# SPDX-License-Identifier: Apache-2.0
"""The audit log as its users meet it, from outside only (contract section 7): who may do what, proofs that are kept elsewhere,
a restored database, a lost key, names for people."""
import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import urllib.parse
import uuid

from harness import ADMIN_TOKEN, AUDIT_FOLDER, BINARY, POSTGRES, Server, ServerCase, of_the_file_store, run_cli, store_arguments

NDJSON = {"Content-Type": "application/x-ndjson"}


def event(**fields):
    return {"action": "created", "resource": {"type": "pod", "identifier": "web-1"}, "user": {"uid": "u-1", "username": "ada", "type": "user"}, **fields}


def verify(folder, *arguments):
    """(exit code, first_bad) of the command, without a server."""
    done = run_cli("audit", "verify", *store_arguments(folder), "--json", *arguments)
    if done.returncode not in (0, 1) or not done.stdout:
        raise AssertionError(done.stderr)
    data = json.loads(done.stdout)["data"]
    assert data["ok"] == (done.returncode == 0), data
    return done.returncode, data["first_bad"]


class WhoMay(ServerCase):
    """Every route of the audit log, every role (rulings section 2)."""

    READS = ("/audit/events", "/audit/events/export", "/audit/verify", "/audit/checkpoints", "/audit/config")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tokens = {role: cls.server.post("/tokens", {"name": role, "role": role}).data["token"] for role in ("viewer", "operator", "auditor", "admin")}
        cls.tokens[None] = None

    def statuses(self, method, path, body=None):
        return {role: self.server.request(method, path, body, token=token).status for role, token in self.tokens.items()}

    def test_reading(self):
        one = self.server.post("/audit/events", event()).data["ids"][0]
        for path in (*self.READS, f"/audit/events/{one}"):
            self.assertEqual(self.statuses("GET", path), {None: 401, "viewer": 403, "operator": 403, "auditor": 200, "admin": 200}, path)

    def test_changing_and_sending(self):
        self.assertEqual(self.statuses("PUT", "/audit/config", {"retention_days": 90}), {None: 401, "viewer": 403, "operator": 403, "auditor": 403, "admin": 200})
        self.assertEqual(self.statuses("POST", "/audit/events", event()), {None: 401, "viewer": 403, "operator": 201, "auditor": 403, "admin": 201})

    def test_no_other_method_does_anything(self):  # API-24
        for path in (*self.READS, f"/audit/events/{uuid.uuid4()}"):
            allowed = {"GET", "HEAD"} | ({"POST"} if path == "/audit/events" else set()) | ({"PUT"} if path == "/audit/config" else set())
            for method in {"POST", "PUT", "PATCH", "DELETE"} - allowed:
                answer = self.server.request(method, path, {})
                self.assert_error(answer, 405, "METHOD_NOT_ALLOWED")
                self.assertEqual(set(answer.headers["Allow"].split(", ")), allowed, (method, path))
            head, got = (self.server.request(method, path) for method in ("HEAD", "GET"))
            self.assertEqual((head.status, head.body, head.headers["Content-Type"]), (got.status, b"", got.headers["Content-Type"]), path)


class Proof(ServerCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.remove)

    @classmethod
    def setUpClass(cls):
        pass  # a server for each test

    def keep_checkpoints(self):
        path = os.path.join(self.server.folder, "kept.json")
        with open(path, "wb") as file:
            file.write(self.server.get("/audit/checkpoints").body)
        return path

    def copy_of_folder(self, source=None):
        folder = os.path.join(tempfile.mkdtemp(prefix="horae-test-"), "data")
        self.addCleanup(shutil.rmtree, os.path.dirname(folder))
        shutil.copytree(source or self.server.folder, folder)
        return folder

    def test_a_verification_sees_what_was_changed_before_it_was_asked_for(self):
        for number in range(10):
            self.server.create(name=f"t{number}", type="noop")
            checked = self.server.get("/audit/verify").data["checked"]
            total = self.server.get("/audit/events").json["pagination"]["total"]
            self.assertEqual(checked, total)

    def test_checkpoints_vouch_for_all_that_is_stored_when_they_are_asked_for(self):
        for _ in range(3):
            self.server.post("/audit/events", [event()] * 10)
            self.server.create(name=str(uuid.uuid4())[:8], type="noop")
            total = self.server.get("/audit/events").json["pagination"]["total"]
            newest = self.server.get("/audit/checkpoints").data[0]
            self.assertEqual((newest["segment"], newest["seq"]), (1, total))
        again = self.server.get("/audit/checkpoints").data
        self.assertEqual(again[0], newest)  # nothing came, nothing is signed

    @of_the_file_store("copies are made by horae")
    def test_an_older_copy_of_everything_is_found_with_checkpoints_that_were_kept(self):
        self.server.post("/audit/events", [event()] * 30)
        self.server.stop()
        older = self.copy_of_folder()
        self.server.start()
        self.server.post("/audit/events", [event()] * 30)
        kept = self.keep_checkpoints()
        self.server.kill()  # nothing is signed at a stop
        self.assertEqual(verify(self.server.folder, "--checkpoint", kept), (0, None))
        self.assertEqual(verify(older), (0, None))  # what it cannot know
        code, bad = verify(older, "--checkpoint", kept)
        self.assertEqual((code, bad["reason"]), (1, "truncated"))

    @of_the_file_store("copies are made by horae")
    def test_a_restored_database_leaves_the_log_in_order(self):
        folder = self.server.folder
        copy = os.path.join(folder, "copy.db")
        self.assertEqual(run_cli("store", "backup", copy, "--data", folder).returncode, 0)
        for _ in range(3):  # checkpoints that the copy does not know
            self.server.create(name=str(uuid.uuid4())[:8], type="noop")
            self.server.stop()
            self.server.start()
        kept = self.keep_checkpoints()
        self.server.stop()
        done = run_cli("store", "restore", copy, "--data", folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(verify(folder, "--checkpoint", kept), (0, None))
        self.server.start()
        self.assertTrue(self.server.get("/audit/verify").data["ok"])
        self.assertEqual(verify(folder, "--checkpoint", kept), (0, None))
        with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as database:  # the copy itself is as it was
            self.assertEqual(database.execute("SELECT count(*) FROM audit_checkpoints").fetchone()[0], 1)
        database.close()

    @of_the_file_store("copies are made by horae")
    def test_an_older_database_that_somebody_put_there_is_named(self):
        folder = self.server.folder
        copy = os.path.join(folder, "copy.db")
        self.assertEqual(run_cli("store", "backup", copy, "--data", folder).returncode, 0)
        self.server.post("/audit/events", event())
        self.server.stop()
        shutil.copy(copy, os.path.join(folder, "horae.db"))
        code, bad = verify(folder)
        self.assertEqual((code, bad["reason"]), (1, "truncated"))

    @of_the_file_store("copies are made by horae")
    def test_a_former_database_that_cannot_be_read_keeps_nothing_from_being_restored(self):
        folder = self.server.folder
        copy = os.path.join(folder, "copy.db")
        self.assertEqual(run_cli("store", "backup", copy, "--data", folder).returncode, 0)
        self.server.stop()
        with open(os.path.join(folder, "horae.db"), "wb") as file:
            file.write(b"no database" * 1000)
        done = run_cli("store", "restore", copy, "--data", folder)
        self.assertEqual((done.returncode, "is not carried over" in done.stderr), (0, True), done.stderr)
        self.server.start()
        self.assertFalse(self.server.get("/audit/verify").data["ok"])  # that cannot be told from somebody's hand

    def test_a_lost_key_is_said_and_the_server_works_on(self):
        before = self.server.post("/audit/events", [event(request_id="with the old key")] * 3).data["ids"]
        long_ago = self.server.post("/audit/events", event(timestamp=int(time.time() * 1000) - 100 * 86400000)).data["ids"][0]
        self.server.stop()
        key, kept = os.path.join(self.server.folder, "audit.key"), os.path.join(self.server.folder, "kept.key")
        os.rename(key, kept)
        done = run_cli("audit", "verify", *store_arguments(self.server.folder))
        self.assertEqual((done.returncode, f"there is no {key}" in done.stderr, "--checkpoint" in done.stderr), (1, True, True), done.stderr)
        self.server.start()
        bad = self.server.get("/audit/verify").data["first_bad"]
        self.assertEqual((bad["segment"], bad["seq"], bad["reason"], bad["id"]), (1, 0, "changed", None))
        self.assertIn("another key than audit.key", bad["detail"])
        self.assertEqual({row["id"] for row in self.server.get("/audit/events?request_id=with+the+old+key").data}, set(before))  # it is no less readable
        self.assertEqual(self.server.post("/audit/events", event(request_id="with the new key")).status, 201)
        self.assertEqual(len(self.server.get("/audit/events?request_id=with+the+new+key").data), 1)
        self.assertEqual(self.server.get(f"/audit/events/{long_ago}").status, 200)
        self.assertEqual(self.server.finished(self.server.trigger("audit_cleanup"))["state"], "success")
        self.assertEqual(self.server.get(f"/audit/events/{long_ago}").status, 404)  # retention has it all the same
        self.server.stop()  # exit 0
        self.assertIn(f"segment 1 is not signed by {key}", self.server.log_text())
        os.replace(kept, key)  # now it is the events of the time between that cannot be proved
        bad = verify(self.server.folder)[1]
        self.assertEqual((bad["reason"], POSTGRES or "record in the file heads" in bad["detail"]), ("removed", True))
        self.server.start()
        bad = self.server.get("/audit/verify").data["first_bad"]
        self.assertEqual((bad["segment"], bad["reason"]), (2, "removed"))  # what its tombstone is signed with is no key of this log
        self.assertEqual([len(self.server.get(f"/audit/events?request_id=with+the+{which}+key").data) for which in ("old", "new")], [3, 1])

    @of_the_file_store("segments of a server lie in its database")
    def test_a_byte_of_the_file_is_named_from_outside(self):
        ids = self.server.post("/audit/events", [event(request_id=f"r-{number}") for number in range(50)]).data["ids"]
        kept = self.keep_checkpoints()
        export = os.path.join(self.server.folder, "e.ndjson")
        self.assertEqual(run_cli("audit", "export", "--out", export, server=self.server).returncode, 0)
        self.server.stop()
        path = os.path.join(self.server.folder, AUDIT_FOLDER, "000001.db")
        with sqlite3.connect(path) as database:
            with self.assertRaises(sqlite3.DatabaseError):
                database.execute("UPDATE audit_events SET event = '{}'")
            database.execute("DROP TRIGGER audit_events_update")
            database.execute("UPDATE audit_events SET event = replace(event, 'ada', 'eve') WHERE request_id = 'r-20'")
        database.close()
        code, bad = verify(self.server.folder, "--checkpoint", kept)
        self.assertEqual((code, bad["id"], bad["reason"]), (1, ids[20], "changed"))
        self.assertEqual(run_cli("audit", "verify", "--file", export, "--checkpoint", kept).returncode, 0)  # it was taken before
        self.server.start()
        self.assertEqual(self.server.get("/audit/verify").data["first_bad"]["id"], ids[20])
        self.assertEqual(self.server.post("/audit/events", event()).status, 201)


class Forms(ServerCase):
    def test_every_export_ends_with_its_last_line(self):
        self.server.post("/audit/events", event())
        for query in ("", "?action=bypassed", "?format=csv", "?format=csv&action=bypassed"):
            self.assertTrue(self.server.get("/audit/events/export" + query).body.endswith(b"\n"), query)
        self.assertTrue(run_cli("audit", "export", server=self.server).stdout.endswith("}\n"))

    def test_bodies_as_people_send_them(self):
        line = json.dumps(event()).encode()
        for kind, raw, count in (("application/json; charset=utf-8", line, 1), ("APPLICATION/JSON", b" \n" + line + b"\n ", 1), ("application/x-ndjson;charset=UTF-8", line, 1),
                                 ("application/x-ndjson", line + b"\r\n\r\n" + line + b"\r\n", 2), ("application/x-ndjson", b"\n\n" + line + b"\n\n" + line, 2),
                                 ("application/json", b"[" + b",".join([line] * 1000) + b"]", 1000)):
            answer = self.server.request("POST", "/audit/events", raw=raw, headers={"Content-Type": kind})
            self.assertEqual((answer.status, len(answer.json.get("data", {}).get("ids", ()))), (201, count), (kind, answer.body[:200]))
        for kind, raw, status in (("application/json", b"[" + b",".join([line] * 1001) + b"]", 400), ("application/json", b"[]", 400), ("application/x-ndjson", b"\n", 400),
                                  ("application/x-ndjson", b"\xef\xbb\xbf" + line, 400), ("text/csv", line, 415), ("application/json; charset=latin1", line, 415)):
            answer = self.server.request("POST", "/audit/events", raw=raw, headers={"Content-Type": kind})
            self.assertEqual((answer.status, bool(answer.json["error"])), (status, True), (kind, answer.body[:200]))

    def test_addresses_have_one_form_in_which_they_are_stored_and_found(self):  # DATA-30, AUD-26
        for given, stored in (("192.0.2.7", "192.0.2.7"), ("192.0.2.8:443", "192.0.2.8"), ("::FFFF:192.0.2.9", "192.0.2.9"), ("2001:DB8:0:0::1", "2001:db8::1"),
                              ("[2001:db8::2]:80", "2001:db8::2"), ("fe80::1%eth0", "fe80::1"), (None, "127.0.0.1"), ("", "")):
            uid = self.server.post("/audit/events", event(client_ip=given)).data["ids"][0]
            self.assertEqual(self.server.get(f"/audit/events/{uid}").data["client_ip"], stored, given)
            if given:
                for question in (given, stored):
                    found = self.server.get("/audit/events?client_ip=" + urllib.parse.quote(question)).data
                    self.assertEqual([one["id"] for one in found], [uid], question)
        for bad in ("web-1", "01.2.3.4", "256.1.1.1", "1.2.3", "::g", "10.0.0.0/8", " 1.2.3.4"):
            self.assert_error(self.server.post("/audit/events", [event(), event(client_ip=bad)]), 400, "INVALID_PARAMETER", "events[1].client_ip")
            for path in ("/audit/events", "/audit/events/export"):
                self.assert_error(self.server.get(f"{path}?client_ip={urllib.parse.quote(bad)}"), 400, "INVALID_PARAMETER", "client_ip")

    def test_packed_bodies_are_refused_by_name(self):
        raw = gzip.compress(json.dumps(event()).encode())
        for kind in ("application/json", "application/x-ndjson"):
            answer = self.server.request("POST", "/audit/events", raw=raw, headers={"Content-Type": kind, "Content-Encoding": "gzip"})
            self.assertEqual((answer.status, "Content-Encoding" in answer.json["error"]), (415, True), answer.body)
            answer = self.server.request("POST", "/audit/events", raw=json.dumps(event()).encode(), headers={"Content-Type": kind, "Content-Encoding": "identity"})
            self.assertEqual(answer.status, 201)

    def test_signing_in_and_out_is_of_the_subsystem_auth(self):  # DATA-30
        self.server.post("/auth/login", {"username": "admin", "password": "wrong"}, token=None)
        token = self.server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None).data["access_token"]
        self.assertIn(self.server.post("/auth/logout", token=token).status, (200, 204))
        found = self.server.get("/audit/events?subsystem=auth&resource_type=session").data
        self.assertEqual([(one["action"], one["status"]) for one in found], [("logout", "success"), ("login", "success"), ("login", "failure")])

    def test_long_user_agents_are_kept(self):
        agent = "m" * 4096
        uid = self.server.post("/audit/events", event(user_agent=agent)).data["ids"][0]
        self.assertEqual(self.server.get(f"/audit/events/{uid}").data["user_agent"], agent)
        self.assert_error(self.server.post("/audit/events", event(user_agent=agent + "m")), 400, "INVALID_PARAMETER", "user_agent")

    def test_lists_for_people_show_names_and_identifiers_of_what_has_none(self):
        task = self.server.create(name="nightly-report", type="noop")
        self.server.post("/audit/events", [event(resource={"type": "pod", "identifier": "no-name"}),
                                           event(resource={"type": "pod", "identifier": "behind", "data": {"name": "in-front"}}),
                                           event(resource={"type": "pod", "identifier": "empty", "data": {"name": ""}})])
        shown = run_cli("audit", "list", server=self.server).stdout
        for words in ("scheduledTask nightly-report ", "pod no-name ", "pod in-front ", "pod empty "):
            self.assertIn(words, shown)
        for hidden in (task["uid"], "behind"):
            self.assertNotIn(hidden, shown)
        env = {"PATH": os.environ["PATH"], "HORAE_URL": self.server.url, "HORAE_TOKEN": ADMIN_TOKEN}
        with subprocess.Popen([BINARY, "audit", "tail", "-n", "3"], env=env, stdout=subprocess.PIPE, text=True) as tail:
            try:
                lines = [tail.stdout.readline() for _ in range(3)]
            finally:
                tail.kill()
        self.assertEqual([line.split("  by ")[0].split()[2:] for line in lines], [["pod", "no-name"], ["pod", "in-front"], ["pod", "empty"]])
