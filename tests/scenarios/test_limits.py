# SPDX-License-Identifier: Apache-2.0
"""Every limit of a request at, below and above it (rulings section 1 "Task members", section 2 "Codes"; DATA-01; contract
section 3), and what JSON may look like."""
import json
import urllib.parse

from harness import ServerCase


class TaskLimits(ServerCase):
    number = 0

    def make(self, **fields):
        TaskLimits.number += 1
        return self.server.post("/scheduler/tasks", {"name": f"limit-{self.number}", "type": "noop", **fields})

    def check(self, fields, allowed, param=None):
        answer = self.make(**fields)
        if allowed:
            self.assertEqual(answer.status, 201, (str(fields)[:100], answer.body))
        else:
            self.assert_error(answer, 400, "INVALID_PARAMETER", param)

    def test_lengths_are_in_bytes(self):
        data = json.dumps({"result": "x" * 10226})
        self.assertEqual(len(data), 10240)
        for fields, more, param in [
            ({"name": "n" * 255}, {"name": "n" * 256}, "name"), ({"name": "é" * 127}, {"name": "é" * 128}, "name"),
            ({"description": "d" * 4096}, {"description": "d" * 4097}, "description"), ({"data": data}, {"data": data + " "}, "data"),
            ({"labels": {"n" * 63: "v" * 255}}, {"labels": {"n" * 64: "v"}}, "labels"), ({"labels": {"n": "é" * 127}}, {"labels": {"n": "é" * 128}}, "labels"),
            ({"labels": {f"l{i}": "" for i in range(64)}}, {"labels": {f"l{i}": "" for i in range(65)}}, "labels"),
            ({"labels": {"n": ""}}, {"labels": {"": "v"}}, "labels"), ({"labels": {"n": "a=b"}}, {"labels": {"a=b": "v"}}, "labels"),
            ({"cron_expr": "0 0 1 1 *" + " " * 246}, {"cron_expr": "0 0 1 1 *" + " " * 247}, "cron_expr"), ({"secret": "s" * 1024}, {"secret": "s" * 1025}, "secret"),
            ({"seed": "s" * 255}, {"seed": "s" * 256}, "seed"), ({"group_id": "g" * 255}, {"group_id": "g" * 256}, "group_id"),
        ]:
            self.check(fields, True)
            self.check(more, False, param)

    def test_numbers(self):
        year = 31536000
        for name, least, most in [("priority", -1000000, 1000000), ("max_retries", 0, 100), ("max_concurrent", 1, 10000), ("max_duration_seconds", 1, year),
                                  ("start_deadline_seconds", 0, year), ("jitter_seconds", 0, year), ("interval", 0, year)]:
            for value in (least, most, None):
                self.check({name: value}, True)
            for value in (least - 1, most + 1, str(most), 1.5, True, [], {}, 2**63, 2**64, -2**63 - 1):
                self.check({name: value}, False, name)
        self.check({"max_duration_seconds": year, "timeout_grace_period": year - 1}, True)
        for grace, duration in ((10, 10), (-1, 10), (year, year)):
            self.check({"max_duration_seconds": duration, "timeout_grace_period": grace}, False, "timeout_grace_period")
        for duration, grace in ((1, 0), (30, 29), (31, 30), (32, 30), (3600, 30)):
            self.assertEqual(self.make(max_duration_seconds=duration).data["timeout_grace_period"], grace)

    def test_nested_objects_are_strict_too(self):
        for fields, param in [
            ({"retry_backoff": {"unknown": 1}}, "retry_backoff.unknown"), ({"limits": {"unknown": 1}}, "limits.unknown"),
            ({"retry_backoff": {"jitter_percent": 101}}, "retry_backoff.jitter_percent"), ({"retry_backoff": {"base_ms": 2, "cap_ms": 1}}, "retry_backoff"),
            ({"limits": []}, "limits"), ({"labels": []}, "labels"), ({"labels": {"a": None}}, "labels"), ({"data": '{"sleep_ms":1,"other":1}'}, "data"),
            ({"data": '{"sleep_ms":1,"sleep_ms":2}'}, "data"), ({"type": "command", "data": '{"argv":["a"],"env":{"A":"1","A":"2"}}'}, "data"),
            ({"type": "http", "data": '{"url":"http://x","headers":{"a":"1","a":"2"}}'}, "data"),
        ]:
            self.check(fields, False, param)

    def test_names_are_path_segments(self):
        for name in ("a/b", "a b", "ü/%", "..", ".", "a%2Fb", "a?b#c", "%", "тест", "x" * 255):
            made = self.server.create(name=name, type="noop")
            quoted = urllib.parse.quote(name, safe="").replace(".", "%2e")
            self.assertEqual(self.server.get(f"/scheduler/tasks/{quoted}").data["uid"], made["uid"], name)
            self.assertEqual(self.server.request("DELETE", f"/scheduler/tasks/{quoted}").status, 204)
        for name in ("01a20d75-160c-74d2-baae-92df640c717c", "01A20D75-160C-74D2-BAAE-92DF640C717C", "a\nb", "a\x7fb", "a\0b", ""):
            self.check({"name": name}, False, "name")

    def test_read_only_members_are_ignored_and_the_uid_is_ours(self):
        uid = "01a20d75-160c-74d2-baae-92df640c717c"
        answer = self.make(uid=uid, total_executions=5, health="critical", updated_at="2001-01-01T00:00:00Z", last_executed_at=3)
        self.assertEqual(answer.status, 201)
        self.assertNotEqual(answer.data["uid"], uid)
        self.assertEqual((answer.data["total_executions"], answer.data["health"], answer.data["last_executed_at"]), (0, "unknown", None))

    def test_merge_patch_goes_into_objects(self):
        self.server.create(name="merged", type="noop", labels={"keep": "1", "drop": "2", "change": "3"}, limits={"pids": 5, "memory_bytes": 1 << 20},
                           retry_backoff={"base_ms": 5, "cap_ms": 50})
        change = {"labels": {"drop": None, "change": "4", "new": "5", "absent": None}, "limits": {"pids": None}, "retry_backoff": {"cap_ms": None}}
        answer = self.server.request("PATCH", "/scheduler/tasks/merged", change, headers={"Content-Type": "application/merge-patch+json"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.data["labels"], {"keep": "1", "change": "4", "new": "5"})
        self.assertEqual(answer.data["limits"], {"memory_bytes": 1 << 20})
        self.assertEqual(answer.data["retry_backoff"], {"base_ms": 5, "cap_ms": 300000, "jitter_percent": 10})
        full = {f"l{i}": "" for i in range(61)}
        self.assertEqual(self.server.request("PATCH", "/scheduler/tasks/merged", {"labels": full}).status, 200)
        self.assert_error(self.server.request("PATCH", "/scheduler/tasks/merged", {"labels": {"one-more": ""}}), 400, "INVALID_PARAMETER", "labels")
        replaced = {"name": "merged", "type": "noop", "labels": {"only": "1"}}
        self.assertEqual(self.server.request("PUT", "/scheduler/tasks/merged", replaced).data["labels"], {"only": "1"})


class TriggerLimits(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.create(name="triggered", type="noop", max_concurrent=100)

    def trigger(self, **body):
        return self.server.post("/scheduler/tasks/triggered/trigger", body)

    def bulk(self, items, **more):
        return self.server.post("/scheduler/executions", {"task_uid": "triggered", "items": items, **more})

    def test_single(self):
        data = json.dumps({"result": "x" * 10226})
        later = "2100-01-01T00:00:00Z"
        for body in ({"override_data": data}, {"unique_key": "k" * 255, "run_at": later}, {"priority": -1000000, "run_at": later}, {"run_at": 4102444800000},
                     {"run_at": "2001-01-01T00:00:00+08:00"}, {"run_at": "9999-12-31T23:59:59Z"}, {"override_data": None, "run_at": None, "priority": None}):
            answer = self.trigger(**body)
            self.assertEqual(answer.status, 202, (str(body)[:60], answer.body))
        for body, param in [({"override_data": data + " "}, "override_data"), ({"override_data": "{"}, "override_data"), ({"override_data": {}}, "override_data"),
                            ({"unique_key": "k" * 256}, "unique_key"), ({"unique_key": ""}, "unique_key"), ({"priority": 1000001}, "priority"),
                            ({"run_at": "soon"}, "run_at"), ({"run_at": 1.5}, "run_at"), ({"run_at": -5}, "run_at"), ({"run_at": "2026-02-30T00:00:00Z"}, "run_at"),
                            ({"force": "yes"}, "force"), ({"other": 1}, "other")]:
            self.assert_error(self.trigger(**body), 400, "INVALID_PARAMETER", param)
        self.assert_error(self.server.post("/scheduler/tasks/triggered/trigger?other=1"), 400, "INVALID_PARAMETER", "other")

    def test_bulk(self):
        for items, param in [([], "items"), ([{}] * 10001, "items"), ([{}, {"other": 1}], "items[1].other"), ([{}, 3], "items[1]"), ({}, "items"),
                             ([{}, {}, {"override_data": "{"}], "items[2].override_data"), ([{"priority": "1"}], "items[0].priority")]:
            self.assert_error(self.bulk(items), 400, "INVALID_PARAMETER", param)
        self.assert_error(self.bulk([{}], other=1), 400, "INVALID_PARAMETER", "other")
        self.assert_error(self.server.post("/scheduler/executions", {"items": [{}]}), 400, "INVALID_PARAMETER", "task_uid")
        self.assert_error(self.server.post("/scheduler/executions", {"task_uid": "nobody", "items": [{}]}), 404, "NOT_FOUND")
        self.assertEqual(self.server.executions(task_name="triggered", trigger_type="scheduled"), [])
        answer = self.bulk([{"run_at": "2100-01-01T00:00:00Z"}] * 10000)
        self.assertEqual((answer.status, answer.json["count"], len(set(answer.json["execution_uids"]))), (202, 10000, 10000))


class Json(ServerCase):
    def post(self, raw, kind="application/json"):
        return self.server.post("/scheduler/tasks", raw=raw, headers={"Content-Type": kind} if kind else {})

    def test_what_is_not_json_is_refused(self):
        for raw in (b"", b"   ", b"{", b"nonsense", b"{} {}", b'{"name":"a"} x', b'{"name":"a",}', b"{'name':1}", b'{"name":NaN}', b'{"priority":Infinity}', b'{"priority":1e999}',
                    b'{"priority":01}', b'{"priority":+1}', b"/* c */{}", b"\xef\xbb\xbf{}", b"\xff\xfe", b'{"name":"\xff"}', b'{"name":"\xed\xa0\x80"}', b'{"name":"\xc0\x80"}',
                    b'{"name":"\\ud800"}', b'{"name":"\\udc00\\ud800"}', b'{"name":"\\x41"}', b'{"name":"a\x00"}', b'{"name":"a\n"}', b"[" * 100 + b"]" * 100,
                    b'{"labels":' + b'{"a":' * 70 + b"1" + b"}" * 71):
            self.assert_error(self.post(raw), 400, "INVALID_JSON")

    def test_what_is_another_value_or_has_twins_is_refused(self):
        for raw in (b"[]", b"1", b"null", b'"text"', b"true"):
            self.assert_error(self.post(raw), 400, "INVALID_PARAMETER")
        for raw, param in [(b'{"name":"a","name":"b","type":"noop"}', "name"), (b'{"name":"a","type":"noop","labels":{"x":"1","x":"2"}}', "labels"),
                           (b'{"name":"a","type":"noop","retry_backoff":{"base_ms":1,"base_ms":2}}', "retry_backoff.base_ms"), (b'{"":1}', None), (b'{"\\u0000":1}', None)]:
            self.assert_error(self.post(raw), 400, "INVALID_PARAMETER", param)
        self.assertEqual(self.post(b' \n{"name":"\\ud83d\\ude00 \\u00e9","type":"noop"}\r\n ').data["name"], "😀 é")

    def test_a_long_name_in_an_error_is_cut_between_characters(self):
        answer = self.server.post("/scheduler/tasks", {"é" * 300: 1})
        self.assert_error(answer, 400, "INVALID_PARAMETER")
        self.assertNotIn("\ufffd", answer.body.decode())
        answer = self.server.get("/scheduler/tasks?" + urllib.parse.quote("é" * 300) + "=1")
        self.assert_error(answer, 400, "INVALID_PARAMETER")
        self.assertNotIn("\ufffd", answer.body.decode())

    def test_content_types(self):
        for kind, status in [("application/json", 400), ("application/json; charset=utf-8", 400), ('Application/JSON;Charset="UTF-8"', 400), (None, 400),
                             ("application/json; charset=latin1", 415), ("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("application/jsonx", 415),
                             ("json", 415), ("application/merge-patch+json", 415), ("multipart/form-data; boundary=x", 415)]:
            answer = self.post(b"{}", kind)
            self.assertEqual(answer.status, status, (kind, answer.body))
            self.assertEqual(answer.json["code"], "INVALID_PARAMETER" if status == 400 else "UNSUPPORTED_MEDIA_TYPE")
