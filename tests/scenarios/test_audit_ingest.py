# SPDX-License-Identifier: Apache-2.0
"""POST /audit/events: what other systems send (contract section 7; AUD-05, AUD-10, AUD-11, AUD-13, AUD-32, AUD-39, DATA-30 to DATA-36)."""
import concurrent.futures
import copy
import http.client
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
import unittest
import uuid

from harness import ADMIN_TOKEN, AUDIT_FOLDER, POSTGRES, Answer, Server, ServerCase, segment_rows, wait_until

NDJSON = {"Content-Type": "application/x-ndjson"}


def event(**fields):
    return {"action": "created", "resource": {"type": "pod", "identifier": "web-1"}, "user": {"uid": "u-1", "username": "ada", "type": "user"}, **fields}


def read_segment(path):
    """None while its file changes its form (the end of sealing), in which it cannot be read by others; [] when retention took it."""
    if not os.path.exists(path):
        return []
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [(int(os.path.basename(path)[:6]), seq, json.loads(text)) for seq, text in db.execute("SELECT seq, event FROM audit_events ORDER BY seq")]
    except sqlite3.OperationalError:
        return None
    finally:
        db.close()


def stored_events(folder):
    """(segment, seq, event) of all that is stored, read from where it lies, in the order of storing."""
    if POSTGRES:
        return [(segment, seq, json.loads(text)) for segment, seq, text in segment_rows(folder)]
    segments = os.path.join(folder, AUDIT_FOLDER)
    paths = [os.path.join(segments, name) for name in sorted(os.listdir(segments)) if re.fullmatch(r"\d{6}\.db", name)]
    found = []

    def take(path):
        rows = read_segment(path)
        found.extend(rows or [])
        return rows is not None

    for path in paths:
        wait_until(f"{path} to be readable", lambda path=path: take(path))
    return found


def by_id(folder):
    found = {}
    for _, _, one in stored_events(folder):
        assert one["id"] not in found, f"{one['id']} is stored twice"
        found[one["id"]] = one
    return found


def lines(events):
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)


class Ingest(ServerCase):
    def send(self, body, status=201, path="/audit/events", **kwargs):
        answer = self.server.post(path, body, **kwargs)
        self.assertEqual(answer.status, status, answer.body[:400])
        return answer.data

    def send_lines(self, raw, status=201, path="/audit/events", **kwargs):
        answer = self.server.request("POST", path, raw=raw, headers={**NDJSON, **kwargs.pop("headers", {})}, **kwargs)
        self.assertEqual(answer.status, status, answer.body[:400])
        return answer

    def unchecked(self, raw, kind):
        """Without the check against the document, which takes longer than the server."""
        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        connection.request("POST", "/api/v1/audit/events", raw, {"Content-Type": kind, "Authorization": f"Bearer {ADMIN_TOKEN}"})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def stored(self):
        return by_id(self.server.folder)

    # ---- what is stored ----
    def test_an_event_is_stored_with_what_it_did_not_say(self):
        before = time.time() * 1000
        data = self.send(event(new_object={"replicas": 3}))
        self.assertEqual(data["truncated"], [False])
        self.assertEqual(uuid.UUID(data["ids"][0]).version, 7)
        found = self.stored()[data["ids"][0]]
        self.assertTrue(before - 1 <= found["timestamp"] <= time.time() * 1000 + 1)
        self.assertEqual((found["client_ip"], found["resource_type"], found["status"]), ("127.0.0.1", "pod", "success"))
        self.assertEqual(found["diff_object"]["new_object"], '{"replicas":3}')
        self.assertNotIn("old_object", found["diff_object"])

    def test_what_it_says_is_kept(self):
        given = event(id=str(uuid.uuid4()), timestamp=int(time.time() * 1000) - 5000, action="updated", client_ip="192.0.2.7", user_agent="curl/8", request_method="PUT",
                      request_id="r-1", space_path="a/b", subsystem="billing", status="failure", error_message="no money", data={"k": "v"},
                      resource={"type": "deployment", "identifier": "d", "data": {"cluster": "c"}}, resource_type="deployment", old_object={"a": 1}, new_object='{"a": 2}')
        self.assertEqual(self.send(given)["ids"], [given["id"]])
        found = self.stored()[given["id"]]
        for name in ("timestamp", "action", "client_ip", "user_agent", "request_method", "request_id", "space_path", "subsystem", "status", "error_message", "resource", "user", "resource_type"):
            self.assertEqual(found[name], given[name], name)
        self.assertEqual((found["data"], found["diff_object"]["old_object"], found["diff_object"]["new_object"]), ({"k": "v"}, '{"a":1}', '{"a":2}'))

    def test_numbers_stay_digit_for_digit_and_secrets_are_hidden(self):
        raw = b'{"action":"created","resource":{"type":"pod","identifier":"n"},"user":{"uid":"u","username":"u","type":"service"},' \
              b'"new_object":{"a":1.50,"b":123456789012345678901234567890,"c":1E+2,"api_key":"k","list":[{"Pass-Word":1}]}}'
        answer = self.server.request("POST", "/audit/events", raw=raw, headers={"Content-Type": "application/json"})
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(self.stored()[answer.data["ids"][0]]["diff_object"]["new_object"],
                         '{"a":1.50,"b":123456789012345678901234567890,"c":1E+2,"api_key":"***","list":[{"Pass-Word":"***"}]}')

    def test_an_array_is_answered_in_its_order(self):
        data = self.send([event(new_object={"x": "y" * size}) for size in (10, 70000, 20, 80000)])
        self.assertEqual(data["truncated"], [False, True, False, True])
        found = self.stored()
        for index, one in enumerate(data["ids"]):
            self.assertEqual(found[one]["diff_object"]["new_object_truncated"], data["truncated"][index])
        self.assertEqual(len(self.send([event()] * 1000)["ids"]), 1000)

    def test_lines_of_any_length(self):
        many = [event(id=str(uuid.uuid4()), request_id=f"line-{i}", new_object={"text": "z" * 200}) for i in range(25000)]  # more than is kept in memory, in answer and records
        answer = self.unchecked(lines(many)[:-1], NDJSON["Content-Type"])  # the last one without its end
        self.assertEqual(answer.status, 201, answer.body[:400])
        self.assertEqual(answer.data, {"ids": [one["id"] for one in many], "truncated": [False] * len(many)})
        order = [one["request_id"] for _, _, one in stored_events(self.server.folder) if one.get("request_id", "").startswith("line-")]
        self.assertEqual(order, [f"line-{i}" for i in range(len(many))])
        few = self.send_lines(b"\r\n" + lines([event()]) + b"\n  \n" + lines([event()])).data
        self.assertEqual(len(few["ids"]), 2)

    def test_queued_is_answered_before_it_is_stored(self):
        data = self.send([event()] * 3, 202, "/audit/events?ack=queued")
        wait_until("the events", lambda: set(data["ids"]) <= set(self.stored()))
        answer = self.send_lines(lines([event()] * 3), 202, "/audit/events?ack=queued")
        wait_until("the lines", lambda: set(answer.data["ids"]) <= set(self.stored()))
        self.assertEqual(self.server.post("/audit/events?ack=never", event()).status, 400)

    # ---- ids ----
    def test_an_id_is_stored_once_and_answered_the_same_way(self):
        known = event(id=str(uuid.uuid4()))
        first = self.send(known)
        self.assertEqual(self.send(known), first)
        self.assertEqual(self.send([known, event(), known])["ids"][0], known["id"])
        self.assertEqual(self.send_lines(lines([known] * 3)).data["ids"], [known["id"]] * 3)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.send(known), first)
        self.stored()  # each id once

    def test_the_same_id_at_once_is_stored_once(self):
        ids = [str(uuid.uuid4()) for _ in range(20)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda i: self.server.post("/audit/events", [event(id=ids[i % 20]), event(id=ids[(i + 7) % 20])]), range(200)))
        self.assertEqual({answer.status for answer in answers}, {201})
        self.assertLessEqual(set(ids), set(self.stored()))

    def test_a_repeat_with_a_key_has_the_same_answer(self):
        for body in ({"body": event()}, {"raw": lines([event()] * 2), "headers": NDJSON}):
            headers = {**body.pop("headers", {}), "Idempotency-Key": str(uuid.uuid4())}
            first, second = (self.server.request("POST", "/audit/events", headers=headers, **body) for _ in range(2))
            self.assertEqual((first.status, second.status, second.body), (201, 201, first.body))
        other = self.server.request("POST", "/audit/events", headers=headers, raw=lines([event()] * 3))
        self.assertEqual((other.status, other.json["code"]), (409, "IDEMPOTENCY_KEY_REUSED"))

    # ---- what is refused ----
    BAD = [
        ({"action": "modified"}, "action"), ({"action": "Created"}, "action"), ({"action": ""}, "action"), ({"action": None}, "action"), ({"action": 1}, "action"),
        ({"resource": {"type": "planet", "identifier": "x"}}, "resource.type"), ({"resource": {"type": "pod"}}, "resource.identifier"),
        ({"resource": {"type": "pod", "identifier": ""}}, "resource.identifier"), ({"resource": {"identifier": "x"}}, "resource.type"),
        ({"resource": {"type": "pod", "identifier": "x", "data": {"a": 1}}}, "resource.data"), ({"resource": []}, "resource"), ({"resource_type": "role"}, "resource_type"),
        ({"user": {"uid": "", "username": "a", "type": "user"}}, "user.uid"), ({"user": {"uid": "a", "username": "", "type": "user"}}, "user.username"),
        ({"user": {"uid": "a", "username": "a", "type": "robot"}}, "user.type"), ({"user": {"username": "a", "type": "user"}}, "user.uid"),
        ({"id": "no-uuid"}, "id"), ({"id": ""}, "id"), ({"id": 7}, "id"), ({"timestamp": 0}, "timestamp"), ({"timestamp": -1}, "timestamp"),
        ({"timestamp": 253402300799000}, "timestamp"), ({"timestamp": "yesterday"}, "timestamp"), ({"status": "ok"}, "status"), ({"data": {"a": {}}}, "data"), ({"data": []}, "data"),
        ({"client_ip": "x" * 46}, "client_ip"), ({"request_id": "x" * 129}, "request_id"), ({"subsystem": "x" * 51}, "subsystem"), ({"space_path": "x" * 513}, "space_path"),
        ({"extra": 1}, "extra"),
    ]

    def refused(self, answer, param, status=400):
        self.assertEqual((answer.status, answer.json["code"]), (status, "INVALID_PARAMETER"), answer.body)
        self.assertEqual(answer.json["params"]["param"], param)
        self.assertIn(param, answer.json["error"])

    def test_every_bad_member_is_named_and_nothing_is_stored(self):
        before = len([one for one in self.stored().values() if one["user"]["uid"] == "u-1"])
        for change, param in self.BAD:
            bad = {name: value for name, value in {**event(), **change}.items() if not (name == "action" and value is None)}
            with self.subTest(change=change):
                self.refused(self.server.post("/audit/events", bad), param)
                self.refused(self.server.post("/audit/events", [event(), event(), bad]), f"events[2].{param}")
                self.refused(self.server.request("POST", "/audit/events", raw=lines([event(), bad, event()]), headers=NDJSON), f"events[1].{param}")
        for missing in ("action", "resource", "user"):
            bad = event()
            del bad[missing]
            self.refused(self.server.post("/audit/events", bad), missing)
        self.assertEqual(len([one for one in self.stored().values() if one["user"]["uid"] == "u-1"]), before)

    def test_what_is_no_event_at_all(self):
        for body, status in [([], 400), ([event()] * 1001, 400), ([[]], 400), ([1], 400), ("text", 400), (1, 400)]:
            self.assertEqual(self.server.post("/audit/events", body).status, status, str(body)[:40])
        for raw in (b"", b"{", b"[" * 100000, b'{"action":"\xff"}', b'{"action":"\\ud800"}', b'{"a":1}{"a":2}'):
            answer = self.server.request("POST", "/audit/events", raw=raw, headers={"Content-Type": "application/json"})
            self.assertEqual((answer.status, answer.json["code"]), (400, "INVALID_JSON"), raw[:20])
        for raw, place in [(b"", ""), (b"\n\n", ""), (lines([event()]) + b"{\n", "events[1]"), (b"\xff\n", "events[0]"), (lines([event()]) * 2 + b'"\\udc00"', "events[2]")]:
            answer = self.server.request("POST", "/audit/events", raw=raw, headers=NDJSON)
            self.assertEqual((answer.status, answer.json["code"]), (400, "INVALID_JSON"), raw[:20])
            self.assertIn(place, answer.json["error"])
        for kind in ("text/plain", "application/xml", "application/json; charset=latin-1", "application/ndjson"):
            answer = self.server.request("POST", "/audit/events", raw=lines([event()]), headers={"Content-Type": kind})
            self.assertEqual((answer.status, answer.json["code"]), (415, "UNSUPPORTED_MEDIA_TYPE"))
            self.assertIn("application/x-ndjson", answer.json["error"])

    def test_objects_are_never_refused(self):
        deep = "[" * 100000 + "]" * 100000
        cases = [("not JSON", True), ('{"half', True), (deep, True), ({"big": "x" * 10_000_000}, True), ([1] * 100000, True), ("", False), (0, False), (False, False),
                 ('"\\ud800"', True), ([], False)]
        raw = "[" + ",".join(json.dumps(event())[:-1] + ',"new_object":' + json.dumps(value) + "}" for value, _ in cases) + \
              "," + json.dumps(event())[:-1] + ',"new_object":' + deep + "}]"
        answer = self.unchecked(raw.encode(), "application/json")  # Python cannot read such depths
        self.assertEqual(answer.status, 201, answer.body[:300])
        found = self.stored()
        for (value, _), one in zip([*cases, (deep, True)], answer.data["ids"]):
            with self.subTest(value=str(value)[:20]):
                stored = found[one]["diff_object"].get("new_object")
                self.assertTrue(stored is None or len(stored.encode()) <= 65536)
                if stored is not None:
                    json.loads(stored)
        self.assertEqual(found[answer.data["ids"][0]]["data"], {"object_encoding": "raw"})

    def test_objects_belong_to_the_action(self):
        """AUD-02: the others are absent, their flags false; when one was sent, the event says that it was left out."""
        before, after, none = {"a": 1}, {"a": 2}, None
        for action, old, new, stored_old, stored_new, left_out in (
                ("created", none, after, none, after, none), ("updated", before, after, before, after, none), ("deleted", before, none, before, none, none),
                ("read", none, none, none, none, none), ("created", before, after, none, after, ["old_object"]), ("deleted", before, after, before, none, ["new_object"]),
                ("read", before, after, none, none, ["old_object", "new_object"])):
            with self.subTest(action=action, old=old, new=new):
                one = self.send(event(action=action, old_object=old, new_object=new))["ids"][0]
                found = self.server.get(f"/audit/events/{one}").data
                diff = found.get("diff_object", {})
                objects = [json.loads(diff[name]) if name in diff else none for name in ("old_object", "new_object")]
                self.assertEqual(objects, [stored_old, stored_new])
                self.assertEqual([diff.get(f"{side}_object_truncated", False) for side in ("old", "new")], [False, False])
                self.assertEqual(diff.get("left_out"), left_out)
                self.assertEqual("diff_object" in found, any((old, new)))

    def test_when_it_is_stored_is_said_by_the_server(self):
        """DATA-30: created_at is set once, here; an event that was read elsewhere is no worse for having it."""
        one = self.send(event(created_at="2001-01-01T00:00:00Z", timestamp=1760860800000))["ids"][0]
        found = self.server.get(f"/audit/events/{one}").data
        self.assertEqual((found["timestamp"], found["created_at"][:4] > "2001"), (1760860800000, True))

    def test_a_line_has_a_limit(self):
        answer = self.server.request("POST", "/audit/events", raw=lines([event(), event(new_object="x" * (16 << 20))]), headers=NDJSON)
        self.assertEqual((answer.status, answer.json["code"]), (413, "PAYLOAD_TOO_LARGE"))
        self.assertIn("events[1]", answer.json["error"])

    def test_who_may_send(self):
        for role, status in (("viewer", 403), ("auditor", 403), ("operator", 201), ("admin", 201)):
            token = self.server.post("/tokens", {"name": f"for {role}", "role": role}).data["token"]
            self.assertEqual(self.server.post("/audit/events", event(), token=token).status, status, role)
        self.assertEqual(self.server.post("/audit/events", event(), token=None).status, 401)

    def test_nothing_changes_what_is_stored(self):
        """AUD-39, API-24."""
        one = self.send(event())["ids"][0]
        for method in ("PUT", "PATCH", "DELETE"):
            answer = self.server.request(method, "/audit/events")
            self.assertEqual((answer.status, answer.json["code"]), (405, "METHOD_NOT_ALLOWED"))
            self.assertIn("POST", answer.headers["Allow"])
        self.assertIn(one, self.stored())

    def test_a_body_in_chunks_that_breaks_off_has_no_effect(self):
        marked = [event(request_id="broken-off") for _ in range(5)]
        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        connection.putrequest("POST", "/api/v1/audit/events")
        for name, value in {**NDJSON, "Authorization": f"Bearer {ADMIN_TOKEN}", "Transfer-Encoding": "chunked"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        for one in marked:
            piece = lines([one])
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.close()
        self.send(event())
        self.assertFalse([one for one in self.stored().values() if one.get("request_id") == "broken-off"])


class Configured(unittest.TestCase):
    """Types and names to hide of the settings (DATA-33, AUD-13), and the limit of objects (AUD-03)."""

    def serve(self, text):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "horae.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        server = Server(["--config", path])
        self.addCleanup(server.remove)
        return server

    def test_own_types_names_and_limit(self):
        server = self.serve("audit: {resource_types: [invoice, bankAccount], redact_names: [iban, Card_Number], max_object_bytes: 1024}\n")
        self.assertEqual(server.post("/audit/events", event(resource={"type": "receipt", "identifier": "1"})).status, 400)
        sent = event(resource={"type": "bankAccount", "identifier": "1"}, new_object={"IBAN": "DE00", "cardNumber": 1, "token": 2, "text": "x" * 2000})
        answer = server.post("/audit/events", sent)
        self.assertEqual((answer.status, answer.data["truncated"]), (201, [True]), answer.body)
        stored = by_id(server.folder)[answer.data["ids"][0]]["diff_object"]["new_object"]
        self.assertEqual(len(stored), 1024)
        self.assertTrue(stored.startswith('{"IBAN":"***","cardNumber":"***","token":"***","text":"xxx'), stored[:80])
