# SPDX-License-Identifier: Apache-2.0
"""Reading the audit log: AUD-42, AUD-43, API-20 to API-24, API-34, RET-02, RET-03, rulings section 2 "Totals"."""
import csv
import hashlib
import http.client
import io
import json
import os
import random
import re
import struct
import subprocess
import time
import urllib.parse
import uuid

import audit_query_model as model
from harness import ADMIN_TOKEN, BINARY, MEMORY_FACTOR, Server, ServerCase, run_cli, wait_until
from scenarios.test_events import Stream

CONFIG = "audit:\n  segment_events: 60\n  resource_types: [vault]\n"


def query(path, question):
    return f"{path}?{urllib.parse.urlencode(question)}"


class AuditCase(ServerCase):
    config = CONFIG

    @classmethod
    def setUpClass(cls):
        path = f"/tmp/horae-audit-query-{os.getpid()}-{cls.__name__}.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(cls.config)
        cls.addClassCleanup(os.unlink, path)
        cls.arguments = ("--config", path)
        super().setUpClass()
        cls.tokens = {role: cls.server.post("/tokens", {"name": role, "role": role}).data["token"] for role in ("viewer", "operator", "auditor")}

    @classmethod
    def send(cls, events, at_once=50):
        events = list(events)
        for begin in range(0, len(events), at_once):
            answer = cls.server.post("/audit/events", events[begin:begin + at_once])
            assert answer.status == 201, answer.body
        return events

    def pages(self, question, **paging):
        """All events, page by page."""
        found, page = [], 1
        while True:
            answer = self.server.get(query("/audit/events", {**question, **paging, "page": page})).json
            found += answer["data"]
            if "next_cursor" not in answer["pagination"]:
                return found, answer["pagination"]
            page += 1

    def cursors(self, question, **paging):
        """All events, each page from where the one before ended; a page of a long search may be short, or empty."""
        found, place = [], {}
        while True:
            answer = self.server.get(query("/audit/events", {**question, **paging, **place})).json
            found += answer["data"]
            if "next_cursor" not in answer["pagination"]:
                return found
            place = {"cursor": answer["pagination"]["next_cursor"]}


class Questions(AuditCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seed = int(os.environ.get("HORAE_AUDIT_SEED") or model.random_seed())
        rng = random.Random(cls.seed)
        now = int(time.time() * 1000)
        cls.send(model.random_events(rng, 700, now, 3000))           # many at the same time
        cls.send(model.random_events(rng, 500, now, 4 * 86400000))   # late ones: segments of their days
        cls.rng, cls.raw = rng, {}
        export = cls.server.get("/audit/events/export").body.decode().splitlines()
        for line in export[:-1]:
            event, _ = line.rsplit(',"chain":', 1)
            event += "}"
            cls.raw[json.loads(event)["id"]] = event
        cls.events = [json.loads(event) for event in cls.raw.values()]
        cls.until = max(event["timestamp"] for event in cls.events)

    def check(self, question, **paging):
        expected = [event for event in self.events if model.matches(event, question, self.raw[event["id"]])]
        bounded = {"end_time": self.until, **question}  # what this test does is recorded, too
        by_cursor = self.cursors(bounded, **paging)
        # A long search by text ends in the middle of a page when the machine is busy: it is followed by cursor alone.
        by_page, pagination = (by_cursor, {"total": len(expected)}) if "q" in question else self.pages(bounded, **paging)
        where = f"HORAE_AUDIT_SEED={self.seed}: {question} {paging}"
        self.assertEqual(by_page, by_cursor, where)
        self.assertEqual(sorted(event["id"] for event in by_page), sorted(event["id"] for event in expected), where)
        self.assertEqual([event["timestamp"] for event in by_page], sorted((event["timestamp"] for event in expected), reverse=True), where)
        if not pagination.get("total_is_lower_bound"):
            self.assertEqual(pagination["total"], len(expected), where)
        return len(expected)

    def test_random_questions_against_a_walk_over_all_events(self):
        self.assertGreater(len(self.events), 1200)
        numbers = [self.check(model.random_question(self.rng, self.events), page_size=self.rng.choice((7, 40, 100))) for _ in range(150)]
        self.assertGreater(sum(number > 0 for number in numbers), 60)
        self.assertGreater(sum(number == 0 for number in numbers), 2)

    def test_every_filter_by_itself(self):
        nobody = {"resource_type": "mysql", "action": "purged", "status": "failure", "client_ip": "203.0.113.77"}
        for name in ("user_uid", "resource_type", "action", "resource_id", "client_ip", "request_id", "status", "subsystem", "space_path"):
            for value in sorted({value for event in self.events if (value := model.value_of(event, name))})[:5]:
                self.check({name: value}, page_size=100)
            self.assertEqual(self.check({name: nobody.get(name, "nobody")}, page_size=100) > 0,
                             name == "status")

    def test_no_filter_and_ranges_of_time(self):
        self.assertEqual(self.check({}, page_size=100), len(self.events))
        self.assertEqual(self.check({}, page_size=33), len(self.events))
        times = sorted({event["timestamp"] for event in self.events})
        for start, end in ((times[0], times[0]), (times[3], times[-3]), (times[-1], times[-1]), (times[-1] - 1, times[-1])):
            self.check({"start_time": start, "end_time": end}, page_size=50)
        self.assertEqual(self.check({"start_time": times[-1] + 1, "end_time": times[-1] + 1}), 0)

    def test_times_are_inclusive_to_the_millisecond_in_both_spellings(self):
        ms = self.events[0]["timestamp"]
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}"
        expected = sum(event["timestamp"] == ms for event in self.events)
        for start, end, count in ((ms, ms, expected), (text + "Z", text + "Z", expected), (text + "+00:00", ms, expected), (text + "500Z", text + "999Z", 0)):
            self.assertEqual(len(self.server.get(query("/audit/events", {"start_time": start, "end_time": end, "page_size": 100})).data), count, (start, end))

    def test_free_text_needs_a_beginning_and_goes_on_until_all_was_searched(self):
        self.assert_error(self.server.get("/audit/events?q=alpha"), 400, "INVALID_PARAMETER", "start_time")
        self.assert_error(self.server.get(query("/audit/events", {"q": "alpha", "end_time": self.until})), 400, "INVALID_PARAMETER", "start_time")
        for text in ("Alpha", "sAy \"hi\"", "größe", "\\slash", "two\nlines"):
            self.assertGreater(self.check({"q": text, "start_time": 0}, page_size=100), 0)
        self.assertEqual(self.check({"q": "GRÖSSE", "start_time": 0}), 0)

    def test_one_event_by_its_id(self):
        for event in self.rng.sample(self.events, 30):
            self.assertEqual(self.server.get(f"/audit/events/{event['id']}").data, event)
            self.assertEqual(self.server.get(f"/audit/events/{event['id'].upper()}").data, event)
        for missing in (str(uuid.uuid4()), "nobody", "1", str(uuid.UUID(int=0)), self.events[0]["id"] + "0"):
            self.assert_error(self.server.get(f"/audit/events/{missing}"), 404, "NOT_FOUND")

    def test_what_is_wrong_is_named_with_what_is_allowed(self):
        for question, param, text in (({"action": "modified"}, "action", "created, updated"), ({"action": "Created"}, "action", "created, updated"), ({"action": ""}, "action", "created"),
                                      ({"resource_type": "User"}, "resource_type", "vault"), ({"resource_type": "user "}, "resource_type", "user, role"),
                                      ({"status": "failed"}, "status", "success, failure"), ({"start_time": "yesterday"}, "start_time", "RFC 3339"),
                                      ({"start_time": 5, "end_time": 4}, "end_time", "before start_time"), ({"page_size": 101}, "page_size", "between 1 and 100"),
                                      ({"page": 0}, "page", "between 1"), ({"cursor": "x"}, "cursor", "next_cursor"), ({"cursor": "1.1.0.1"}, "cursor", "next_cursor"),
                                      ({"page": 1, "cursor": "1.1.1.1"}, "page", "not both"), ({"user": "ann"}, "user", "unknown"), ({"client_ip": "1" * 46}, "client_ip", "1 to 45"), ({"client_ip": "junk"}, "client_ip", "IP address"), ({"client_ip": "10.0.0"}, "client_ip", "IP address"),
                                      ({"q": "", "start_time": 0}, "q", "1 to 256"), ({"format": "xml"}, "format", "unknown")):
            answer = self.server.get(query("/audit/events", question))
            self.assert_error(answer, 400, "INVALID_PARAMETER", param)
            self.assertIn(text, answer.json["error"])
        for question, param in (({"format": "xml"}, "format"), ({"page": 1}, "page"), ({"q": "x"}, "start_time"), ({"action": "modified"}, "action")):
            self.assert_error(self.server.get(query("/audit/events/export", question)), 400, "INVALID_PARAMETER", param)

    def test_nothing_can_be_changed(self):  # API-24
        for path in ("/audit/events", f"/audit/events/{self.events[0]['id']}", "/audit/events/export"):
            for method in ("PUT", "PATCH", "DELETE"):
                self.assert_error(self.server.request(method, path, {}), 405, "METHOD_NOT_ALLOWED")
        self.assertEqual(self.server.get(f"/audit/events/{self.events[0]['id']}").data, self.events[0])

    def test_totals_of_whole_segments_are_sums(self):
        for question, expected in (({}, len(self.events)), ({"status": "failure"}, sum(event["status"] == "failure" for event in self.events))):
            pagination = self.server.get(query("/audit/events", {**question, "end_time": self.until, "page_size": 1})).json["pagination"]
            self.assertEqual((pagination["total"], pagination.get("total_is_lower_bound")), (expected, None))

    def test_pages_behind_the_end_are_empty(self):
        answer = self.server.get(query("/audit/events", {"page": 1000000, "page_size": 100, "end_time": self.until})).json
        self.assertEqual((answer["data"], answer["pagination"]["total"]), ([], len(self.events)))


class Own(AuditCase):
    """Changes of the server's own, and its configuration."""

    def test_who_has_changed_something_finds_its_event_at_once(self):
        for number in range(60):
            task = self.server.create(name=f"seen-{number}", type="noop")
            found = self.server.get(query("/audit/events", {"resource_id": task["uid"]})).json
            self.assertEqual([(event["action"], event["resource_type"]) for event in found["data"]], [("created", "scheduledTask")], number)
            self.assertEqual(self.server.get(f"/audit/events/{found['data'][0]['id']}").data, found["data"][0])

    def test_a_deleted_resource_is_found_with_its_last_state(self):  # scenario 4 of the requirements
        task = self.server.create(name="to be deleted", type="noop", description="what it was")
        answer = self.server.request("DELETE", f"/scheduler/tasks/{task['uid']}", headers={"X-Request-Id": "the-deletion"})
        self.assertEqual(answer.status, 204)
        found = self.server.get(query("/audit/events", {"action": "deleted", "resource_type": "scheduledTask", "request_id": "the-deletion"})).data
        self.assertEqual(len(found), 1)
        self.assertEqual((found[0]["client_ip"], found[0]["request_id"], found[0]["resource"]["identifier"]), ("127.0.0.1", "the-deletion", task["uid"]))
        self.assertEqual(json.loads(found[0]["diff_object"]["old_object"])["description"], "what it was")

    def test_retention_is_set_at_once_and_stays(self):  # RET-02, RET-03
        server = Server()
        self.addCleanup(server.remove)
        before = server.get("/audit/config").data
        self.assertEqual((before["retention_days"], set(before)), (90, {"retention_days", "last_updated_at"}))
        answer = server.request("PUT", "/audit/config", {"retention_days": 180})
        self.assertEqual((answer.status, answer.json["message"]), (200, "Audit configuration updated successfully"))
        self.assertEqual((answer.data["retention_days"], answer.data["updated_by"]), (180, "admin-token"))
        self.assertGreater(answer.data["last_updated_at"], before["last_updated_at"])
        self.assertEqual(server.get("/audit/config").data, answer.data)
        event = server.get("/audit/events?action=updated&resource_type=auditConfig").data[0]
        self.assertEqual((json.loads(event["diff_object"]["old_object"]), json.loads(event["diff_object"]["new_object"])),
                         ({"retention_days": 90}, {"retention_days": 180}))
        server.stop()
        server.start()
        self.assertEqual(server.get("/audit/config").data, answer.data)
        self.assertEqual(server.request("PUT", "/audit/config", answer.data).status, 200)  # GET, edit, PUT

    def test_retention_out_of_its_range_is_refused_in_these_words(self):  # RET-02
        for days in (0, 3651, -1, "90", 1.5, None, True, [90], 10**30):
            answer = self.server.request("PUT", "/audit/config", {"retention_days": days})
            self.assert_error(answer, 400, "INVALID_PARAMETER", "retention_days")
            self.assertEqual(answer.json["error"], "retention_days must be between 1 and 3650", days)
        for days in (1, 3650):
            self.assertEqual(self.server.request("PUT", "/audit/config", {"retention_days": days}).data["retention_days"], days)
        self.assert_error(self.server.request("PUT", "/audit/config", {}), 400, "INVALID_PARAMETER", "retention_days")
        self.assert_error(self.server.request("PUT", "/audit/config", {"retention_days": 5, "days": 5}), 400, "INVALID_PARAMETER", "days")

    def test_a_repeated_change_has_one_event(self):
        for _ in range(2):
            answer = self.server.request("PUT", "/audit/config", {"retention_days": 77}, headers={"Idempotency-Key": "k-77"})
            self.assertEqual(answer.status, 200)
        events = self.server.get("/audit/events?action=updated&resource_type=auditConfig&page_size=100").data
        self.assertEqual(sum('"retention_days":77' in event["diff_object"]["new_object"] for event in events), 1)

    def test_who_may_read_and_who_may_change(self):
        for role, read, change in (("viewer", 403, 403), ("operator", 403, 403), ("auditor", 200, 403)):
            for path in ("/audit/events", "/audit/events/export", "/audit/config"):
                self.assertEqual(self.server.get(path, token=self.tokens[role]).status, read, (role, path))
            self.assertEqual(self.server.request("PUT", "/audit/config", {"retention_days": 90}, token=self.tokens[role]).status, change)


class Live(AuditCase):
    def test_events_are_told_to_those_who_may_read_them(self):
        with Stream(self.server, "/stream?topics=audit", token=self.tokens["auditor"]) as stream, \
                Stream(self.server, "/stream", token=self.tokens["viewer"]) as other:
            task = self.server.create(name="followed", type="noop")
            found = stream.until(lambda event: event["data"].get("resource_id") == task["uid"])[-1]
            self.assertEqual(found["event"], "audit.created")
            self.assertLessEqual({"type", "id", "version", "seq"}, set(found["data"]))
            event = self.server.get(f"/audit/events/{found['data']['id']}").data
            for member in ("action", "resource_type", "status"):
                self.assertEqual(found["data"][member], event[member])
            self.server.request("DELETE", f"/scheduler/tasks/{task['uid']}")
            seen = other.until(lambda event: event["event"] == "task.deleted")
            self.assertEqual({event["data"]["type"] for event in seen}, {"task"})
        self.assert_error(self.server.get("/stream?topics=audit", token=self.tokens["viewer"]), 403, "FORBIDDEN")

    def test_many_events_of_others_make_no_reader_of_tasks_late(self):
        with Stream(self.server, "/stream?topics=task") as tasks, Stream(self.server, "/stream?topics=audit", token=self.tokens["auditor"]) as audit:
            rng = random.Random(1)
            self.send(model.random_events(rng, 5000, int(time.time() * 1000), 1000))
            self.server.create(name="after the flood", type="noop")
            self.assertEqual(tasks.next()["event"], "task.created")
            audit.until(lambda event: event["event"] == "resync" or event["data"].get("resource_type") == "scheduledTask")


class Exports(AuditCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sent = cls.send(model.random_events(random.Random(7), 400, int(time.time() * 1000), 3000))

    def lines(self, **question):
        answer = self.server.get(query("/audit/events/export", question))
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/x-ndjson"))
        lines = [json.loads(line) for line in answer.body.decode().split("\n")[:-1]]
        return lines[:-1], lines[-1]["manifest"]

    def test_lines_carry_the_chain_in_its_order(self):
        lines, manifest = self.lines()
        self.assertEqual((manifest["filtered"], manifest["events"]), (False, len(lines)))
        self.assertGreater(len(manifest["segments"]), 3)
        places = [(line["chain"]["segment"], line["chain"]["seq"]) for line in lines]
        self.assertEqual(places, sorted(set(places)))
        before = {}
        for line in lines:
            chain = line["chain"]
            part = next(part for part in manifest["segments"] if part["segment"] == chain["segment"])
            self.assertEqual(chain["before"], before.get(chain["segment"], part["genesis"]))
            before[chain["segment"]] = chain["hash"]
        for part in manifest["segments"]:
            self.assertEqual((part["first_seq"], part["last_seq"], before[part["segment"]]), (1, part["seq"], part["hash"]))
        listed = {event["id"]: event for event in self.cursors({"end_time": max(line["timestamp"] for line in lines)}, page_size=100)}
        for line in lines:
            chain = line.pop("chain")
            self.assertEqual(line, listed[line["id"]], chain)

    def test_links_are_hashes_over_every_column(self):
        """The form of the chain is a promise: whoever has an export can check it without horae."""
        lines, _ = self.lines()
        raw = self.server.get("/audit/events/export").body.decode().split("\n")
        for text in raw[:200:7]:
            line = json.loads(text)
            event = text[:text.rindex(',"chain":')] + "}"
            state = hashlib.blake2b(bytes.fromhex(line["chain"]["before"]), digest_size=32)
            state.update(struct.pack("<Q", line["chain"]["seq"]) + uuid.UUID(line["id"]).bytes)
            state.update(struct.pack("<qQ", line["timestamp"], line["status"] == "failure"))
            for value in (line["action"], line["resource_type"], line["resource"]["identifier"], line["user"]["uid"], line["client_ip"], line.get("request_id", ""),
                          line.get("subsystem", ""), line.get("space_path", ""), event):
                state.update(struct.pack("<Q", len(value.encode())) + value.encode())
            self.assertEqual(state.hexdigest(), line["chain"]["hash"])

    def test_filters_are_those_of_the_list(self):
        for question in ({"user_uid": "ann"}, {"action": "created", "status": "success"}, {"resource_type": "vault", "start_time": 0}, {"q": "say \"hi\"", "start_time": 0},
                         {"request_id": "r-5"}, {"user_uid": "nobody"}):
            lines, manifest = self.lines(**question)
            self.assertEqual((manifest["filtered"], manifest["events"]), (True, len(lines)))
            self.assertEqual(sorted(line["id"] for line in lines), sorted(event["id"] for event in self.cursors(question, page_size=100) if event["action"] != "exported"), question)
            self.assertEqual(len(lines) > 0, question != {"user_uid": "nobody"})

    def test_an_export_is_an_event(self):
        self.server.get("/audit/events/export?user_uid=ann&format=csv", headers={"X-Request-Id": "my-export"}, token=self.tokens["auditor"])
        event, = self.server.get("/audit/events?action=exported&request_id=my-export").data
        count = sum(event["user"]["uid"] == "ann" for event in self.sent)
        self.assertEqual((event["resource"], event["status"]), ({"type": "auditConfig", "identifier": "audit_events"}, "success"))
        self.assertEqual(event["data"], {"format": "csv", "user_uid": "ann", "events": str(count)})
        self.server.request("HEAD", "/audit/events/export", headers={"X-Request-Id": "my-head"})
        self.assertEqual(self.server.get("/audit/events?request_id=my-head").data, [])

    def test_csv_is_read_by_others_and_starts_no_formula(self):
        answer = self.server.get("/audit/events/export?format=csv&status=failure")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/csv"))
        text = answer.body.decode()
        self.assertTrue(text.endswith("\r\n"))
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        events, _ = self.lines(status="failure")
        self.assertEqual(len(rows), len(events))
        self.assertGreater(len(rows), 20)
        for row, event in zip(rows, events):
            diff = event.get("diff_object", {})
            expected = {"id": event["id"], "timestamp": str(event["timestamp"]), "action": event["action"], "status": "failure", "resource_type": event["resource_type"],
                        "resource_id": event["resource"]["identifier"], "user_uid": event["user"]["uid"], "username": event["user"]["username"], "user_type": "user",
                        "client_ip": event["client_ip"], "request_id": event["request_id"], "subsystem": event.get("subsystem", ""), "space_path": event.get("space_path", ""),
                        "error_message": event["error_message"], "old_object": diff.get("old_object", ""), "new_object": diff.get("new_object", ""), "created_at": event["created_at"]}
            self.assertEqual({name: row[name] for name in expected}, expected)
            self.assertEqual((json.loads(row["data"]), json.loads(row["resource_data"])), (event["data"], event["resource"]["data"]))
            self.assertIsNone(next((value for value in row.values() if value[:1] in "=+-@\t\r" and value), None))
        formula = {"action": "read", "resource": {"type": "pod", "identifier": "=HYPERLINK(\"x\")"}, "user": {"uid": "@me", "username": "+1", "type": "user"}, "user_agent": "-2"}
        self.send([formula])
        row, = csv.DictReader(io.StringIO(self.server.get(query("/audit/events/export", {"format": "csv", "user_uid": "@me"})).body.decode(), newline=""))
        self.assertEqual((row["resource_id"], row["user_uid"], row["username"], row["user_agent"]), ("'=HYPERLINK(\"x\")", "'@me", "'+1", "'-2"))


class LongExports(AuditCase):
    """Many large events: 25 MB, whose export takes no more memory than that of a few."""

    config = "audit:\n  segment_events: 2000\n"
    EVENTS, TEXT = 8000, 3000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        text = "x" * cls.TEXT
        cls.send(({"action": "read", "resource": {"type": "pod", "identifier": f"{i}"}, "user": {"uid": "u", "username": "u", "type": "user"}, "data": {"text": text}}
                 for i in range(cls.EVENTS)), 500)

    def memory(self):
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) * 1024

    def begin(self, path):
        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        connection.request("GET", "/api/v1" + path, headers={"Authorization": f"Bearer {ADMIN_TOKEN}", "X-Request-Id": "r" + uuid.uuid4().hex[:8]})
        return connection, connection.getresponse()

    def test_memory_does_not_grow_with_the_number_of_events(self):
        self.server.get(query("/audit/events/export", {"resource_id": "5"}))
        before, most, total = self.memory(), 0, 0
        for form in ("ndjson", "csv"):
            connection, response = self.begin(f"/audit/events/export?format={form}")
            while block := response.read(1 << 20):
                total += len(block)
                most = max(most, self.memory())
            connection.close()
        self.assertGreater(total, 2 * self.EVENTS * self.TEXT)
        self.assertLess(most - before, total / 5 + (300 << 20 if MEMORY_FACTOR > 1 else 0))  # measured: 4 MB; what was freed stays with a sanitizer

    def test_one_that_is_left_is_recorded_as_broken_off_and_others_go_on(self):
        connection, response = self.begin("/audit/events/export")
        request_id = response.headers["X-Request-Id"]
        response.read(100000)
        self.assertEqual(self.server.get("/audit/events?page_size=1").status, 200)
        response.close()  # else the socket stays open
        connection.close()
        event = wait_until("the export to be recorded", lambda: next(iter(self.server.get(f"/audit/events?action=exported&request_id={request_id}").data), None))
        self.assertEqual((event["status"], event["error_message"]), ("failure", "the export was broken off"))
        self.assertLess(int(event["data"]["events"]), self.EVENTS)

    def test_at_most_four_at_a_time(self):
        streams = [self.begin("/audit/events/export") for _ in range(4)]
        try:
            self.assertEqual([response.status for _, response in streams], [200] * 4)
            answer = self.server.get("/audit/events/export")
            self.assert_error(answer, 503, "UNAVAILABLE")
        finally:
            for connection, response in streams:
                response.close()
                connection.close()
        wait_until("room for another", lambda: self.server.request("HEAD", "/audit/events/export").status == 200)

    def test_a_stop_breaks_it_off(self):
        server = Server(self.arguments)
        self.addCleanup(server.remove)
        text = "x" * 100000
        for _ in range(4):
            server.post("/audit/events", [{"action": "read", "resource": {"type": "pod", "identifier": "p"}, "user": {"uid": "u", "username": "u", "type": "user"},
                                           "new_object": text, "data": {str(i): text[:4096] for i in range(60)}} for _ in range(100)])
        connection = http.client.HTTPConnection(server.host, timeout=30)
        connection.request("GET", "/api/v1/audit/events/export", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        response = connection.getresponse()
        response.read(1000)
        server.stop()
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            while response.read(1 << 20):
                pass
        connection.close()


class Commands(AuditCase):
    def test_list_show_and_every_filter(self):
        self.send([{"action": "updated", "timestamp": int(time.time() * 1000), "resource": {"type": "vault", "identifier": "the vault"},
                    "user": {"uid": "u-1", "username": "Ann Lee", "type": "user"}, "client_ip": "10.1.2.3", "request_id": "req-9", "subsystem": "vaults", "space_path": "/s",
                    "error_message": "door stuck", "old_object": {"door": "open", "lock": {"pins": [1, 2]}}, "new_object": {"door": "shut", "lock": {"pins": [1, 3]}, "by": "Ann"}}])
        for options in (("--user", "u-1"), ("--action", "updated", "--resource-type", "vault"), ("--resource-id", "the vault"), ("--status", "failure", "--client-ip", "10.1.2.3"),
                        ("--request-id", "req-9"), ("--subsystem", "vaults"), ("--space-path", "/s"), ("--text", "DOOR STUCK", "--from", "2020-01-01T00:00:00Z", "--to", "2099-01-01T00:00:00Z"),
                        ("--user", "u-1", "--page", "1", "--page-size", "5")):
            done = run_cli("audit", "list", *options, server=self.server)
            self.assertEqual((done.returncode, done.stderr), (0, ""), options)
            head, row = done.stdout.splitlines()
            self.assertEqual(head.split(), ["TIME", "ACTION", "RESOURCE", "USER", "FROM", "STATUS", "ID"])
            self.assertRegex(row, r"^\d{4}-\d\d-\d\dT\S+ +updated +vault the vault +Ann Lee +10\.1\.2\.3 +failure +[0-9a-f-]{36}$")
        as_json = run_cli("audit", "list", "--user", "u-1", "--json", server=self.server)
        event, = json.loads(as_json.stdout)["data"]
        shown = run_cli("audit", "show", event["id"], server=self.server).stdout
        self.assertIn("Changes:\n- door: \"open\"\n+ door: \"shut\"\n  lock.pins[0]: 1\n- lock.pins[1]: 2\n+ lock.pins[1]: 3\n+ by: \"Ann\"\n", shown)
        self.assertRegex(shown, r"error_message +door stuck")
        self.assertEqual(json.loads(run_cli("audit", "show", event["id"], "--json", server=self.server).stdout)["data"], event)
        done = run_cli("audit", "show", "nobody", server=self.server)
        self.assertEqual((done.returncode, "NOT_FOUND" in done.stderr), (1, True))
        done = run_cli("audit", "list", "--action", "modified", server=self.server)
        self.assertEqual((done.returncode, "created, updated" in done.stderr), (1, True))
        done = run_cli("audit", "list", "--page-size", "1", server=self.server)
        self.assertRegex(done.stderr, r"^there are more: --cursor \S+ goes on\n$")
        again = run_cli("audit", "list", "--page-size", "1", "--cursor", done.stderr.split()[4], server=self.server)
        self.assertNotEqual(done.stdout.splitlines()[1], again.stdout.splitlines()[1])
        done = run_cli("audit", "list", server=self.server, env={"HORAE_TOKEN": self.tokens["viewer"]})
        self.assertEqual(done.returncode, 4)

    def test_export_to_a_file_that_is_whole_or_not_there(self):
        folder = self.server.folder
        path = os.path.join(folder, "events.csv")
        done = run_cli("audit", "export", "--format", "csv", "--out", path, server=self.server)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        with open(path, encoding="utf-8", newline="") as file:
            self.assertGreater(len(list(csv.DictReader(file))), 3)
        done = run_cli("audit", "export", "--action", "created", server=self.server)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual({line["action"] for line in lines[:-1]}, {"created"})
        self.assertIn("manifest", lines[-1])
        for arguments, code in ((("--out", os.path.join(folder, "no", "such")), 1), (("--format", "xml", "--out", os.path.join(folder, "bad")), 1)):
            self.assertEqual(run_cli("audit", "export", *arguments, server=self.server).returncode, code)
        self.assertEqual([name for name in os.listdir(folder) if name.startswith("bad") or name.endswith(".part")], [])

    def test_tail_shows_the_newest_and_then_what_comes(self):
        server = Server()
        self.addCleanup(server.remove)
        server.create(name="before-it", type="noop")
        self.assertEqual(server.get("/audit/events").status, 200)  # what was is in segments and was told of: the tail begins behind it
        env = {"PATH": os.environ["PATH"], "HORAE_URL": server.url, "HORAE_TOKEN": ADMIN_TOKEN}
        command = {"env": env, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with (subprocess.Popen([BINARY, "audit", "tail", "-n", "1"], **command) as tail,
              subprocess.Popen([BINARY, "audit", "tail", "-n", "1", "--json"], **command) as as_json):
            try:
                self.assertRegex(tail.stdout.readline(), r"^\d{4}\S+  created    scheduledTask before-it  by admin-token from 127\.0\.0\.1\n$")
                newest = json.loads(as_json.stdout.readline())
                task = server.create(name="after-it", type="noop")
                server.request("DELETE", f"/scheduler/tasks/{task['uid']}")
                seen = [tail.stdout.readline() for _ in range(2)]
                events = [json.loads(as_json.stdout.readline()) for _ in range(2)]
                server.stop()  # the stream ends, and nobody is there to open it again
                for process in (tail, as_json):
                    rest, said = process.communicate(timeout=60)
                    self.assertEqual((process.returncode, rest), (3, ""))
                    self.assertIn(f"cannot reach {server.url}", said)
            finally:
                tail.kill()
                as_json.kill()
        self.assertEqual([re.split(" +", line)[1:4] for line in seen], [["created", "scheduledTask", task["name"]], ["deleted", "scheduledTask", task["name"]]])
        self.assertEqual([(one["action"], one["resource"]["data"]["name"]) for one in (newest, *events)],
                         [("created", "before-it"), ("created", task["name"]), ("deleted", task["name"])])
        self.assertEqual(run_cli("audit", "tail", "-n", "101", server=self.server).returncode, 2)
