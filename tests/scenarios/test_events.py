# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: API-34, contract section 3 (`/api/v1/stream`, logs with follow), rulings section 2 "Events", section 1
"Logs"."""
import http.client
import json
import re
import time

from harness import ADMIN_TOKEN, Server, ServerCase


class Stream:
    """One open event stream; events are {event, id, data}, comments and ids without an event are kept apart."""

    def __init__(self, server, path="/stream", token=ADMIN_TOKEN, headers=None):
        self.connection = http.client.HTTPConnection(server.host, timeout=40)
        self.connection.request("GET", "/api/v1" + path, headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip", **(headers or {})})
        self.response = self.connection.getresponse()
        self.comments, self.last_id = [], None

    def next(self):
        """The next event; None at the end of the stream."""
        event = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if not line:
                self.last_id = event.get("id", self.last_id)
                if "data" in event:
                    return event
                event = {}
            elif line.startswith(":"):
                self.comments.append(line[2:])
            else:
                name, value = line.split(": ", 1)
                event[name] = json.loads(value) if name == "data" else value

    def until(self, condition):
        found = []
        while True:
            event = self.next()
            assert event is not None, "the stream ended"
            found.append(event)
            if condition(event):
                return found

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Events(ServerCase):
    def test_changes_are_told_in_order(self):
        with Stream(self.server, "/stream?topics=task,execution") as stream:
            headers = stream.response.headers
            self.assertEqual((stream.response.status, headers["Content-Type"], headers["Cache-Control"]), (200, "text/event-stream", "no-store"))
            self.assertEqual((headers["X-Accel-Buffering"], headers["Content-Encoding"], headers["Content-Length"]), ("no", None, None))
            task = self.server.create(name="watched", type="noop")
            self.server.request("PATCH", "/scheduler/tasks/watched", {"priority": 1})
            uid = self.server.trigger("watched")
            self.server.finished(uid)
            self.server.request("DELETE", "/scheduler/tasks/watched")
            seen = stream.until(lambda event: event["event"] == "task.deleted")
            self.assertEqual([e["event"] for e in seen if e["data"]["type"] == "task"][:2], ["task.created", "task.updated"])
            runs = [e for e in seen if e["data"]["type"] == "execution"]
            self.assertEqual((runs[0]["event"], runs[0]["data"]["id"], runs[-1]["data"]["state"]), ("execution.created", uid, "success"))
            self.assertEqual(seen[0]["data"]["id"], task["uid"])
            numbers = [e["data"]["seq"] for e in seen]
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertTrue(all({"type", "id", "version", "seq"} <= set(e["data"]) for e in seen))

    def test_a_reader_goes_on_where_it_was(self):
        with Stream(self.server, "/stream?topics=task") as stream:
            for i in range(3):
                self.server.create(name=f"resumed-{i}", type="noop")
            seen = stream.until(lambda event: event["data"].get("name") == "resumed-2")
        for path, headers in (("/stream?topics=task", {"Last-Event-ID": seen[-3]["id"]}), (f"/stream?topics=task&since={seen[-3]['id']}", {})):
            with Stream(self.server, path, headers=headers) as again:
                self.assertEqual([again.next() for _ in range(2)], seen[-2:])

    def test_a_reader_that_saw_nothing_yet_has_a_place_too(self):
        with Stream(self.server, "/stream?topics=task") as quiet:
            self.server.trigger("execution_cleanup")  # another topic; but the connection is served now
            line = b""
            while not line.startswith(b"id: "):
                line = quiet.response.readline()
            place = line.decode()[4:].strip()
        self.server.create(name="between", type="noop")
        with Stream(self.server, "/stream?topics=task", headers={"Last-Event-ID": place}) as again:
            self.assertEqual(again.next()["data"]["name"], "between")

    def test_what_is_no_longer_kept_asks_for_a_new_look(self):
        for last in ("1", "nonsense", "99999999999999999999", "-5", "66116b87d9abc-3"):
            with Stream(self.server, headers={"Last-Event-ID": last}) as stream:
                event = stream.next()
                self.assertEqual(event["event"], "resync", last)
            with Stream(self.server, "/stream?topics=task", headers={"Last-Event-ID": event["id"]}) as stream:
                self.server.create(name=f"after-{last}", type="noop")
                self.assertEqual(stream.next()["event"], "task.created")  # no second resync

    def test_a_reader_too_slow_for_the_events_is_told(self):
        self.server.create(name="flood", type="noop", max_concurrent=10000)
        with Stream(self.server, "/stream?topics=execution") as stream:
            for _ in range(4):
                self.server.post("/scheduler/executions", {"task_uid": "flood", "items": [{}] * 5000})
            seen = stream.until(lambda event: event["event"] == "resync")
            self.assertLess(len(seen), 60000)

    def test_a_restart_is_noticed(self):
        with Stream(self.server, "/stream?topics=task") as stream:
            self.server.create(name="before", type="noop")
            last = stream.next()["id"]
            self.server.stop()
            self.assertIsNone(stream.next())  # the server ended it, in order
        self.server.start()
        with Stream(self.server, headers={"Last-Event-ID": last}) as stream:
            self.assertEqual(stream.next()["event"], "resync")

    def test_topics(self):
        viewer = self.server.post("/tokens", {"name": "viewer", "role": "viewer"}).data["token"]
        auditor = self.server.post("/tokens", {"name": "auditor", "role": "auditor"}).data["token"]
        for topics in ("nonsense", "task,", "Task", "", "task,task,x"):
            self.assert_error(self.server.get(f"/stream?topics={topics}"), 400, "INVALID_PARAMETER", "topics")
        self.assert_error(self.server.get("/stream?topics=task,audit", token=viewer), 403, "FORBIDDEN")
        for token, topics in ((auditor, "?topics=audit"), (viewer, ""), (viewer, "?topics=task,execution,lock,instance,alert")):
            answer = self.server.request("HEAD", f"/stream{topics}", token=token)
            self.assertEqual(answer.status, 200)

    def test_locks_and_instances_are_told_too(self):
        instance = self.server.get("/scheduler/instances").data[0]["id"]
        with Stream(self.server, "/stream?topics=lock,instance") as stream:
            self.server.post("/scheduler/locks/scheduler_global/release")
            self.server.post(f"/scheduler/instances/{instance}/drain", {"drain": False})
            seen = [stream.next() for _ in range(2)]
        self.assertEqual([(e["event"], e["data"]["type"], e["data"]["id"]) for e in seen],
                         [("lock.updated", "lock", "scheduler_global"), ("instance.updated", "instance", instance)])

    def test_streams_of_one_caller_are_limited(self):
        token = self.server.post("/tokens", {"name": "greedy", "role": "viewer"}).data["token"]
        streams = [Stream(self.server, token=token) for _ in range(32)]
        try:
            refused = self.server.get("/stream", token=token)
            self.assert_error(refused, 429, "RATE_LIMITED")
            self.assertTrue(refused.headers["Retry-After"])
            with Stream(self.server) as other:
                self.assertEqual(other.response.status, 200)
        finally:
            for stream in streams:
                stream.close()

    def test_quiet_streams_carry_the_time(self):
        with Stream(self.server, "/stream?topics=alert") as stream:
            begun = time.monotonic()
            while len(stream.comments) < 2 and time.monotonic() - begun < 35:
                line = stream.response.readline().decode()
                if line.startswith(": "):
                    stream.comments.append(line[2:].strip())
        self.assertEqual(stream.comments[0], "connected")
        self.assertRegex(stream.comments[1], re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"))


class Logs(ServerCase):
    def run_command(self, name, text, wait=True):
        self.server.create(name=name, type="command", data=json.dumps({"command": text}), max_retries=0)
        uid = self.server.trigger(name)
        if wait:
            self.server.finished(uid)
        return uid

    def test_streams_and_tails(self):
        uid = self.run_command("both", "for i in 1 2 3 4 5; do echo out $i; done; echo err 1 >&2; echo err 2 >&2")
        out = "".join(f"out {i}\n" for i in range(1, 6))
        for query, expected in [("stream=stdout", out), ("stream=stderr", "err 1\nerr 2\n"), ("stream=stdout&tail=2", "out 4\nout 5\n"), ("stream=stdout&tail=0", ""),
                                ("stream=stdout&tail=1000000", out)]:
            answer = self.server.get(f"/scheduler/executions/{uid}/logs?{query}")
            self.assertEqual((answer.body.decode(), answer.headers["Content-Type"]), (expected, "text/plain; charset=utf-8"), query)
        self.assertEqual(sorted(self.server.get(f"/scheduler/executions/{uid}/logs").body.decode().splitlines()), sorted((out + "err 1\nerr 2\n").splitlines()))
        for query, param in [("stream=both", "stream"), ("tail=-1", "tail"), ("tail=1000001", "tail"), ("tail=x", "tail"), ("follow=yes", "follow"), ("other=1", "other")]:
            self.assert_error(self.server.get(f"/scheduler/executions/{uid}/logs?{query}"), 400, "INVALID_PARAMETER", param)
        for missing in ("nobody", "999999999", "01a20d75-160c-74d2-baae-92df640c717c"):
            for query in ("", "?follow=1"):
                self.assert_error(self.server.get(f"/scheduler/executions/{missing}/logs{query}"), 404, "NOT_FOUND")

    def test_what_never_wrote_has_an_empty_log(self):
        self.server.create(name="silent", type="noop")
        uid = self.server.trigger("silent")
        self.server.finished(uid)
        self.assertEqual(self.server.get(f"/scheduler/executions/{uid}/logs").body, b"")
        with Stream(self.server, f"/scheduler/executions/{uid}/logs?follow=1") as stream:
            self.assertEqual((stream.next(), stream.next()), ({"event": "end", "data": {"state": "success"}}, None))

    def test_following_shows_all_as_it_comes_and_then_the_end(self):
        uid = self.run_command("followed", "echo one; echo two >&2; while [ ! -e go ]; do sleep 0.05; done; echo three; exit 3", wait=False)
        with Stream(self.server, f"/scheduler/executions/{uid}/logs?follow=1") as stream:
            text = {"stdout": "", "stderr": ""}
            while text != {"stdout": "one\n", "stderr": "two\n"}:
                event = stream.next()
                self.assertEqual(event["data"]["offset"], len(text[event["event"]].encode()))
                text[event["event"]] += event["data"]["text"]
            self.server.post(f"/scheduler/executions/{uid}/cancel")
            end = stream.until(lambda event: event["event"] == "end")[-1]
            self.assertEqual(end["data"], {"state": "cancelled"})
            self.assertIsNone(stream.next())
        with Stream(self.server, f"/scheduler/executions/{uid}/logs?follow=true&stream=stdout&tail=1") as late:
            self.assertEqual([late.next()["data"].get("text"), late.next()["event"]], ["one\n", "end"])


class Many(ServerCase):
    def test_a_hundred_readers_get_every_event(self):
        server = Server()
        try:
            tokens = [server.post("/tokens", {"name": f"t{i}", "role": "viewer"}).data["token"] for i in range(4)]
            streams = [Stream(server, "/stream?topics=task", token=tokens[i % 4]) for i in range(100)]
            for i in range(20):
                server.create(name=f"told-{i}", type="noop")
            for stream in streams:
                self.assertEqual([stream.next()["data"]["name"] for _ in range(20)], [f"told-{i}" for i in range(20)])
                stream.close()
        finally:
            server.remove()
