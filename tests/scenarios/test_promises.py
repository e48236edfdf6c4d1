# SPDX-License-Identifier: Apache-2.0
"""Clauses of the requirements that no other scenario shows, one test for each, its ids in its text. Which test shows which
requirement stands in tests/requirements.txt."""
import calendar
import contextlib
import datetime
import os
import re
import socket
import sqlite3
import tempfile
import threading
import time
import unittest

import openapi_check
from harness import ROOT, Server, ServerCase, audit_events, of_the_file_store, run_cli, wait_until
from scenarios.test_events import Stream

LONG = '{"sleep_ms":600000}'
FAST = {"base_ms": 1, "cap_ms": 1, "jitter_percent": 0}


def seconds_of(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


class ServersOfTests(unittest.TestCase):
    """A server for each test, whose wall time the test may set."""

    def serve(self, *arguments, at=None, **env):
        self.clock = os.path.join(tempfile.mkdtemp(prefix="horae-clock-"), "offset")
        self.offset = 0
        self.move_clock(calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")) - int(time.time()) if at else 0)
        server = Server(arguments, {"HORAE_TEST_CLOCK_FILE": self.clock, **env})
        self.addCleanup(server.remove)
        return server

    def move_clock(self, by):
        self.offset += by
        with open(self.clock + ".new", "w", encoding="ascii") as file:
            file.write(str(self.offset))
        os.replace(self.clock + ".new", self.clock)
        time.sleep(0.1)  # the server reads the offset at most every 50 ms

    @contextlib.contextmanager
    def database(self, server):
        with contextlib.closing(sqlite3.connect(os.path.join(server.folder, "horae.db"), timeout=30)) as database, database:
            yield database


class Definitions(ServerCase):
    def test_a_task_is_configuration_and_counters(self):
        """DATA-03, DATA-05, API-35: exactly the documented members; none of them is a state."""
        self.server.create(name="whole", type="noop", description="d", labels={"a": "b"}, data="{}", cron_expr="0 0 1 1 *", group_id="g", seed="s")
        task = self.server.get("/scheduler/tasks/whole").data
        self.assertEqual(set(task), {
            "uid", "name", "type", "description", "is_recurring", "cron_expr", "interval", "next_run", "enabled", "max_duration_seconds", "max_retries", "timeout_grace_period",
            "max_concurrent", "priority", "labels", "data", "total_executions", "success_executions", "failure_executions", "consecutive_failures", "last_executed_at", "created_at",
            "updated_at", "timezone", "misfire_policy", "retry_backoff", "group_id", "version", "skipped_executions", "timeout_executions", "start_deadline_seconds",
            "jitter_seconds", "overlap", "gap", "fold", "seed", "health"})
        self.assertEqual((task["version"], task["group_id"], task["skipped_executions"], task["timeout_executions"]), (1, "g", 0, 0))

    def test_the_required_members_of_the_document_are_those_of_the_requirements(self):
        """API-30"""
        schemas = openapi_check.document()["components"]["schemas"]
        for name, members in (("ScheduledTask", "uid name type is_recurring enabled max_duration_seconds created_at updated_at"),
                              ("TaskExecution", "id task_uid task_name task_type execution_uid run_by scheduled_at started_at state trigger_type created_at updated_at")):
            self.assertLessEqual(set(members.split()), set(schemas[name]["required"]))

    def test_every_expression_of_the_sources_is_accepted_and_next(self):
        """SCH-15, SCH-16"""
        for text, times in (("21 */4 * * *", ["00:21", "04:21"]), ("42 */4 * * *", ["00:42", "04:42"]), ("50 0 * * *", ["00:50"]), ("15 */4 * * *", ["00:15", "04:15"]),
                            ("*/20 * * * *", ["00:20", "00:40"]), ("0 2 * * *", ["02:00"]), ("0 3 * * *", ["03:00"]), ("*/5 * * * *", ["00:05", "00:10"]), ("0 9 * * *", ["09:00"]),
                            ("0 * * * *", ["01:00", "02:00"]), ("0 0 * * *", []), ("* * * * *", ["00:01", "00:02"]), ("30 0 12 * * *", ["12:00:30"]), ("@hourly", ["01:00"]),
                            ("@daily", []), ("@weekly", []), ("@monthly", []), ("@yearly", []), ("@every 90m", None), ("0 0 13 * fri", []), ("0 0 * * 0", []), ("0 0 * * 7", [])):
            with self.subTest(text=text):
                self.server.create(name=text, type="noop", cron_expr=text, enabled=False)
                found = self.server.get(f"/scheduler/tasks/{text.replace('/', '%2F').replace(' ', '%20').replace('@', '%40')}/next?count=5&from=2026-01-01T00:00:01Z").data
                self.assertEqual(len(found), 5)
                for expected, value in zip(times or [], found):
                    self.assertTrue(value.startswith(f"2026-01-01T{expected}"), found)
        either = self.server.get("/scheduler/tasks/0%200%2013%20*%20fri/next?count=5&from=2026-02-01T00:00:00Z").data
        self.assertEqual([value[:10] for value in either], ["2026-02-06", "2026-02-13", "2026-02-20", "2026-02-27", "2026-03-06"])
        both = [self.server.get(f"/scheduler/tasks/0%200%20*%20*%20{day}/next?from=2026-02-01T00:00:01Z&count=3").data for day in (0, 7)]
        self.assertEqual(both[0], both[1])

    def test_a_wrong_schedule_is_refused_in_changes_too_and_changes_nothing(self):
        """SCH-18"""
        task = self.server.create(name="kept", type="noop", cron_expr="0 0 1 1 *")
        for method, body in (("PATCH", {"cron_expr": "61 * * * *"}), ("PATCH", {"cron_expr": ""}), ("PUT", {"name": "kept", "type": "noop", "cron_expr": "0 0 30 2 *"})):
            body = {"is_recurring": True, **body}
            self.assert_error(self.server.request(method, "/scheduler/tasks/kept", body), 400, "INVALID_PARAMETER", "cron_expr")
        self.assertEqual(self.server.get("/scheduler/tasks/kept").data, task)

    def test_times_are_utc_unless_the_task_names_a_zone(self):
        """SCH-17"""
        for zone, expected in ((None, "2026-07-01T12:00:00.000Z"), ("Asia/Shanghai", "2026-07-01T04:00:00.000Z")):
            self.server.create(name=f"zone {zone}", type="noop", cron_expr="0 12 * * *", enabled=False, **({"timezone": zone} if zone else {}))
            name = f"zone%20{zone}".replace("/", "%2F")
            self.assertEqual(self.server.get(f"/scheduler/tasks/{name}/next?count=1&from=2026-07-01T00:00:00Z").data, [expected])


class Triggers(ServerCase):
    def test_the_answer_names_a_run_that_is_there(self):
        """SCH-55, SCH-57, API-14: the caller is the one who signed in; the schedule stays as it was."""
        token = self.server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None).data["access_token"]
        me = self.server.get("/auth/me", token=token).data["uid"]
        self.server.create(name="planned", type="noop", cron_expr="0 0 1 1 *")
        before = self.server.get("/scheduler/tasks/planned").data
        answer = self.server.post("/scheduler/tasks/planned/trigger", token=token)
        self.assertEqual((answer.status, answer.json["message"]), (202, "Task triggered successfully"))
        self.assertEqual(self.server.get(f"/scheduler/executions/{answer.json['execution_uid']}").status, 200)
        run = self.server.finished(answer.json["execution_uid"])
        self.assertEqual((run["trigger_type"], run["trigger_by"]), ("manual", me))
        self.assertEqual(self.server.get("/scheduler/tasks/planned").data["next_run"], before["next_run"])

    def test_a_pending_run_is_shown_as_one(self):
        """SCH-55, API-32, API-35: `started_at` is the creation until it starts; what has no value yet is left out or null."""
        self.server.create(name="later", type="noop")
        run = self.server.execution(self.server.trigger("later", run_at="2100-01-01T00:00:00Z"))
        self.assertEqual((run["state"], run["started_at"][:23] + "Z", run["finished_at"], run["run_by"]), ("pending", run["created_at"], None, ""))
        for member in ("result", "error_message", "error_stack", "duration_ms", "override_data", "attempts", "cancel_reason", "fencing_token", "retry_of", "unique_key"):
            self.assertNotIn(member, run)
        self.assertNotIn("0001-01-01", str(run))
        self.assertNotIn("1970-01-01", str(run))

    def test_three_at_once_on_a_limit_of_two(self):
        """SCH-58"""
        self.server.create(name="two", type="noop", data=LONG, max_concurrent=2)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.server.post("/scheduler/tasks/two/trigger"))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answer.status for answer in answers), [202, 202, 409])
        self.assert_error(next(answer for answer in answers if answer.status == 409), 409, "TASK_ALREADY_RUNNING")
        self.server.request("DELETE", "/scheduler/tasks/two")

    def test_a_disabled_task_runs_only_by_force(self):
        """SCH-59"""
        self.server.create(name="off", type="noop", enabled=False)
        for body in (None, {}, {"force": False}):
            self.assert_error(self.server.post("/scheduler/tasks/off/trigger", body), 409, "TASK_DISABLED")
        self.assert_error(self.server.post("/scheduler/executions", {"task_uid": "off", "items": [{}]}), 409, "TASK_DISABLED")
        self.assertEqual(self.server.executions(task_name="off"), [])
        self.assertEqual(self.server.finished(self.server.trigger("off", force=True))["state"], "success")

    def test_a_retry_by_hand_has_the_same_data(self):
        """SCH-48, SCH-56"""
        self.server.create(name="again", type="noop", data='{"result":"own"}', max_retries=0)
        override = '{"fail_attempts":1,"result":"given"}'
        failed = self.server.finished(self.server.trigger("again", override_data=override))
        self.assertEqual(failed["state"], "failure")
        second = self.server.finished(self.server.post(f"/scheduler/executions/{failed['execution_uid']}/retry").json["execution_uid"])
        self.assertEqual((second["override_data"], second["retry_of"]), (override, failed["execution_uid"]))

    def test_disable_leaves_what_runs_alone_unless_asked_otherwise(self):
        """SCH-09, SCH-61, API-12, API-13: a cancelled run of a recurring task does not touch its schedule."""
        self.server.create(name="busy", type="noop", data=LONG, cron_expr="0 0 1 1 *", timeout_grace_period=0)
        uid = self.server.trigger("busy")
        self.server.in_state(uid, "running")
        answer = self.server.post("/scheduler/tasks/busy/disable")
        self.assertEqual((answer.status, bool(answer.json["message"])), (200, True))
        self.assertEqual(self.server.execution(uid)["state"], "running")
        self.assertEqual(self.server.post("/scheduler/tasks/busy/disable", {"cancel_running": True}).status, 200)
        self.assertEqual(self.server.finished(uid)["state"], "cancelled")
        self.assertEqual(self.server.post("/scheduler/tasks/busy/enable").status, 200)
        uid = self.server.trigger("busy")
        self.server.in_state(uid, "running")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.assertEqual(self.server.finished(uid)["state"], "cancelled")
        task = self.server.get("/scheduler/tasks/busy").data
        self.assertEqual((task["enabled"], task["next_run"] is not None), (True, True))
        for action in ("enable", "disable", "trigger"):
            self.assert_error(self.server.post(f"/scheduler/tasks/nobody/{action}"), 404, "NOT_FOUND")


class Outcomes(ServerCase):
    def counters(self, name):
        task = self.server.get(f"/scheduler/tasks/{name}").data
        return tuple(task[f"{what}"] for what in ("total_executions", "success_executions", "failure_executions", "timeout_executions", "consecutive_failures"))

    def test_attempts_belong_to_one_run_and_one_outcome(self):
        """SCH-30, SCH-46: the two examples of the requirement; the last error stays until a success."""
        self.server.create(name="third", type="noop", data='{"fail_attempts":2}', retry_backoff=FAST)
        run = self.server.finished(self.server.trigger("third"))
        self.assertEqual((run["state"], run["retry_count"], self.counters("third")), ("success", 2, (1, 1, 0, 0, 0)))
        self.server.create(name="never", type="noop", data='{"fail_attempts":9}', max_retries=2, retry_backoff=FAST)
        run = self.server.finished(self.server.trigger("never"))
        self.assertEqual((run["state"], run["retry_count"], self.counters("never")), ("failure", 2, (1, 0, 1, 0, 1)))
        self.assertEqual(self.server.get("/scheduler/tasks/never").data["last_failure_error"], run["error_message"])
        self.server.finished(self.server.trigger("never"))
        self.assertEqual(self.counters("never"), (2, 0, 2, 0, 2))
        self.server.finished(self.server.trigger("never", override_data="{}"))
        self.assertEqual(self.counters("never"), (3, 1, 2, 0, 0))
        self.assertNotIn("last_failure_error", self.server.get("/scheduler/tasks/never").data)

    def test_cancelled_runs_count_in_the_total_only_and_are_not_retried(self):
        """DATA-15, SCH-30, SCH-47"""
        self.server.create(name="given-up", type="noop", data=LONG, max_retries=5, retry_backoff=FAST, timeout_grace_period=0)
        uid = self.server.trigger("given-up")
        self.server.in_state(uid, "running")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["retry_count"], self.counters("given-up")), ("cancelled", 0, (1, 0, 0, 0, 0)))

    def test_a_disabled_task_stops_retrying(self):
        """SCH-47: after the attempt that runs, and at once when it waits for the next one. The last error stays."""
        waits = {"base_ms": 600000, "cap_ms": 600000, "jitter_percent": 0}
        self.server.create(name="works", type="noop", data='{"sleep_ms":1500,"fail_attempts":9}', max_retries=5, retry_backoff=FAST)
        self.server.create(name="waits", type="noop", data='{"fail_attempts":9}', max_retries=5, retry_backoff=waits)
        works, waiting = self.server.trigger("works"), self.server.trigger("waits")
        self.server.in_state(works, "running")
        wait_until("the first attempt to fail", lambda: self.server.execution(waiting).get("error_message"))
        for name in ("works", "waits"):
            self.assertEqual(self.server.post(f"/scheduler/tasks/{name}/disable").status, 200)
        for uid, name in ((works, "works"), (waiting, "waits")):
            run = self.server.finished(uid)
            self.assertEqual((run["state"], run["retry_count"], run["error_message"]), ("failure", 0, "attempt 1 fails as asked (fail_attempts 9)"), name)
            self.assertEqual(self.counters(name), (1, 0, 1, 0, 1))

    def test_a_task_disabled_while_it_waits_for_a_retry_ends_as_its_last_attempt_did(self):
        """SCH-28, SCH-39, SCH-47: message and stack of that attempt stay."""
        waits = {"base_ms": 600000, "cap_ms": 600000, "jitter_percent": 0}
        self.server.create(name="late", type="command", data='{"command":"echo reason >&2; exec sleep 60"}', max_retries=5, retry_backoff=waits, max_duration_seconds=1,
                           timeout_grace_period=0)
        uid = self.server.trigger("late")
        before = wait_until("the first attempt to end", lambda: (found := self.server.execution(uid)).get("error_message") and found)
        self.server.post("/scheduler/tasks/late/disable")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["error_message"], run["error_stack"]), ("timeout", before["error_message"], "reason\n"))
        self.assertEqual(self.counters("late"), (1, 0, 1, 1, 1))

    def test_a_forced_end_frees_place_and_lock(self):
        """SCH-36, LCK-08"""
        task = self.server.create(name="freed", type="command", data='{"command":"trap \\"\\" TERM; while :; do sleep 0.1; done"}', max_duration_seconds=1, timeout_grace_period=0,
                                  max_retries=0)
        first = self.server.finished(self.server.trigger("freed"))
        self.assertEqual(first["state"], "timeout")
        self.assertNotIn(f"task:{task['uid']}", [row["key"] for row in self.server.get("/scheduler/locks").data])
        self.assertEqual(self.server.finished(self.server.trigger("freed"))["state"], "timeout")

    def test_a_failure_says_what_failed_where_and_with_what(self):
        """SCH-28: task, instance and input of the run beside its message and stack."""
        self.server.create(name="context", type="command", data='{"command":"true"}', max_retries=0)
        override = '{"command":"echo why >&2; exit 3"}'
        run = self.server.finished(self.server.trigger("context", override_data=override))
        instance = self.server.get("/scheduler/instances").data[0]["id"]
        self.assertEqual((run["state"], run["error_message"], run["error_stack"]), ("failure", "exit status 3", "why\n"))
        self.assertEqual((run["task_name"], run["task_type"], run["run_by"], run["override_data"]), ("context", "command", instance, override))

    def test_progress_is_told_to_those_who_follow(self):
        """API-34"""
        with Stream(self.server, "/stream?topics=execution") as stream:
            self.server.create(name="told", type="command", data='{"command":"echo progress 42 >&3; sleep 600"}', timeout_grace_period=0)
            uid = self.server.trigger("told")
            stream.until(lambda event: event["data"]["id"] == uid and event["data"]["progress"] == 42)
            self.server.post(f"/scheduler/executions/{uid}/cancel")
            stream.until(lambda event: event["data"]["id"] == uid and event["data"]["state"] == "cancelled")


class Figures(ServerCase):
    def run_with(self, name, outcomes):
        """One run for each letter: s success, f failure, c cancelled."""
        for letter in outcomes:
            data = {"s": "{}", "f": '{"fail_attempts":1}', "c": LONG}[letter]
            uid = self.server.trigger(name, override_data=data)
            if letter == "c":
                self.server.in_state(uid, "running")
                self.server.post(f"/scheduler/executions/{uid}/cancel")
            self.server.finished(uid)

    def test_health_is_that_of_the_last_five_finished_runs(self):
        """SCH-84"""
        self.server.create(name="patient", type="noop", max_retries=0, timeout_grace_period=0)
        health = lambda: self.server.get("/scheduler/tasks/patient").data["health"]
        self.assertEqual(health(), "unknown")
        for outcomes, expected in (("s", "healthy"), ("f", "warning"), ("f", "warning"), ("f", "critical"), ("s", "critical"), ("s", "critical"), ("s", "warning"), ("s", "warning"),
                                   ("s", "healthy"), ("c", "healthy"), ("fff", "critical")):
            self.run_with("patient", outcomes)
            self.assertEqual(health(), expected, outcomes)

    def test_statistics_are_those_of_the_requirement(self):
        """SCH-81..83, API-17: per cent of finished runs, duration over successful ones, tasks that never ran count."""
        before = self.server.get("/scheduler/stats").data
        self.server.create(name="measured", type="noop", max_retries=0, timeout_grace_period=0)
        self.server.create(name="never", type="noop", enabled=False)
        empty = self.server.get("/scheduler/stats?task_uid=measured").data
        self.assertEqual((empty["total_executions"], empty["success_rate"], empty["average_duration_ms"]), (0, 0, 0))
        self.server.finished(self.server.trigger("measured", override_data='{"sleep_ms":40}'))
        self.server.finished(self.server.trigger("measured", override_data='{"sleep_ms":80}'))
        self.server.finished(self.server.trigger("measured", override_data='{"sleep_ms":900,"fail_attempts":1}'))
        self.run_with("measured", "c")
        stats = self.server.get("/scheduler/stats").data
        self.assertEqual((stats["total_tasks"], stats["enabled_tasks"]), (before["total_tasks"] + 2, before["enabled_tasks"] + 1))
        row = next(row for row in stats["task_stats"] if row["task_name"] == "measured")
        runs = self.server.executions(task_name="measured")
        for run in runs:  # DATA-10, SCH-38
            lasted = datetime.datetime.fromisoformat(run["finished_at"]) - datetime.datetime.fromisoformat(run["started_at"])
            self.assertEqual(run["duration_ms"], lasted // datetime.timedelta(milliseconds=1), run)
        good = [run["duration_ms"] for run in runs if run["state"] == "success"]
        self.assertEqual((row["total_executions"], row["success_executions"], row["failure_executions"], row["success_rate"]), (4, 2, 1, 50))
        self.assertEqual(row["average_duration_ms"], sum(good) / 2)
        last = self.server.get("/scheduler/tasks/measured").data["last_executed_at"]
        self.assertEqual(row["last_executed_at"], last)
        self.assertEqual(last, max(run["finished_at"] for run in runs)[:23] + "Z")

    def test_pages_have_their_defaults(self):
        """API-05: the first one, of twenty."""
        for i in range(21):
            self.server.create(name=f"page-{i:02d}", type="noop", enabled=False)
        answer = self.server.get("/scheduler/tasks?name=page-").json
        self.assertEqual((answer["pagination"]["page"], answer["pagination"]["page_size"], answer["pagination"]["total"], answer["pagination"]["total_pages"]), (1, 20, 21, 2))
        self.assertEqual(len(answer["data"]), 20)

    def test_every_filter_leaves_what_fits(self):
        """API-10, API-11, API-15, API-16, SCH-80"""
        names = lambda path: sorted(row.get("task_name") or row["name"] for row in self.server.get(path).json["data"])
        instance = self.server.get("/scheduler/instances").data[0]["id"]
        web = self.server.create(name="filter-web", type="http", data='{"url":"http://127.0.0.1:1/"}', max_retries=0, enabled=False)
        self.server.create(name="labelled", type="noop", labels={"kind": "web"})
        plain = self.server.create(name="filter-plain", type="noop")
        for query, found in (("name=filter-", ["filter-plain", "filter-web"]), ("name=filter-&type=http", ["filter-web"]), ("name=filter-&enabled=true", ["filter-plain"]),
                             ("name=filter-&enabled=false&type=noop", []), ("label=kind%3Dweb", ["labelled"]), ("label=kind%3Dother", [])):
            self.assertEqual(names(f"/scheduler/tasks?{query}"), found, query)
        runs = {"web": self.server.finished(self.server.trigger("filter-web", force=True)), "plain": self.server.finished(self.server.trigger("filter-plain"))}
        for query, found in ((f"task_uid={web['uid']}", ["filter-web"]), (f"task_uid={plain['uid']}&state=success", ["filter-plain"]), (f"task_uid={plain['uid']}&state=failure", []),
                             (f"execution_uid={runs['web']['execution_uid']}", ["filter-web"]), (f"task_name=filter-web&run_by={instance}", ["filter-web"]),
                             ("task_name=filter-web&run_by=nobody", []), ("task_name=filter-web&trigger_type=manual", ["filter-web"]), ("task_name=filter-web&trigger_type=scheduled", []),
                             (f"task_name=filter-web&task_uid={plain['uid']}", [])):
            self.assertEqual(names(f"/scheduler/executions?{query}"), found, query)
        for reference in (runs["web"]["id"], runs["web"]["execution_uid"]):
            self.assertEqual(self.server.get(f"/scheduler/executions/{reference}").data, runs["web"])
        self.assertEqual(self.server.get(f"/scheduler/tasks/{web['uid']}").data["name"], "filter-web")

    def test_the_instance_is_registered_with_what_it_is_and_does(self):
        """SCH-75"""
        row = self.server.get("/scheduler/instances").data[0]
        self.assertEqual((row["host"], row["version"]), (socket.gethostname(), run_cli("version").stdout.split()[1]))
        self.assertEqual((row["labels"], row["running"], row["role"]), ({}, 0, "planner"))
        self.server.create(name="counted", type="noop", data=LONG, timeout_grace_period=0)
        uid = self.server.trigger("counted")
        self.server.in_state(uid, "running")
        later = wait_until("the run to count", lambda: (found := self.server.get("/scheduler/instances").data[0])["running"] == 1 and found)
        self.assertGreater(later["last_seen_at"], row["last_seen_at"])
        self.assertEqual((later["id"], later["started_at"]), (row["id"], row["started_at"]))
        self.server.request("DELETE", "/scheduler/tasks/counted")


class Places(ServersOfTests):
    def test_hundreds_of_tasks_are_defined_and_run_at_once(self):
        """SCH-06, SCH-08: with the capacity that comes without a setting."""
        server = self.serve()
        for i in range(120):
            server.create(name=f"t{i}", type="noop", data=LONG, timeout_grace_period=0)
        self.assertGreaterEqual(server.get("/scheduler/instances").data[0]["capacity"], 120)
        for i in range(120):
            server.trigger(f"t{i}")
        wait_until("all to run", lambda: server.get("/scheduler/executions?state=running").json["pagination"]["total"] == 120)
        self.assertEqual(server.get("/scheduler/instances").data[0]["running"], 120)
        for i in range(120):
            server.request("DELETE", f"/scheduler/tasks/t{i}")

    def test_what_waits_starts_by_priority_and_then_by_its_planned_time(self):
        """SCH-04"""
        server = self.serve("--capacity", "1")
        server.create(name="first", type="noop", data=LONG, timeout_grace_period=0)
        blocker = server.trigger("first")
        server.in_state(blocker, "running")
        expected = ["c", "d", "b", "a"]
        uids = {}
        for name, priority, seconds in (("a", 0, 0), ("b", 5, 2), ("d", 100000, 2), ("c", 100000, 1)):
            server.create(name=name, type="noop", data='{"sleep_ms":20}', priority=priority)
            uids[name] = server.trigger(name, run_at=int(time.time() * 1000) + 100 * seconds)
        time.sleep(0.5)  # all are due
        server.post(f"/scheduler/executions/{blocker}/cancel")
        started = {name: server.finished(uid)["started_at"] for name, uid in uids.items()}
        self.assertEqual(sorted(started, key=started.get), expected)

    def test_maintenance_is_not_held_up_by_work(self):
        """SCH-06"""
        server = self.serve("--capacity", "1")
        server.create(name="busy", type="noop", data=LONG, max_concurrent=5, timeout_grace_period=0)
        first, second = server.trigger("busy"), server.trigger("busy")
        server.in_state(first, "running")
        self.assertEqual(server.finished(server.trigger("execution_cleanup"))["state"], "success")
        self.assertEqual(server.execution(second)["state"], "pending")  # the one place is still taken
        server.request("DELETE", "/scheduler/tasks/busy")

    def test_recovery_needs_no_free_place(self):
        """SCH-71, SCH-72: more was running than there is room for after the start; then what waited runs."""
        server = self.serve("--capacity", "4")
        server.create(name="lost", type="noop", data=LONG, max_concurrent=4, max_retries=0)
        server.create(name="next", type="noop", overlap="queue_all")
        lost = [server.trigger("lost") for _ in range(4)]
        for uid in lost:
            server.in_state(uid, "running")
        waiting = server.trigger("next")
        self.assertEqual(server.execution(waiting)["state"], "pending")
        server.kill()
        server.arguments = ["--capacity", "1"]
        server.start()
        self.assertEqual({server.finished(uid)["state"] for uid in lost}, {"interrupted"})
        self.assertEqual(server.finished(waiting)["state"], "success")
        task = server.get("/scheduler/tasks/lost").data
        self.assertEqual((task["total_executions"], task["failure_executions"], task["consecutive_failures"]), (4, 0, 0))  # SCH-30

    def test_all_labels_of_a_task_must_be_the_instance_s(self):
        """SCH-05"""
        server = self.serve("--label", "region=eu", "--label", "disk=ssd")
        for name, labels, fits in (("none", {}, True), ("one", {"disk": "ssd"}, True), ("both", {"disk": "ssd", "region": "eu"}, True), ("value", {"disk": "hdd"}, False),
                                   ("more", {"disk": "ssd", "gpu": "yes"}, False), ("case", {"Disk": "ssd"}, False)):
            server.create(name=name, type="noop", labels=labels)
            uid = server.trigger(name)
            if fits:
                self.assertEqual(server.finished(uid)["state"], "success", name)
        for name in ("value", "more", "case"):
            self.assertEqual([run["state"] for run in server.executions(task_name=name)], ["pending"], name)
        server.request("PATCH", "/scheduler/tasks/value", {"labels": {"disk": "ssd"}})  # now it fits, and starts at once (SCH-07)
        server.finished(server.executions(task_name="value")[0]["execution_uid"])

    def test_an_end_starts_the_next_one(self):
        """SCH-07: a chain that would take minutes if each link waited for the slow look of every five seconds."""
        server = self.serve()
        server.create(name="chain", type="noop", data='{"sleep_ms":1}', overlap="queue_all")
        uids = server.post("/scheduler/executions", {"task_uid": "chain", "items": [{}] * 100}).json["execution_uids"]
        for uid in uids:
            server.finished(uid)


class Time(ServersOfTests):
    def test_runs_of_the_schedule_carry_their_slots(self):
        """SCH-22: also when they start late, and the same in history and ledger."""
        server = self.serve()
        server.create(name="slots", type="noop", cron_expr="* * * * * *", jitter_seconds=1)
        wait_until("three runs", lambda: len(server.executions(task_name="slots", state="success")) >= 3)
        server.post("/scheduler/tasks/slots/disable")
        runs = {run["execution_uid"]: run for run in server.executions(task_name="slots", state="success")}
        fired = {row["execution_uid"]: row["scheduled_at"] for row in server.get("/scheduler/tasks/slots/occurrences?page_size=100").data if row["verdict"] == "fired"}
        for uid, run in runs.items():
            self.assertEqual((run["scheduled_at"][19:], run["trigger_type"], fired[uid]), (".000Z", "scheduled", run["scheduled_at"]))
            self.assertGreaterEqual(run["started_at"][:23], run["scheduled_at"][:23])

    def test_the_next_slot_is_never_in_the_past(self):
        """SCH-19, SCH-21: after a time without server and after a time without being enabled, on the same lattice."""
        server = self.serve(at="2026-01-01T00:00:00Z")
        task = server.create(name="lattice", type="noop", interval=3600, is_recurring=True)
        begun = seconds_of(task["created_at"])
        server.kill()
        self.move_clock(10 * 3600 + 600)
        server.start()
        wait_until("the time without server to be settled", lambda: server.get("/scheduler/tasks/lattice").data["next_run"] > "2026-01-01T10")
        after_down = server.get("/scheduler/tasks/lattice").data["next_run"]
        server.post("/scheduler/tasks/lattice/disable")
        self.move_clock(5 * 3600)
        server.post("/scheduler/tasks/lattice/enable")
        after_pause = server.get("/scheduler/tasks/lattice").data["next_run"]
        for hour, value in ((11, after_down), (16, after_pause)):
            self.assertEqual((seconds_of(value) - begun, value[19:]), (hour * 3600, task["created_at"][19:]))

    def test_tasks_are_kept_until_they_are_deleted(self):
        """DATA-04, RET-01: exhausted, disabled and never used ones, over years and cleanups."""
        server = self.serve(at="2026-01-01T00:00:00Z")
        server.create(name="exhausted", type="noop", next_run="2026-01-01T00:00:02Z")
        server.create(name="disabled", type="noop", enabled=False)
        server.create(name="unused", type="noop")
        wait_until("its one run", lambda: server.executions(task_name="exhausted", state="success"))
        self.move_clock(10 * 366 * 86400)
        for cleanup in ("execution_cleanup", "lock_cleanup", "audit_cleanup"):
            wait_until(f"the catch-up of {cleanup}", lambda name=cleanup: (server.get(f"/scheduler/tasks/{name}").data["last_executed_at"] or "") > "2035")
            self.assertEqual(server.finished(server.trigger(cleanup))["state"], "success")
        self.assertEqual(server.executions(task_name="exhausted"), [])
        server.stop()
        server.start()
        task = server.get("/scheduler/tasks/exhausted").data
        self.assertEqual((task["total_executions"], task["next_run"]), (1, None))
        for name in ("disabled", "unused"):
            self.assertEqual(server.get(f"/scheduler/tasks/{name}").status, 200)
        self.assertEqual(server.request("DELETE", "/scheduler/tasks/unused").status, 204)
        self.assertEqual(server.get("/scheduler/tasks/unused").status, 404)


class Declared(ServersOfTests):
    def test_what_an_operator_decided_about_a_declared_task_stays(self):
        """GEN-04: switched off, labels and priority, over restarts; a definition that is as declared is not rewritten, a
        changed one is put back."""
        server = self.serve()
        server.post("/scheduler/tasks/lock_cleanup/disable")
        before = server.request("PATCH", "/scheduler/tasks/lock_cleanup", {"labels": {"team": "ops"}, "priority": 7}).data
        for _ in range(2):
            server.stop()
            server.start()
            self.assertEqual(server.get("/scheduler/tasks/lock_cleanup").data, before)
        server.request("PATCH", "/scheduler/tasks/lock_cleanup", {"cron_expr": "0 4 * * *"})
        server.stop()
        server.start()
        after = server.get("/scheduler/tasks/lock_cleanup").data
        self.assertEqual((after["uid"], after["cron_expr"], after["enabled"], after["next_run"], after["labels"], after["priority"]),
                         (before["uid"], "0 3 * * *", False, None, {"team": "ops"}, 7))

    def test_every_published_type_runs(self):
        """GEN-02: a type that a task may name has a handler."""
        server = self.serve()
        data = {"command": '{"command":"true"}', "http": '{"url":"http://127.0.0.1:1/"}'}
        for row in server.get("/scheduler/types").data:
            server.create(name=f"of {row['type']}", type=row["type"], data=data.get(row["type"], ""), max_retries=0)
            run = server.finished(server.trigger(f"of%20{row['type']}"))
            self.assertNotIn("handler", run.get("error_message", ""))
            self.assertEqual(run["state"], "failure" if row["type"] == "http" else "success", run)  # nobody listens there


class Stored(ServersOfTests):
    @of_the_file_store("looks into its file")
    def test_a_run_with_refused_data_is_recorded(self):
        """DATA-16, SCH-18: data that the type does not take (any more) fails the run, with the reason."""
        server = self.serve()
        for name, kind in (("shell", "command"), ("web", "http"), ("nothing", "noop")):
            server.create(name=name, type=kind, data={"command": '{"command":"true"}', "http": '{"url":"http://127.0.0.1:1/"}', "noop": "{}"}[kind], max_retries=0)
        server.stop()
        with self.database(server) as database:
            for name in ("shell", "web", "nothing"):
                database.execute("UPDATE sched_tasks SET definition = json_set(definition, '$.data', '{\"strange\":1}') WHERE name = ?", (name,))
        server.start()
        for name in ("shell", "web", "nothing"):
            run = server.finished(server.trigger(name))
            self.assertEqual((run["state"], "strange" in run.get("error_message", "")), ("failure", True), run)

    @of_the_file_store("looks into its file")
    def test_locks_are_kept_as_history_under_the_rules_of_the_table(self):
        """DATA-20..24, RET-01: one active lock for a key; ended ones stay for seven days."""
        server = self.serve(at="2026-01-01T00:00:00Z")
        server.kill()
        server.start()
        server.post("/scheduler/tasks/lock_cleanup/disable")  # or its own slot, which passes meanwhile, may come first
        self.move_clock(6 * 86400)
        server.post("/scheduler/locks/scheduler_global/release")
        expired = server.get("/scheduler/locks?state=expired").data
        released = server.get("/scheduler/locks?state=released").data
        self.assertEqual([(row["key"], row["state"], "released_at" in row) for row in expired], [("scheduler_global", "expired", False)])
        self.assertEqual([(row["key"], row["state"]) for row in released], [("scheduler_global", "released")])
        self.assertGreaterEqual(released[0]["released_at"], released[0]["acquired_at"])
        active = [row for row in server.get("/scheduler/locks").data if row["key"] == "scheduler_global"]
        instance = server.get("/scheduler/instances").data[0]["id"]
        self.assertEqual([(row["holder_id"], row["purpose"], row["state"]) for row in active], [(instance, "planner", "active")])
        self.assertGreater(active[0]["expires_at"], active[0]["acquired_at"])
        self.assertGreater(active[0]["fencing_token"], released[0]["fencing_token"])
        self.assertIn("deleted 0 locks", server.finished(server.trigger("lock_cleanup", force=True))["result"])
        self.move_clock(2 * 86400)
        self.assertIn("deleted 1 locks", server.finished(server.trigger("lock_cleanup", force=True))["result"])  # the expired one, eight days old
        self.assertEqual(len(server.get("/scheduler/locks?state=ended").data), 1)
        server.stop()
        row = ("k", "i", "t", 1, 100, 200, "", 1, 1)
        insert = ("INSERT INTO task_locks (lock_key, holder_id, token, fencing_token, state, acquired_at, expires_at, purpose, created_at, updated_at, released_at)"
                  " VALUES (?, ?, ?, ?, %d, ?, ?, ?, ?, ?, %s)")
        with self.database(server) as database:
            database.execute(insert % (0, "NULL"), row)
            self.assertRaises(sqlite3.IntegrityError, database.execute, insert % (0, "NULL"), row)  # DATA-23
            database.execute(insert % (2, "100"), row)
            database.execute(insert % (1, "NULL"), row)
            for state, released_at, ends in ((2, "99", 200), (1, "NULL", 100), (1, "NULL", 99)):  # DATA-24
                wrong = (*row[:5], ends, *row[6:])
                self.assertRaises(sqlite3.IntegrityError, database.execute, insert % (state, released_at), wrong)

    def test_a_stop_releases_its_lock_and_a_kill_does_not(self):
        """SCH-74, DATA-22: active → released by a stop, active → expired by what the next server finds."""
        server = self.serve()
        ended = lambda: [(row["key"], row["state"]) for row in server.get("/scheduler/locks?state=ended").data]
        server.stop()
        server.start()
        self.assertEqual(ended(), [("scheduler_global", "released")])
        server.kill()
        server.start()
        self.assertEqual(ended(), [("scheduler_global", "expired"), ("scheduler_global", "released")])

    @of_the_file_store("looks into its file")
    def test_a_fault_of_the_server_is_said_without_its_inside(self):
        """API-04: INTERNAL_ERROR is 500 "Internal server error"; the log has the reason."""
        server = self.serve()
        with self.database(server) as database:
            database.execute("ALTER TABLE api_tokens RENAME TO moved_away")
        answer = server.get("/tokens")
        self.assertEqual((answer.status, answer.json), (500, {"error": "Internal server error", "code": "INTERNAL_ERROR"}))
        wait_until("the reason in the log", lambda: "api_tokens" in server.log_text())
        with self.database(server) as database:
            database.execute("ALTER TABLE moved_away RENAME TO api_tokens")
        self.assertEqual(server.get("/tokens").status, 200)


class Retention(ServersOfTests):
    def test_ranges_and_who_changed_them(self):
        """RET-02, RET-03, RET-04"""
        server = self.serve()
        before = server.get("/scheduler/config").data
        self.assertEqual(before, {"execution_retention_days": 90, "lock_retention_days": 7, "log_retention_days": 30})
        for name in before:
            for days in (1, 3650):
                self.assertEqual(server.request("PUT", "/scheduler/config", {name: days}).data[name], days)
            for days in (0, 3651, -1):
                answer = server.request("PUT", "/scheduler/config", {name: days})
                self.assertEqual((answer.status, answer.json["code"]), (400, "INVALID_PARAMETER"))
                self.assertIn("retention_days must be between 1 and 3650", answer.json["error"])
        token = server.post("/auth/login", {"username": "admin", "password": "correct horse"}, token=None).data["access_token"]
        changed = server.request("PUT", "/scheduler/config", {"execution_retention_days": 45}, token=token).data
        self.assertEqual((changed["execution_retention_days"], changed["updated_by"]), (45, server.get("/auth/me", token=token).data["uid"]))
        self.assertRegex(changed["last_updated_at"], r"^20\d\d-.*Z$")
        server.kill()
        server.start()
        self.assertEqual(server.get("/scheduler/config").data, changed)

    def test_a_cleanup_is_a_task_with_history_and_deletes_in_batches(self):
        """RET-01, RET-05, RET-06, DATA-17: more than two batches; what came while it ran is untouched."""
        server = self.serve(at="2026-01-01T00:00:00Z")
        server.create(name="old", type="noop", max_concurrent=10000)
        for _ in range(2):
            server.post("/scheduler/executions", {"task_uid": "old", "items": [{}] * 6000})
        wait_until("their ends", lambda: server.get("/scheduler/tasks/old").data["success_executions"] == 12000)
        server.post("/scheduler/tasks/execution_cleanup/disable")  # or its own slot, which passes meanwhile, may come first
        self.move_clock(89 * 86400)
        self.assertIn("deleted 0 executions before", server.finished(server.trigger("execution_cleanup", force=True))["result"])
        recent = server.trigger("old")
        self.move_clock(2 * 86400)
        done = server.finished(server.trigger("execution_cleanup", force=True))
        self.assertRegex(done["result"], r"deleted 12000 executions before 2026-01-02T00:0\d")
        self.assertEqual((done["task_name"], done["task_type"], done["progress"]), ("execution_cleanup", "execution_cleanup", 100))
        purged = [event for event in audit_events(server) if event["data"].get("execution_uid") == done["execution_uid"]]
        counts = {event["resource"]["identifier"]: event["data"]["count"] for event in purged}  # one event for all batches
        self.assertEqual((counts["executions"], len(counts), {event["action"] for event in purged}), ("12000", len(purged), {"purged"}))
        self.assertRegex(purged[0]["data"]["before"], "^2026-01-02T00:0")
        self.assertEqual([run["execution_uid"] for run in server.executions(task_name="old")], [recent])
        self.assertGreaterEqual(len(server.executions(task_name="execution_cleanup")), 2)


class Tree(unittest.TestCase):
    """What the sources themselves must keep."""

    # Of the process, not of a server; each is guarded or written once. Whatever else changes travels in arguments.
    GLOBALS = {
        "src/base/clock.c": {"test_wall_us"}, "src/base/log.c": {"current"}, "src/base/id.c": {"seeded_state", "is_seeded"},  # for tests; the level; for simulation
        "src/base/metrics.c": {"registry_mutex", "families", "family_count"},  # what the process counts
        "src/cron/zone_file.c": {"directory", "directory_once"}, "src/cron/years.c": {"intern_lock", "interned", "interned_count"},  # caches that change no answer
        "src/cron/zone_registry.c": {"lock", "zones", "is_ready", "reloads", "last_change", "utc_change"},
        "src/base/curl_library.c": {"library", "once"}, "src/db/pq_library.c": {"library", "result", "once"}, "src/cluster/redis_library.c": {"library", "result", "once"}, "src/sched/reboot_store.c": {"boot_id", "once"},  # of the machine, found once
        "src/sched/execution_query.c": {"list_sql"}, "src/trail/event_query.c": {"statements"},  # texts, made when first asked for
        "src/trail/pending_store.c": {"moved", "put_count"},  # what may go of the one table of this process
        "src/cli/progress.c": {"shown", "last_us"},  # of one command on one terminal
    }
    GLOBAL = re.compile(r"^(?:static\s+)?(?!const\b|typedef\b|extern\b|return\b)(?:_Atomic\s+|volatile\s+)?[A-Za-z_][\w\s\*]*?\b(\w+)(?:\[[^\]]*\])*\s*(?:=|;|,)")

    def test_no_state_is_global(self):
        """GEN-05: the context of a request travels with it; what the process itself keeps is listed above."""
        found = {}
        for folder, _, names in os.walk(os.path.join(ROOT, "src")):
            for name in names:
                if not name.endswith(".c") or name.endswith("_test.c"):
                    continue
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    for line in file:
                        match, declared = self.GLOBAL.match(line), line.split("=")[0]
                        if match and "(" not in declared and not re.search(r"\bconst\b", declared) and not line.startswith(("struct", "union", "enum", "#")):
                            found.setdefault(f"{os.path.relpath(folder, ROOT)}/{name}", set()).add(match.group(1))
        self.assertEqual(found, self.GLOBALS)

    def test_every_dependency_is_free_and_the_licence_stands_on_every_file(self):
        """GEN-06: licences that go with Apache-2.0; a new library needs a line here."""
        licences = {"threads": "C library", "dl": "C library", "m": "C library", "sqlite3": "public domain", "yyjson": "MIT", "libmicrohttpd": "LGPL-2.1-or-later", "libsodium": "ISC",
                    "yaml-0.1": "MIT", "zlib": "Zlib", "libcurl": "curl", "libpq": "PostgreSQL", "hiredis": "BSD-3-Clause", "cmocka": "Apache-2.0"}
        with open(os.path.join(ROOT, "meson.build"), encoding="utf-8") as file:
            text = file.read()
        used = set(re.findall(r"(?:dependency|find_library)\('([^']+)'", text))
        self.assertTrue(used)
        self.assertEqual(used - set(licences), set())
        self.assertIn("license: 'Apache-2.0'", text)
        with open(os.path.join(ROOT, "LICENSE"), encoding="utf-8") as file:
            self.assertIn("Apache License", file.read(400))
        for top in ("src", "tests", "tools"):
            for folder, _, names in os.walk(os.path.join(ROOT, top)):
                for name in names:
                    if name.endswith((".c", ".h", ".py", ".sh", ".def")) and "corpus" not in folder:
                        with open(os.path.join(folder, name), encoding="utf-8") as file:
                            start = file.read(300)
                        self.assertTrue(not start or "SPDX-License-Identifier: Apache-2.0" in start, f"{folder}/{name}")
