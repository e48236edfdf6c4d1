# SPDX-License-Identifier: Apache-2.0
"""Task type `command` and the keeper: contract section 3, SCH-25..28, SCH-35..39, SCH-70, rulings "Adoption", "Stop",
"Command environment" and "Logs"."""
import http.client
import json
import os
import signal
import time

from harness import ADMIN_TOKEN, ServerCase, wait_until


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


class Commands(ServerCase):
    def command(self, name, text, **fields):
        fields.setdefault("max_retries", 0)
        data = {"command": text} if isinstance(text, str) else text
        return self.server.create(name=name, type="command", data=json.dumps(data), **fields)

    def run_once(self, name, text, **fields):
        self.command(name, text, **fields)
        return self.server.finished(self.server.trigger(name))

    def path(self, name):
        return os.path.join(self.server.folder, name)

    def read_pid(self, name):
        def read():
            try:
                with open(self.path(name), encoding="ascii") as file:
                    return int(file.read() or 0)
            except OSError:
                return 0

        return wait_until(f"the file {name}", read)

    def test_exit_0_is_success_and_standard_output_the_result(self):
        run = self.run_once("fine", "echo hello; echo noise >&2")
        self.assertEqual((run["state"], run["result"]), ("success", "hello\n"))
        logs = self.server.get(f"/scheduler/executions/{run['execution_uid']}/logs")
        self.assertEqual(sorted(logs.body.split(b"\n")), [b"", b"hello", b"noise"])
        self.assertEqual(self.server.get(f"/scheduler/executions/{run['id']}/logs?stream=stderr").body, b"noise\n")

    def test_failures_say_why(self):
        run = self.run_once("exit-7", "echo reason >&2; exit 7")
        self.assertEqual((run["state"], run["error_message"], run["error_stack"]), ("failure", "exit status 7", "reason\n"))
        self.assertEqual(self.run_once("signalled", "kill -SEGV $$")["error_message"], "killed by SIGSEGV")
        missing = self.run_once("missing", {"argv": ["/no/such/program"]})
        self.assertEqual(missing["state"], "failure")
        self.assertIn("/no/such/program", missing["error_message"])
        self.assertIn("nobody-here", self.run_once("no-user", {"argv": ["true"], "user": "nobody-here"})["error_message"])

    def test_the_environment_is_exactly_what_is_documented(self):
        run = self.run_once("environment", {"argv": ["/usr/bin/env"], "env": {"MINE": "a b"}, "cwd": "/tmp"}, timezone="Europe/Paris")
        found = dict(line.split("=", 1) for line in run["result"].splitlines())
        self.assertEqual(set(found), {"PATH", "HOME", "LANG", "TZ", "MINE", "HORAE_EXECUTION_UID", "HORAE_TASK_NAME", "HORAE_SCHEDULED_AT",
                                      "HORAE_ATTEMPT", "HORAE_FENCING_TOKEN", "HORAE_TASK_DATA"})
        self.assertEqual((found["MINE"], found["TZ"], found["HORAE_ATTEMPT"]), ("a b", "Europe/Paris", "1"))
        self.assertEqual(found["HORAE_EXECUTION_UID"], run["execution_uid"])
        self.assertEqual(found["HORAE_FENCING_TOKEN"], str(run["fencing_token"]))

    def test_standard_input_and_the_shell_can_be_chosen(self):
        run = self.run_once("stdin", {"command": "cat; echo $0", "stdin": "text\n", "shell": "/bin/bash"})
        self.assertEqual(run["result"], "text\n/bin/bash\n")

    def test_long_output_keeps_its_end(self):
        run = self.run_once("long", "seq 1 20000")
        self.assertTrue(run["result_truncated"])
        self.assertLessEqual(len(run["result"]), 65536)
        self.assertTrue(run["result"].endswith("20000\n"))
        tail = self.server.get(f"/scheduler/executions/{run['id']}/logs?tail=3").body
        self.assertEqual(tail, b"19998\n19999\n20000\n")

    def test_progress_is_published_and_limited_to_what_is_valid(self):
        self.command("progress", "echo progress 42 >&3; echo progress 900 >&3; echo nonsense >&3; sleep 60", timeout_grace_period=0)
        uid = self.server.trigger("progress")
        wait_until("progress 42", lambda: self.server.execution(uid)["progress"] == 42)
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.assertEqual(self.server.finished(uid)["state"], "cancelled")

    def test_a_deadline_sends_sigterm_and_then_kills_the_whole_group(self):
        run = self.run_once("obedient", "trap 'echo bye; exit 0' TERM; sleep 60 & wait", max_duration_seconds=1, timeout_grace_period=0)
        self.assertEqual(run["state"], "timeout")
        self.command("stubborn", f"trap '' TERM; sleep 300 & echo $! > {self.path('child')}; wait; sleep 300", max_duration_seconds=2, timeout_grace_period=1)
        uid = self.server.trigger("stubborn")
        child = self.read_pid("child")
        forced = self.server.finished(uid)
        self.assertEqual(forced["state"], "timeout")
        self.assertNotEqual(forced["error_message"], run["error_message"])  # SCH-37
        wait_until("the grandchild to be gone", lambda: not is_alive(child))

    def test_cancel_ends_in_cancelled_once_the_process_is_gone(self):
        self.command("cancelled", f"echo $$ > {self.path('cancelled')}; sleep 300", timeout_grace_period=5)
        uid = self.server.trigger("cancelled")
        pid = self.read_pid("cancelled")
        self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/cancel", {"reason": "no"}).json["state"], "running")
        self.assertEqual(self.server.finished(uid)["state"], "cancelled")
        self.assertFalse(is_alive(pid))

    def test_a_background_process_that_keeps_the_streams_does_not_hold_up_the_run(self):
        run = self.run_once("background", "sleep 5 & echo started")
        self.assertEqual((run["state"], run["result"]), ("success", "started\n"))
        self.assertLess(run["duration_ms"], 4500)

    def test_logs_can_be_followed_live(self):
        self.command("followed", f"echo one; while [ ! -e {self.path('go')} ]; do sleep 0.05; done; echo two >&2; exit 3")
        uid = self.server.trigger("followed")
        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        connection.request("GET", f"/api/v1/scheduler/executions/{uid}/logs?follow=1", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        response = connection.getresponse()
        events = []
        while not events or events[-1][0] != "end":
            line = response.readline().decode().rstrip()
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                events.append((name, json.loads(line[6:])))
                if len(events) == 1:
                    open(self.path("go"), "w", encoding="ascii").close()
        connection.close()
        self.assertEqual(events, [("stdout", {"offset": 0, "text": "one\n"}), ("stderr", {"offset": 0, "text": "two\n"}), ("end", {"state": "failure"})])

    def test_sigkill_of_the_server_leaves_commands_running_and_the_next_one_adopts_them(self):
        marks = self.path("marks")
        self.command("adopted", f"echo begin >> {marks}; while [ ! -e {self.path('finish')} ]; do sleep 0.05; done; echo end >> {marks}; echo done")
        self.command("ended", f"echo begin >> {self.path('ended')}; sleep 0.5; echo over")
        uid, ended = self.server.trigger("adopted"), self.server.trigger("ended")
        wait_until("both to begin", lambda: os.path.exists(marks) and os.path.exists(self.path("ended")))
        before = self.server.execution(uid)
        self.server.kill()
        time.sleep(1)  # `ended` ends while nobody is there
        self.server.start()
        after = self.server.in_state(uid, "running")
        self.assertEqual((after["fencing_token"], after["started_at"]), (before["fencing_token"], before["started_at"]))
        self.assertEqual(self.server.finished(ended)["result"], "over\n")
        open(self.path("finish"), "w", encoding="ascii").close()
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["result"], run["retry_count"]), ("success", "done\n", 0))
        with open(marks, encoding="ascii") as file:
            self.assertEqual(file.read(), "begin\nend\n")
        with open(self.path("ended"), encoding="ascii") as file:
            self.assertEqual(file.read(), "begin\n")

    def test_handover_lets_commands_run_on(self):
        self.command("handed", f"while [ ! -e {self.path('handed')} ]; do sleep 0.05; done")
        uid = self.server.trigger("handed")
        self.server.in_state(uid, "running")
        self.server.stop(signal.SIGUSR2)
        self.server.start()
        self.assertEqual(self.server.execution(uid)["state"], "running")
        open(self.path("handed"), "w", encoding="ascii").close()
        self.assertEqual(self.server.finished(uid)["state"], "success")

    def test_a_clean_stop_ends_commands_as_interrupted(self):
        self.command("stopped", f"echo $$ > {self.path('stopped')}; sleep 300", timeout_grace_period=1)
        uid = self.server.trigger("stopped")
        pid = self.read_pid("stopped")
        self.server.stop()
        self.assertFalse(is_alive(pid))
        self.server.start()
        self.assertEqual(self.server.execution(uid)["state"], "interrupted")

    def test_a_killed_keeper_takes_its_commands_along_and_the_run_is_interrupted(self):
        self.command("orphan", f"echo $$ > {self.path('orphan')}; sleep 300")
        uid = self.server.trigger("orphan")
        pid = self.read_pid("orphan")
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    if entry.isdigit() and self.server.folder.encode() in (line := file.read()) and b"/keeper-" in line:
                        os.kill(int(entry), signal.SIGKILL)
            except OSError:
                continue
        self.assertEqual(self.server.finished(uid)["state"], "interrupted")
        wait_until("the command to be gone", lambda: not is_alive(pid))
        self.assertEqual(self.run_once("afterwards", "echo again")["state"], "success")

    def test_many_quick_commands(self):
        self.command("quick", {"argv": ["/bin/true"]}, max_concurrent=100)
        answer = self.server.post("/scheduler/executions", {"task_uid": "quick", "items": [{}] * 300})
        self.assertEqual(answer.status, 202)
        wait_until("300 runs", lambda: self.server.get("/scheduler/executions?task_name=quick&state=success").json["pagination"]["total"] == 300, 60)


class Reboot(ServerCase):
    def test_reboot_runs_once_per_boot(self):
        self.server.create(name="boot", type="noop", cron_expr="@reboot")
        self.server.stop()
        self.server.start()
        wait_until("the run", lambda: len(self.server.executions(task_name="boot")) == 1)
        self.server.stop()
        self.server.start()
        time.sleep(0.5)
        self.assertEqual(len(self.server.executions(task_name="boot")), 1)
