# SPDX-License-Identifier: Apache-2.0
"""Several instances of horae on one PostgreSQL, and the proof from the store that nothing was lost, doubled or left behind whatever was done
to them."""
import contextlib
import http.client
import os
import random
import signal
import threading
import time

from harness import Server, wait_until

SECOND_US = 1_000_000


class Instance(Server):
    def __init__(self, arguments=(), env=None, data=None):
        self.is_paused = False
        super().__init__(arguments, env, data)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.is_paused = True

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        self.is_paused = False

    def kill(self):
        super().kill()
        self.is_paused = False

    def stop(self, signo=signal.SIGTERM):
        if self.is_paused:
            self.go_on()
        super().stop(signo)

    @property
    def lives(self):
        return self.process is not None and not self.is_paused

    def role(self):
        """What it says of itself: planner, member, or None."""
        with contextlib.suppress(OSError):
            answer = self.get("/healthz", token=None)
            return answer.json.get("cluster", {}).get("role")
        return None


class Instances:
    """`count` instances on the store `url`, named a, b, c, …; `cluster` and `name` are of the database, for the superuser."""

    def __init__(self, cluster, name, url, count=3, env=None, arguments=()):
        self.cluster, self.name, self.url = cluster, name, url
        self.env, self.arguments = env or {}, list(arguments)
        self.all = []
        try:
            for i in range(count):
                self.add("abcdefgh"[i])
        except BaseException:
            self.remove()
            raise

    def add(self, name, **env):
        one = Instance(["--instance", name, *self.arguments], {"HORAE_STORE": self.url, **self.env, **env})
        one.name = name
        self.all.append(one)
        return one

    def remove(self):
        for one in self.all:
            with contextlib.suppress(AssertionError):
                one.remove()

    def leader(self, limit_s=30):
        return wait_until("a leader", lambda: next((one for one in self.all if one.lives and one.role() == "planner"), None), limit_s)

    def follower(self):
        return wait_until("a follower", lambda: next((one for one in self.all if one.lives and one.role() == "member"), None))

    def status(self, method, path, body=None):
        """What the leader answers, or None: it may be about to follow."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.leader().request(method, path, body).status
        return None

    def rows(self, sql):
        return [line.split("|") for line in self.cluster.sql(sql, self.name).splitlines()]

    def number(self, sql):
        return int(self.rows(sql)[0][0])

    # ---- the proof ----

    def slots_of(self, task):
        """Second → how often it has a verdict: of executions that a schedule made, and of the ledger's runs of slots."""
        found = {}
        for row in self.rows(f"SELECT scheduled_at FROM task_executions e JOIN sched_tasks t ON t.id = e.task_id WHERE t.name = '{task}'"
                             " AND e.cause IN (0, 3) AND e.scheduled_at IS NOT NULL"):
            found[int(row[0])] = found.get(int(row[0]), 0) + 1
        for first, last, count in self.rows(f"SELECT first_at, last_at, count FROM task_occurrences o JOIN sched_tasks t ON t.id = o.task_id WHERE t.name = '{task}'"):
            slots = range(int(first), int(last) + 1, SECOND_US)
            assert len(slots) == int(count), (first, last, count)
            for slot in slots:
                found[slot] = found.get(slot, 0) + 1
        return found

    def check(self, acknowledged=(), task="tick"):
        """Raises AssertionError naming what is wrong. Some instance must be able to lead."""
        one = self.leader()
        wait_until("nothing to be running", lambda: not [row for row in one.executions(state="running") if row["task_name"] != task], 60)
        one.post(f"/scheduler/tasks/{task}/disable")
        wait_until("the last run", lambda: not self.number("SELECT count(*) FROM task_executions WHERE state < 2"), 60)
        summary = one.get(f"/scheduler/tasks/{task}/occurrences").json["summary"]
        verdicts = ("fired", "coalesced", "skipped", "missed", "shifted")
        assert summary["expected"] == sum(summary[verdict] for verdict in verdicts), summary
        found = self.slots_of(task)
        twice = [slot for slot, times in found.items() if times != 1]
        assert not twice, f"slots with several verdicts: {twice[:5]}"
        gaps = [slot for slot in range(min(found), max(found), SECOND_US) if slot not in found]
        assert not gaps, f"slots without a verdict: {gaps[:5]} of {len(found)}"
        doubled = self.number("SELECT count(*) - count(DISTINCT (task_id, scheduled_at)) FROM task_executions WHERE cause = 0")
        assert doubled == 0, f"{doubled} slots ran twice"
        self.check_leases()
        known = {row[0] for row in self.rows("SELECT encode(uid, 'hex') FROM task_executions")}
        lost = [uid for uid in acknowledged if uid.replace("-", "") not in known]
        assert not lost, f"acknowledged and not there: {lost[:5]} of {len(acknowledged)}"
        return summary

    def check_leases(self):
        """Of two holders of the lease the one with the larger number began after the other's had ended."""
        rows = self.rows("SELECT fencing_token, acquired_at, coalesce(released_at, expires_at) FROM task_locks WHERE lock_key = 'scheduler_global' ORDER BY fencing_token")
        for (fence, _, until), (later, since, _) in zip(rows, rows[1:]):
            assert int(since) >= int(until), f"leases {fence} and {later} overlap: {until} {since}"


class Callers:
    """Trigger through any instance, all the time; keep what was acknowledged. A call that fails is no error, a wrong answer is."""

    def __init__(self, instances, task="work", threads=2, seed=0):
        self.instances, self.task = instances, task
        self.acknowledged, self.refused, self.wrong = [], 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{seed}/{i}"),), daemon=True) for i in range(threads)]

    def run(self, choice):
        while not self.over.wait(0.02):
            living = [one for one in self.instances.all if one.lives]
            if not living:
                continue
            try:
                answer = choice.choice(living).post(f"/scheduler/tasks/{self.task}/trigger")
            except (OSError, ValueError, AttributeError):  # it is being killed
                self.refused += 1
                continue
            except Exception as error:  # pylint: disable=broad-except  # http.client has several for a connection that ends
                if "http" not in type(error).__module__:
                    self.wrong.append(repr(error))
                self.refused += 1
                continue
            if answer.status == 202:
                self.acknowledged.append(answer.json["execution_uid"])
            elif answer.status == 503:
                self.refused += 1
            else:
                self.wrong.append((answer.status, answer.body))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(60)


def next_slot_after(instances, at_us, task="tick", limit_s=20):
    """Seconds from `at_us` to the start of the first execution of a later slot that another leader made."""
    def found():
        rows = instances.rows(f"SELECT min(started_at) FROM task_executions e JOIN sched_tasks t ON t.id = e.task_id WHERE t.name = '{task}' AND e.started_at > {at_us}")
        return rows and rows[0][0] and int(rows[0][0])

    return (wait_until("a slot to run", found, limit_s) - at_us) / SECOND_US


def now_us():
    return time.time_ns() // 1000


def environment(**more):
    return {"PATH": os.environ["PATH"], **more}
