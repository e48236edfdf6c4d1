# SPDX-License-Identifier: Apache-2.0
"""Alerts (CRON-50 to CRON-52, CRON-60): a receiver of webhooks on loopback, whose signatures are checked here by another
program than the server's; what is told, how often, and what becomes of it when the receiver, the server or the store is away."""
import base64
import collections
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import os
import resource
import shutil
import socket
import sqlite3
import tempfile
import threading
import time
import unittest

from harness import ADMIN_TOKEN, Server, ServerCase, audit_events, of_the_file_store, run_cli, wait_until

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four b").decode()


class Receiver:
    """Takes webhooks on a free port; `status` is what it answers, and `hold` keeps it from answering at all."""

    def __init__(self, port=0):
        self.seen, self.status, self.hold = [], 204, None
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.seen.append((self.path, dict(self.headers), body))
                if receiver.hold:
                    receiver.hold.wait(60)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    def close(self):
        if self.hold:
            self.hold.set()
        self.server.shutdown()
        self.server.server_close()

    def messages(self, kind=None, status=None):
        found = [json.loads(body) for _, _, body in list(self.seen)]
        return [m for m in found if (not kind or m["data"]["kind"] == kind) and (not status or m["data"]["status"] == status)]

    def ids(self):
        return [headers["webhook-id"] for _, headers, _ in list(self.seen)]


def settings(receiver, **more):
    return {"SYSTEM_ALERT_WEBHOOK_URL": receiver.url, "SYSTEM_ALERT_WEBHOOK_SECRET": SECRET, "HORAE_ALERT_RETRY_MS": "20", **more}


class Case(unittest.TestCase):
    def start(self, arguments=(), env=None, **more):
        server = Server(arguments, env, **more)
        self.addCleanup(server.remove)
        return server

    def receiver(self, port=0):
        receiver = Receiver(port)
        self.addCleanup(receiver.close)
        return receiver


def failing(server, name, **more):
    server.create(name=name, type="noop", data='{"fail_attempts": 1000}', max_retries=0, **more)


def alerts(server, **filters):
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return server.get(f"/alerts?page_size=100&{query}").data


class Webhook(Case):
    def test_a_failure_arrives_signed_and_is_said_in_the_log(self):
        receiver = self.receiver()
        server = self.start(env=settings(receiver))
        failing(server, "breaks")
        uid = server.trigger("breaks")
        server.finished(uid)
        wait_until("the webhook", lambda: receiver.seen)
        path, headers, body = receiver.seen[0]
        self.assertEqual((path, headers["Content-Type"]), ("/hook", "application/json"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        self.assertEqual(headers["webhook-signature"], "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode())
        message = json.loads(body)
        self.assertEqual(message["type"], "alert.execution_failed")
        data = message["data"]
        task = server.get("/scheduler/tasks/breaks").data["uid"]
        self.assertEqual((data["id"], data["severity"], data["status"], data["subject"], data["repeats"]),
                         (headers["webhook-id"], "WARNING", "firing", f"task:{task}", 0))
        self.assertEqual((data["details"]["execution_uid"], data["details"]["task_name"], data["details"]["state"]), (uid, "breaks", "failure"))
        self.assertIn('task "breaks" failed: ', data["message"])
        wait_until("both to be sent", lambda: len(alerts(server, state="sent")) == 2)
        rows = {row["channel"]: row for row in alerts(server)}
        self.assertEqual(set(rows), {"log", "webhook"})
        for row in rows.values():
            self.assertEqual((row["payload"], row["message_id"], row["attempts"], row["next_attempt_at"]), (message, data["id"], 1, None))
            self.assertTrue(row["sent_at"])
        self.assertIn("alert: execution_failed {", server.log_text())
        self.assertEqual(server.get(f"/alerts/{rows['log']['id']}").data, rows["log"])
        sent = wait_until("the metrics", lambda: [line for line in server.get("/metrics").body.decode().splitlines() if line.endswith(" 1") and line.startswith("horae_alerts_total{")])
        self.assertEqual(sorted(sent), [f'horae_alerts_total{{kind="execution_failed",channel="{channel}",result="sent"}} 1' for channel in ("log", "webhook")])

    def test_it_is_tried_again_with_the_same_id_until_it_arrives(self):
        receiver = self.receiver()
        receiver.status = 500
        server = self.start(env=settings(receiver))
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        wait_until("three attempts", lambda: len(receiver.seen) >= 3)
        waiting = alerts(server, state="pending", channel="webhook")[0]
        self.assertEqual(waiting["last_error"], "HTTP status 500")
        self.assertTrue(waiting["next_attempt_at"])
        receiver.status = 200
        wait_until("it to be sent", lambda: alerts(server, state="sent", channel="webhook"))
        self.assertEqual(len(set(receiver.ids())), 1)
        self.assertEqual(len({body for _, _, body in receiver.seen}), 1)
        self.assertEqual(alerts(server, channel="webhook")[0]["attempts"], len(receiver.seen))

    def test_a_receiver_that_is_away_gets_it_when_it_is_back(self):
        receiver = self.receiver()
        receiver.close()
        away = socket.socket()  # bound and not listening: refused, and nobody else gets the port
        self.addCleanup(away.close)
        away.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        away.bind(("127.0.0.1", receiver.port))
        server = self.start(env=settings(receiver, HORAE_ALERT_ATTEMPTS="100"))
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        row = wait_until("an attempt", lambda: [row for row in alerts(server, state="pending", channel="webhook") if row["attempts"] > 1])[0]
        self.assertIn("request failed: ", row["last_error"])
        away.close()
        back = self.receiver(receiver.port)
        wait_until("the webhook", lambda: back.seen)
        self.assertEqual(back.ids()[0], row["message_id"])

    def test_after_its_attempts_it_is_dead_and_can_be_sent_again_by_hand(self):
        receiver = self.receiver()
        receiver.status = 503
        server = self.start(env=settings(receiver, HORAE_ALERT_ATTEMPTS="4"))
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        dead = wait_until("it to be dead", lambda: alerts(server, state="dead"))[0]
        self.assertEqual((len(receiver.seen), dead["attempts"], dead["last_error"], dead["sent_at"]), (4, 4, "HTTP status 503", None))
        self.assertIn("given up after 4 attempts: execution_failed by webhook: HTTP status 503", server.log_text())
        receiver.status = 200
        path = f"/alerts/{dead['id']}/retry"
        self.assertEqual(server.post(path, headers={"Idempotency-Key": "once"}).status, 202)
        self.assertEqual(server.post(path, headers={"Idempotency-Key": "once"}).status, 202)
        wait_until("it to be sent", lambda: server.get(f"/alerts/{dead['id']}").data["state"] == "sent")
        self.assertEqual((len(receiver.seen), len(set(receiver.ids()))), (5, 1))
        recorded = [(event["action"], event["resource"]["type"], event["resource"]["identifier"], event["status"])
                    for event in audit_events(server) if event["resource"]["type"] == "alert"]
        self.assertEqual(recorded, [("triggered", "alert", str(dead["id"]), "success")])  # AUD-40; a repeat is none
        answer = server.post(path)
        self.assertEqual((answer.status, answer.json["code"]), (409, "CONFLICT"), answer.body)
        for missing in ("/alerts/999999/retry", "/alerts/none/retry"):
            self.assertEqual(server.post(missing).status, 404)
        self.assertEqual(server.get("/alerts/999999").status, 404)

    def test_a_receiver_that_hangs_harms_nobody_else(self):
        receiver = self.receiver()
        receiver.hold = threading.Event()
        server = self.start(env=settings(receiver))
        failing(server, "breaks")
        server.create(name="works", type="noop")
        server.finished(server.trigger("breaks"))
        wait_until("the attempt", lambda: receiver.seen)
        self.assertEqual(server.finished(server.trigger("works"))["state"], "success")
        server.stop()  # although it waits for an answer
        receiver.hold.set()
        receiver.hold = None
        server.start()
        wait_until("it to be sent", lambda: alerts(server, state="sent", channel="webhook"))
        self.assertEqual(len(set(receiver.ids())), 1)

    def test_without_an_address_the_log_has_it_and_nothing_is_posted(self):
        server = self.start()
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        wait_until("the log", lambda: "alert: execution_failed {" in server.log_text())
        self.assertEqual([row["channel"] for row in alerts(server)], ["log"])


class Killed(Case):
    """Between the commit of an end and the delivery of its alert, wherever the kill falls: at least once, under one id."""

    @of_the_file_store("looks into its file")
    def test_a_kill_before_the_delivery_loses_nothing(self):
        receiver = self.receiver()
        receiver.close()
        server = self.start(env=settings(receiver, HORAE_ALERT_RETRY_MS="100000"))
        for number in range(5):
            failing(server, f"breaks-{number}")
            server.finished(server.trigger(f"breaks-{number}"))
        server.kill()
        back = self.receiver(receiver.port)
        server.env["HORAE_ALERT_RETRY_MS"] = "20"
        with sqlite3.connect(os.path.join(server.folder, "horae.db")) as db:  # what would take minutes is due now
            expected = {row[0].hex() for row in db.execute("SELECT uid FROM alerts WHERE channel = 'webhook'")}
            db.execute("UPDATE alerts SET due_at = 0")
        db.close()
        self.assertEqual(len(expected), 5)
        server.start()
        wait_until("all five", lambda: len(set(back.ids())) == 5)
        self.assertEqual({uid.replace("-", "") for uid in back.ids()}, expected)

    def test_a_kill_during_the_delivery_repeats_it_under_the_same_id(self):
        receiver = self.receiver()
        receiver.hold = threading.Event()
        server = self.start(env=settings(receiver))
        failing(server, "breaks")
        server.trigger("breaks")
        wait_until("the attempt", lambda: receiver.seen)
        server.kill()
        receiver.hold.set()
        receiver.hold = None
        server.start()
        wait_until("the second", lambda: len(receiver.seen) >= 2)
        self.assertEqual(len(set(receiver.ids())), 1)
        wait_until("it to be sent", lambda: alerts(server, state="sent", channel="webhook"))
        self.assertEqual(alerts(server, channel="webhook")[0]["attempts"], 2)

    @of_the_file_store("looks into its file")
    def test_every_end_that_was_recorded_has_its_alert(self):
        """Killed in the middle of many failures of many tasks: an end without an alert, or the other way round, is none."""
        server = self.start()
        for number in range(40):
            failing(server, f"breaks-{number}")
        for number in range(40):
            server.trigger(f"breaks-{number}")
        server.kill()
        db = sqlite3.connect(os.path.join(server.folder, "horae.db"))
        self.addCleanup(db.close)
        ended = {f"task:{self.uuid(uid)}" for (uid,) in db.execute("SELECT t.uid FROM task_executions e JOIN sched_tasks t ON t.id = e.task_id WHERE e.state = 3")}
        told = {subject for (subject,) in db.execute("SELECT subject FROM alerts WHERE kind = 'execution_failed'")}
        self.assertTrue(ended)
        self.assertEqual(ended, told)

    @staticmethod
    def uuid(raw):
        text = raw.hex()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Rules(Case):
    def test_repeats_within_a_minute_are_counted_and_not_told(self):
        server = self.start()
        failing(server, "breaks")
        for _ in range(3):
            server.finished(server.trigger("breaks"))
        self.assertEqual(len(alerts(server, kind="execution_failed")), 1)
        with open(f"{server.folder}/clock", "w", encoding="ascii") as file:
            file.write("61")
        server.stop()
        server.env["HORAE_TEST_CLOCK_FILE"] = f"{server.folder}/clock"
        server.start()
        server.finished(server.trigger("breaks"))
        found = alerts(server, kind="execution_failed")
        self.assertEqual([row["payload"]["data"]["repeats"] for row in found], [2, 0])

    def test_a_timeout_is_told_as_one(self):
        server = self.start()
        server.create(name="slow", type="command", data=json.dumps({"command": "sleep 60"}), max_duration_seconds=1, timeout_grace_period=0, max_retries=0)
        server.finished(server.trigger("slow"))
        row = alerts(server)[0]
        self.assertEqual((row["kind"], row["payload"]["data"]["details"]["state"]), ("execution_timeout", "timeout"))
        self.assertIn('task "slow" timed out: deadline of 1 s exceeded', row["payload"]["data"]["message"])

    def test_a_retry_that_succeeds_is_no_failure(self):
        server = self.start()
        server.create(name="once", type="noop", data='{"fail_attempts": 1}', max_retries=1, retry_backoff={"base_ms": 10, "cap_ms": 10, "jitter_percent": 0})
        server.create(name="cancelled", type="noop", data='{"sleep_ms": 60000}')
        self.assertEqual(server.finished(server.trigger("once"))["state"], "success")
        uid = server.trigger("cancelled")
        server.in_state(uid, "running")
        server.post(f"/scheduler/executions/{uid}/cancel")
        self.assertEqual(server.finished(uid)["state"], "cancelled")
        self.assertEqual(alerts(server), [])

    def test_failures_in_a_row_are_told_once_and_again_when_it_succeeds(self):
        server = self.start(["--alert-failures", "3"])
        failing(server, "breaks")

        def told():
            return [(row["payload"]["data"]["status"], row["payload"]["data"]["severity"]) for row in reversed(alerts(server, kind="executions_failing"))]

        for count in range(1, 6):
            server.finished(server.trigger("breaks"))
            self.assertEqual(told(), [("firing", "ERROR")] if count >= 3 else [], count)
        self.assertIn("has failed 3 times in a row", alerts(server, kind="executions_failing")[0]["payload"]["data"]["message"])
        server.kill()  # what is known of the row survives
        server.start()
        server.finished(server.trigger("breaks"))
        self.assertEqual(len(told()), 1)
        self.assertEqual(server.request("PATCH", "/scheduler/tasks/breaks", {"data": "{}"}).status, 200)
        self.assertEqual(server.finished(server.trigger("breaks"))["state"], "success")
        self.assertEqual(told(), [("firing", "ERROR"), ("resolved", "INFO")])
        self.assertEqual(server.finished(server.trigger("breaks"))["state"], "success")
        self.assertEqual(len(told()), 2)

    def test_a_task_that_is_deleted_fails_no_more(self):
        server = self.start(["--alert-failures", "1"])
        failing(server, "breaks")
        failing(server, "breaks-too")
        server.finished(server.trigger("breaks"))
        for name in ("breaks", "breaks-too"):
            self.assertEqual(server.request("DELETE", f"/scheduler/tasks/{name}").status, 204)
        found = alerts(server, kind="executions_failing")
        self.assertEqual([(row["payload"]["data"]["status"], row["payload"]["data"]["message"]) for row in found[:1]], [("resolved", 'task "breaks" was deleted')])
        self.assertEqual(len(found), 2)

    def test_only_what_is_asked_for_is_told(self):
        server = self.start(["--alert-on", "execution_timeout", "--alert-failures", "1"])
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        self.assertEqual(alerts(server), [])
        server.remove()
        server = self.start(["--alert-on", "executions_failing,execution_failed", "--alert-failures", "0"])
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        self.assertEqual([row["kind"] for row in alerts(server)], ["execution_failed"])

    def test_settings_that_are_wrong_are_refused_by_name(self):
        done = run_cli("serve", "--alert-on", "sometimes", "--alert-webhook", "ftp://user:hidden@host/", env={"SYSTEM_ALERT_WEBHOOK_SECRET": "very hidden", "HORAE_ALERT_ATTEMPTS": "0"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('alerts.on: "sometimes" is not allowed; it must be all, none, audit_dropped, store_failure, execution_failed, execution_timeout, executions_failing or lock_failure', done.stderr)
        self.assertIn("alerts.webhook_url: \"***\" is not allowed; it must begin with http:// or https://", done.stderr)
        self.assertIn("alerts.attempts (HORAE_ALERT_ATTEMPTS)", done.stderr)
        self.assertNotIn("hidden", done.stderr)
        self.assertIn("alerts.webhook_url is missing", run_cli("serve", env={"SYSTEM_ALERT_WEBHOOK_SECRET": "very hidden"}).stderr)


class Lists(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number in range(5):
            failing(cls.server, f"breaks-{number}")
            cls.server.finished(cls.server.trigger(f"breaks-{number}"))

    def test_pages_and_filters(self):
        whole = self.server.get("/alerts?kind=execution_failed&page_size=100").json
        self.assertEqual((len(whole["data"]), whole["pagination"]["total"]), (5, 5))
        self.assertEqual([row["id"] for row in whole["data"]], sorted((row["id"] for row in whole["data"]), reverse=True))
        first = self.server.get("/alerts?page_size=2").json
        second = self.server.get(f"/alerts?page_size=2&cursor={first['pagination']['next_cursor']}").json
        third = self.server.get(f"/alerts?page_size=2&cursor={second['pagination']['next_cursor']}").json
        self.assertEqual([row["id"] for page in (first, second, third) for row in page["data"]], [row["id"] for row in whole["data"]])
        self.assertNotIn("next_cursor", third["pagination"])
        self.assertEqual([row["id"] for row in self.server.get("/alerts?page_size=2&page=2").data], [row["id"] for row in second["data"]])
        self.assertEqual(self.server.get("/alerts?channel=webhook").data, [])
        self.assertEqual(self.server.get("/alerts?kind=store_failure").data, [])
        for query, param in (("state=gone", "state"), ("kind=all", "kind"), ("channel=mail", "channel"), ("subject=x", "subject")):
            self.assert_error(self.server.get(f"/alerts?{query}"), 400, "INVALID_PARAMETER", param)

    def test_the_stream_tells_of_them(self):
        connection = http.client.HTTPConnection(self.server.host, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/api/v1/stream?topics=alert", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        stream = connection.getresponse()
        stream.readline()
        failing(self.server, "told")
        self.server.trigger("told")
        events = []
        while len(events) < 2:
            line = stream.readline().decode().strip()
            if line.startswith("event: alert."):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and "alert" in line:
                events.append((name, json.loads(line.removeprefix("data: "))))
        self.assertEqual([(name, data["type"], data["kind"], data["state"]) for name, data in events],
                         [("alert.created", "alert", "execution_failed", "pending"), ("alert.updated", "alert", "execution_failed", "sent")])


@of_the_file_store("looks into its file")
class Bounds(Case):
    """The outbox has an end: by number while it waits, by age when it is over."""

    INSERT = ("INSERT INTO alerts (uid, channel, kind, subject, payload, state, due_at, created_at, updated_at) SELECT randomblob(16), 'webhook', 'execution_failed',"
              " 'task:of-the-test', '{\"data\":{\"kind\":\"execution_failed\",\"status\":\"firing\"}}', ?, ?, ?, ?"
              " FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n)")

    def rows(self, server, sql, arguments=()):
        with contextlib.closing(sqlite3.connect(f"{server.folder}/horae.db")) as db, db:
            return db.execute(sql, arguments).fetchall()

    def test_of_more_than_ten_thousand_that_wait_the_oldest_are_given_up(self):
        receiver = self.receiver()
        server = self.start(env=settings(receiver))
        server.stop()
        later = int((time.time() + 3600) * 1e6)
        self.rows(server, self.INSERT, (0, later, 1, 1, 10_025))
        ids = [row[0] for row in self.rows(server, "SELECT id FROM alerts ORDER BY id")]
        server.start()
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))  # one more, and one of the log
        wait_until("the new one", lambda: receiver.seen)
        waiting = lambda: self.rows(server, "SELECT count(*) FROM alerts WHERE state < 2")[0][0]
        wait_until("the oldest to be given up", lambda: waiting() <= 10_000)
        dead = [row[0] for row in self.rows(server, "SELECT id FROM alerts WHERE state = 3 ORDER BY id")]
        self.assertGreaterEqual(len(dead), 25)
        self.assertEqual(dead, ids[:len(dead)])
        self.assertEqual(server.metric("horae_alerts_given_up_total"), len(dead))
        self.assertIn("25 alerts are given up: more than 10000 wait", server.log_text())  # at the start; others with the new ones
        self.assertEqual(self.rows(server, "SELECT DISTINCT last_error FROM alerts WHERE state = 3"), [("too many wait: the oldest are given up",)])

    def test_what_was_sent_or_given_up_goes_with_the_executions_of_its_time(self):
        server = self.start(env=settings(self.receiver()))
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        wait_until("both to be sent", lambda: len(alerts(server, state="sent")) == 2)
        server.stop()
        now = int(time.time() * 1e6)
        old, later = now - 91 * 86400 * 1_000_000, now + 3600 * 1_000_000
        for state in (0, 2, 3):
            self.rows(server, self.INSERT, (state, later, old, old, 3))
        self.rows(server, "INSERT INTO alert_subjects VALUES ('execution_failed', 'task:long-ago', ?, 0, 0), ('executions_failing', 'task:lasts', ?, 0, 1)", (old, old))
        server.start()
        self.assertEqual(server.finished(server.trigger("execution_cleanup"))["state"], "success")
        of_test = self.rows(server, "SELECT state, count(*) FROM alerts WHERE subject = 'task:of-the-test' GROUP BY state")
        self.assertEqual(of_test, [(0, 3)])  # what waits stays, however old
        self.assertEqual(len(alerts(server, state="sent")), 2)
        self.assertEqual(self.rows(server, "SELECT subject FROM alert_subjects WHERE told_at = ?", (old,)), [("task:lasts",)])
        purged = [event for event in audit_events(server) if event["action"] == "purged" and event["resource_type"] == "alert"]
        self.assertEqual(purged[-1]["data"]["count"], "6")


@of_the_file_store("its disk is full")
class Store(Case):
    """The store refuses: the log says so at once, and once; when it takes changes again the outbox has it, with its end."""

    def refuse(self, server, yes):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0 if yes else resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def test_audit_events_that_are_dropped_are_told(self):
        receiver = self.receiver()
        elsewhere = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, elsewhere)
        server = self.start(env=settings(receiver, HORAE_ALERTS="audit_dropped"), log_folder=elsewhere)
        event = {"action": "created", "resource": {"type": "pod", "identifier": "p"}, "user": {"uid": "u", "username": "u", "type": "user"}, "data": {"text": "x" * 4000}}
        self.refuse(server, True)
        for _ in range(3):
            self.assertEqual(server.post("/audit/events?ack=queued", [event] * 100).status, 202)
        wait_until("them to be dropped", lambda: server.metric("horae_audit_dropped_total") >= 300)
        wait_until("the log", lambda: "alert: audit_dropped {" in server.log_text())
        self.refuse(server, False)
        message = wait_until("the webhook", lambda: receiver.messages("audit_dropped"))[0]["data"]
        self.assertEqual((message["severity"], message["subject"], message["status"]), ("CRITICAL", "audit", "firing"))
        self.assertRegex(message["message"], "^([0-9]+ audit events were dropped|audit events cannot be stored): ")
        self.assertIn("dropped", message["details"])

    def test_a_failure_of_the_store_is_told_and_that_it_is_over(self):
        receiver = self.receiver()
        elsewhere = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, elsewhere)
        server = self.start(env=settings(receiver), log_folder=elsewhere)
        self.refuse(server, True)
        refused = 0
        while refused < 3:
            refused += server.post("/scheduler/tasks", {"name": f"t{os.urandom(8).hex()}", "type": "noop", "description": "x" * 4000}).status == 503
        wait_until("the log", lambda: "alert: store_failure {" in server.log_text())
        self.assertEqual(receiver.seen, [])
        self.refuse(server, False)
        wait_until("both messages", lambda: len(receiver.messages("store_failure")) == 2)
        self.assertEqual(collections.Counter(m["data"]["status"] for m in receiver.messages("store_failure")), {"firing": 1, "resolved": 1})
        message = receiver.messages("store_failure", "firing")[0]["data"]
        self.assertEqual((message["severity"], message["subject"]), ("CRITICAL", "store"))
        self.assertIn("the store refused a change: the store cannot be used", message["message"])
        self.assertGreaterEqual(message["repeats"], 2)
        self.assertEqual(server.log_text().count('"status":"firing","subject":"store"'), 1)
        failing(server, "breaks")
        server.finished(server.trigger("breaks"))
        wait_until("what comes after", lambda: receiver.messages("execution_failed"))
