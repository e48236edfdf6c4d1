# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments: nothing acknowledged is lost, no slot runs twice (SCH-01, SCH-70..74, DATA-14)."""
import http.client
import os
import random
import threading
import time
import unittest
from collections import Counter

from harness import Server, wait_until

ROUNDS = int(os.environ.get("HORAE_KILL_ROUNDS", "12"))
SEED = int(os.environ.get("HORAE_KILL_SEED", "1"))


class KillLoop(unittest.TestCase):
    def setUp(self):
        self.server = Server()

    def tearDown(self):
        self.server.remove()

    def trigger_until_killed(self, task, acknowledged):
        """Many triggers from one thread until the server is gone; only answers count."""
        while not self.stop:
            try:
                answer = self.server.post(f"/scheduler/tasks/{task}/trigger")
                if answer.status == 202:
                    acknowledged.append(answer.json["execution_uid"])
            except (OSError, http.client.HTTPException):
                if self.stop:
                    return
                time.sleep(0.01)

    def test_nothing_acknowledged_is_lost_and_no_slot_runs_twice(self):
        generator = random.Random(SEED)
        self.server.create(name="instant", type="noop", overlap="queue_all", max_concurrent=1000)
        self.server.create(name="short", type="noop", data='{"sleep_ms":30}', overlap="queue_all", max_concurrent=1000, max_retries=0)
        self.server.create(name="tick", type="noop", cron_expr="* * * * * *", misfire_policy="run_all", overlap="queue_all")
        acknowledged = {"instant": [], "short": []}
        for _ in range(ROUNDS):
            self.stop = False
            threads = [threading.Thread(target=self.trigger_until_killed, args=(task, acknowledged[task])) for task in acknowledged]
            for thread in threads:
                thread.start()
            time.sleep(generator.uniform(0.05, 0.6))
            self.stop = True
            self.server.kill()
            for thread in threads:
                thread.join()
            self.server.start()
        for task, uids in acknowledged.items():
            self.assertGreater(len(uids), ROUNDS, task)
            self.assertEqual(len(uids), len(set(uids)))
            wait_until(f"{task} to settle", lambda: not self.server.executions(task_name=task, state="pending") and
                       not self.server.executions(task_name=task, state="running"))
            known = {run["execution_uid"]: run for run in self.server.executions(task_name=task)}
            self.assertEqual(set(uids) - set(known), set(), "acknowledged and lost")
            states = Counter(known[uid]["state"] for uid in uids)
            self.assertEqual(set(states) - {"success", "interrupted"}, set(), states)
            self.assertTrue(all(run["finished_at"] for run in known.values()))
        self.check_slots()

    def check_slots(self):
        runs = self.server.executions(task_name="tick")
        slots = [run["scheduled_at"] for run in runs]
        self.assertEqual(len(slots), len(set(slots)), "a slot ran twice")
        answer = self.server.get("/scheduler/tasks/tick/occurrences?page_size=100").json
        self.assertEqual(sum(answer["summary"][v] for v in ("fired", "coalesced", "skipped", "missed", "shifted")), answer["summary"]["expected"])
        total = self.server.get("/scheduler/tasks/instant").data["total_executions"]
        self.assertEqual(total, self.server.get("/scheduler/executions?task_name=instant&state=success").json["pagination"]["total"])


class Stop(unittest.TestCase):
    def setUp(self):
        self.server = Server(["--stop-timeout", "2"])

    def tearDown(self):
        self.server.remove()

    def test_running_work_may_finish_within_the_stop_time(self):
        self.server.create(name="half", type="noop", data='{"sleep_ms":700}', max_retries=0)
        uid = self.server.trigger("half")
        self.server.in_state(uid, "running")
        self.server.stop()
        self.server.start()
        self.assertEqual(self.server.execution(uid)["state"], "success")

    def test_an_attempt_that_fails_while_the_server_stops_keeps_its_retries(self):
        for name, wait_ms in (("soon", 1), ("later", 500)):
            self.server.create(name=name, type="noop", data='{"sleep_ms":700,"fail_attempts":1}', max_retries=1,
                               retry_backoff={"base_ms": wait_ms, "cap_ms": wait_ms, "jitter_percent": 0})
        uids = [self.server.trigger(name) for name in ("soon", "later")]
        for uid in uids:
            self.server.in_state(uid, "running")
        self.server.stop()
        self.server.start()
        for uid in uids:
            run = self.server.finished(uid)
            self.assertEqual([(a["attempt"], a["state"]) for a in run["attempts"]], [(1, "failure"), (2, "success")])

    def test_what_outlasts_the_stop_time_is_interrupted_and_can_be_retried(self):
        self.server.create(name="long", type="noop", data='{"sleep_ms":600000}', max_retries=0, timeout_grace_period=0)
        uid = self.server.trigger("long")
        self.server.in_state(uid, "running")
        self.server.stop()
        self.server.start()
        self.assertEqual(self.server.execution(uid)["state"], "interrupted")
        self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/retry").status, 202)

    def test_pending_work_waits_for_the_next_server(self):
        self.server.create(name="waiting", type="noop")
        uid = self.server.trigger("waiting", run_at=int(time.time() * 1000) + 1500)
        self.server.kill()
        self.server.start()
        self.assertEqual(self.server.finished(uid)["state"], "success")

    def test_an_idle_server_stops_at_once_on_sigint(self):
        import signal

        begun = time.monotonic()
        self.server.stop(signal.SIGINT)
        self.assertLess(time.monotonic() - begun, 20)
        self.server.start()
