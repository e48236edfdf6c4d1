# SPDX-License-Identifier: Apache-2.0
"""What must hold after kills: `check_round` while the load goes on, `check_all` once it is quiet (SCH-01, SCH-70..74, DATA-14).
Witnesses are what callers were promised, the marks that commands wrote themselves, and processes; the history must agree."""
import collections
import contextlib
import datetime
import os
import subprocess
import time

import harness
from command_kit import is_alive, processes
from harness import wait_until
from kill_load import TERMINAL, TICKS

# Other tasks end in a success, cancelled or interrupted.
ALLOWED = {"instant": {"success", "interrupted"}, "tick": {"success", "interrupted"}, "short": {"success", "interrupted"},
           "daemon": {"timeout", "cancelled", "interrupted"}}


class Account:
    def __init__(self, server, load):
        self.server, self.load = server, load
        self.found = {}  # execution uid → its state when it was read last
        self.slots = {task: {} for task in TICKS}  # task → slot → execution uid
        self.begun, self.ended = {}, collections.Counter()  # (uid, attempt) → (fence, slot); how often it came to its end
        self.fences = {}  # fence → (uid, attempt)
        self.marks_read = 0

    def expect(self, good, text):
        if not good:
            raise AssertionError(text)

    # ---- after each kill ----

    def check_round(self):
        self.expect(not self.load.violations, f"{self.load.violations[:5]}")
        promised = {uid for uids in list(self.load.acknowledged.values()) for uid in list(uids)}
        self.read_history(lambda: not promised - self.found.keys())
        lost = promised - self.found.keys()
        self.expect(not lost, f"acknowledged and lost: {sorted(lost)[:5]}")
        self.read_marks()
        for task in TICKS:
            self.check_sums(task)

    def read_history(self, enough=lambda: False):
        """The newest first, until the condition holds or all are read. Notes what may never change."""
        cursor, runs = "", {}
        while True:
            answer = self.server.get(f"/scheduler/executions?page_size=100{cursor}").json
            for run in answer["data"]:
                self.note_run(run)
                runs[run["execution_uid"]] = run
            following = answer["pagination"].get("next_cursor")
            if not following or enough():
                return runs
            cursor = f"&cursor={following}"

    def note_run(self, run):
        uid, state = run["execution_uid"], run["state"]
        before = self.found.get(uid)
        self.expect(before not in TERMINAL or before == state, f"{uid} was {before} and is {state}")
        self.found[uid] = state
        recorded = run.get("attempts", [])
        self.expect([a["attempt"] for a in recorded] == list(range(1, len(recorded) + 1)), f"{uid}: attempts are {recorded}")
        fences = [a["fencing_token"] for a in recorded]
        self.expect(fences == sorted(set(fences)), f"{uid}: fences do not grow: {recorded}")
        if run["task_name"] in TICKS and run["trigger_type"] == "scheduled":
            other = self.slots[run["task_name"]].setdefault(run["scheduled_at"], uid)
            self.expect(other == uid, f"{run['task_name']}: slot {run['scheduled_at']} has {other} and {uid}")

    def read_marks(self):
        """Those since the last time; the last line may still be on its way."""
        with contextlib.suppress(FileNotFoundError), open(self.load.marks, encoding="ascii") as file:
            file.seek(self.marks_read)
            text = file.read()
            whole = text[:text.rfind("\n") + 1]
            self.marks_read += len(whole)
            for line in whole.splitlines():
                self.note_mark(*line.split())

    def note_mark(self, kind, uid, attempt, fence, slot=None):
        key, fence = (uid, int(attempt)), int(fence)
        if kind == "e":
            self.ended[key] += 1
            self.expect(self.ended[key] == 1, f"attempt {key} came to its end twice")
            return
        self.expect(key not in self.begun, f"attempt {key} ran twice")
        other = self.fences.setdefault(fence, key)
        self.expect(other == key, f"{other} and {key} ran with the same fence {fence}")
        self.begun[key] = (fence, slot)

    def check_sums(self, task):
        """By the counters, and by counting: the engine's slots against rows."""
        for query in ("page_size=1", "page_size=1&from=1"):
            summary = self.server.get(f"/scheduler/tasks/{task}/occurrences?{query}").json["summary"]
            self.expect(summary["expected"] == sum(n for verdict, n in summary.items() if verdict != "expected"), f"{task}, {query}: {summary}")
        return summary

    # ---- at the end ----

    def check_all(self):
        """The load is quiet. Stops the server. Returns the executions by uid."""
        for task in TICKS:
            self.check_seconds(task)
        for state in ("pending", "running"):
            wait_until(f"nothing to be {state}", lambda state=state: not self.server.get(f"/scheduler/executions?state={state}").json["data"], 120)
        self.check_round()
        runs = self.read_history()
        self.check_states(runs)
        self.check_counters(runs)
        self.check_marks(runs)
        for task in TICKS:
            summary = self.check_sums(task)
            self.expect(summary["fired"] + summary["shifted"] == len(self.slots[task]), f"{task}: {summary}, but {len(self.slots[task])} executions of slots")
        self.check_edits()
        self.check_end()
        return runs

    def check_seconds(self, task):
        """Due every second from its creation to its disabling: no slot is left out. By the clock of this process."""
        created = self.server.get(f"/scheduler/tasks/{task}").data["created_at"]
        begun = int(datetime.datetime.fromisoformat(created).timestamp())
        least = int(time.time()) - begun
        self.expect(self.server.post(f"/scheduler/tasks/{task}/disable").status == 200, f"{task} cannot be disabled")
        most = int(time.time()) - begun
        expected = self.check_sums(task)["expected"]
        self.expect(least <= expected <= most, f"{task}: {expected} slots expected in {least} to {most} seconds")

    def check_states(self, runs):
        for uid, run in runs.items():
            what = f"{run['task_name']} {uid}: {run['state']} {run.get('error_message')}"
            self.expect(run["state"] in ALLOWED.get(run["task_name"], TERMINAL - {"failure", "timeout"}), what)
            self.expect(run["finished_at"] and run["finished_at"] >= (run.get("started_at") or "")[:23], f"{what}: ends before it begins")
            observed = self.load.observed.get(uid)
            self.expect(observed not in TERMINAL or observed == run["state"], f"{what}: was announced as {observed}")
        for task, uids in self.load.acknowledged.items():
            self.expect(len(uids) == len(set(uids)), f"{task}: a uid was given twice")
        self.expect(self.load.acknowledged["instant"] and self.load.acknowledged["mark"] and self.begun, "there was no load")

    def check_counters(self, runs):
        counts = collections.Counter((run["task_name"], run["state"]) for run in runs.values())
        for task in {name for name, _ in counts if name in self.load.acknowledged or name in TICKS}:
            found = self.server.get(f"/scheduler/tasks/{task}").data
            self.expect(found["total_executions"] == sum(n for (name, _), n in counts.items() if name == task), f"{task}: its counter differs from its history")
            self.expect(found["success_executions"] == counts[task, "success"], f"{task}: its counter of successes differs from its history")

    def check_marks(self, runs):
        for (uid, attempt), (fence, slot) in self.begun.items():
            run = runs.get(uid)
            self.expect(run is not None, f"{uid} ran and is not in the history")
            recorded = {a["attempt"]: a["fencing_token"] for a in run.get("attempts", [])}
            recorded.setdefault(run.get("retry_count", 0) + 1, run.get("fencing_token"))
            self.expect(recorded.get(attempt) == fence, f"{uid}: attempt {attempt} ran with fence {fence}, recorded are {recorded}")
            self.expect(run["scheduled_at"] == slot, f"{uid}: was told slot {slot}, recorded is {run['scheduled_at']}")
        for uid, run in runs.items():
            if run["task_type"] != "command" or run["state"] != "success":
                continue
            last = run.get("retry_count", 0) + 1
            never = [attempt for attempt in range(1, last + 1) if (uid, attempt) not in self.begun]
            self.expect(not never, f"{uid} is a success after {last} attempts, and of them never ran {never}")
            self.expect(self.ended[uid, last] == 1, f"{uid} is a success and did not come to its end")

    def check_edits(self):
        for task, texts in self.load.descriptions.items():
            found = self.server.get(f"/scheduler/tasks/{task}").data.get("description")
            self.expect(found in texts, f"{task}: its description is {found}, acknowledged was one of {texts}")
        for name in self.load.made:
            self.expect(self.server.get(f"/scheduler/tasks/{name}").status == 200, f"the task {name} was acknowledged and is lost")
        for name in self.load.deleted:
            self.expect(self.server.get(f"/scheduler/tasks/{name}").status == 404, f"the task {name} was deleted and is there")

    def check_end(self):
        """No process is left, and the store is whole."""
        self.server.stop()
        if processes(self.server.folder, "horae-keeper"):  # an end was acknowledged after the server had gone: once more
            self.server.start()
            self.server.stop()
        for name in ("horae-keeper", "horae-guard"):
            wait_until(f"no {name}", lambda name=name: not processes(self.server.folder, name))
        entry = f"MARKS={self.load.marks}"
        left = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and is_alive(pid) and carries(pid, entry)]
        self.expect(not left, f"processes of commands are left, daemons among them: {left}")
        checked = subprocess.run([harness.BINARY, "store", "check", *harness.store_arguments(self.server.folder)], capture_output=True, text=True, check=False)
        self.expect(checked.returncode == 0, f"store check: {checked.stdout}{checked.stderr}")


def carries(pid, entry):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return entry.encode() in file.read().split(b"\0")
    return False
