# SPDX-License-Identifier: Apache-2.0
"""Every nominal slot has exactly one verdict: SCH-15..22, rulings section 1 "Occurrences"; across restarts, SIGKILL,
clock jumps, disable and enable, edits and daylight saving."""
import calendar
import os
import re
import time
import unittest
from collections import Counter

from harness import Server, wait_until


class Ledger(unittest.TestCase):
    def setUp(self):
        self.clock = None
        self.server = None

    def tearDown(self):
        if self.server:
            self.server.remove()

    def start(self, *arguments, at=None, **env):
        """`at`: wall time of the server, set by the test offset of its clock."""
        import tempfile

        self.clock = os.path.join(tempfile.mkdtemp(prefix="horae-clock-"), "offset")
        self.set_clock(at)
        self.server = Server(arguments, {"HORAE_TEST_CLOCK_FILE": self.clock, **env})
        return self.server

    def set_clock(self, at=None, by=0):
        if at is not None:
            self.offset = calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")) - int(time.time())
        elif by:
            self.offset += by
        else:
            self.offset = 0
        with open(self.clock + ".new", "w", encoding="ascii") as file:
            file.write(str(self.offset))
        os.replace(self.clock + ".new", self.clock)
        time.sleep(0.1)  # the server reads the offset at most every 50 ms

    def occurrences(self, name):
        rows, page = [], 1
        while True:
            answer = self.server.get(f"/scheduler/tasks/{name}/occurrences?page={page}&page_size=100").json
            rows += answer["data"]
            if len(answer["data"]) < 100:
                return rows, answer["summary"]
            page += 1

    def check(self, name):
        """The invariant: each slot once, expected = sum, rows = counters."""
        rows, summary = self.occurrences(name)
        slots = [row["scheduled_at"] for row in rows]
        self.assertEqual(slots, sorted(slots))
        self.assertEqual(len(slots), len(set(slots)), "a slot twice")
        verdicts = Counter(row["verdict"] for row in rows)
        self.assertEqual(summary["expected"], len(rows), summary)
        for verdict in ("fired", "coalesced", "skipped", "missed", "shifted"):
            self.assertEqual(summary[verdict], verdicts[verdict], summary)
        seconds = [calendar.timegm(time.strptime(slot[:19], "%Y-%m-%dT%H:%M:%S")) for slot in slots]
        return rows, summary, seconds

    def wait_fired(self, name, count):
        wait_until(f"{count} slots of {name}", lambda: self.occurrences(name)[1]["fired"] >= count)

    def test_seconds_fire_without_holes(self):
        self.start()
        self.server.create(name="tick", type="noop", cron_expr="* * * * * *")
        self.wait_fired("tick", 4)
        _, summary, seconds = self.check("tick")
        self.assertEqual(seconds, list(range(seconds[0], seconds[0] + len(seconds))))
        self.assertEqual(summary["fired"], summary["expected"])

    def test_slots_of_a_down_time_are_coalesced_into_one_catch_up(self):
        self.start()
        for policy in ("run_once", "run_all", "skip"):
            self.server.create(name=policy, type="noop", cron_expr="* * * * * *", misfire_policy=policy)
        self.wait_fired("skip", 2)
        self.server.kill()
        time.sleep(3.2)
        self.server.start()
        for policy in ("run_once", "run_all", "skip"):
            self.wait_fired(policy, 4)
            rows, summary, seconds = self.check(policy)
            self.assertEqual(seconds, list(range(seconds[0], seconds[0] + len(seconds))), policy)
            down = [row for row in rows if row["reason"] == "down"]
            if policy == "run_all":
                self.assertEqual(down, [])
            else:
                expected = "coalesced" if policy == "run_once" else "missed"
                self.assertGreaterEqual(len(down), 1)
                self.assertEqual({row["verdict"] for row in down}, {expected})
        catch_ups = [e for e in self.server.executions(task_name="run_once") if e["cause"] == "catch_up"]
        self.assertEqual(len(catch_ups), 1)

    def test_disabled_slots_are_skipped_with_that_reason(self):
        self.start()
        self.server.create(name="switch", type="noop", cron_expr="* * * * * *")
        self.wait_fired("switch", 2)
        self.server.post("/scheduler/tasks/switch/disable")
        time.sleep(2.1)
        self.server.post("/scheduler/tasks/switch/enable")
        self.wait_fired("switch", 4)
        rows, summary, seconds = self.check("switch")
        self.assertEqual(seconds, list(range(seconds[0], seconds[0] + len(seconds))))
        self.assertGreaterEqual(sum(1 for row in rows if (row["verdict"], row["reason"]) == ("skipped", "disabled")), 2)

    def test_an_edit_of_the_schedule_counts_each_schedule_for_its_time(self):
        self.start()
        self.server.create(name="edit", type="noop", cron_expr="* * * * * *")
        self.wait_fired("edit", 2)
        self.server.request("PATCH", "/scheduler/tasks/edit", {"cron_expr": "*/2 * * * * *"})
        self.wait_fired("edit", 5)
        _, _, seconds = self.check("edit")
        steps = [b - a for a, b in zip(seconds, seconds[1:])]
        self.assertIn(1, steps)
        self.assertEqual(steps[-1], 2)

    def test_overlap_policies_decide_what_a_busy_task_does_with_its_slots(self):
        self.start()
        data = '{"sleep_ms":2500}'
        for policy in ("skip", "queue_one", "queue_all", "cancel_running", "allow"):
            self.server.create(name=policy, type="noop", cron_expr="* * * * * *", data=data, overlap=policy, max_retries=0,
                               max_concurrent=2 if policy == "allow" else 1)
        wait_until("seven slots", lambda: self.occurrences("queue_all")[1]["expected"] >= 7)
        for policy in ("skip", "queue_one", "queue_all", "cancel_running", "allow"):
            rows, summary, _ = self.check(policy)
            dropped = [row for row in rows if row["reason"] in ("overlap", "limit")]
            runs = self.server.executions(task_name=policy)
            running = sum(1 for run in runs if run["state"] == "running")
            self.assertLessEqual(running, 2 if policy == "allow" else 1, policy)
            if policy in ("queue_all", "cancel_running"):
                self.assertEqual(dropped, [], policy)
            else:
                self.assertGreaterEqual(len(dropped), 1, policy)
            if policy == "cancel_running":
                self.assertGreaterEqual(sum(1 for run in runs if run["state"] == "cancelled"), 2)
            if policy == "queue_one":
                self.assertLessEqual(sum(1 for run in runs if run["state"] == "pending"), 1)

    def test_a_spring_gap_shifts_the_slot_to_its_edge(self):
        self.start(at="2027-03-14T06:59:57Z")
        self.server.create(name="gap", type="noop", cron_expr="30 2 * * *", timezone="America/New_York")
        self.server.create(name="skipped", type="noop", cron_expr="30 2 * * *", timezone="America/New_York", gap="skip")
        wait_until("the edge", lambda: self.occurrences("gap")[1]["shifted"] == 1)
        rows, summary, _ = self.check("gap")
        self.assertEqual([(r["scheduled_at"], r["verdict"], r["reason"]) for r in rows], [("2027-03-14T07:00:00.000Z", "shifted", "dst_gap")])
        self.assertTrue(rows[0]["execution_uid"])
        self.assertEqual(self.check("skipped")[1]["expected"], 0)

    def test_an_autumn_fold_runs_a_fixed_time_once(self):
        self.start(at="2026-11-01T05:29:57Z")
        self.server.create(name="fold", type="noop", cron_expr="30 1 * * *", timezone="America/New_York")
        self.wait_fired("fold", 1)
        self.set_clock(by=3600)
        time.sleep(2.5)
        rows, summary, _ = self.check("fold")
        self.assertEqual([row["scheduled_at"] for row in rows], ["2026-11-01T05:30:00.000Z"])

    def test_the_clock_may_jump_forward_and_back(self):
        self.start(at="2027-01-10T00:00:00Z")
        self.server.create(name="jump", type="noop", cron_expr="* * * * *")
        self.set_clock(by=600)
        wait_until("slots after the jump forward", lambda: self.occurrences("jump")[1]["expected"] >= 10)
        _, summary, seconds = self.check("jump")
        self.assertEqual(seconds, list(range(seconds[0], seconds[0] + 60 * len(seconds), 60)))
        fired = summary["fired"]
        self.set_clock(by=-300)
        time.sleep(1)
        _, after, again = self.check("jump")
        self.assertEqual(again[: len(seconds)], seconds)
        self.assertEqual(after["fired"], fired, "what fired does not fire again")

    def test_a_one_shot_runs_once_and_is_over(self):
        self.start()
        at = int(time.time() * 1000) + 600
        task = self.server.create(name="one", type="noop", next_run=at)
        self.assertIsNotNone(task["next_run"])
        wait_until("its run", lambda: self.server.executions(task_name="one", state="success"))
        wait_until("next_run to be null", lambda: self.server.get("/scheduler/tasks/one").data["next_run"] is None)
        rows, summary, _ = self.check("one")
        self.assertEqual(summary["fired"], 1)
        self.server.kill()
        self.server.start()
        self.assertEqual(len(self.server.executions(task_name="one")), 1)

    def test_an_interval_keeps_its_lattice(self):
        self.start()
        self.server.create(name="lattice", type="noop", interval=1, is_recurring=True)
        wait_until("three slots", lambda: self.occurrences("lattice")[1]["fired"] >= 3)
        rows, _, _ = self.check("lattice")
        fractions = {row["scheduled_at"][19:] for row in rows}
        self.assertEqual(len(fractions), 1)

    def test_the_metrics_hold_the_same_sum(self):
        self.start()
        self.server.create(name="metered", type="noop", cron_expr="* * * * * *")
        self.wait_fired("metered", 3)
        metrics = self.server.get("/metrics").body.decode().splitlines()
        value = lambda prefix: sum(float(line.rsplit(" ", 1)[1]) for line in metrics if line.startswith(prefix))
        self.assertEqual(value("horae_occurrences_expected_total "), value("horae_occurrences_total{"))
        self.assertGreaterEqual(value("horae_occurrences_total{"), 3)

    def test_enable_cron_false_never_plans(self):
        self.start(ENABLE_CRON="false")
        self.server.create(name="unplanned", type="noop", cron_expr="* * * * * *")
        self.server.finished(self.server.trigger("unplanned"))
        time.sleep(1.5)
        self.assertEqual(len(self.server.executions(task_name="unplanned")), 1)

    def test_cleanup_deletes_what_is_older_than_its_retention(self):
        self.start(at="2026-01-01T00:00:00Z")
        self.server.create(name="old", type="noop")
        old = self.server.trigger("old")
        self.server.finished(old)
        self.server.create(name="output", type="command", data='{"command":"echo kept"}')
        with_log = self.server.finished(self.server.trigger("output"))
        self.set_clock(by=60 * 86400)
        recent = self.server.trigger("old")
        self.server.finished(recent)
        self.set_clock(by=40 * 86400)
        done = self.server.finished(self.server.trigger("execution_cleanup"))
        self.assertEqual(done["state"], "success", done)
        wait_until("no other cleanup", lambda: not self.server.executions(task_name="execution_cleanup", state="running"))
        runs = self.server.executions(task_name="execution_cleanup", state="success")  # the jump makes one due as well
        deleted = [int(re.match("deleted ([0-9]+) executions before 20", run["result"])[1]) for run in runs]  # RET-05: counts and cut-off
        self.assertEqual(sum(deleted), 2, runs)
        self.assertEqual(self.server.get(f"/scheduler/executions/{old}").status, 404)
        self.assertEqual(self.server.get(f"/scheduler/executions/{with_log['id']}").status, 404)
        self.assertEqual(self.server.get(f"/scheduler/executions/{recent}").status, 200)
        self.assertEqual(self.server.get("/scheduler/tasks/old").data["total_executions"], 2)  # counters stay
        self.server.request("PUT", "/scheduler/config", {"execution_retention_days": 30})  # RET-03: at once
        self.assertRegex(self.server.finished(self.server.trigger("execution_cleanup"))["result"], "deleted [1-9][0-9]* executions")
        self.assertEqual(self.server.get(f"/scheduler/executions/{recent}").status, 404)
        self.server.post("/scheduler/locks/scheduler_global/release")
        self.set_clock(by=8 * 86400)
        self.assertRegex(self.server.finished(self.server.trigger("lock_cleanup"))["result"], "deleted [1-9][0-9]* locks")
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.get("/scheduler/config").data["execution_retention_days"], 30)

    def test_jitter_delays_the_start_by_a_stable_amount(self):
        self.start()
        self.server.create(name="jitter", type="noop", cron_expr="*/2 * * * * *", jitter_seconds=2)
        self.wait_fired("jitter", 3)
        wait_until("three ends", lambda: len(self.server.executions(task_name="jitter", state="success")) >= 3)
        seconds = lambda text: float(text[17:].rstrip("Z")) + 60 * int(text[14:16])
        delays = [(seconds(run["started_at"]) - seconds(run["scheduled_at"])) % 3600
                  for run in self.server.executions(task_name="jitter", state="success")]
        self.assertLess(max(delays) - min(delays), 0.5, delays)
        self.assertLess(max(delays), 2.5)
