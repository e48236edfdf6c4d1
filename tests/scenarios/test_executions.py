# SPDX-License-Identifier: Apache-2.0
"""Runs: DATA-10..16, SCH-03, SCH-35..61, SCH-80..85, API-14..17, rulings section 1."""
import time

from harness import ServerCase, wait_until


class Executions(ServerCase):
    def noop(self, name, data="", **fields):
        return self.server.create(name=name, type="noop", data=data, **fields)

    def test_a_trigger_runs_at_once_and_is_recorded(self):
        task = self.noop("once", '{"result":"done"}')
        uid = self.server.trigger("once")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["result"], run["task_uid"]), ("success", "done", task["uid"]))
        self.assertEqual((run["trigger_type"], run["cause"], run["trigger_by"]), ("manual", "manual", "admin-token"))
        self.assertGreaterEqual(run["finished_at"], run["started_at"][:23])
        self.assertGreater(run["fencing_token"], 0)
        self.assertEqual(self.server.get(f"/scheduler/executions/{run['id']}").data["execution_uid"], uid)

    def test_override_data_counts_for_this_run_only(self):
        self.noop("overridden", '{"result":"own"}')
        run = self.server.finished(self.server.trigger("overridden", override_data='{"result":"other"}'))
        self.assertEqual((run["result"], run["override_data"]), ("other", '{"result":"other"}'))
        self.assertEqual(self.server.finished(self.server.trigger("overridden"))["result"], "own")
        self.assert_error(self.server.post("/scheduler/tasks/overridden/trigger", {"override_data": "{bad"}), 400, "INVALID_PARAMETER", "override_data")

    def test_at_the_limit_a_trigger_is_refused_and_bulk_queues(self):
        self.noop("limited", '{"sleep_ms":60000}', max_concurrent=2)
        first, second = self.server.trigger("limited"), self.server.trigger("limited")
        self.assert_error(self.server.post("/scheduler/tasks/limited/trigger"), 409, "TASK_ALREADY_RUNNING")
        bulk = self.server.post("/scheduler/executions", {"task_uid": "limited", "items": [{}, {"priority": 5}]})
        self.assertEqual((bulk.status, bulk.json["count"]), (202, 2))
        for uid in (first, second, *bulk.json["execution_uids"]):
            self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/cancel", {"reason": "enough"}).status, 202)
            run = self.server.finished(uid)
            self.assertEqual((run["state"], run["cancel_reason"], run["cancelled_by"]), ("cancelled", "enough", "admin-token"))

    def test_bulk_takes_all_or_none(self):
        self.noop("bulk")
        answer = self.server.post("/scheduler/executions", {"task_uid": "bulk", "items": [{}, {"override_data": "{"}]})
        self.assert_error(answer, 400, "INVALID_PARAMETER")
        self.assertEqual(self.server.executions(task_name="bulk"), [])
        answer = self.server.post("/scheduler/executions", {"task_uid": "bulk", "items": [{}] * 3000})
        self.assertEqual(len(set(answer.json["execution_uids"])), 3000)
        wait_until("3000 runs", lambda: self.server.get("/scheduler/executions?task_name=bulk&state=success").json["pagination"]["total"] == 3000)
        self.assert_error(self.server.post("/scheduler/executions", {"task_uid": "bulk", "items": [{}] * 10001}), 400, "INVALID_PARAMETER", "items")

    def test_a_unique_key_is_queued_once_while_unfinished(self):
        self.noop("keyed", '{"sleep_ms":60000}', overlap="queue_all")
        first = self.server.trigger("keyed", unique_key="k")
        self.assertEqual(self.server.trigger("keyed", unique_key="k"), first)
        self.assertNotEqual(self.server.post("/scheduler/executions", {"task_uid": "keyed", "items": [{"unique_key": "other"}]}).json["execution_uids"][0], first)
        self.server.request("DELETE", "/scheduler/tasks/keyed")
        self.assertEqual(self.server.finished(first)["state"], "cancelled")

    def test_failed_attempts_are_retried_inside_one_row(self):
        self.noop("flaky", '{"fail_attempts":2,"result":"third"}', max_retries=3, retry_backoff={"base_ms": 10, "cap_ms": 20, "jitter_percent": 0})
        run = self.server.finished(self.server.trigger("flaky"))
        self.assertEqual((run["state"], run["retry_count"], run["result"]), ("success", 2, "third"))
        self.assertEqual([a["attempt"] for a in run["attempts"]], [1, 2, 3])
        self.assertEqual([a["state"] for a in run["attempts"]], ["failure", "failure", "success"])
        fences = [a["fencing_token"] for a in run["attempts"]]
        self.assertEqual(fences, sorted(set(fences)))

    def test_when_retries_are_used_up_the_run_fails_and_can_be_retried_by_hand(self):
        self.noop("broken", '{"fail_attempts":9}', max_retries=1, retry_backoff={"base_ms": 1, "cap_ms": 1, "jitter_percent": 0})
        uid = self.server.trigger("broken")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["retry_count"]), ("failure", 1))
        task = self.server.get("/scheduler/tasks/broken").data
        self.assertEqual((task["failure_executions"], task["consecutive_failures"], task["total_executions"]), (1, 1, 1))
        self.assertTrue(task["last_failure_error"])
        again = self.server.post(f"/scheduler/executions/{uid}/retry")
        self.assertEqual(again.status, 202)
        second = self.server.finished(again.json["execution_uid"])
        self.assertEqual((second["cause"], second["retry_of"], second["trigger_type"]), ("retry", uid, "manual"))

    def test_a_deadline_ends_in_timeout(self):
        self.noop("slow", '{"sleep_ms":60000}', max_duration_seconds=1, timeout_grace_period=0, max_retries=0)
        run = self.server.finished(self.server.trigger("slow"))
        self.assertEqual(run["state"], "timeout")
        self.assertGreaterEqual(run["duration_ms"], 1000)  # SCH-38
        task = self.server.get("/scheduler/tasks/slow").data
        self.assertEqual(task["timeout_executions"], 1)

    def test_what_has_not_finished_or_has_no_task_any_more_is_not_retried(self):
        self.noop("unfinished", '{"sleep_ms":60000}')
        uid = self.server.trigger("unfinished")
        self.assert_error(self.server.post(f"/scheduler/executions/{uid}/retry"), 409, "CONFLICT")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.server.finished(uid)
        self.assertEqual(self.server.request("DELETE", "/scheduler/tasks/unfinished").status, 204)
        refused = self.server.post(f"/scheduler/executions/{uid}/retry")
        self.assert_error(refused, 404, "NOT_FOUND")
        self.assertIn("was deleted", refused.json["error"])

    def test_a_finished_run_cannot_be_cancelled_and_says_so(self):
        self.noop("finished")
        uid = self.server.trigger("finished")
        self.server.finished(uid)
        answer = self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.assertEqual((answer.status, answer.json["state"]), (202, "success"))

    def test_run_at_waits_and_can_be_cancelled(self):
        self.noop("later")
        uid = self.server.trigger("later", run_at="2100-01-01T00:00:00Z")
        run = self.server.execution(uid)
        self.assertEqual((run["state"], run["scheduled_at"]), ("pending", "2100-01-01T00:00:00.000Z"))
        self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/cancel").json["state"], "cancelled")
        soon = self.server.trigger("later", run_at=int(time.time() * 1000) + 300)
        self.assertEqual(self.server.finished(soon)["state"], "success")

    def test_what_is_asked_for_later_does_not_count_against_the_limit(self):
        self.noop("patient")
        later = self.server.trigger("patient", run_at="2100-01-01T00:00:00Z")
        self.assertEqual(self.server.finished(self.server.trigger("patient"))["state"], "success")
        self.server.stop()
        self.server.start()  # nor after a restart
        self.assertEqual(self.server.finished(self.server.trigger("patient"))["state"], "success")
        self.assertEqual(self.server.execution(later)["state"], "pending")
        self.server.post(f"/scheduler/executions/{later}/cancel")

    def test_history_filters_by_name_state_and_time(self):
        self.noop("history", '{"fail_attempts":1}', max_retries=0)
        uids = [self.server.trigger("history") for _ in range(1)]
        self.server.finished(uids[0])
        self.assertEqual(len(self.server.executions(task_name="history", state="failure")), 1)
        self.assertEqual(len(self.server.executions(task_name="history", state="success")), 0)
        self.assertEqual(len(self.server.executions(execution_uid=uids[0])), 1)
        self.assertEqual(len(self.server.executions(task_name="history", end_time=1000)), 0)
        self.assertEqual(len(self.server.executions(task_name="history", start_time=1000, trigger_type="manual")), 1)
        self.assertEqual(len(self.server.executions(task_name="nobody")), 0)
        for query in ("state=done", "start_time=x", "start_time=2000&end_time=1000", "page_size=0"):
            self.assert_error(self.server.get(f"/scheduler/executions?{query}"), 400, "INVALID_PARAMETER")
        self.assert_error(self.server.get("/scheduler/executions/999999999"), 404, "NOT_FOUND")
        self.assert_error(self.server.get("/scheduler/executions/nonsense"), 404, "NOT_FOUND")

    def test_statistics_and_health_follow_the_runs(self):
        self.noop("counted")
        for _ in range(3):
            self.server.finished(self.server.trigger("counted"))
        stats = self.server.get("/scheduler/stats?task_uid=counted&window=1h").data
        self.assertEqual((stats["total_executions"], stats["success_rate"]), (3, 100))
        self.assertEqual(self.server.get("/scheduler/tasks/counted").data["health"], "healthy")

    def test_events_tell_of_changes(self):
        import http.client

        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        connection.request("GET", "/api/v1/stream?topics=execution,task", headers={"Authorization": "Bearer an-administrator-for-tests-only"})
        response = connection.getresponse()
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "text/event-stream"))
        self.noop("watched")
        self.server.trigger("watched")
        seen, last_id = set(), None
        while not {"task.created", "execution.created", "execution.updated"} <= seen:
            line = response.readline().decode().rstrip()
            if line.startswith("event: "):
                seen.add(line[7:])
            elif line.startswith("id: "):
                last_id = line[4:]
        connection.close()
        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        connection.request("GET", "/api/v1/stream", headers={"Authorization": "Bearer an-administrator-for-tests-only", "Last-Event-ID": "unknown-1"})
        response = connection.getresponse()
        lines = [response.readline().decode().rstrip() for _ in range(3)]
        self.assertIn("event: resync", lines)
        connection.close()
        self.assertIsNotNone(last_id)
