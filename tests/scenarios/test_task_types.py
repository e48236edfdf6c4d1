# SPDX-License-Identifier: Apache-2.0
"""The data of every task type is checked at creation with a message that names what is wrong and what is allowed; `noop`
in all its members (contract section 3, Task types)."""
import json

from harness import ServerCase

# type, data, what the message must name
WRONG = [
    ("command", {}, "give one of argv (program and arguments) and command (text for the shell)"),
    ("command", {"argv": ["true"], "command": "true"}, "give one of argv"),
    ("command", {"argv": []}, "argv"),
    ("command", {"argv": [""]}, "argv[0] must name a program"),
    ("command", {"argv": "true"}, "argv"),
    ("command", {"argv": ["true", 5]}, "argv[1] must be a string"),
    ("command", {"argv": ["a\0b"]}, "argv[0]"),
    ("command", {"argv": ["x"] * 257}, "argv"),
    ("command", {"command": ""}, "command"),
    ("command", {"command": 7}, "command"),
    ("command", {"argv": ["true"], "shell": "/bin/bash"}, "shell goes with command"),
    ("command", {"command": "true", "cwd": "relative"}, "cwd must be an absolute path"),
    ("command", {"command": "true", "env": {"A=B": "x"}}, 'env: "A=B" is not a name'),
    ("command", {"command": "true", "env": {"": "x"}}, "env"),
    ("command", {"command": "true", "env": {"A": 1}}, "env.A must be a string"),
    ("command", {"command": "true", "env": {"A": "x\0y"}}, "env.A must be a string without U+0000"),
    ("command", {"command": "true", "env": ["A=1"]}, "env"),
    ("command", {"command": "true", "stdin": 5}, "stdin"),
    ("command", {"command": "true", "user": ""}, "user"),
    ("command", {"command": "true", "timeout": 5}, "timeout"),
    ("http", {}, "url"),
    ("http", {"url": "ftp://host/"}, "url must begin with http:// or https://"),
    ("http", {"url": "http://"}, "name a host"),
    ("http", {"url": "http://host/a b"}, "blanks or control characters"),
    ("http", {"url": "http://host/\r\nX: y"}, "blanks or control characters"),
    ("http", {"url": "http://host/" + "x" * 2048}, "url"),
    ("http", {"url": "http://host/", "method": "FETCH"}, "method"),
    ("http", {"url": "http://host/", "method": "get"}, "method"),
    ("http", {"url": "http://host/", "headers": {"X-A": "one\r\nX-B: two"}}, "headers.X-A must not hold line breaks"),
    ("http", {"url": "http://host/", "headers": {"X-A": "\u0001"}}, "headers.X-A"),
    ("http", {"url": "http://host/", "headers": {"X A": "x"}}, 'headers: "X A" is not a name'),
    ("http", {"url": "http://host/", "headers": {"X-A:\r\nX-B": "x"}}, "is not a name"),
    ("http", {"url": "http://host/", "headers": {"Host": "other"}}, 'headers: "Host"'),
    ("http", {"url": "http://host/", "headers": {"X-Horae-Attempt": "7"}}, 'headers: "X-Horae-Attempt"'),
    ("http", {"url": "http://host/", "headers": {"webhook-signature": "v1,x"}}, 'headers: "webhook-signature"'),
    ("http", {"url": "http://host/", "headers": {"Content-Length": "5"}}, 'headers: "Content-Length"'),
    ("http", {"url": "http://host/", "headers": {"A": ["x"]}}, "headers.A must be a string"),
    ("http", {"url": "http://host/", "body": {"a": 1}}, "body"),
    ("http", {"url": "http://host/", "expect_status": 99}, "between 100 and 599"),
    ("http", {"url": "http://host/", "expect_status": "2xx"}, "between 100 and 599"),
    ("http", {"url": "http://host/", "expect_status": []}, "expect_status"),
    ("http", {"url": "http://host/", "expect_status": [200, 600]}, "between 100 and 599"),
    ("http", {"url": "http://host/", "timeout_ms": 0}, "timeout_ms"),
    ("http", {"url": "http://host/", "timeout_ms": 1.5}, "timeout_ms"),
    ("http", {"url": "http://host/", "max_redirects": 11}, "max_redirects"),
    ("http", {"url": "http://host/", "retries": 1}, "retries"),
    ("noop", {"sleep_ms": -1}, "sleep_ms"),
    ("noop", {"sleep_ms": "1"}, "sleep_ms"),
    ("noop", {"sleep_ms": 86400001}, "sleep_ms"),
    ("noop", {"fail_attempts": 1001}, "fail_attempts"),
    ("noop", {"result": 5}, "result"),
    ("noop", {"sleep": 1}, "sleep"),
    ("execution_cleanup", {"retention_days": 0}, "retention_days"),
    ("execution_cleanup", {"days": 1}, "days"),
    ("lock_cleanup", {"retention_days": 3651}, "retention_days"),
]


class TaskTypes(ServerCase):
    def test_wrong_data_is_refused_at_creation_and_named(self):
        for kind, data, words in WRONG:
            with self.subTest(type=kind, data=data):
                answer = self.server.post("/scheduler/tasks", {"name": "wrong", "type": kind, "data": json.dumps(data)})
                self.assert_error(answer, 400, "INVALID_PARAMETER", "data")
                self.assertIn(words, answer.json["error"])

    def test_data_that_is_no_object_or_too_long(self):
        for kind in ("command", "http", "noop"):
            for data, words in (("[]", "JSON object"), ("nonsense", "JSON"), ("{", "JSON"), ("5", "JSON object"), ('{"a":1}{', "JSON")):
                with self.subTest(type=kind, data=data):
                    answer = self.server.post("/scheduler/tasks", {"name": "wrong", "type": kind, "data": data})
                    self.assert_error(answer, 400, "INVALID_PARAMETER", "data")
                    self.assertIn(words, answer.json["error"])
        fits = json.dumps({"result": "x" * (10240 - 14)})
        self.assertEqual(len(fits), 10240)
        self.server.create(name="fits", type="noop", data=fits)
        answer = self.server.post("/scheduler/tasks", {"name": "long", "type": "noop", "data": fits[:-2] + 'x"}'})
        self.assert_error(answer, 400, "INVALID_PARAMETER", "data")
        self.assertIn("10240", answer.json["error"])

    def test_wrong_data_is_refused_wherever_it_is_given(self):
        self.server.create(name="checked", type="command", data='{"command":"true"}')
        for answer in (self.server.request("PATCH", "/scheduler/tasks/checked", {"data": '{"command":5}'}),
                       self.server.post("/scheduler/tasks/checked/trigger", {"override_data": '{"argv":[]}'}),
                       self.server.post("/scheduler/executions", {"task_uid": "checked", "items": [{}, {"override_data": "nonsense"}]})):
            self.assertEqual((answer.status, answer.json["code"]), (400, "INVALID_PARAMETER"), answer.body)
        self.assertEqual(self.server.executions(task_name="checked"), [])

    def test_an_unknown_type_is_refused_and_the_known_ones_are_published(self):
        self.assert_error(self.server.post("/scheduler/tasks", {"name": "x", "type": "magic"}), 400, "INVALID_PARAMETER", "type")
        types = {row["type"]: row for row in self.server.get("/scheduler/types").data}
        self.assertLessEqual({"command", "http", "noop", "execution_cleanup", "lock_cleanup"}, set(types))
        for name, row in types.items():
            self.assertTrue(row["description"], name)
            self.assertEqual((row["schema"]["type"], row["schema"]["additionalProperties"]), ("object", False), name)
        self.assertEqual(set(types["noop"]["schema"]["properties"]), {"sleep_ms", "fail_attempts", "result"})
        self.assertEqual(set(types["command"]["schema"]["properties"]), {"argv", "command", "shell", "env", "cwd", "stdin", "user"})
        self.assertEqual(set(types["http"]["schema"]["properties"]), {"method", "url", "headers", "body", "expect_status", "timeout_ms", "max_redirects"})

    # ---- noop ----

    def noop(self, name, trigger=None, **fields):
        data = fields.pop("data", None)
        self.server.create(name=name, type="noop", **({"data": json.dumps(data)} if data is not None else {}), **{"max_retries": 0, **fields})
        return self.server.finished(self.server.trigger(name, **(trigger or {})))

    def test_noop_does_nothing_and_says_what_it_was_given(self):
        for name, data in (("nothing", None), ("empty", {})):
            run = self.noop(name, data=data)
            self.assertEqual((run["state"], run.get("result"), run["progress"], run["retry_count"]), ("success", None, 100, 0))
        self.assertEqual(self.noop("result", data={"result": "\u4e2d \"quoted\"\n"})["result"], "\u4e2d \"quoted\"\n")
        self.assertEqual(self.noop("override", trigger={"override_data": '{"result":"other"}'}, data={"result": "own"})["result"], "other")
        run = self.noop("sleeps", data={"sleep_ms": 300, "result": "awake"})
        self.assertEqual((run["state"], run["result"]), ("success", "awake"))
        self.assertGreaterEqual(run["duration_ms"], 300)

    def test_noop_fails_as_often_as_asked(self):
        fast = {"base_ms": 1, "cap_ms": 1, "jitter_percent": 0}
        run = self.noop("twice", data={"fail_attempts": 2, "result": "third"}, max_retries=2, retry_backoff=fast)
        self.assertEqual((run["state"], run["result"], run["retry_count"]), ("success", "third", 2))
        run = self.noop("always", data={"fail_attempts": 3}, max_retries=2, retry_backoff=fast)
        self.assertEqual((run["state"], run["error_message"], run["retry_count"]), ("failure", "attempt 3 fails as asked (fail_attempts 3)", 2))
        run = self.noop("slow-failure", data={"fail_attempts": 1, "sleep_ms": 50})
        self.assertEqual(run["state"], "failure")
        self.assertGreaterEqual(run["duration_ms"], 50)
        run = self.noop("too-slow", data={"sleep_ms": 60000}, max_duration_seconds=1, timeout_grace_period=0)
        self.assertEqual(run["state"], "timeout")
