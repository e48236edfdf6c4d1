# SPDX-License-Identifier: Apache-2.0
"""A data folder of the version before the audit log (migrations 1 to 5) is opened by this one: everything is there, and the audit
log begins."""
import contextlib
import os
import shutil
import sqlite3
import tempfile
import unittest

from harness import Server, audit_events, of_the_file_store, run_cli

DUMP = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "before-audit.sql")
TOKEN = "ht_7t2hFBSRx6Htgh6Y9Vt8gXLGyxvjUbLjfYX50nzdvqo"  # made when the dump was
TASKS = {"nightly": "01a2147d-8601-7b18-904a-91c12ce0848e", "every-5": "01a2147d-8680-7e67-81df-a7eaffabb137",
         "breaks": "01a2147d-8682-7feb-a6b3-0572a4722f3c", "says": "01a2147d-8683-7f37-8bfd-4348ade7583e"}


@of_the_file_store("an older version had no other")
class FromBeforeTheAuditLog(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        with open(DUMP, encoding="utf-8") as file, contextlib.closing(sqlite3.connect(f"{self.folder}/horae.db")) as db:
            db.executescript(file.read())
            self.assertEqual([row[0] for row in db.execute("SELECT number FROM schema_migrations ORDER BY number")], [1, 2, 3, 4, 5])

    def serve(self):
        server = Server(data=self.folder)
        self.addCleanup(server.remove)
        return server

    def test_everything_is_there_and_the_audit_log_begins(self):
        server = self.serve()
        # what it was told
        tasks = {task["name"]: task for task in server.get("/scheduler/tasks?page_size=100").data}
        self.assertEqual({name: tasks[name]["uid"] for name in TASKS}, TASKS)
        nightly = tasks["nightly"]
        self.assertEqual((nightly["cron_expr"], nightly["timezone"], nightly["labels"], nightly["priority"], nightly["description"]),
                         ("0 2 * * *", "Europe/Berlin", {"team": "ops"}, 7, "the old one"))
        self.assertTrue(nightly["next_run"])
        self.assertEqual((tasks["every-5"]["enabled"], tasks["every-5"]["next_run"], tasks["every-5"]["interval"]), (False, None, 300))
        self.assertEqual(server.get("/scheduler/config").data["execution_retention_days"], 3650)
        # what it did
        self.assertEqual((tasks["breaks"]["failure_executions"], tasks["breaks"]["consecutive_failures"], tasks["breaks"]["health"]), (3, 3, "critical"))
        said = server.executions(task_name="says")
        self.assertEqual([(run["state"], run["result"], run["fencing_token"]) for run in said], [("success", "hello of old\n", 6)])
        self.assertEqual([run["state"] for run in server.executions(task_name="breaks")], ["failure"] * 3)
        waits = server.execution("01a2147d-86f9-73d4-96df-bbdabbb5b46b")
        self.assertEqual((waits["state"], waits["scheduled_at"]), ("pending", "2099-01-01T00:00:00.000Z"))
        # who may
        self.assertEqual(server.get("/auth/me", token=TOKEN).data["role"], "operator")
        self.assertEqual(server.post("/auth/login", {"username": "ann", "password": "a password of old"}, token=None).status, 200)
        # it goes on
        self.assertGreater(server.finished(server.trigger("says"))["fencing_token"], 6)
        self.assertEqual(server.request("PATCH", "/scheduler/tasks/nightly", {"priority": 8}, token=TOKEN).status, 200)
        events = audit_events(server)
        made = [event["resource"]["data"]["name"] for event in events if event["action"] == "created"]
        self.assertEqual(made, ["audit_cleanup"])  # the task that is new; nothing is recorded of what was there
        changed = next(event for event in events if event["action"] == "updated")
        self.assertEqual((changed["old"]["priority"], changed["new"]["priority"], changed["resource"]["identifier"]), (7, 8, TASKS["nightly"]))
        self.assertEqual({event["action"] for event in events} - {"purged"}, {"started", "created", "login", "triggered", "updated"})
        self.assertTrue(server.get("/audit/verify").data["ok"])
        server.stop()
        for command in (("audit", "verify"), ("store", "check")):
            done = run_cli(*command, "--data", self.folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_second_start_changes_nothing_more(self):
        server = self.serve()
        before = {task["name"]: task["version"] for task in server.get("/scheduler/tasks?page_size=100").data}
        server.stop()
        count = len(audit_events(server))
        server.start()
        self.assertEqual({task["name"]: task["version"] for task in server.get("/scheduler/tasks?page_size=100").data}, before)
        self.assertEqual([event["action"] for event in audit_events(server)[count:]], ["started"])


if __name__ == "__main__":
    unittest.main()
