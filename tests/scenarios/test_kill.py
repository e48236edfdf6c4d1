# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments: nothing acknowledged is lost, no slot runs twice (SCH-01, SCH-70..74, DATA-14). Many more
rounds: make chaos."""
import os
import signal
import time
import unittest

from harness import Server
from kill_loop import KillLoop

ROUNDS = int(os.environ.get("HORAE_KILL_ROUNDS", "12"))
SEED = 1


class Loop(unittest.TestCase):
    def test_nothing_acknowledged_is_lost_and_nothing_runs_twice(self):
        KillLoop(ROUNDS, SEED).run()

    def test_sigterm_and_handover_under_load_end_with_status_0_and_lose_nothing(self):
        KillLoop(4, SEED, kinds={"stop": 1, "handover": 1}).run()


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
        begun = time.monotonic()
        self.server.stop(signal.SIGINT)
        self.assertLess(time.monotonic() - begun, 20)
        self.server.start()
