# SPDX-License-Identifier: Apache-2.0
"""The clock is set: back an hour, on a day, while the server runs and while it does not. Nothing runs twice, every slot has one
verdict, running work ends by its own time, promises for later are kept (SCH-15..22, rulings "Occurrences" and "Deadline")."""
import calendar
import collections
import json
import os
import tempfile
import time
import unittest

from harness import Server, wait_until

HOUR, DAY = 3600, 86400


def seconds_of(text):
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


class Clock(unittest.TestCase):
    def setUp(self):
        self.offset = 0
        self.clock = os.path.join(tempfile.mkdtemp(prefix="horae-test-"), "offset")
        self.set_by(0)
        self.server = Server(env={"HORAE_TEST_CLOCK_FILE": self.clock})
        self.addCleanup(self.server.remove)
        self.server.create(name="poke", type="noop", overlap="queue_all", max_concurrent=100)

    def set_by(self, seconds):
        self.offset += seconds
        with open(self.clock + ".new", "w", encoding="ascii") as file:
            file.write(str(self.offset))
        os.replace(self.clock + ".new", self.clock)

    def seen_jump(self, kind, count=1):
        """Each trigger makes the scheduler look at its clock, which it else does every five seconds."""
        def look():
            self.server.post("/scheduler/tasks/poke/trigger")
            return self.server.log_text().count(f"({kind})") >= count

        wait_until("the jump to be noticed", look)

    def ticks(self, name, policy="run_once"):
        self.server.create(name=name, type="noop", cron_expr="* * * * * *", overlap="queue_all", max_concurrent=100, misfire_policy=policy)

    def summary(self, name, query=""):
        return self.server.get(f"/scheduler/tasks/{name}/occurrences?page_size=1{query}").json["summary"]

    def runs(self, name):
        return self.server.executions(task_name=name)

    def until_fired(self, name, more):
        begun = self.summary(name)["fired"]
        wait_until(f"{more} more slots of {name}", lambda: self.summary(name)["fired"] >= begun + more)

    def check(self, name):
        """Each slot once; what is counted by slots is what is counted by verdicts."""
        runs = self.runs(name)
        slots = collections.Counter(run["scheduled_at"] for run in runs if run["trigger_type"] == "scheduled")
        self.assertEqual([slot for slot, count in slots.items() if count > 1], [], "a slot ran twice")
        for query in ("", "&from=1"):
            summary = self.summary(name, query)
            self.assertEqual(summary["expected"], sum(count for verdict, count in summary.items() if verdict != "expected"), summary)
        for run in runs:
            self.assertGreaterEqual(run.get("duration_ms") or 0, 0, run)
        return summary

    def test_back_an_hour_nothing_runs_again_and_all_goes_on_when_that_time_has_come(self):
        self.ticks("tick")
        self.until_fired("tick", 2)
        before = self.check("tick")
        last = max(run["scheduled_at"] for run in self.runs("tick"))
        self.set_by(-HOUR)
        self.seen_jump("backward")
        self.assertEqual(self.server.finished(self.server.trigger("tick"))["state"], "success")  # by hand at once
        self.assertEqual(self.server.get("/auth/me").status, 200)
        self.assertLessEqual(self.check("tick")["fired"], before["fired"] + 2)  # those up to the jump
        self.assertLess(seconds_of(self.server.get("/scheduler/tasks/tick").data["updated_at"]), seconds_of(last))
        self.set_by(HOUR)
        self.until_fired("tick", 2)
        summary = self.check("tick")
        self.assertEqual(summary["missed"], 0)
        self.assertGreater(max(run["scheduled_at"] for run in self.runs("tick")), last)

    def test_on_a_day_what_was_jumped_over_is_made_up_once_or_all_or_not(self):
        self.server.create(name="hours", type="noop", cron_expr="0 * * * *", misfire_policy="run_all", overlap="queue_all", max_concurrent=100)
        for policy in ("run_once", "skip"):
            self.ticks(policy, policy)
        self.until_fired("skip", 2)
        self.set_by(DAY)
        self.seen_jump("huge")
        for policy in ("run_once", "skip"):
            self.until_fired(policy, 2)
            summary = self.check(policy)
            self.assertGreaterEqual(summary["expected"], DAY)
            self.assertGreaterEqual(summary["coalesced" if policy == "run_once" else "missed"], DAY - 60)
        self.assertEqual(sum(run["cause"] == "catch_up" for run in self.runs("run_once")), 1)
        self.assertEqual(sum(run["cause"] == "catch_up" for run in self.runs("skip")), 0)
        wait_until("all hours to be made up", lambda: self.summary("hours")["fired"] == 24)
        self.assertEqual(self.check("hours")["expected"], 24)

    def test_what_runs_ends_by_its_own_time(self):
        """The end of a deadline, a sleep and a retry is no time of day."""
        go = self.clock + ".go"
        for name, fields in (("held", {}), ("late", {"max_duration_seconds": 3, "timeout_grace_period": 0})):
            self.server.create(name=name, type="command", data=json.dumps({"command": f"until [ -e {go} ]; do sleep 0.05; done" if name == "held" else "sleep 600"}), max_retries=0, **fields)
        for jump, kind in ((-HOUR, "backward"), (DAY, "huge")):
            uids = {name: self.server.trigger(name) for name in ("held", "late")}
            for uid in uids.values():
                self.server.in_state(uid, "running")
            seen = self.server.log_text().count(f"({kind})")
            self.set_by(jump)
            self.seen_jump(kind, seen + 1)
            self.assertEqual(self.server.execution(uids["held"])["state"], "running")
            late = self.server.finished(uids["late"])
            self.assertEqual(late["state"], "timeout")
            with open(go, "w", encoding="ascii"):
                pass
            held = self.server.finished(uids["held"])
            os.unlink(go)
            self.assertEqual(held["state"], "success")
            for run in (late, held):
                self.assertGreaterEqual(run["duration_ms"], 0, (jump, run))
                self.assertGreaterEqual(run["finished_at"], run["started_at"][:23], (jump, run))

    def test_what_was_asked_for_later_comes_when_that_time_has_come(self):
        self.server.create(name="later", type="noop", max_concurrent=10)
        now_ms = int(time.time() * 1000)
        soon, tomorrow = (self.server.trigger("later", run_at=now_ms + wait * 1000) for wait in (HOUR // 2, DAY // 2))
        self.set_by(-HOUR)
        self.seen_jump("backward")
        self.assertEqual(self.server.execution(soon)["state"], "pending")
        self.set_by(2 * HOUR)
        self.seen_jump("forward")
        self.assertEqual(self.server.finished(soon)["state"], "success")
        self.assertEqual(self.server.execution(tomorrow)["state"], "pending")
        self.set_by(DAY)
        self.seen_jump("huge")
        self.assertEqual(self.server.finished(tomorrow)["state"], "success")

    def test_a_server_that_starts_an_hour_earlier_than_it_ended_runs_nothing_again(self):
        self.ticks("tick")
        self.server.create(name="daily", type="noop", interval=DAY, is_recurring=True)
        self.until_fired("tick", 2)
        next_run = self.server.get("/scheduler/tasks/daily").data["next_run"]
        self.server.kill()
        self.set_by(-HOUR)
        self.server.start()
        uid = self.server.trigger("tick")
        self.assertEqual(self.server.finished(uid)["state"], "success")
        before = self.check("tick")["fired"]
        self.assertEqual(self.server.get("/scheduler/tasks/daily").data["next_run"], next_run)
        self.server.kill()
        self.set_by(HOUR)
        self.server.start()
        wait_until("slots to go on", lambda: self.summary("tick")["fired"] >= before + 2)
        self.check("tick")

    def test_a_server_that_starts_a_day_later_makes_up_once(self):
        self.ticks("tick")
        self.until_fired("tick", 1)
        self.server.kill()
        self.set_by(DAY)
        self.server.start()
        self.until_fired("tick", 2)
        summary = self.check("tick")
        self.assertGreaterEqual(summary["coalesced"], DAY - 60)
        self.assertEqual(sum(run["cause"] == "catch_up" for run in self.runs("tick")), 1)
