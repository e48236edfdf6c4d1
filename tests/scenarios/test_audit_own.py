# SPDX-License-Identifier: Apache-2.0
"""What horae does itself is in the audit log: every change with its event, in one transaction (AUD-02, AUD-30, AUD-31, AUD-40,
AUD-41, DATA-36, rulings section 4)."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import sqlite3
import threading
import uuid

import openapi_check
from harness import ADMIN_TOKEN, POSTGRES, Server, ServerCase, audit_events, of_the_file_store, run_cli, store_rows, wait_until

# Calls that change something and are not recorded, with the reason.
NOT_RECORDED = {"POST /api/v1/auth/refresh": "AUD-40 names it among what is skipped"}


class Recorded(ServerCase):
    """One server; each test looks at the events of its own requests, by their ids."""

    def call(self, method, path, body=None, request_id=None, **kwargs):
        self.request_id = request_id or "r-" + uuid.uuid4().hex
        headers = {"X-Request-Id": self.request_id, "User-Agent": "the-test/1", **kwargs.pop("headers", {})}
        return self.server.request(method, path, body, headers=headers, **kwargs)

    def events(self, request_id=None):
        return [event for event in audit_events(self.server) if event.get("request_id") == (request_id or self.request_id)]

    def event(self, request_id=None):
        found = self.events(request_id)
        self.assertEqual(len(found), 1, found)
        return found[0]

    def recorded(self, method, path, body=None, **kwargs):
        """A call that is carried out, and its event."""
        answer = self.call(method, path, body, **kwargs)
        self.assertLess(answer.status, 300, answer.body)
        return answer, self.event()

    def refused(self, *args, **kwargs):
        answer = self.call(*args, **kwargs)
        self.assertGreaterEqual(answer.status, 400, answer.body)
        wait_until("the refusal to be recorded", self.events)
        event = self.event()
        self.assertEqual((event["status"], event["data"]["http_status"]), ("failure", str(answer.status)), event)
        self.assertEqual(event["error_message"], answer.json["error"])
        return answer, event

    def assert_event(self, event, action, resource_type, identifier, **names):
        self.assertEqual((event["action"], event["resource_type"], event["resource"]["type"]), (action, resource_type, resource_type))
        self.assertEqual(event["resource"]["identifier"], identifier)
        self.assertEqual(event["resource"]["data"], names)


def drives(*operations):
    """Marks the tests that show the event of a route."""

    def mark(function):
        function.drives = operations
        return function

    return mark


TASK = "/api/v1/scheduler/tasks/{id}"
EXECUTION = "/api/v1/scheduler/executions/{id}"


class Changes(Recorded):
    def task(self, **fields):
        name = "audited-" + uuid.uuid4().hex[:8]
        return self.server.create(**{"name": name, "type": "noop", **fields})

    def execution_of(self, task, state=None):
        uid = self.server.trigger(task["uid"])
        return self.server.in_state(uid, state) if state else self.server.finished(uid)

    @drives("POST /api/v1/scheduler/tasks")
    def test_create(self):
        answer, event = self.recorded("POST", "/scheduler/tasks", {"name": "fresh", "type": "noop", "secret": "whisper-1"})
        self.assert_event(event, "created", "scheduledTask", answer.data["uid"], name="fresh")
        self.assertIsNone(event["old"])
        self.assertEqual(event["new"], answer.data)
        self.assertEqual(event["user"], {"uid": "admin-token", "username": "admin-token", "type": "service"})
        self.assertEqual((event["client_ip"], event["user_agent"], event["request_method"], event["request_id"], event["subsystem"],
                          event["status"]), ("127.0.0.1", "the-test/1", "POST", self.request_id, "http", "success"))
        self.assertGreater(event["timestamp"], 1_700_000_000_000)

    @drives(f"PUT {TASK}", f"PATCH {TASK}")
    def test_change(self):
        before = self.task()
        for method, body in (("PATCH", {"priority": 7, "secret": "whisper-2"}),
                             ("PUT", {"name": before["name"], "type": "noop", "priority": 8})):
            answer, event = self.recorded(method, f"/scheduler/tasks/{before['name']}", body)
            self.assert_event(event, "updated", "scheduledTask", before["uid"], name=before["name"])
            self.assertEqual((event["old"], event["new"]), (before, answer.data))
            before = answer.data

    @drives(f"DELETE {TASK}")
    def test_delete_has_the_whole_object_and_counts_what_it_cancels(self):
        task = self.task(max_concurrent=1, overlap="queue_all", data='{"sleep_ms":60000}')
        running = self.execution_of(task, "running")
        for _ in range(2):
            self.server.post("/scheduler/executions", {"task_uid": task["uid"], "items": [{}]})
        before = self.server.get(f"/scheduler/tasks/{task['uid']}").data
        _, event = self.recorded("DELETE", f"/scheduler/tasks/{task['uid']}")
        self.assert_event(event, "deleted", "scheduledTask", task["uid"], name=task["name"])
        self.assertEqual((event["old"], event["new"]), (before, None))
        self.assertEqual(event["data"]["cancelled_executions"], "3")
        self.server.finished(running["execution_uid"])

    @drives(f"POST {TASK}/enable", f"POST {TASK}/disable")
    def test_enable_and_disable_also_when_nothing_changes(self):
        task = self.task()
        for operation, action, changes in (("enable", "enabled", False), ("disable", "disabled", True), ("disable", "disabled", False),
                                           ("enable", "enabled", True)):
            before = self.server.get(f"/scheduler/tasks/{task['uid']}").data
            _, event = self.recorded("POST", f"/scheduler/tasks/{task['uid']}/{operation}")
            self.assert_event(event, action, "scheduledTask", task["uid"], name=task["name"])
            self.assertEqual(event["old"], before)
            self.assertEqual(event["new"], self.server.get(f"/scheduler/tasks/{task['uid']}").data)
            self.assertEqual(event["data"].get("changed"), None if changes else "false")

    @drives(f"POST {TASK}/trigger")
    def test_trigger(self):
        task = self.task()
        body = {"override_data": '{"result":"x"}', "priority": 5, "run_at": "2099-01-01T00:00:00Z", "unique_key": "k"}
        answer, event = self.recorded("POST", f"/scheduler/tasks/{task['name']}/trigger", body)
        uid = answer.json["execution_uid"]
        self.assert_event(event, "triggered", "scheduledTask", task["uid"], name=task["name"])
        self.assertEqual(event["new"], {**body, "run_at": "2099-01-01T00:00:00.000Z", "execution_uid": uid})
        again, event = self.recorded("POST", f"/scheduler/tasks/{task['name']}/trigger", body)
        self.assertEqual((again.json["execution_uid"], event["data"]), (uid, {"changed": "false"}))
        _, event = self.recorded("POST", f"/scheduler/tasks/{task['uid']}/trigger")
        self.assertEqual(list(event["new"]), ["execution_uid"])

    @drives("POST /api/v1/scheduler/executions")
    def test_a_bulk_trigger_is_one_event_with_its_count(self):
        task = self.task(overlap="queue_all")
        answer, event = self.recorded("POST", "/scheduler/executions", {"task_uid": task["name"], "items": [{"priority": 3}] * 500})
        self.assert_event(event, "triggered", "scheduledTask", task["uid"], name=task["name"])
        self.assertEqual((event["data"], event["new"]["count"]), ({"count": "500"}, 500))
        uids = answer.json["execution_uids"]
        shown = event["new"]["items"]
        self.assertEqual([item["execution_uid"] for item in shown], uids[:len(shown)])
        self.assertEqual((shown[0]["priority"], event["new"]["last_execution_uid"]), (3, uids[-1]))

    @drives(f"POST {EXECUTION}/cancel")
    def test_cancel(self):
        task = self.task(data='{"sleep_ms":60000}')
        running = self.execution_of(task, "running")
        names = {"task_name": task["name"], "task_uid": task["uid"]}
        _, event = self.recorded("POST", f"/scheduler/executions/{running['id']}/cancel", {"reason": "too slow"})
        self.assert_event(event, "cancelled", "execution", running["execution_uid"], **names)
        self.assertEqual((event["old"], event["new"]), ({"state": "running"}, {"state": "running", "cancel_reason": "too slow"}))
        self.server.finished(running["execution_uid"])
        waiting = self.server.trigger(task["uid"], run_at="2099-01-01T00:00:00Z")
        _, event = self.recorded("POST", f"/scheduler/executions/{waiting}/cancel")
        self.assertEqual((event["old"], event["new"]), ({"state": "pending"}, {"state": "cancelled"}))
        _, event = self.recorded("POST", f"/scheduler/executions/{waiting}/cancel")
        self.assertEqual((event["resource"]["identifier"], event["data"]["changed"]), (waiting, "false"))

    @drives(f"POST {EXECUTION}/retry")
    def test_retry_by_hand(self):
        task = self.task()
        first = self.execution_of(task)
        answer, event = self.recorded("POST", f"/scheduler/executions/{first['execution_uid']}/retry")
        self.assert_event(event, "triggered", "execution", first["execution_uid"], task_name=task["name"], task_uid=task["uid"])
        self.assertEqual(event["new"], {"execution_uid": answer.json["execution_uid"], "retry_of": first["execution_uid"]})

    @drives("PUT /api/v1/scheduler/config")
    def test_configuration(self):
        before = self.server.get("/scheduler/config").data
        answer, event = self.recorded("PUT", "/scheduler/config", {"execution_retention_days": 77})
        self.assert_event(event, "updated", "schedulerConfig", "retention")
        self.assertEqual((event["old"], event["new"]), (before, answer.data))
        self.assertEqual(event["new"]["execution_retention_days"], 77)

    @drives("POST /api/v1/scheduler/locks/{key}/release")
    def test_a_lock_released_by_hand(self):
        lock = self.server.get("/scheduler/locks").data[0]
        _, event = self.recorded("POST", f"/scheduler/locks/{lock['key']}/release")
        self.assert_event(event, "revoked", "lock", lock["key"])
        self.assertEqual({k: event["old"][k] for k in ("key", "holder_id", "fencing_token")},
                         {k: lock[k] for k in ("key", "holder_id", "fencing_token")})

    @drives("POST /api/v1/scheduler/instances/{id}/drain")
    def test_drain(self):
        instance = self.server.get("/scheduler/instances").data[0]["id"]
        for drain in (True, False):
            _, event = self.recorded("POST", f"/scheduler/instances/{instance}/drain", {"drain": drain})
            self.assert_event(event, "updated", "instance", instance)
            self.assertEqual((event["old"], event["new"]), ({"draining": not drain}, {"draining": drain}))

    @drives("POST /api/v1/users", "PUT /api/v1/users/{uid}", "PATCH /api/v1/users/{uid}", "DELETE /api/v1/users/{uid}")
    def test_users(self):
        answer, event = self.recorded("POST", "/users", {"username": "eve", "password": "whisper-3 long", "role": "viewer"})
        before = answer.data
        self.assert_event(event, "created", "user", before["uid"], name="eve")
        self.assertEqual((event["old"], event["new"]), (None, before))
        for method, body in (("PATCH", {"role": "operator"}), ("PUT", {"password": "whisper-4 long"})):
            answer, event = self.recorded(method, "/users/eve", body)
            self.assert_event(event, "updated", "user", before["uid"], name="eve")
            self.assertEqual((event["old"], event["new"]), (before, answer.data))
            self.assertEqual(event["data"], {"password_changed": "true"} if "password" in body else {})
            before = answer.data
        _, event = self.recorded("DELETE", "/users/eve")
        self.assert_event(event, "deleted", "user", before["uid"], name="eve")
        self.assertEqual((event["old"], event["new"]), (before, None))

    @drives("POST /api/v1/tokens", "DELETE /api/v1/tokens/{id}")
    def test_tokens(self):
        answer, event = self.recorded("POST", "/tokens", {"name": "robot", "role": "operator"})
        token = dict(answer.data)
        text = token.pop("token")
        self.assert_event(event, "created", "token", token["id"], name="robot")
        self.assertEqual((event["old"], event["new"]), (None, token))
        _, by_token = self.recorded("POST", "/scheduler/tasks", {"name": "made-by-a-token", "type": "noop"}, token=text)
        self.assertEqual(by_token["user"], {"uid": token["id"], "username": "robot", "type": "service"})
        _, event = self.recorded("DELETE", f"/tokens/{token['id']}")
        self.assert_event(event, "revoked", "token", token["id"], name="robot")
        self.assertEqual(({**event["old"], "last_used_at": None}, event["new"]), (token, None))

    @drives("POST /api/v1/auth/login", "POST /api/v1/auth/logout", "POST /api/v1/auth/password")
    def test_sessions(self):
        user = self.server.post("/users", {"username": "sam", "password": "whisper-5 long", "role": "operator"}).data
        principal = {"uid": user["uid"], "username": "sam", "type": "user"}
        login = {"username": "sam", "password": "whisper-5 long"}
        answer, event = self.recorded("POST", "/auth/login", login, token=None)
        session = event["resource"]["identifier"]
        self.assert_event(event, "login", "session", session)
        self.assertEqual(event["user"], principal)
        _, event = self.recorded("POST", "/auth/logout", token=answer.data["access_token"])
        self.assert_event(event, "logout", "session", session)
        self.assertEqual(event["user"], principal)
        token = self.server.post("/auth/login", login, token=None).data["access_token"]
        body = {"current_password": "whisper-5 long", "new_password": "whisper-6 long"}
        _, event = self.recorded("POST", "/auth/password", body, token=token)
        self.assert_event(event, "updated", "user", user["uid"], name="sam")
        self.assertEqual((event["user"], event["data"]), (principal, {"password_changed": "true"}))
        self.assertEqual((event["old"]["uid"], event["new"]["uid"]), (user["uid"], user["uid"]))

    @drives("POST /api/v1/auth/refresh")
    def test_refreshing_a_token_is_not_recorded(self):
        login = self.server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None).data
        for expected in (200, 401):
            answer = self.call("POST", "/auth/refresh", {"refresh_token": login["refresh_token"]}, token=None)
            self.assertEqual(answer.status, expected, answer.body)
            self.call("POST", "/auth/logout")  # an event after where it would be
            self.assertEqual(len(self.events()), 1)

    def test_every_call_that_changes_something_is_shown_here(self):
        driven = {operation for name in dir(self) for operation in getattr(getattr(self, name), "drives", ())}
        described = {f"{method} {template}" for method, template, _ in openapi_check.operations()
                     if method != "GET" and not template.startswith(("/api/v1/audit", "/api/v1/alerts"))}  # these have tests of their own
        self.assertEqual(described, driven)
        self.assertLessEqual(set(NOT_RECORDED), driven)


class Refused(Recorded):
    def test_a_failed_sign_in_names_who_was_tried(self):
        answer, event = self.refused("POST", "/auth/login", {"username": "mallory", "password": "whisper-7"}, token=None)
        self.assertEqual(answer.status, 401)
        self.assert_event(event, "login", "session", "/api/v1/auth/login")
        self.assertEqual(event["user"], {"uid": "anonymous", "username": "mallory", "type": "anonymous"})

    def test_calls_of_nobody_we_know_and_calls_that_are_not_allowed_are_denied(self):
        self.server.post("/users", {"username": "vera", "password": "whisper-8 long", "role": "viewer"})
        login = {"username": "vera", "password": "whisper-8 long"}
        viewer = self.server.post("/auth/login", login, token=None).data["access_token"]
        task = self.server.create(name="denied", type="noop")
        for token, status, username in ((None, 401, "anonymous"), ("wrong", 401, "anonymous"), (viewer, 403, "vera")):
            answer, event = self.refused("DELETE", f"/scheduler/tasks/{task['uid']}", token=token)
            self.assertEqual(answer.status, status)
            self.assert_event(event, "denied", "scheduledTask", task["uid"])
            self.assertEqual((event["user"]["username"], event["data"]["attempted"]), (username, "deleted"))
            self.assertEqual(event["client_ip"], "127.0.0.1")
        for path, kind in (("/users", "user"), ("/tokens", "token")):
            _, event = self.refused("GET", path, token=viewer)
            self.assert_event(event, "denied", kind, "/api/v1" + path)
        _, event = self.refused("GET", "/scheduler/tasks/denied", token=None)
        self.assert_event(event, "denied", "scheduledTask", "denied")
        self.assertEqual(self.server.get("/scheduler/tasks/denied").status, 200)

    def test_changes_that_fail_are_recorded_with_their_reason(self):
        self.server.create(name="taken", type="noop")
        tasks = "/api/v1/scheduler/tasks"
        for method, path, kwargs, status, action, kind, identifier in (
                ("POST", "/scheduler/tasks", {"body": {"name": "taken", "type": "noop"}}, 409, "created", "scheduledTask", tasks),
                ("POST", "/scheduler/tasks", {"body": {"name": "x"}}, 400, "created", "scheduledTask", tasks),
                ("POST", "/scheduler/tasks", {"raw": b"{"}, 400, "created", "scheduledTask", tasks),
                ("POST", "/scheduler/tasks", {"raw": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "created", "scheduledTask",
                 tasks),
                ("POST", "/scheduler/tasks", {"raw": b" " * (2 << 20)}, 413, "created", "scheduledTask", tasks),
                ("PATCH", "/scheduler/tasks/nowhere", {"body": {"priority": 1}}, 404, "updated", "scheduledTask", "nowhere"),
                ("POST", "/scheduler/tasks/nowhere/trigger", {}, 404, "triggered", "scheduledTask", "nowhere"),
                ("POST", "/scheduler/executions/12345/cancel", {}, 404, "cancelled", "execution", "12345"),
                ("PUT", "/scheduler/config", {"body": {"execution_retention_days": 0}}, 400, "updated", "schedulerConfig",
                 "/api/v1/scheduler/config"),
                ("DELETE", "/users/admin", {}, 409, "deleted", "user", "admin"),
                ("DELETE", f"/tokens/{uuid.uuid4()}", {}, 404, "revoked", "token", None)):
            answer, event = self.refused(method, path, **kwargs)
            self.assertEqual(answer.status, status, answer.body)
            self.assert_event(event, action, kind, identifier or path.split("/")[-1])

    def test_reads_that_fail_leave_nothing(self):
        for path in ("/scheduler/tasks/nowhere", "/scheduler/tasks?wrong=1", "/nowhere"):
            self.assertGreaterEqual(self.call("GET", path).status, 400)
            self.call("POST", "/auth/logout", request_id=self.request_id)  # an event after where it would be
            self.assertEqual([event["action"] for event in self.events()], ["logout"])

    def test_an_aborted_change_leaves_only_its_failure(self):
        """Deleting the last administrator is undone after it was written, with its event."""
        _, event = self.refused("DELETE", "/users/admin")
        self.assertIsNone(event["old"])
        self.assertEqual(self.server.get("/users/admin").status, 200)

    def test_throttled_sign_ins_are_recorded(self):
        def tries():
            return self.refused("POST", "/auth/login", {"username": "brute", "password": "guess"}, token=None)

        answer, event = wait_until("the throttle", lambda: (found := tries())[0].status == 429 and found)
        self.assertEqual((event["action"], event["user"]["username"]), ("login", "brute"))


class Once(Recorded):
    def test_repeats_with_an_idempotency_key_leave_one_event(self):
        self.server.create(name="once", type="noop")
        for method, path, body in (("POST", "/scheduler/tasks/once/trigger", {"priority": 1}),
                                   ("POST", "/scheduler/tasks/once/disable", None),
                                   ("POST", "/users", {"username": "only", "password": "whisper-9 long", "role": "viewer"}),
                                   ("DELETE", "/users/nobody", None)):
            key, request_id = uuid.uuid4().hex, "once-" + uuid.uuid4().hex
            answers = [self.call(method, path, body, request_id=request_id, headers={"Idempotency-Key": key}) for _ in range(3)]
            self.assertEqual(len({(answer.status, answer.body) for answer in answers}), 1)
            wait_until("the event", lambda wanted=request_id: self.events(wanted))
            self.call("POST", "/auth/logout")  # an event after where more would be
            self.event(request_id)

    def test_repeats_at_once_leave_one_event(self):
        key, request_id, answers = uuid.uuid4().hex, "many-" + uuid.uuid4().hex, []
        headers = {"Idempotency-Key": key, "X-Request-Id": request_id}

        def create():
            answers.append(self.server.post("/scheduler/tasks", {"name": "at-once", "type": "noop"}, headers=headers))

        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({answer.status for answer in answers}, {201})
        self.event(request_id)


class Life(Recorded):
    env = {"HORAE_LABELS": "zone=a"}

    def of_server(self):
        return [event for event in audit_events(self.server) if event["resource_type"] == "server"]

    def test_starts_stops_crashes_and_what_was_acknowledged_before(self):
        started = self.of_server()[-1]
        self.assertEqual(started["action"], "started")
        self.assertEqual(started["user"], {"uid": "system", "username": "system", "type": "service"})
        self.assertEqual((started["data"]["store"], started["new"]["labels"]), ("postgres" if POSTGRES else "sqlite", ["zone=a"]))
        self.assertEqual((started["new"]["admin_token"], started["new"]["admin_password"]), ("***", "***"))
        self.assertEqual(started["resource"]["identifier"], self.server.get("/scheduler/instances").data[0]["id"])
        self.assertNotIn("unclean_stop_of", started["data"])

        self.server.stop()
        stopped = self.of_server()[-1]
        self.assertEqual((stopped["action"], stopped["data"]["handover"]), ("stopped", "false"))
        self.assertEqual(stopped["resource"], started["resource"])

        self.server.start()
        self.assertNotIn("unclean_stop_of", self.of_server()[-1]["data"])
        answer = self.call("POST", "/scheduler/tasks", {"name": "just-before", "type": "noop"})
        self.server.kill()  # the answer was the last thing that it did
        self.assertEqual(answer.status, 201)
        self.assert_event(self.event(), "created", "scheduledTask", answer.data["uid"], name="just-before")
        killed = self.of_server()[-1]
        self.assertEqual(killed["action"], "started")

        self.server.start()
        self.event()
        self.assertEqual(self.of_server()[-1]["data"]["unclean_stop_of"], killed["resource"]["identifier"])
        self.server.stop(signal.SIGUSR2)
        self.assertEqual((self.of_server()[-1]["action"], self.of_server()[-1]["data"]["handover"]), ("stopped", "true"))
        self.server.start()

    @of_the_file_store("copies are made by horae")
    def test_a_restored_database_loses_no_event_and_its_restoring_is_one(self):
        server = Server()
        self.addCleanup(server.remove)
        copy = os.path.join(server.folder, "copy.db")
        self.assertEqual(run_cli("store", "backup", copy, "--data", server.folder).returncode, 0)
        for n in range(20):  # rows of the table beyond those that the copy knows
            server.create(name=f"gone-{n}", type="noop")
        before = len(audit_events(server))
        server.stop()
        self.assertEqual(run_cli("store", "restore", copy, "--data", server.folder).returncode, 0)
        server.start()
        made = server.create(name="after", type="noop")
        stopped, restored, started, *_, created = audit_events(server)[before:]
        self.assertEqual((stopped["action"], started["action"]), ("stopped", "started"))
        self.assertEqual((restored["action"], restored["resource_type"], restored["subsystem"]), ("updated", "server", "cli"))
        self.assertEqual((restored["data"]["operation"], restored["data"]["from"]), ("restore", copy))
        self.assertEqual((restored["user"]["uid"], restored["user"]["type"]), (f"uid:{os.getuid()}", "user"))
        self.assertEqual((created["action"], created["resource"]["identifier"]), ("created", made["uid"]))
        server.stop()
        server.start()
        self.assertEqual(len([event for event in audit_events(server) if event.get("subsystem") == "cli"]), 1)

    @of_the_file_store("copies are made by horae")
    def test_events_that_a_killed_server_had_not_moved_survive_a_restored_database(self):
        server = Server()
        self.addCleanup(server.remove)
        copy, log, away = (os.path.join(server.folder, name) for name in ("copy.db", "horae.db-audit", "away"))
        server.create(name="known", type="noop")
        self.assertEqual(run_cli("store", "backup", copy, "--data", server.folder).returncode, 0)
        audit_events(server)  # all are moved
        os.rename(log, away)
        gone = [server.create(name=f"gone-{n}", type="noop")["uid"] for n in range(20)]
        server.kill()
        shutil.rmtree(log, ignore_errors=True)
        os.rename(away, log)
        done = run_cli("store", "restore", copy, "--data", server.folder)
        self.assertEqual((done.returncode, "not carried" in done.stderr), (0, False), done.stderr)
        server.start()
        self.assertEqual(server.get("/scheduler/tasks?name=gone-3").data, [])
        found = [event["resource"]["identifier"] for event in audit_events(server) if event["action"] == "created"]
        self.assertEqual([uid for uid in found if uid in gone], gone)  # each once, in their order
        self.assertTrue(server.get("/audit/verify").data["ok"], server.get("/audit/verify").body)

    def test_what_the_first_start_makes_is_recorded_once(self):
        server = Server()
        self.addCleanup(server.remove)
        for _ in range(2):
            made = [event for event in audit_events(server) if event["action"] == "created"]
            self.assertEqual({event["user"]["uid"] for event in made}, {"system"})
            tasks = [event["resource"]["data"]["name"] for event in made if event["resource_type"] == "scheduledTask"]
            names = [task["name"] for task in server.get("/scheduler/tasks").data]
            self.assertEqual(sorted(tasks), sorted(names))
            self.assertEqual([event["new"]["username"] for event in made if event["resource_type"] == "user"], ["admin"])
            server.stop()
            server.start()

    def test_retention_runs_are_recorded(self):
        server = Server()
        self.addCleanup(server.remove)
        for task, kinds in (("execution_cleanup", {"execution", "alert"}), ("lock_cleanup", {"lock"})):
            before = len(audit_events(server))
            uid = server.trigger(task)
            self.assertEqual(server.finished(uid)["state"], "success")
            purged = [event for event in audit_events(server)[before:] if event["action"] == "purged"]
            self.assertEqual({event["resource_type"] for event in purged}, kinds)
            for event in purged:
                self.assertEqual((event["user"]["uid"], event["data"]["count"], event["data"]["execution_uid"]), ("system", "0", uid))
                self.assertIn("before", event["data"])


SPOOFED = [("X-Forwarded-For", "9.9.9.9"), ("X-Forwarded-For", "9.9.9.9, 8.8.8.8"), ("X-Real-IP", "9.9.9.9"), ("True-Client-IP", "9.9.9.9"),
           ("Forwarded", 'for="[2001:db8::9]:443";proto=https'), ("CF-Connecting-IP", "9.9.9.9"), ("X-Client-IP", "9.9.9.9"), ("X-Cluster-Client-IP", "9.9.9.9"),
           ("Via", "1.1 9.9.9.9"), ("Client-IP", "9.9.9.9")]


class Spoofed(Recorded):
    def test_nobody_without_a_trusted_proxy_names_his_own_address(self):
        """AUD-20 to AUD-22: in a change, a refused call, a failed sign-in, and an event that is sent without an address."""
        for headers in [*({name: value} for name, value in SPOOFED), dict(SPOOFED)]:
            with self.subTest(headers=headers):
                _, changed = self.recorded("POST", "/scheduler/tasks", {"name": "t" + uuid.uuid4().hex, "type": "noop"}, headers=headers)
                _, refused = self.refused("POST", "/scheduler/tasks", {"type": "noop"}, headers=headers)
                _, signed_in = self.refused("POST", "/auth/login", {"username": uuid.uuid4().hex, "password": "wrong"}, token=None, headers=headers)
                for event in (changed, refused, signed_in):
                    self.assertEqual((event["client_ip"], event["data"].get("peer_ip")), ("127.0.0.1", None))
                sent = {"action": "read", "resource": {"type": "pod", "identifier": "p"}, "user": {"uid": "u", "username": "u", "type": "user"}}
                uid = self.server.post("/audit/events", sent, headers=headers).data["ids"][0]
                self.assertEqual(self.server.get(f"/audit/events/{uid}").data["client_ip"], "127.0.0.1")

    def test_ids_and_agents_that_are_no_such(self):
        """AUD-31: a request id of the caller is taken when it is sane; what is recorded has its limits (DATA-30)."""
        for request_id, taken in (("r" * 128, True), ("r" * 129, False), ("a b", False), ("<script>", False), ("\xff", False), ("", False)):
            with self.subTest(request_id=request_id):
                name = "t" + uuid.uuid4().hex
                answer = self.server.post("/scheduler/tasks", {"name": name, "type": "noop"}, headers={"X-Request-Id": request_id, "User-Agent": "x" * 6000})
                self.assertEqual(answer.status, 201)
                event = next(event for event in audit_events(self.server) if event["resource"]["identifier"] == answer.data["uid"])
                self.assertEqual(event["request_id"], answer.headers["X-Request-Id"])
                self.assertEqual(event["request_id"] == request_id, taken)
                self.assertTrue(0 < len(event["request_id"]) <= 128)
                self.assertEqual(event["user_agent"], "x" * 4096)


class Proxied(Recorded):
    arguments = ("--trusted-proxy", "127.0.0.1", "--trusted-proxy", "10.0.0.0/8")

    def test_what_a_caller_put_before_the_proxy_s_word_is_not_believed(self):
        """AUD-23 to AUD-27, on the real server."""
        for headers, expected in (
                ([("X-Forwarded-For", "6.6.6.6, 203.0.113.9")], "203.0.113.9"), ([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.9, 10.1.1.1")], "203.0.113.9"),
                ([("X-Forwarded-For", "6.6.6.6, junk")], "127.0.0.1"), ([("X-Forwarded-For", "6.6.6.6, junk, 10.1.1.1")], "10.1.1.1"),
                ([("X-Forwarded-For", "unknown")], "127.0.0.1"), ([("X-Forwarded-For", "_hidden, 10.1.1.1")], "10.1.1.1"), ([("X-Forwarded-For", "0.0.0.0")], "127.0.0.1"),
                ([("X-Forwarded-For", "06.6.6.6")], "127.0.0.1"), ([("X-Forwarded-For", "0x6.6.6.6")], "127.0.0.1"), ([("X-Forwarded-For", "6.6.6")], "127.0.0.1"),
                ([("X-Forwarded-For", "::ffff:203.0.113.9")], "203.0.113.9"), ([("X-Forwarded-For", "[2001:DB8:0::9]:80")], "2001:db8::9"),
                ([("X-Forwarded-For", "10.2.2.2, 10.1.1.1")], "10.2.2.2"), ([("X-Forwarded-For", ", ,203.0.113.9:70, ,")], "203.0.113.9"),
                ([("X-Real-IP", "203.0.113.9")], "203.0.113.9"), ([("X-Real-IP", "6.6.6.6"), ("X-Real-IP", "203.0.113.9")], "203.0.113.9"),
                ([("X-Real-IP", "6.6.6.6, 203.0.113.9")], "127.0.0.1"), ([("X-Forwarded-For", ""), ("X-Real-IP", "203.0.113.9")], "203.0.113.9"),
                ([("True-Client-IP", "6.6.6.6")], "127.0.0.1"), ([("Forwarded", "for=6.6.6.6")], "127.0.0.1")):
            with self.subTest(headers=headers):
                connection = http.client.HTTPConnection(self.server.host, timeout=30)
                body = json.dumps({"name": "t" + uuid.uuid4().hex, "type": "noop"})
                connection.putrequest("POST", "/api/v1/scheduler/tasks")
                for name, value in [*headers, ("Authorization", f"Bearer {ADMIN_TOKEN}"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]:
                    connection.putheader(name, value)
                connection.endheaders(body.encode())
                answer = json.loads(connection.getresponse().read())
                connection.close()
                event = next(event for event in audit_events(self.server) if event["resource"]["identifier"] == answer["data"]["uid"])
                self.assertEqual((event["client_ip"], event["data"].get("peer_ip")), (expected, None if expected == "127.0.0.1" else "127.0.0.1"))

    def test_the_client_s_address_and_the_proxy_s(self):
        headers = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
        _, event = self.recorded("POST", "/scheduler/tasks", {"name": "far", "type": "noop"}, headers=headers)
        self.assertEqual((event["client_ip"], event["data"]), ("198.51.100.7", {"peer_ip": "127.0.0.1"}))
        sent = {"action": "read", "resource": {"type": "pod", "identifier": "p"}, "user": {"uid": "u", "username": "u", "type": "user"}, "data": {"k": "v"}}
        for given, stored, data in ({}, "198.51.100.7", {"k": "v", "peer_ip": "127.0.0.1"}), ({"client_ip": "192.0.2.1"}, "192.0.2.1", {"k": "v"}):
            uid = self.server.post("/audit/events", {**sent, **given}, headers=headers).data["ids"][0]
            event = self.server.get(f"/audit/events/{uid}").data
            self.assertEqual((event["client_ip"], event["data"]), (stored, data))
        _, event = self.refused("POST", "/scheduler/tasks", {"name": "far", "type": "noop"}, headers=headers)
        self.assertEqual((event["client_ip"], event["data"]["peer_ip"]), ("198.51.100.7", "127.0.0.1"))


class Secrets(Recorded):
    def files_with(self, text):
        found = []
        for folder, _, names in os.walk(self.server.folder):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and name not in ("cli-token", "admin-password"):
                    with open(path, "rb") as file:
                        if text.encode() in file.read():
                            found.append(name)
        return found

    def test_nothing_secret_is_stored(self):
        created = self.server.post("/tokens", {"name": "t", "role": "viewer"}).data["token"]
        self.server.post("/users", {"username": "u", "password": "hush-password-1", "role": "viewer"})
        login = self.server.post("/auth/login", {"username": "u", "password": "hush-password-1"}, token=None).data
        change = {"current_password": "hush-password-1", "new_password": "hush-password-2"}
        self.assertEqual(self.server.post("/auth/password", change, token=login["access_token"]).status, 200)
        self.refused("POST", "/auth/login", {"username": "u", "password": "hush-guess-3"}, token=None)
        self.refused("GET", "/users", token="hush-token-4")
        self.server.create(name="signed", type="http", data='{"method":"GET","url":"http://127.0.0.1:9/"}', secret="hush-secret-5")
        self.recorded("PATCH", "/scheduler/tasks/signed", {"secret": "hush-secret-6"})
        self.recorded("DELETE", "/scheduler/tasks/signed")
        said = repr(audit_events(self.server))
        self.assertNotIn("hush-", said)
        self.assertNotIn(ADMIN_TOKEN, said)
        self.server.stop()
        for text in (created, login["access_token"], login["refresh_token"], ADMIN_TOKEN, "hush-password-1", "hush-password-2",
                     "hush-guess-3", "hush-token-4", "correct horse"):
            self.assertEqual(self.files_with(text), [], text)
        self.server.start()

    def test_what_waits_to_be_moved_is_redacted_already(self):
        """AUD-13: rows of audit_pending stay until the next change, and in free pages after it."""
        data = json.dumps({"argv": ["true"], "env": {"API_KEY": "hush-key-7", "PLACE": "here"}})
        created = self.server.create(name="hushed", type="command", data=data)
        self.assertEqual(json.loads(created["data"])["env"]["API_KEY"], "hush-key-7")  # the task itself has it
        rows = [row[0] for row in store_rows(self.server, "SELECT event FROM audit_pending")]
        self.assertEqual(len([row for row in rows if created["uid"] in row]), 1)
        self.assertNotIn("hush-", repr(rows))
        event = next(event for event in audit_events(self.server) if event["resource"]["identifier"] == created["uid"])
        self.assertEqual(json.loads(event["new"]["data"]), {"argv": ["true"], "env": {"API_KEY": "***", "PLACE": "here"}})
