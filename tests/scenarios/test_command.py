# SPDX-License-Identifier: Apache-2.0
"""Task type `command`: contract section 3, SCH-25..28, SCH-35..39, SCH-61, rulings "Command environment", "Logs",
"Deadline" and "Cancel". What the keeper does across ends of servers is in test_keeper.py."""
import http.client
import json
import os
import pwd
import time
import unittest

from command_kit import CommandCase, is_alive, keeper_of
from harness import ADMIN_TOKEN, ServerCase, wait_until


class Commands(CommandCase):
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

    # ---- starting ----

    def test_what_cannot_be_started_is_named(self):
        for name, data, words in (
            ("directory", {"argv": ["/tmp"]}, "cannot run /tmp: Permission denied"),
            ("not-executable", {"argv": [self.path("cli-token")]}, "cli-token: Permission denied"),
            ("no-interpreter", {"argv": [self.path("script")]}, "the interpreter that it names does not exist"),
            ("not-in-path", {"argv": ["no-such-program"]}, "cannot run no-such-program: No such file or directory"),
            ("no-shell", {"command": "true", "shell": "/bin/no-such-shell"}, "cannot run /bin/no-such-shell: No such file or directory"),
            ("no-cwd", {"argv": ["true"], "cwd": "/no/such/folder"}, "cannot change to the folder /no/such/folder: No such file or directory"),
        ):
            with open(self.path("script"), "w", encoding="ascii") as file:
                file.write("#!/no/such/interpreter\n")
            os.chmod(self.path("script"), 0o755)
            with self.subTest(name):
                run = self.run_once(name, data)
                self.assertEqual(run["state"], "failure")
                self.assertIn(words, run["error_message"])

    def test_exit_status_and_signal_are_told_in_the_words_of_the_contract(self):
        for status in (1, 2, 126, 127, 255):
            self.assertEqual(self.run_once(f"exit-{status}", f"exit {status}")["error_message"], f"exit status {status}")
        for name in ("KILL", "TERM", "ABRT", "INT", "USR1"):
            run = self.run_once(f"signal-{name}", f"kill -{name} $$; sleep 5")
            self.assertEqual((run["state"], run["error_message"]), ("failure", f"killed by SIG{name}"))
        self.assertEqual(self.server.get("/healthz").status, 200)  # SCH-27

    def test_argv_is_taken_word_by_word_and_command_by_the_shell(self):
        words = ["$HOME", "a b", "*", "", "'", "-n", "\u00e9\u4e2d\U0001f600"]
        run = self.run_once("argv", {"argv": ["/usr/bin/printf", "%s\\n", *words]})
        self.assertEqual(run["result"].splitlines(), words)
        run = self.run_once("shell", {"command": "x=$((6*7)); echo $x | tr 4 5; false || echo or"})
        self.assertEqual(run["result"], "52\nor\n")

    def test_the_folder_is_the_given_one_or_home(self):
        self.assertEqual(self.run_once("cwd", {"argv": ["pwd"], "cwd": "/usr/share"})["result"], "/usr/share\n")
        run = self.run_once("home", "pwd; echo $HOME")
        self.assertEqual(len(set(run["result"].split())), 1, run["result"])

    def test_the_environment_of_the_task_may_replace_the_defaults_but_not_what_horae_says(self):
        env = {"PATH": "/bin:/usr/bin", "HOME": "/tmp", "LANG": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "EMPTY": "", "MULTI": "a\nb",
               "HORAE_ATTEMPT": "99", "HORAE_TASK_NAME": "liar"}
        run = self.run_once("replaced", {"argv": ["env", "-0"], "env": env}, timezone="Europe/Paris")
        logged = dict(item.split("=", 1) for item in self.logs(run["execution_uid"]).decode().split("\0") if item)
        self.assertEqual({name: logged[name] for name in env if not name.startswith("HORAE_")},
                         {name: value for name, value in env.items() if not name.startswith("HORAE_")})
        self.assertEqual((logged["HORAE_ATTEMPT"], logged["HORAE_TASK_NAME"]), ("1", "replaced"))

    def test_the_data_of_this_run_is_given_along(self):
        data = json.dumps({"command": "printf %s \"$HORAE_TASK_DATA\""})
        run = self.run_once("data", {"command": "printf %s \"$HORAE_TASK_DATA\""})
        self.assertEqual(json.loads(run["result"]), json.loads(data))
        override = json.dumps({"command": "printf %s \"$HORAE_TASK_DATA\"; echo; echo other", "env": {"A": "\u00fc"}})
        run = self.server.finished(self.server.trigger("data", override_data=override))
        self.assertEqual(run["result"], override + "\nother\n")

    def test_slot_attempt_and_fence_reach_the_process(self):
        self.command("fenced", f"echo $HORAE_SCHEDULED_AT $HORAE_ATTEMPT $HORAE_FENCING_TOKEN >> {self.path('fenced')}; exit 1", max_retries=2,
                     retry_backoff={"base_ms": 1, "cap_ms": 1, "jitter_percent": 0})
        run = self.server.finished(self.server.trigger("fenced"))
        lines = [line.split() for line in self.read("fenced").splitlines()]
        self.assertEqual([line[0] for line in lines], [run["scheduled_at"]] * 3)
        self.assertEqual([line[1] for line in lines], ["1", "2", "3"])
        fences = [int(line[2]) for line in lines]
        self.assertEqual(fences, sorted(set(fences)))
        self.assertEqual([(a["attempt"], a["fencing_token"], a["state"]) for a in run["attempts"]],
                         [(i + 1, fence, "failure") for i, fence in enumerate(fences)])

    @unittest.skipUnless(os.geteuid() == 0, "changing the user needs root")
    def test_another_user_by_name_and_by_number(self):
        entry = pwd.getpwnam("daemon")
        for name, user in (("by-name", "daemon"), ("by-number", str(entry.pw_uid))):
            run = self.run_once(name, {"command": "id -u; id -g; echo $HOME; pwd", "user": user})
            self.assertEqual(run["result"].split(), [str(entry.pw_uid), str(entry.pw_gid), entry.pw_dir, entry.pw_dir], run)
        # a user whose home does not exist still runs: in "/"
        self.assertEqual(pwd.getpwnam("nobody").pw_dir, "/nonexistent")
        run = self.run_once("nobody", {"command": "id -un; pwd", "user": "nobody"})
        self.assertEqual((run["state"], run.get("result")), ("success", "nobody\n/\n"), run)
        run = self.run_once("big-number", {"command": "id -u", "user": "4242"})
        self.assertEqual(run["result"], "4242\n")

    # ---- output ----

    def test_result_is_the_end_of_the_output_cut_between_characters(self):
        run = self.run_once("utf8", "i=0; while [ $i -lt 2000 ]; do printf '\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255\\344\\270\\255'; i=$((i+1)); done; printf '\\344\\270' >&2; echo '\303' >&2")
        self.assertTrue(run["result_truncated"])
        self.assertEqual(set(run["result"]), {"\u4e2d"})
        self.assertIn(len(run["result"].encode()), range(65536 - 3, 65537))
        self.assertEqual(self.logs(run["execution_uid"], "?stream=stdout"), "\u4e2d".encode() * 22000)

    def test_bytes_that_are_no_text_become_replacement_characters(self):
        run = self.run_once("binary", "printf 'a\\000b\\377\\376c\\n'; printf '\\000\\200' >&2; exit 3")
        self.assertEqual((run["result"], run["error_stack"]), ("a\ufffdb\ufffd\ufffdc\n", "\ufffd\ufffd"))
        self.assertEqual(self.logs(run["execution_uid"], "?stream=stdout"), b"a\0b\xff\xfec\n")
        run = self.run_once("all-binary", "head -c 200000 /dev/zero | tr '\\000' '\\200'")
        self.assertTrue(run["result_truncated"])
        self.assertEqual(set(run["result"]), {"\ufffd"})
        self.assertGreater(len(run["result"].encode()), 65000)

    def test_error_stack_is_the_last_10_kb_of_standard_error(self):
        run = self.run_once("stack", "seq 1 5000 >&2; exit 1")
        self.assertLessEqual(len(run["error_stack"]), 10240)
        self.assertGreater(len(run["error_stack"]), 10000)
        self.assertTrue(run["error_stack"].endswith("4999\n5000\n"))

    def test_a_gigabyte_of_output_costs_neither_memory_nor_disk(self):
        run = self.run_once("gigabyte", "head -c 1073741824 /dev/zero | tr '\\000' x; echo; echo the end")
        self.assertEqual((run["state"], run["result_truncated"]), ("success", True))
        self.assertTrue(run["result"].endswith("xxx\nthe end\n"))
        self.assertEqual(self.logs(run["execution_uid"], "?tail=1"), b"the end\n")
        stored = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(self.path("logs")) for name in names
                     if name.startswith(f"{run['id']}.log"))
        self.assertLessEqual(stored, 16 << 20)
        self.assertGreater(stored, 7 << 20)  # at least the last half
        with open(f"/proc/{keeper_of(self.server)}/status", encoding="ascii") as file:
            peak_kb = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        self.assertLess(peak_kb, 32 << 10)

    def test_streams_that_are_closed_early_do_not_end_the_run(self):
        self.command("closed", f"exec >&- 2>&- 3>&-; echo $$ > {self.path('closed')}; while [ ! -e {self.path('closed-go')} ]; do sleep 0.05; done; exit 4")
        uid = self.server.trigger("closed")
        self.assertTrue(is_alive(self.read_pid("closed")))
        self.assertEqual(self.server.execution(uid)["state"], "running")
        self.touch("closed-go")
        self.assertEqual(self.server.finished(uid)["error_message"], "exit status 4")

    def test_progress_ends_at_100_on_success_and_stays_on_failure(self):
        lines = "\\n".join(["progress 7", "progress", "progress -1", "progress 101", "progress 5x", "Progress 9", "progress 1e1", "x" * 500, "progress 37"])
        self.assertEqual(self.run_once("reports", f"printf '{lines}\\n' >&3")["progress"], 100)
        self.assertEqual(self.run_once("reports-fails", f"printf '{lines}\\n' >&3; exit 1")["progress"], 37)
        self.assertEqual(self.run_once("zero", "echo progress 0 >&3; exit 1")["progress"], 0)

    # ---- logs ----

    def test_logs_by_stream_and_by_lines(self):
        run = self.run_once("lines", "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done; printf open")
        uid = run["execution_uid"]
        self.assertEqual(self.logs(uid, "?stream=stdout"), b"out 1\nout 2\nout 3\nout 4\nout 5\nopen")
        self.assertEqual(self.logs(uid, "?stream=stderr&tail=2"), b"err 4\nerr 5\n")
        self.assertEqual(self.logs(uid, "?stream=stdout&tail=1"), b"open")
        self.assertEqual(self.logs(uid, "?stream=stdout&tail=3"), b"out 4\nout 5\nopen")
        self.assertEqual(self.logs(uid, "?stream=stdout&tail=100"), b"out 1\nout 2\nout 3\nout 4\nout 5\nopen")
        self.assertEqual(self.logs(uid, "?tail=0"), b"")
        self.assertEqual(len(self.logs(uid)), len("out 1\n" * 10 + "open"))
        self.assert_error(self.server.get(f"/scheduler/executions/{uid}/logs?stream=both"), 400, "INVALID_PARAMETER", "stream")
        self.assert_error(self.server.get(f"/scheduler/executions/{uid}/logs?tail=-1"), 400, "INVALID_PARAMETER", "tail")
        silent = self.run_once("silent", "true")
        self.assertEqual(self.logs(silent["execution_uid"]), b"")
        self.assertFalse(os.path.exists(self.path(f"logs/{silent['id'] // 10000}/{silent['id']}.log")))  # no file for nothing
        self.assert_error(self.server.get("/scheduler/executions/999999/logs"), 404, "NOT_FOUND")

    def follow(self, uid, query="", after=None):
        """All events until the end; `after` is called with each."""
        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        connection.request("GET", f"/api/v1/scheduler/executions/{uid}/logs?follow=1{query}", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        response = connection.getresponse()
        self.assertEqual(response.headers["Content-Type"].split(";")[0], "text/event-stream")
        events = []
        while not events or events[-1][0] != "end":
            line = response.readline().decode().rstrip()
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                events.append((name, json.loads(line[6:])))
                if after:
                    after(*events[-1])
        connection.close()
        return events

    def test_a_followed_log_is_whole_across_characters_and_from_the_last_lines_on(self):
        text = "\u4e2d\u6587" * 30
        run = self.run_once("characters", {"argv": ["/bin/sh", "-c", "for i in 1 2 3; do printf %s \"$T\" | dd bs=1 status=none; done; printf '\\nlast'; printf '\\344'"], "env": {"T": text}})
        events = self.follow(run["execution_uid"])
        self.assertEqual("".join(data["text"] for name, data in events if name == "stdout"), text * 3 + "\nlast\ufffd")
        offset = 0
        for name, data in events[:-1]:
            self.assertEqual((name, data["offset"]), ("stdout", offset))
            offset += len(data["text"].encode()) if "\ufffd" not in data["text"] else 0
        self.assertEqual(events[-1], ("end", {"state": "success"}))
        events = self.follow(run["execution_uid"], "&tail=1")
        self.assertEqual((events[0][1]["offset"], "".join(data["text"] for _, data in events[:-1])), (len(text.encode()) * 3 + 1, "last\ufffd"))
        self.assertEqual(self.follow(run["execution_uid"], "&tail=0&stream=stderr"), [("end", {"state": "success"})])

    def test_two_attempts_share_one_log(self):
        self.command("attempts", "echo attempt $HORAE_ATTEMPT; [ $HORAE_ATTEMPT = 2 ]", max_retries=3, retry_backoff={"base_ms": 1, "cap_ms": 1, "jitter_percent": 0})
        run = self.server.finished(self.server.trigger("attempts"))
        self.assertEqual((run["state"], run["retry_count"], run["result"]), ("success", 1, "attempt 2\n"))
        self.assertEqual(self.logs(run["execution_uid"]), b"attempt 1\nattempt 2\n")

    def test_logs_are_removed_by_age(self):
        self.assertEqual(self.server.get("/scheduler/config").data["log_retention_days"], 30)
        old, young = (self.run_once(name, "echo text") for name in ("old-log", "young-log"))
        for run, days in ((old, 31), (young, 29)):
            then = time.time() - days * 86400
            os.utime(self.path(f"logs/{run['id'] // 10000}/{run['id']}.log"), (then, then))
        cleanup = next(task["name"] for task in self.server.get("/scheduler/tasks?page_size=100").data if task["type"] == "execution_cleanup")
        self.assertEqual(self.server.finished(self.server.trigger(cleanup))["state"], "success")
        self.assertEqual((self.logs(old["execution_uid"]), self.logs(young["execution_uid"])), (b"", b"text\n"))

    # ---- time-outs and cancel ----

    def test_a_time_out_says_whether_grace_was_enough_and_is_tried_again(self):
        polite = self.run_once("polite", "trap 'exit 0' TERM; sleep 60 & wait", max_duration_seconds=3, timeout_grace_period=2)
        self.assertEqual((polite["state"], polite["error_message"]), ("timeout", "deadline of 3 s exceeded; exited within the grace period of 2 s"))
        rude = self.run_once("rude", "trap '' TERM; exec >&- 2>&-; while :; do sleep 0.1; done", max_duration_seconds=2, timeout_grace_period=1)
        self.assertEqual((rude["state"], rude["error_message"]), ("timeout", "deadline of 2 s exceeded; grace period of 1 s exceeded, stopped by force"))
        self.assertGreaterEqual(rude["duration_ms"], 3000)  # SCH-38: deadline and grace
        self.command("again", "sleep 60", max_duration_seconds=1, timeout_grace_period=0, max_retries=1, retry_backoff={"base_ms": 1, "cap_ms": 1, "jitter_percent": 0})
        again = self.server.finished(self.server.trigger("again"))
        self.assertEqual([attempt["state"] for attempt in again["attempts"]], ["timeout", "timeout"])  # SCH-39
        self.assertEqual(self.server.get("/scheduler/tasks/again").data["failure_executions"], 1)

    def test_a_waiting_run_is_cancelled_at_once_and_a_finished_one_stays(self):
        self.command("one", f"echo $$ > {self.path('one')}; sleep 300", overlap="queue_all", timeout_grace_period=0)
        first = self.server.trigger("one")
        second = self.server.post("/scheduler/executions", {"task_uid": "one", "items": [{}]}).json["execution_uids"][0]
        self.read_pid("one")
        answer = self.server.post(f"/scheduler/executions/{second}/cancel")
        self.assertEqual((answer.status, answer.json["state"]), (202, "cancelled"))
        self.assertEqual(self.server.execution(second)["state"], "cancelled")
        self.server.post(f"/scheduler/executions/{first}/cancel")
        self.assertEqual(self.server.finished(first)["state"], "cancelled")
        answer = self.server.post(f"/scheduler/executions/{first}/cancel")
        self.assertEqual((answer.status, answer.json["state"]), (202, "cancelled"))

    def test_cancel_of_a_run_between_attempts(self):
        self.command("between", "exit 1", max_retries=1, retry_backoff={"base_ms": 60000, "cap_ms": 60000, "jitter_percent": 0})
        uid = self.server.trigger("between")
        wait_until("the first attempt to fail", lambda: self.server.execution(uid).get("error_message") == "exit status 1")
        self.assertEqual(self.server.execution(uid)["state"], "running")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.assertEqual(self.server.finished(uid)["state"], "cancelled")

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
