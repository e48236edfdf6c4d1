# SPDX-License-Identifier: Apache-2.0
"""Commands outlive their server and never their keeper: SCH-36, SCH-61, SCH-70..74, rulings "Stop" and "Adoption", the
product's recovery in seconds, and ends that reach all that a command has started."""
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from command_kit import CommandCase, daemon, guard_of, is_alive, keeper_of, kill_keeper, processes
from harness import ADMIN_TOKEN, BINARY, Server, of_the_file_store, store_environment, wait_until


class Trees(CommandCase):
    """Where a cgroup holds what a command starts, or (next class) where it is searched for."""

    how = "cgroup"

    def setUp(self):
        found = self.server.get("/readyz").json["commands"]["trees"]
        if found != self.how:
            self.skipTest(f"no cgroup v2 can be written here: {self.server.get('/readyz').json['commands']}")

    def start_with_daemon(self, name, then, **fields):
        """A run that has made a daemon; returns its uid and the daemon's pid."""
        self.command(name, f"{daemon(self.path(name))}; {then}", **fields)
        uid = self.server.trigger(name)
        return uid, self.read_pid(name)

    def test_force_ends_what_forked_away(self):
        uid, child = self.start_with_daemon("forced", "trap '' TERM; while :; do sleep 0.1; done", max_duration_seconds=2, timeout_grace_period=1)
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["error_message"]), ("timeout", "deadline of 2 s exceeded; grace period of 1 s exceeded, stopped by force"))
        self.assertFalse(is_alive(child))

    def test_cancel_leaves_nothing_behind_even_when_the_command_obeys(self):
        uid, child = self.start_with_daemon("obeys", "sleep 300", timeout_grace_period=25)
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        run = self.server.finished(uid, 20)  # within the grace: what has left the group has none
        self.assertEqual((run["state"], run["error_message"]), ("cancelled", "cancelled"))
        self.assertFalse(is_alive(child))

    def test_a_child_that_ignores_the_signal_has_the_grace_and_no_more(self):
        self.command("stays", f"(trap '' TERM; echo $$; sh -c 'echo $$ > {self.path('stays')}; exec >&- 2>&-; while :; do sleep 0.1; done') & wait",
                     timeout_grace_period=2)
        uid = self.server.trigger("stays")
        child = self.read_pid("stays")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        shell = wait_until("the shell to obey", lambda: not any(is_alive(pid) for pid in children_of(keeper_of(self.server), "sh") if pid != child))
        self.assertTrue(shell)
        self.assertEqual(self.server.execution(uid)["state"], "running")
        self.assertTrue(is_alive(child))
        self.assertEqual(self.server.finished(uid)["error_message"], "cancelled; grace period exceeded, stopped by force")
        self.assertFalse(is_alive(child))

    def test_a_run_that_ends_by_itself_leaves_its_daemons_alone(self):
        uid, child = self.start_with_daemon("service", "echo started")
        self.assertEqual(self.server.finished(uid)["state"], "success")
        self.assertTrue(is_alive(child))
        os.kill(child, signal.SIGKILL)

    def test_with_the_keeper_everything_ends_and_the_next_one_is_made(self):
        uid, child = self.start_with_daemon("lost", f"echo $$ > {self.path('lost-leader')}; sleep 300")
        leader = self.read_pid("lost-leader")
        before = kill_keeper(self.server)
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["error_message"]), ("interrupted", "interrupted: its keeper was killed, and the command with it"))
        wait_until("the processes to be gone", lambda: not is_alive(leader) and not is_alive(child))
        self.assertEqual(self.run_once("afterwards", "echo again")["result"], "again\n")
        self.assertNotEqual(keeper_of(self.server), before)
        again = self.server.post(f"/scheduler/executions/{uid}/retry")
        self.assertEqual(again.status, 202)  # can be run again by hand (SCH-70, SCH-48)
        self.server.post(f"/scheduler/executions/{again.json['execution_uid']}/cancel")
        self.server.finished(again.json["execution_uid"])

    def test_a_killed_guard_is_replaced_and_does_its_work(self):
        uid, child = self.start_with_daemon("guarded", "sleep 300")
        before = guard_of(self.server)
        os.kill(before, signal.SIGKILL)
        wait_until("another guard", lambda: processes(self.server.folder, "horae-guard") not in ([], [before]))
        kill_keeper(self.server)
        self.assertEqual(self.server.finished(uid)["state"], "interrupted")
        wait_until("the daemon to be gone", lambda: not is_alive(child))

    def test_server_and_keeper_killed_together(self):
        uid, child = self.start_with_daemon("both", "sleep 300")
        kill_keeper(self.server)
        self.server.kill()
        self.server.start()
        run = self.server.finished(uid)
        self.assertEqual(run["state"], "interrupted")
        wait_until("the daemon to be gone", lambda: not is_alive(child))
        self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/retry").status, 202)
        self.server.stop()
        self.server.start()


class TreesBySearch(Trees):
    how = "search"
    env = {"HORAE_CGROUP_ROOT": "/nowhere"}

    def test_it_is_said_where_no_cgroup_can_hold_them(self):
        said = self.server.get("/readyz").json["commands"]
        self.assertEqual((said["trees"], said["trees_reason"]), ("search", "the cgroup /nowhere may not be written"))
        self.assertIn("will be searched for in /proc when it has to end, since the cgroup /nowhere may not be written", self.server.log_text())

    def test_limits_that_cannot_be_kept_refuse_the_run_with_the_reason(self):
        run = self.run_once("limited", "true", limits={"memory_bytes": 10 << 20})
        self.assertEqual((run["state"], run["error_message"]), ("failure", "limits cannot be set: the cgroup /nowhere may not be written"))


def children_of(pid, name):
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                text = file.read()
            if text.split("(", 1)[1].split(")")[0] == name and int(text.rsplit(")", 1)[1].split()[1]) == pid:
                found.append(int(entry))
        except OSError:
            continue
    return found


class Limits(CommandCase):
    """The files of limits, in a tree that only looks like cgroup v2; the kernel's own side is in the keeper's unit tests."""

    @classmethod
    def setUpClass(cls):
        cls.tree = tempfile.mkdtemp(prefix="horae-cgroup-")
        for name, text in (("cgroup.controllers", "cpuset cpu io memory pids\n"), ("cgroup.subtree_control", "cpu memory pids\n"), ("cgroup.procs", "")):
            with open(os.path.join(cls.tree, name), "w", encoding="ascii") as file:
                file.write(text)
        cls.env = {"HORAE_CGROUP_ROOT": cls.tree}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.tree)

    def test_limits_are_written_before_the_command_runs(self):
        run = self.run_once("limited", f"cd {self.tree}/horae-*-1-1 && head -c 1000 memory.max cpu.max pids.max memory.swap.max cgroup.procs; echo; echo $$",
                            limits={"memory_bytes": 64 << 20, "cpu_percent": 50, "pids": 10})
        self.assertEqual(run["state"], "success", run)
        words = run["result"].split()
        self.assertEqual((words[words.index("memory.max") + 2], words[words.index("pids.max") + 2]), (str(64 << 20), "10"))
        self.assertEqual(words[words.index("cpu.max") + 2:][:2], ["50000", "100000"])
        self.assertEqual(words[words.index("cgroup.procs") + 2], words[-1])
        self.assertTrue(self.server.get("/readyz").json["commands"]["limits"])

    def test_wrong_limits_are_refused_at_creation(self):
        for limits in ({"memory_bytes": -1}, {"cpu_percent": "much"}, {"pids": 1.5}, {"disk": 1}, [1]):
            with self.subTest(limits=limits):
                self.assert_error(self.server.post("/scheduler/tasks", {"name": "wrong", "type": "command", "data": '{"argv":["true"]}', "limits": limits}),
                                  400, "INVALID_PARAMETER")


class Adoption(CommandCase):
    def tearDown(self):
        if self.server.process is None:
            self.server.start()

    def wait_for_file(self, name):
        wait_until(f"the file {name}", lambda: os.path.exists(self.path(name)))

    def stop_with_keeper(self):
        """A keeper that has an end of which nobody took note waits for the next server; what an earlier test left goes first."""
        self.server.stop()
        self.server.start()
        self.server.stop()
        wait_until("the keeper to be gone", lambda: not processes(self.server.folder, "horae-keeper"))

    def until(self, name):
        return f"while [ ! -e {self.path(name)} ]; do sleep 0.02; done"

    def test_sigkill_of_the_server_leaves_commands_running_and_the_next_one_adopts_them(self):
        self.command("adopted", f"echo begin >> {self.path('marks')}; echo before; echo early >&2; echo progress 30 >&3; {self.until('finish')};"
                     f" echo end >> {self.path('marks')}; echo after; echo late >&2")
        self.command("ended", f"echo begin >> {self.path('ended')}; {self.until('down')}; echo over; touch {self.path('really-over')}")
        uid, ended = self.server.trigger("adopted"), self.server.trigger("ended")
        self.wait_for_file("marks")
        self.wait_for_file("ended")
        wait_until("the progress", lambda: self.server.execution(uid)["progress"] == 30)
        before = self.server.execution(uid)
        self.server.kill()
        self.touch("down")  # `ended` ends while nobody is there
        self.wait_for_file("really-over")
        self.server.start()
        after = self.server.in_state(uid, "running")
        closed = self.server.finished(ended)  # how fast: bench/command.py
        for member in ("execution_uid", "fencing_token", "started_at", "progress", "retry_count"):
            self.assertEqual(after.get(member), before.get(member), member)
        self.assertEqual((closed["state"], closed["result"]), ("success", "over\n"))
        self.touch("finish")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["result"], run["error_stack"], run["retry_count"]), ("success", "before\nafter\n", "early\nlate\n", 0))
        self.assertEqual(self.logs(uid, "?stream=stdout"), b"before\nafter\n")
        self.assertEqual((self.read("marks"), self.read("ended")), ("begin\nend\n", "begin\n"))

    def test_the_deadline_of_an_adopted_command_is_kept(self):
        self.command("late", f"trap '' TERM; touch {self.path('begun')}; while :; do sleep 0.1; done", max_duration_seconds=3, timeout_grace_period=1)
        uid = self.server.trigger("late")
        self.wait_for_file("begun")  # `running` says that it was claimed; killed before the keeper has it, it would end interrupted
        self.server.kill()
        self.server.start()
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["error_message"]), ("timeout", "deadline of 3 s exceeded; grace period of 1 s exceeded, stopped by force"))
        self.assertGreaterEqual(run["duration_ms"], 4000)

    def test_a_command_that_ended_at_its_deadline_while_no_server_ran_is_a_timeout(self):
        obey = f"trap 'touch {self.path('told')}; until [ -e {self.path('go')} ]; do sleep 0.05; done; rm {self.path('told')}; exit 3' TERM; while :; do sleep 0.05; done"
        self.command("obeys", obey, max_duration_seconds=4, timeout_grace_period=3)
        uid = self.server.trigger("obeys")
        wait_until("its end to be asked for", lambda: os.path.exists(self.path("told")))
        self.server.kill()
        self.touch("go")
        wait_until("it to obey", lambda: not os.path.exists(self.path("told")))
        self.server.start()
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["error_message"]), ("timeout", "deadline of 4 s exceeded; exited within the grace period of 3 s"))

    def test_the_deadline_of_a_later_attempt_counts_from_its_own_start(self):
        self.command("second", f"[ $HORAE_ATTEMPT = 2 ] || {{ sleep 2.5; exit 1; }}; touch {self.path('second')}; {self.until('second-go')}", max_retries=1,
                     max_duration_seconds=4, timeout_grace_period=0, retry_backoff={"base_ms": 1, "cap_ms": 1, "jitter_percent": 0})
        uid = self.server.trigger("second")
        self.wait_for_file("second")
        self.server.kill()
        self.server.start()
        self.server.in_state(uid, "running")
        time.sleep(2)  # more than 4 s after the first attempt began, less than 4 s after the second
        self.touch("second-go")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["retry_count"]), ("success", 1), run)

    def test_an_adopted_command_can_be_cancelled_and_one_told_to_end_is_told_again(self):
        self.command("adopted-cancel", f"echo $$ > {self.path('adopted-cancel')}; sleep 300", timeout_grace_period=5)
        uid = self.server.trigger("adopted-cancel")
        pid = self.read_pid("adopted-cancel")
        self.server.kill()
        self.server.start()
        self.server.post(f"/scheduler/executions/{uid}/cancel", {"reason": "enough"})
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["cancel_reason"]), ("cancelled", "enough"))
        self.assertFalse(is_alive(pid))
        self.command("deaf", f"trap '' TERM; echo $$ > {self.path('deaf')}; while :; do sleep 0.1; done", timeout_grace_period=2)
        uid = self.server.trigger("deaf")
        pid = self.read_pid("deaf")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.server.kill()
        self.server.start()
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["error_message"]), ("cancelled", "cancelled; grace period exceeded, stopped by force"))
        self.assertFalse(is_alive(pid))

    def test_a_command_whose_task_is_gone_is_ended(self):
        self.command("deleted", f"trap '' TERM; echo $$ > {self.path('deleted')}; while :; do sleep 0.1; done", timeout_grace_period=60)
        uid = self.server.trigger("deleted")
        pid = self.read_pid("deleted")
        self.assertEqual(self.server.request("DELETE", "/scheduler/tasks/deleted").status, 204)
        self.server.kill()
        self.server.start()
        wait_until("the process to be gone", lambda: not is_alive(pid))
        self.assertEqual(self.server.finished(uid)["state"], "cancelled")

    @of_the_file_store("copies are made by horae")
    def test_a_command_that_the_store_does_not_know_is_ended(self):
        self.assertEqual(subprocess.run([BINARY, "store", "backup", self.path("backup.db"), "--data", self.server.folder], capture_output=True, check=False).returncode, 0)
        self.command("unknown", f"echo $$ > {self.path('unknown')}; sleep 300")
        self.server.trigger("unknown")
        pid = self.read_pid("unknown")
        self.server.kill()
        for name in ("horae.db-wal", "horae.db-shm"):
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
        shutil.copy(self.path("backup.db"), self.path("horae.db"))
        self.server.start()
        wait_until("the process to be gone", lambda: not is_alive(pid))

    def test_a_keeper_that_does_not_answer_is_waited_for(self):
        self.command("patient", f"echo $$ > {self.path('patient')}; {self.until('patient-go')}; echo done")
        uid = self.server.trigger("patient")
        self.read_pid("patient")
        self.server.kill()
        keeper = keeper_of(self.server)
        os.kill(keeper, signal.SIGSTOP)
        try:
            self.server.start()
            self.assertEqual(self.server.execution(uid)["state"], "running")  # nobody knows: not closed, not run again
            self.server.create(name="own", type="noop")
            self.assertEqual(self.server.finished(self.server.trigger("own"))["state"], "success")
        finally:
            os.kill(keeper, signal.SIGCONT)
        self.touch("patient-go")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["result"]), ("success", "done\n"))

    def test_a_keeper_of_another_version_stops_the_start_and_says_what_to_do(self):
        self.stop_with_keeper()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path("keeper.sock"))
        listener.listen(1)

        def refuse():
            connection, _ = listener.accept()
            connection.recv(64)
            connection.sendall(struct.pack("=IHHIII", 12, 22, 0, 5, 6, 3))  # REFUSED: speaks 5 to 6, has 3 commands
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", self.server.folder],
                              env={"PATH": os.environ["PATH"], "HORAE_ADMIN_TOKEN": ADMIN_TOKEN}, capture_output=True, text=True, timeout=30, check=False)
        thread.join()
        listener.close()
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"process {os.getpid()}, 3 commands) speaks protocol 5 to 6, this server", done.stderr)
        self.assertIn(f"end it with `kill {os.getpid()}`", done.stderr)

    def test_files_of_the_keeper_are_for_the_owner_alone(self):
        self.run_once("modes", "echo output")
        modes = {name: stat.S_IMODE(os.lstat(self.path(name)).st_mode) for name in ("", "keeper.sock", "keeper.lock", "logs")}
        self.assertEqual(modes, {"": 0o700, "keeper.sock": 0o600, "keeper.lock": 0o600, "logs": 0o700})
        programs = [name for name in os.listdir(self.server.folder) if name.startswith("keeper-")]
        self.assertEqual([stat.S_IMODE(os.lstat(self.path(name)).st_mode) for name in programs], [0o700])
        logs = [os.path.join(folder, name) for folder, _, names in os.walk(self.path("logs")) for name in names]
        self.assertTrue(logs)
        self.assertEqual({stat.S_IMODE(os.lstat(name).st_mode) for name in logs}, {0o600})

    def test_programs_of_former_versions_are_removed(self):
        self.server.stop()
        with open(self.path("keeper-0123456789abcdef"), "w", encoding="ascii") as file:
            file.write("an older one")
        self.touch("keeper-notes")
        self.server.start()
        self.assertEqual(self.run_once("newer", "echo yes")["state"], "success")
        left = sorted(name for name in os.listdir(self.server.folder) if name.startswith("keeper-"))
        self.assertEqual(len(left), 2, left)
        self.assertIn("keeper-notes", left)
        self.assertNotIn("keeper-0123456789abcdef", left)

    def test_a_keeper_that_cannot_be_started_fails_the_run_with_the_reason(self):
        self.stop_with_keeper()
        self.server.start()
        program = next(name for name in os.listdir(self.server.folder) if name.startswith("keeper-") and len(name) == 23)
        os.unlink(self.path(program))
        run = self.run_once("no-keeper", "true")
        self.assertEqual(run["state"], "failure")
        self.assertIn("cannot be started: cannot launch the keeper", run["error_message"])
        self.server.stop()
        self.server.start()  # writes it again
        self.assertEqual(self.run_once("keeper-again", "echo yes")["state"], "success")


class Handover(unittest.TestCase):
    """`--stop-timeout`, `--handover` and SIGUSR2 (rulings section 1, Stop; SCH-74)."""

    def setUp(self):
        self.server = None

    def tearDown(self):
        self.server.remove()

    def start(self, *arguments):
        self.server = Server(arguments)

    def command(self, name, text, **fields):
        self.server.create(name=name, type="command", data=json.dumps({"command": text}), max_retries=0, **fields)
        uid = self.server.trigger(name)
        pid_file = os.path.join(self.server.folder, name)
        wait_until("the command to begin", lambda: os.path.exists(pid_file) and open(pid_file, encoding="ascii").read().strip())
        with open(pid_file, encoding="ascii") as file:
            return uid, int(file.read())

    def mark(self, name):
        return f"echo $$ > {os.path.join(self.server.folder, name)}"

    def wait_for(self, name):
        return f"while [ ! -e {os.path.join(self.server.folder, name)} ]; do sleep 0.02; done"

    def touch(self, name):
        open(os.path.join(self.server.folder, name), "w", encoding="ascii").close()

    def check_handover(self, signo):
        uid, pid = self.command("handed", f"{self.mark('handed')}; {self.wait_for('go')}; echo done")
        keeper = keeper_of(self.server)
        self.server.stop(signo)
        self.assertTrue(is_alive(pid))
        self.server.start()
        self.assertEqual(self.server.execution(uid)["state"], "running")
        self.assertEqual(keeper_of(self.server), keeper)
        self.touch("go")
        run = self.server.finished(uid)
        self.assertEqual((run["state"], run["result"]), ("success", "done\n"))

    def test_sigusr2_hands_over(self):
        self.start()
        self.check_handover(signal.SIGUSR2)

    def test_with_the_setting_sigterm_hands_over(self):
        self.start("--handover")
        self.check_handover(signal.SIGTERM)

    def test_what_runs_may_finish_within_the_stop_time_and_nothing_new_starts(self):
        self.start("--stop-timeout", "20")
        uid, _ = self.command("half", f"{self.mark('half')}; {self.wait_for('go')}; echo done")
        waiting = self.server.post("/scheduler/executions", {"task_uid": "half", "items": [{}]}).json["execution_uids"][0]
        threading.Timer(0.5, self.touch, ["go"]).start()
        self.server.stop()
        self.assertEqual(processes(self.server.folder, "horae-keeper"), wait_until("the keeper to be gone", lambda: [[]] if not processes(self.server.folder, "horae-keeper") else None)[0])
        self.server.start()
        run = self.server.execution(uid)
        self.assertEqual((run["state"], run["result"]), ("success", "done\n"))
        self.assertEqual(self.server.finished(waiting)["state"], "success")  # waited for the next server

    def test_at_the_end_of_the_stop_time_commands_get_sigterm_grace_and_sigkill(self):
        self.start("--stop-timeout", "1")
        path = os.path.join(self.server.folder, "said")
        obeys, first = self.command("obeys", f"trap 'echo bye > {path}; exit 0' TERM; {self.mark('obeys')}; while :; do sleep 0.05; done", timeout_grace_period=20)
        ignores, second = self.command("ignores", f"trap '' TERM; {self.mark('ignores')}; while :; do sleep 0.05; done", timeout_grace_period=1)
        self.server.stop()
        self.assertFalse(is_alive(first) or is_alive(second))
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "bye\n")
        self.server.start()
        for uid in (obeys, ignores):
            self.assertEqual(self.server.execution(uid)["state"], "interrupted")
            self.assertEqual(self.server.post(f"/scheduler/executions/{uid}/retry").status, 202)

    def test_without_stop_time_they_are_told_at_once(self):
        self.start("--stop-timeout", "0")
        uid, pid = self.command("now", f"{self.mark('now')}; sleep 300", timeout_grace_period=20)
        self.server.stop()
        self.assertFalse(is_alive(pid))
        self.server.start()
        self.assertEqual(self.server.execution(uid)["state"], "interrupted")

    def test_a_second_server_on_the_same_data_names_the_first(self):
        self.start()
        done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", self.server.folder],
                              env={"PATH": os.environ["PATH"], "HORAE_ADMIN_TOKEN": ADMIN_TOKEN, **store_environment(self.server.folder)},
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"process {self.server.process.pid}", done.stderr)
