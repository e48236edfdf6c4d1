# SPDX-License-Identifier: Apache-2.0
"""Load for the kill loop: tasks whose runs leave marks, and threads that trigger, edit, cancel, create, delete and listen
whatever happens to the server. What the server promised them is noted for the account (kill_account.py)."""
import collections
import contextlib
import http.client
import json
import os
import random
import threading
import time

from harness import ADMIN_TOKEN

TERMINAL = {"success", "failure", "timeout", "cancelled", "interrupted"}
FOLLOWS = {"pending": {"running"} | TERMINAL, "running": TERMINAL}
TICKS = ("tick", "marked-tick")  # due every second
FAST_RETRY = {"base_ms": 20, "cap_ms": 20, "jitter_percent": 0}
# Each run says when it begins and ends: what ran twice cannot hide. Its length follows from its fence.
MARK = ('echo "b $HORAE_EXECUTION_UID $HORAE_ATTEMPT $HORAE_FENCING_TOKEN $HORAE_SCHEDULED_AT" >> "$MARKS"; {work}; '
        'echo "e $HORAE_EXECUTION_UID $HORAE_ATTEMPT $HORAE_FENCING_TOKEN" >> "$MARKS"{then}')
SHORT_WORK = "sleep 0.0$((HORAE_FENCING_TOKEN % 10))"
LOST = (OSError, http.client.HTTPException)  # the server went away before it answered: it promised nothing


class Load:
    def __init__(self, server, seed):
        self.server = server
        self.seeds = random.Random(seed)
        self.marks = os.path.join(server.folder, "marks")
        self.daemons = os.path.join(server.folder, "daemons")
        self.acknowledged = collections.defaultdict(list)  # task → uids of executions
        self.descriptions = {}  # task → what was acknowledged last, or tried since
        self.made, self.deleted = set(), set()  # names of tasks
        self.observed = {}  # execution uid → last state seen in the event stream
        self.violations = []  # what no answer and no event may be
        self.quiet = threading.Event()
        self.threads = []

    def create_tasks(self):
        self.noop("instant")
        self.noop("short", {"sleep_ms": 30})
        self.noop("tick", cron_expr="* * * * * *", misfire_policy="run_all")
        self.command("mark", SHORT_WORK)
        self.command("marked-tick", SHORT_WORK, cron_expr="* * * * * *", misfire_policy="run_all")
        self.command("again", SHORT_WORK, then="; [ $HORAE_ATTEMPT -ge 3 ]", max_retries=4, retry_backoff=FAST_RETRY)
        self.command("long", "sleep 1.5")
        self.command("daemon", f"(setsid sh -c 'echo $$ >> {self.daemons}; exec sleep 1000' &); sleep 1000", max_duration_seconds=3, timeout_grace_period=0)

    def noop(self, name, data=None, **fields):
        self.server.create(name=name, type="noop", data=json.dumps(data or {}), overlap="queue_all", max_concurrent=1000, **{"max_retries": 0, **fields})

    def command(self, name, work, then="", **fields):
        data = {"command": MARK.format(work=work, then=then), "env": {"MARKS": self.marks}}
        self.server.create(name=name, type="command", data=json.dumps(data), overlap="queue_all", max_concurrent=20, **{"max_retries": 0, **fields})

    # ---- threads ----

    def start(self):
        work = [(self.trigger, "instant", 0.005), (self.trigger, "short", 0.02), (self.trigger_many, "mark", 0.1), (self.trigger, "again", 0.15),
                (self.trigger, "long", 0.3), (self.trigger, "daemon", 0.7), (self.edit, 0.02), (self.make_and_delete, 0.05), (self.cancel, 0.1), (self.listen,)]
        self.threads = [threading.Thread(target=self.repeat, args=(random.Random(self.seeds.random()), *each)) for each in work]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.quiet.set()
        for thread in self.threads:
            thread.join()

    def repeat(self, choose, work, *arguments):
        while not self.quiet.is_set():
            try:
                work(choose, *arguments)
            except LOST:
                time.sleep(0.01)
            except Exception as error:  # also an answer that the OpenAPI file does not know
                self.violations.append(f"{work.__name__}{arguments}: {error!r}")
                return

    def trigger(self, choose, task, rest):
        answer = self.server.post(f"/scheduler/tasks/{task}/trigger")
        if answer.status == 202:
            self.acknowledged[task].append(answer.json["execution_uid"])
        time.sleep(rest * choose.random() * 2)

    def trigger_many(self, choose, task, rest):
        answer = self.server.post("/scheduler/executions", {"task_uid": task, "items": [{}] * choose.randint(1, 8)})
        if answer.status == 202:
            self.acknowledged[task] += answer.json["execution_uids"]
        time.sleep(rest * choose.random() * 2)

    def edit(self, choose, rest):
        task, text = choose.choice(("instant", "mark", "tick")), str(choose.random())
        self.descriptions.setdefault(task, set()).add(text)
        if self.server.request("PATCH", f"/scheduler/tasks/{task}", {"description": text}).status == 200:
            self.descriptions[task] = {text}  # nothing older may come back
        time.sleep(rest)

    def make_and_delete(self, choose, rest):
        name = f"made-{choose.getrandbits(60)}"
        if self.server.post("/scheduler/tasks", {"name": name, "type": "noop", "cron_expr": "0 0 1 1 *"}).status == 201:
            self.made.add(name)
            if choose.random() < 0.9:
                self.made.discard(name)  # may be gone from here on
                if self.server.request("DELETE", f"/scheduler/tasks/{name}").status == 204:
                    self.deleted.add(name)
        time.sleep(rest)

    def cancel(self, choose, rest):
        uids = self.acknowledged[choose.choice(("long", "mark", "daemon", "again"))]
        if uids:
            self.server.post(f"/scheduler/executions/{choose.choice(uids[-10:])}/cancel")
        time.sleep(rest * choose.random() * 2)

    def listen(self, _choose):
        connection = http.client.HTTPConnection(self.server.host, timeout=2)
        with contextlib.closing(connection):
            connection.request("GET", "/api/v1/stream?topics=execution", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
            response = connection.getresponse()
            while not self.quiet.is_set():
                line = response.readline()
                if not line.endswith(b"\n"):
                    return  # the server is gone, perhaps within a line
                if line.startswith(b"data: {"):
                    event = json.loads(line[6:])
                    if event.get("type") == "execution":
                        self.note_state(event["id"], event["state"])

    def note_state(self, uid, state):
        before = self.observed.get(uid)
        if before and before != state and state not in FOLLOWS.get(before, ()):
            self.violations.append(f"execution {uid} was {before} and became {state}")
        self.observed[uid] = state
