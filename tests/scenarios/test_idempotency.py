# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key (contract section 3, rulings section 2): the same key and request give the same answer for 24 hours and one
effect; another request under it answers 409."""
import threading

from harness import Server, ServerCase


class Idempotency(ServerCase):
    number = 0

    def key(self):
        Idempotency.number += 1
        return {"Idempotency-Key": f"key-{self.number}"}

    def twice(self, method, path, body=None):
        headers = self.key()
        first = self.server.request(method, path, body, headers=headers)
        again = self.server.request(method, path, body, headers=headers)
        self.assertEqual((first.status, first.body, first.headers["Content-Type"]), (again.status, again.body, again.headers["Content-Type"]), (method, path))
        return first

    def test_every_kind_of_change_has_one_effect_and_one_answer(self):
        self.assertEqual(self.twice("POST", "/scheduler/tasks", {"name": "one", "type": "noop"}).status, 201)
        self.assertEqual(self.twice("PATCH", "/scheduler/tasks/one", {"priority": 3}).data["version"], 2)
        self.assertEqual(self.twice("PUT", "/scheduler/tasks/one", {"name": "one", "type": "noop"}).data["version"], 3)
        self.assertEqual(self.server.get("/scheduler/tasks/one").data["version"], 3)
        self.assertEqual(self.twice("POST", "/scheduler/tasks/one/disable").status, 200)
        self.assertEqual(self.twice("POST", "/scheduler/tasks/one/enable").status, 200)
        uid = self.twice("POST", "/scheduler/tasks/one/trigger", {}).json["execution_uid"]
        self.server.finished(uid)
        self.assertEqual(self.twice("POST", f"/scheduler/executions/{uid}/retry").status, 202)
        self.assertEqual(self.twice("POST", f"/scheduler/executions/{uid}/cancel").status, 202)
        self.assertEqual(self.twice("POST", "/scheduler/executions", {"task_uid": "one", "items": [{}] * 10000}).json["count"], 10000)
        self.assertEqual(self.server.get("/scheduler/executions?task_name=one&page_size=1").json["pagination"].get("total_is_lower_bound"), True)
        self.assertEqual(self.twice("PUT", "/scheduler/config", {"log_retention_days": 5}).status, 200)
        self.assertEqual(self.twice("POST", "/users", {"username": "u", "password": "long enough", "role": "viewer"}).status, 201)
        self.assertEqual(self.twice("PATCH", "/users/u", {"enabled": False}).status, 200)
        self.assertEqual(self.twice("DELETE", "/users/u").status, 204)
        token = self.twice("POST", "/tokens", {"name": "t", "role": "viewer"}).data
        self.assertEqual(self.server.get("/auth/me", token=token["token"]).status, 200)
        self.assertEqual(self.server.get("/tokens").json["pagination"]["total"], 1)
        self.assertEqual(self.twice("DELETE", f"/tokens/{token['id']}").status, 204)
        self.assertEqual(self.twice("POST", "/scheduler/locks/scheduler_global/release").status, 200)
        self.assertEqual(self.twice("POST", f"/scheduler/instances/{self.server.get('/scheduler/instances').data[0]['id']}/drain", {"drain": False}).status, 202)
        self.assertEqual(self.twice("DELETE", "/scheduler/tasks/one").status, 204)

    def test_refusals_that_depend_on_the_state_are_repeated_too(self):
        headers = self.key()
        self.assert_error(self.server.post("/scheduler/tasks/late/trigger", headers=headers), 404, "NOT_FOUND")
        self.server.create(name="late", type="noop", enabled=False)
        self.assert_error(self.server.post("/scheduler/tasks/late/trigger", headers=headers), 404, "NOT_FOUND")
        headers = self.key()
        self.assert_error(self.server.post("/scheduler/tasks/late/trigger", headers=headers), 409, "TASK_DISABLED")
        self.server.post("/scheduler/tasks/late/enable")
        self.assert_error(self.server.post("/scheduler/tasks/late/trigger", headers=headers), 409, "TASK_DISABLED")
        self.assertEqual(self.server.post("/scheduler/tasks/late/trigger", headers=self.key()).status, 202)

    def test_a_refused_body_does_not_use_the_key_up(self):
        headers = self.key()
        self.assertEqual(self.server.post("/scheduler/tasks", {"name": "mended"}, headers=headers).status, 400)
        self.assertEqual(self.server.post("/scheduler/tasks", {"name": "mended", "type": "noop"}, headers=headers).status, 201)

    def test_another_request_under_the_key_is_refused(self):
        headers = self.key()
        self.server.post("/scheduler/tasks", {"name": "first", "type": "noop"}, headers=headers)
        for method, path, body in [("POST", "/scheduler/tasks", {"name": "second", "type": "noop"}), ("POST", "/scheduler/tasks?", {"name": "first", "type": "noop"}),
                                   ("POST", "/scheduler/tasks/first/trigger", None), ("DELETE", "/scheduler/tasks/first", None)]:
            for _ in range(2):
                self.assert_error(self.server.request(method, path, body, headers=headers), 409, "IDEMPOTENCY_KEY_REUSED")
        self.assertEqual(self.server.post("/scheduler/tasks", {"name": "first", "type": "noop"}, headers=headers).status, 201)

    def test_keys_belong_to_their_callers(self):
        headers, body = self.key(), {"username": "owner", "password": "long enough", "role": "operator"}
        self.server.post("/users", body)
        token = self.server.post("/auth/login", {"username": "owner", "password": "long enough"}, token=None).data["access_token"]
        self.assertEqual(self.server.post("/scheduler/tasks", {"name": "mine", "type": "noop"}, headers=headers).status, 201)
        self.assertEqual(self.server.post("/scheduler/tasks", {"name": "theirs", "type": "noop"}, headers=headers, token=token).status, 201)

    def test_keys_have_a_form(self):
        body = {"name": "form", "type": "noop"}
        for bad in ("", "x" * 256, "a b", "é", "a\tb"):
            self.assert_error(self.server.post("/scheduler/tasks", body, headers={"Idempotency-Key": bad}), 400, "INVALID_PARAMETER", "Idempotency-Key")
        self.assertEqual(self.server.post("/scheduler/tasks", body, headers={"Idempotency-Key": "x" * 255}).status, 201)
        self.assertEqual(self.server.get("/scheduler/tasks", headers={"Idempotency-Key": "x" * 255}).status, 200)  # nothing to repeat

    def test_lines_that_are_taken_as_they_arrive_count_by_their_text(self):
        headers = {**self.key(), "Content-Type": "application/x-ndjson"}
        lines = "".join(f'{{"action":"created","resource":{{"type":"pod","identifier":"p-{i}"}},"user":{{"uid":"u","username":"u","type":"user"}}}}\n' for i in range(3000)).encode()
        first, again = (self.server.request("POST", "/audit/events", raw=lines, headers=headers) for _ in range(2))
        self.assertEqual((first.status, len(first.data["ids"])), (201, 3000), first.body[:200])
        self.assertEqual((again.status, again.body), (first.status, first.body))
        self.assertEqual(self.server.get("/audit/events?resource_type=pod").json["pagination"]["total"], 3000)
        self.assertEqual(self.server.request("POST", "/audit/events", raw=lines + lines, headers=headers).status, 409)

    def test_many_at_once_have_one_effect(self):
        self.server.create(name="raced", type="noop")
        headers, answers = self.key(), []
        threads = [threading.Thread(target=lambda: answers.append(self.server.post("/scheduler/tasks/raced/trigger", headers=headers))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({answer.status for answer in answers}, {202})
        self.assertEqual(len({answer.json["execution_uid"] for answer in answers}), 1)
        self.assertEqual(len(self.server.executions(task_name="raced")), 1)

    def test_answers_survive_a_crash(self):
        headers, body = self.key(), {"name": "survivor", "type": "noop"}
        first = self.server.post("/scheduler/tasks", body, headers=headers)
        self.server.kill()
        self.server.start()
        again = self.server.post("/scheduler/tasks", body, headers=headers)
        self.assertEqual((first.status, first.body), (again.status, again.body))


class OneDay(ServerCase):
    def test_after_a_day_the_key_is_free_again(self):
        clock = self.server.folder + "/clock"
        with open(clock, "w", encoding="ascii") as file:
            file.write("0")
        server = Server(env={"HORAE_TEST_CLOCK_FILE": clock})
        try:
            headers = {"Idempotency-Key": "daily"}
            self.assertEqual(server.post("/scheduler/tasks", {"name": "today", "type": "noop"}, headers=headers).status, 201)
            for seconds, status in ((86000, 409), (86500, 201)):
                with open(clock, "w", encoding="ascii") as file:
                    file.write(str(seconds))
                from harness import wait_until

                answer = wait_until("the clock", lambda: (found := server.post("/scheduler/tasks", {"name": "tomorrow", "type": "noop"}, headers=headers)).status == status and found)
                self.assertEqual(answer.status, status)
        finally:
            server.remove()
