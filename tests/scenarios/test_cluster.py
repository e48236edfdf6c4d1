# SPDX-License-Identifier: Apache-2.0
"""Three instances on one store: any of them answers everything, and whatever ends or stops one of them loses no slot and doubles none
(decision 16). What holds is proven from the store after each (cluster_kit.Instances.check)."""
import http.client
import json
import os
import socket
import subprocess
import threading
import time
import unittest

from cluster_kit import Callers, Instances, environment, next_slot_after, now_us
from cluster_loop import ClusterLoop
from harness import ADMIN_TOKEN, BINARY, run_cli, wait_until
from postgres_kit import Cluster


def setUpModule():
    global cluster  # tests end its sessions and start it again
    cluster = Cluster()
    unittest.addModuleCleanup(cluster.close)


class Case(unittest.TestCase):
    COUNT = 3
    ENV = {}

    def setUp(self):
        self.name = "db_" + self.id().rsplit(".", 1)[1][-50:]
        cluster.sql(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        self.url = cluster.database(self.name)
        self.instances = Instances(cluster, self.name, self.url, self.COUNT, self.ENV)
        self.addCleanup(self.instances.remove)

    def tick(self):
        one = self.instances.leader()
        one.create(name="tick", type="noop", cron_expr="* * * * * *")
        one.create(name="work", type="noop", overlap="queue_all", max_concurrent=100)
        self.slots(2)
        return one

    def slots(self, more):
        """Waits until so many more slots have run."""
        sql = "SELECT count(*) FROM task_executions WHERE cause = 0 AND state > 1"
        before = self.instances.number(sql)
        wait_until("slots", lambda: self.instances.number(sql) >= before + more, 60)


class ThroughAny(Case):
    def test_every_call_is_answered_by_every_instance(self):
        leader = self.instances.leader()
        self.assertEqual(sum(one.role() == "planner" for one in self.instances.all), 1)
        leader.create(name="echo", type="command", data=json.dumps({"command": "echo out of the command; echo err >&2"}))
        leader.create(name="long", type="command", data=json.dumps({"command": "sleep 60"}), timeout_grace_period=1)
        for one in self.instances.all:
            with self.subTest(one.name):
                uid = one.trigger("echo")
                self.assertEqual(one.finished(uid)["state"], "success")
                log = one.get(f"/scheduler/executions/{uid}/logs?stream=stdout")
                self.assertIn("out of the command", log.body.decode())
                uid = one.trigger("long")
                one.in_state(uid, "running")
                self.assertEqual(one.post(f"/scheduler/executions/{uid}/cancel").status, 202)
                self.assertEqual(one.finished(uid)["state"], "cancelled")
                self.assertEqual(one.get("/scheduler/tasks/nowhere").status, 404)
                self.assertEqual(one.get("/scheduler/tasks", token="wrong-token-of-nobody").status, 401)
                self.assertEqual(one.get("/no/such/path").status, 404)
                listed = {row["id"]: row["role"] for row in one.get("/scheduler/instances").data}
                self.assertEqual(listed, {other.name: "planner" if other is leader else "member" for other in self.instances.all})
                with open(os.path.join(one.folder, "cli-token"), encoding="utf-8") as file:
                    self.assertEqual(one.get("/auth/me", token=file.read().strip()).data["role"], "admin")
                done = run_cli("task", "list", env={"HORAE_URL": one.url, "HORAE_DATA": one.folder, "HORAE_TOKEN": ADMIN_TOKEN})
                self.assertEqual((done.returncode, "echo" in done.stdout), (0, True), done.stderr)

    def test_who_calls_and_the_request_id_are_those_of_the_client(self):
        """Headers that instances show each other are worth nothing from outside."""
        one = self.instances.follower()
        leader = self.instances.leader()
        answer = one.post("/scheduler/tasks", {"name": "made", "type": "noop"}, headers={"X-Request-Id": "of-the-client"})
        self.assertEqual((answer.status, answer.headers["X-Request-Id"]), (201, "of-the-client"))
        self.assertEqual(answer.headers.get_all("X-Request-Id"), ["of-the-client"])
        event = wait_until("the event", lambda: next(iter(leader.get("/audit/events?resource_type=scheduledTask&action=created").data), None))
        self.assertEqual(event["context"]["client_ip"] if "context" in event else event["client_ip"], "127.0.0.1")
        for server in (one, leader):
            lies = {"X-Horae-Cluster-Secret": "0" * 64, "X-Horae-Cluster-Caller": "cli", "X-Horae-Cluster-Client": "10.9.8.7"}
            self.assertEqual(server.get("/scheduler/tasks", token=None, headers=lies).status, 401)

    def test_large_bodies_and_answers_go_through_in_pieces(self):
        one = self.instances.follower()
        events = [{"action": "created", "resource": {"type": "service", "identifier": f"s{i}"}, "user": {"uid": "u", "username": "u", "type": "user"},
                   "new_object": json.dumps({"x": "y" * 3000})} for i in range(2000)]
        lines = "".join(json.dumps(event) + "\n" for event in events).encode()
        self.assertGreater(len(lines), 6 << 20)
        for chunked in (False, True):
            connection = http.client.HTTPConnection(one.host, timeout=60)
            body = (lines[i:i + 70000] for i in range(0, len(lines), 70000)) if chunked else lines
            connection.request("POST", "/api/v1/audit/events", body=body, encode_chunked=chunked,
                               headers={"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/x-ndjson", **({"Transfer-Encoding": "chunked"} if chunked else {})})
            response = connection.getresponse()
            answer = response.read()
            self.assertEqual(response.status, 201, answer[:500])
            self.assertEqual(len(json.loads(answer)["data"]["ids"]), 2000)
            connection.close()
        export = one.get("/audit/events/export?format=ndjson&resource_type=service")
        self.assertEqual(sum(b"yyyy" in line for line in export.body.splitlines()), 4000)
        self.assertEqual(one.request("POST", "/audit/events", raw=b"x" * (65 << 20), headers={"Content-Type": "application/json"}).status, 413)

    def test_events_stream_through_a_follower(self):
        one = self.instances.follower()
        one.create(name="seen", type="noop")
        connection = http.client.HTTPConnection(one.host, timeout=30)
        connection.request("GET", "/api/v1/stream?topics=execution", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        response = connection.getresponse()
        self.assertEqual((response.status, response.headers["Content-Type"]), (200, "text/event-stream"))
        one.trigger("seen")
        line = response.readline()
        while b"execution." not in line:
            line = response.readline()
            self.assertTrue(line)
        connection.close()

    def test_probes_are_of_the_instance_itself(self):
        for one in self.instances.all:
            wait_until("all to be seen", lambda: one.get("/readyz", token=None).json["cluster"]["instances"] == 3)
            metrics = one.get("/metrics", token=None).body.decode()
            self.assertIn(f"horae_instance_leads {int(one.role() == 'planner')}", metrics)


class Faults(Case):
    def proven(self, acknowledged):
        summary = self.instances.check(acknowledged)
        self.assertEqual(summary["missed"] + summary["skipped"], 0, summary)

    def test_a_leader_that_is_killed(self):
        self.tick()
        with Callers(self.instances) as callers:
            for _ in range(3):
                leader = self.instances.leader()
                leader.kill()
                self.assertLess(next_slot_after(self.instances, now_us()), 8)
                self.slots(1)
                leader.start()
        self.assertEqual(callers.wrong, [])
        self.assertGreater(len(callers.acknowledged), 20)
        self.proven(callers.acknowledged)

    def test_a_leader_that_is_stopped_for_longer_than_its_lease(self):
        """It goes on in the middle of whatever it did, writes nothing, and follows."""
        self.tick()
        with Callers(self.instances) as callers:
            for _ in range(2):
                leader = self.instances.leader()
                leader.pause()
                other = self.instances.leader()
                self.assertIsNot(other, leader)
                self.slots(2)
                leader.go_on()
                wait_until("it to follow", lambda: leader.role() == "member")
        self.assertEqual(callers.wrong, [])
        self.proven(callers.acknowledged)

    def test_all_sessions_with_the_store_are_ended(self):
        self.tick()
        with Callers(self.instances) as callers:
            for _ in range(5):
                cluster.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}' AND usename = 'horae'")
                self.slots(1)
        self.assertEqual(callers.wrong, [])
        self.proven(callers.acknowledged)

    def test_the_store_is_started_again(self):
        self.tick()
        with Callers(self.instances) as callers:
            cluster.stop("immediate")
            try:
                for one in self.instances.all:
                    wait_until("it to say so", lambda one=one: one.get("/readyz", token=None).status == 503)
            finally:
                cluster.start()
            self.slots(2)
        self.assertEqual(callers.wrong, [])
        self.instances.check()  # without fsync the test's server may forget what it had acknowledged

    def test_each_is_stopped_and_started_in_turn(self):
        self.tick()
        with Callers(self.instances) as callers:
            for one in self.instances.all:
                one.stop()
                self.slots(1)
                one.start()
        self.assertEqual(callers.wrong, [])
        self.proven(callers.acknowledged)

    def test_a_store_that_is_put_back_to_an_older_state_is_read_anew(self):
        leader = self.tick()
        leader.post("/scheduler/tasks/tick/disable")
        cluster.sql(f'DROP DATABASE IF EXISTS "{self.name}_old" WITH (FORCE)')
        self.addCleanup(cluster.sql, f'DROP DATABASE IF EXISTS "{self.name}_old" WITH (FORCE)')
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}' AND usename = 'horae'"

        def swap(*statements):
            cluster.sql(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS false')
            cluster.sql(end)
            wait_until("nobody", lambda: not cluster.sql(f"SELECT 1 FROM pg_stat_activity WHERE datname = '{self.name}'"))
            for statement in statements:
                cluster.sql(statement)
            cluster.sql(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS true')

        swap(f'CREATE DATABASE "{self.name}_old" TEMPLATE "{self.name}" OWNER horae')
        wait_until("it to be made", lambda: self.instances.status("POST", "/scheduler/tasks", {"name": "later", "type": "noop"}) in (201, 409))
        swap(f'DROP DATABASE "{self.name}"', f'ALTER DATABASE "{self.name}_old" RENAME TO "{self.name}"')
        wait_until("what is gone to be gone", lambda: self.instances.status("GET", "/scheduler/tasks/later") == 404)
        wait_until("it to be enabled", lambda: self.instances.status("POST", "/scheduler/tasks/tick/enable") == 200)
        self.slots(1)
        self.instances.check()


class Names(Case):
    COUNT = 1

    def test_two_with_one_id(self):
        one = self.instances.all[0]
        done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", one.folder + "-twin", "--instance", one.name], env=environment(HORAE_STORE=self.url),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", one.folder + "-twin"], check=False))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"an instance with the id {one.name} is at work on this store already", done.stderr)
        self.assertIn("--instance", done.stderr)
        one.kill()
        one.start()  # the id is its own, although it was heard of a moment ago
        wait_until("it to lead", lambda: one.role() == "planner")
        one.create(name="there", type="noop")

    def test_commands_on_the_store_are_refused_while_instances_live(self):
        one = self.instances.all[0]
        for command in (("migrate", "--store", self.url), ("copy", self.url, f"sqlite:{one.folder}/copy.db")):
            done = run_cli("store", *command, "--data", one.folder)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertRegex(done.stderr, "another server uses (this store: instance a|.*stop it first)")  # its folder is its own as well

    def test_the_address_that_others_use_may_be_named(self):
        other = self.instances.add("b", HORAE_ADVERTISE="http://localhost:1/")
        self.instances.leader().kill()
        leader = self.instances.leader()
        self.assertIs(leader, other)
        self.assertEqual(self.instances.rows("SELECT address FROM instances WHERE id = 'b'"), [["http://localhost:1"]])
        third = self.instances.add("c")
        begun = time.monotonic()
        answer = third.get("/scheduler/tasks")
        self.assertEqual((answer.status, answer.json["code"], answer.headers["Retry-After"]), (503, "UNAVAILABLE", "1"))
        self.assertIn("cannot be reached", answer.json["error"])
        self.assertLess(time.monotonic() - begun, 15)


class Drain(Case):
    def test_a_leader_that_is_drained_hands_the_lead_over_and_does_not_take_it_again(self):
        leader = self.tick()
        one = self.instances.follower()
        done = run_cli("instance", "drain", leader.name, server=one)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until("another one to lead", lambda: any(other.role() == "planner" for other in self.instances.all if other is not leader))
        self.slots(2)
        self.assertEqual(leader.role(), "member")
        listed = {row["id"]: row["role"] for row in leader.get("/scheduler/instances").data}
        self.assertEqual(listed[leader.name], "draining")
        second = self.instances.leader()
        second.kill()
        third = self.instances.leader()
        self.assertNotIn(third, (leader, second))
        self.assertEqual(third.post("/scheduler/instances/nobody/drain").status, 404)
        third.kill()
        wait_until("the drained one to lead, since nobody else can", lambda: leader.role() == "planner")
        self.assertEqual(leader.post(f"/scheduler/instances/{leader.name}/drain", {"drain": False}).status, 202)
        self.slots(2)
        self.assertEqual(self.instances.check()["missed"], 0)


class Clock(Case):
    COUNT = 1

    def test_an_instance_whose_clock_is_off_says_so_and_leads_only_while_no_other_can(self):
        right = self.instances.all[0]
        path = os.path.join(right.folder, "clock")
        with open(path, "w", encoding="utf-8") as file:
            file.write("0")
        off = self.instances.add("b", HORAE_TEST_CLOCK_FILE=path)
        self.assertFalse(off.get("/readyz", token=None).json["cluster"]["clock_off"])
        with open(path, "w", encoding="utf-8") as file:
            file.write("-3")

        def cluster_of(one):
            return one.get("/healthz", token=None).json["cluster"]

        wait_until("it to say so", lambda: cluster_of(off)["clock_off"])
        self.assertLess(cluster_of(off)["clock_offset_ms"], -2900)
        self.assertIn("ms off the store's", off.log_text())
        self.assertLess(off.metric("horae_clock_offset_ms"), -2900)
        right.kill()
        wait_until("it to lead, since nobody else can", lambda: off.role() == "planner")
        right.start()
        wait_until("it to hand the lead over", lambda: right.role() == "planner")
        wait_until("it to follow", lambda: off.role() == "member")
        listed = {row["id"]: row["clock_offset_ms"] for row in right.get("/scheduler/instances").data}
        self.assertLess(listed["b"], -2900)
        self.assertLess(abs(listed["a"]), 1000)


class Loop(unittest.TestCase):
    SEED = 5

    def test_random_faults(self):
        durable = Cluster({"fsync": "on", "full_page_writes": "on"})
        self.addCleanup(durable.close)
        ClusterLoop(durable, 2, self.SEED).run()


class NobodyPlans(Case):
    COUNT = 2
    ENV = {"ENABLE_CRON": "false"}

    def test_instances_that_never_plan_say_so_until_one_does(self):
        for one in self.instances.all:
            self.assertEqual(one.role(), "member")
            answer = one.get("/scheduler/tasks")
            self.assertEqual((answer.status, answer.json["code"]), (503, "UNAVAILABLE"))
            self.assertIn("ENABLE_CRON=false", answer.json["error"])
            self.assertEqual(one.get("/readyz", token=None).status, 503)
            self.assertEqual(one.get("/healthz", token=None).status, 200)
        planner = self.instances.add("c", ENABLE_CRON="true")
        wait_until("it to lead", lambda: planner.role() == "planner")
        for one in self.instances.all[:2]:
            wait_until("it to know", lambda one=one: one.get("/scheduler/tasks").status == 200)
            self.assertEqual(one.role(), "member")


class WhoStandsStill(Case):
    """What was sent and not answered is told so; nothing is sent twice."""

    def test_a_call_to_a_leader_that_stands_still(self):
        leader = self.tick()
        one = self.instances.follower()
        before = self.instances.number("SELECT count(*) FROM task_executions e JOIN sched_tasks t ON t.id = e.task_id WHERE t.name = 'work'")
        leader.pause()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(one.post("/scheduler/tasks/work/trigger")))
        thread.start()
        read = one.get("/scheduler/tasks/work")  # a GET is asked again of the next one
        self.assertEqual(read.status, 200)
        thread.join(30)
        self.assertEqual(answers[0].status, 503, answers[0].body)
        self.assertIn("whether the change was made is not known", answers[0].json["error"])
        self.assertEqual(answers[0].headers["Retry-After"], "1")
        leader.go_on()
        wait_until("it to follow", lambda: leader.role() == "member")
        after = self.instances.number("SELECT count(*) FROM task_executions e JOIN sched_tasks t ON t.id = e.task_id WHERE t.name = 'work'")
        self.assertLessEqual(after - before, 1)
        self.instances.check()

    def test_a_client_that_leaves_in_the_middle_harms_nobody(self):
        one = self.instances.follower()
        host, port = one.host.split(":")
        for body in (b"", b'{"name": "half'):
            with socket.create_connection((host, int(port))) as peer:
                peer.sendall(b"POST /api/v1/scheduler/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + ADMIN_TOKEN.encode() +
                             b"\r\nContent-Type: application/json\r\nContent-Length: 400000\r\n\r\n" + body + b" " * (300000 if body else 0))
        self.assertEqual({task["type"] for task in one.get("/scheduler/tasks").json["data"]} & {"noop"}, set())
        self.assertEqual(one.get("/scheduler/tasks/half").status, 404)


if __name__ == "__main__":
    unittest.main()
