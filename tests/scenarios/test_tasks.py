# SPDX-License-Identifier: Apache-2.0
"""Definitions: DATA-01, DATA-05, SCH-09, SCH-10, SCH-18, API-10..14, API-30..32, API-35, rulings section 1."""
import json
import urllib.parse

from harness import ServerCase


class Tasks(ServerCase):
    def test_a_created_task_has_its_members_and_defaults(self):
        task = self.server.create(name="defaults", type="noop")
        self.assertEqual(task["max_duration_seconds"], 3600)
        self.assertEqual(task["max_retries"], 3)
        self.assertEqual(task["timeout_grace_period"], 30)
        self.assertEqual(task["max_concurrent"], 1)
        self.assertEqual(task["timezone"], "UTC")
        self.assertEqual(task["misfire_policy"], "run_once")
        self.assertEqual(task["overlap"], "skip")
        self.assertEqual(task["retry_backoff"], {"base_ms": 1000, "cap_ms": 300000, "jitter_percent": 10})
        self.assertFalse(task["is_recurring"])
        self.assertIsNone(task["next_run"])
        self.assertIsNone(task["last_executed_at"])
        self.assertEqual(task["health"], "unknown")
        for absent in ("description", "labels", "data", "last_failure_error"):
            self.assertNotIn(absent, task)  # API-35

    def test_grace_defaults_to_what_fits_below_the_duration(self):
        self.assertEqual(self.server.create(name="short", type="noop", max_duration_seconds=10)["timeout_grace_period"], 9)

    def test_a_task_is_found_by_uid_and_by_name_with_a_slash(self):
        task = self.server.create(name="team/α job", type="noop")
        quoted = urllib.parse.quote("team/α job", safe="")
        self.assertEqual(self.server.get(f"/scheduler/tasks/{quoted}").data["uid"], task["uid"])
        self.assertEqual(self.server.get(f"/scheduler/tasks/{task['uid'].upper()}").data["name"], "team/α job")

    def test_bad_definitions_are_refused_by_name(self):
        bad = [
            ({"type": "noop"}, "name"), ({"name": "x"}, "type"), ({"name": "", "type": "noop"}, "name"),
            ({"name": "x" * 256, "type": "noop"}, "name"), ({"name": "zq", "type": "unknown"}, "type"),
            ({"name": "zq", "type": "noop", "nonsense": 1}, "nonsense"), ({"name": "zq", "type": "noop", "enabled": "yes"}, "enabled"),
            ({"name": "zq", "type": "noop", "max_duration_seconds": 0}, "max_duration_seconds"),
            ({"name": "zq", "type": "noop", "max_duration_seconds": 31536001}, "max_duration_seconds"),
            ({"name": "zq", "type": "noop", "max_retries": 101}, "max_retries"), ({"name": "zq", "type": "noop", "max_retries": 1.5}, "max_retries"),
            ({"name": "zq", "type": "noop", "max_concurrent": 0}, "max_concurrent"), ({"name": "zq", "type": "noop", "priority": 1000001}, "priority"),
            ({"name": "zq", "type": "noop", "timeout_grace_period": 3600}, "timeout_grace_period"),
            ({"name": "zq", "type": "noop", "is_recurring": True}, "cron_expr"),
            ({"name": "zq", "type": "noop", "cron_expr": "61 * * * *"}, "cron_expr"),
            ({"name": "zq", "type": "noop", "cron_expr": "0 0 30 2 *"}, "cron_expr"),
            ({"name": "zq", "type": "noop", "cron_expr": "* * * * *", "timezone": "Mars/Olympus"}, "timezone"),
            ({"name": "zq", "type": "noop", "overlap": "maybe"}, "overlap"), ({"name": "zq", "type": "noop", "misfire_policy": 3}, "misfire_policy"),
            ({"name": "zq", "type": "noop", "labels": {"a": 1}}, "labels"), ({"name": "zq", "type": "noop", "labels": {f"l{i}": "" for i in range(65)}}, "labels"),
            ({"name": "zq", "type": "noop", "data": {"sleep_ms": 1}}, "data"), ({"name": "zq", "type": "noop", "data": "{not json"}, "data"),
            ({"name": "zq", "type": "noop", "data": "{\"sleep_ms\":-1}"}, "data"), ({"name": "zq", "type": "noop", "data": "x" * 10241}, "data"),
            ({"name": "zq", "type": "command"}, "data"), ({"name": "zq", "type": "command", "data": "{\"argv\":[]}"}, "data"),
            ({"name": "zq", "type": "command", "data": "{\"argv\":[\"a\"],\"command\":\"b\"}"}, "data"),
            ({"name": "zq", "type": "http", "data": "{\"url\":\"ftp://x\"}"}, "data"),
            ({"name": "zq", "type": "http", "data": "{\"url\":\"http://x\",\"headers\":{\"Host\":\"y\"}}"}, "data"),
            ({"name": "zq", "type": "noop", "next_run": "2001-01-01T00:00:00Z"}, "next_run"),
            ({"name": "zq", "type": "noop", "next_run": "tomorrow"}, "next_run"),
            ({"name": "01a20d75-160c-74d2-baae-92df640c717c", "type": "noop"}, "name"), ({"name": "a\u0000b", "type": "noop"}, "name"),
            ({"name": "zq", "type": "noop", "description": "d" * 4097}, "description"),
            ({"name": "zq", "type": "noop", "retry_backoff": {"base_ms": -1}}, "retry_backoff.base_ms"),
            ({"name": "zq", "type": "noop", "limits": {"pids": "many"}}, "limits.pids"),
            ({"name": "zq", "type": "noop", "cron_expr": "0 3 * * *", "calendar": "daily"}, "calendar"),
            ({"name": "zq", "type": "noop", "calendar": "daily", "interval": 60}, "interval"),
        ]
        for body, param in bad:
            with self.subTest(body=str(body)[:80]):
                self.assert_error(self.server.post("/scheduler/tasks", body), 400, "INVALID_PARAMETER", param)
        self.assertEqual(self.server.get("/scheduler/tasks?name=zq").json["pagination"]["total"], 0)

    def test_a_name_is_unique(self):
        self.server.create(name="unique", type="noop")
        self.assert_error(self.server.post("/scheduler/tasks", {"name": "unique", "type": "noop"}), 409, "CONFLICT", "name")

    def test_the_type_stays_while_runs_are_unfinished(self):
        self.server.create(name="busy", type="noop", data='{"sleep_ms":60000}')
        uid = self.server.trigger("busy")
        change = {"type": "command", "data": '{"command":"true"}'}
        self.assert_error(self.server.request("PATCH", "/scheduler/tasks/busy", change), 409, "CONFLICT", "type")
        self.server.post(f"/scheduler/executions/{uid}/cancel")
        self.server.finished(uid)
        self.assertEqual(self.server.request("PATCH", "/scheduler/tasks/busy", change).data["type"], "command")

    def test_get_edit_put_works_and_version_guards(self):
        self.server.create(name="edited", type="noop", description="before", secret="s3cret")
        task = self.server.get("/scheduler/tasks/edited").data
        self.assertNotIn("secret", task)
        self.assertTrue(task["has_secret"])
        task["description"] = "after"
        changed = self.server.request("PUT", "/scheduler/tasks/edited", task)
        self.assertEqual(changed.status, 200, changed.body)
        self.assertEqual(changed.data["description"], "after")
        self.assertEqual(changed.data["version"], task["version"] + 1)
        self.assertTrue(changed.data["has_secret"])
        self.assert_error(self.server.request("PUT", "/scheduler/tasks/edited", task), 409, "CONFLICT")

    def test_patch_merges_and_null_resets(self):
        self.server.create(name="patched", type="noop", description="text", labels={"a": "1"}, priority=7)
        patched = self.server.request("PATCH", "/scheduler/tasks/patched", {"description": None, "max_retries": 0}).data
        self.assertNotIn("description", patched)
        self.assertEqual((patched["max_retries"], patched["priority"], patched["labels"]), (0, 7, {"a": "1"}))
        self.assertNotIn("labels", self.server.request("PATCH", "/scheduler/tasks/patched", {"labels": None}).data)

    def test_disable_clears_next_run_and_enable_computes_it(self):
        self.server.create(name="switched", type="noop", cron_expr="0 0 1 1 *")
        self.assertIsNotNone(self.server.get("/scheduler/tasks/switched").data["next_run"])
        self.assertEqual(self.server.post("/scheduler/tasks/switched/disable").status, 200)
        self.assertIsNone(self.server.get("/scheduler/tasks/switched").data["next_run"])
        self.assert_error(self.server.post("/scheduler/tasks/switched/trigger"), 409, "TASK_DISABLED")
        self.assertEqual(self.server.post("/scheduler/tasks/switched/trigger", {"force": True}).status, 202)
        self.assertEqual(self.server.post("/scheduler/tasks/switched/enable").status, 200)
        self.assertIsNotNone(self.server.get("/scheduler/tasks/switched").data["next_run"])

    def test_a_disabled_one_shot_task_keeps_its_time_when_what_was_read_is_sent_back(self):
        """API-32 shows null for it; GET, edit, PUT must not take the time away (rulings, Writes)."""
        at = "2999-01-01T00:00:00.123Z"
        self.server.create(name="once", type="noop", next_run=at, enabled=False)
        shown = self.server.get("/scheduler/tasks/once").data
        self.assertIsNone(shown["next_run"])
        self.server.request("PUT", "/scheduler/tasks/once", {**shown, "description": "edited"})
        self.assertEqual(self.server.post("/scheduler/tasks/once/enable").status, 200)
        self.assertEqual(self.server.get("/scheduler/tasks/once").data["next_run"], at)
        self.assertIsNone(self.server.request("PATCH", "/scheduler/tasks/once", {"next_run": None}).data["next_run"])

    def test_an_anchor_is_shown_and_sent_back_as_it_is(self):
        task = self.server.create(name="anchored", type="noop", interval=60, anchor="2025-01-01T00:00:00.0005Z")
        self.assertEqual(self.server.request("PUT", "/scheduler/tasks/anchored", task).data["next_run"], task["next_run"])
        for epoch in (0, "1970-01-01T00:00:00Z"):
            self.assert_error(self.server.request("PATCH", "/scheduler/tasks/anchored", {"anchor": epoch}), 400, "INVALID_PARAMETER", "anchor")

    def test_delete_keeps_history(self):
        self.server.create(name="deleted", type="noop")
        uid = self.server.trigger("deleted")
        self.server.finished(uid)
        answer = self.server.request("DELETE", "/scheduler/tasks/deleted")
        self.assertEqual((answer.status, answer.body), (204, b""))
        self.assert_error(self.server.get("/scheduler/tasks/deleted"), 404, "NOT_FOUND")
        self.assertEqual(self.server.execution(uid)["task_name"], "deleted")
        self.server.create(name="deleted", type="noop")  # the name is free again

    def test_lists_filter_and_page(self):
        for i in range(5):
            self.server.create(name=f"listed-{i}", type="noop", labels={"team": "a" if i < 2 else "b"}, enabled=i != 4)
        first = self.server.get("/scheduler/tasks?name=listed-&page_size=2").json
        self.assertEqual([t["name"] for t in first["data"]], ["listed-0", "listed-1"])
        self.assertEqual((first["pagination"]["total"], first["pagination"]["total_pages"]), (5, 3))
        following = self.server.get(f"/scheduler/tasks?name=listed-&page_size=2&cursor={first['pagination']['next_cursor']}").json
        self.assertEqual([t["name"] for t in following["data"]], ["listed-2", "listed-3"])
        self.assertEqual(self.server.get("/scheduler/tasks?label=team%3Da").json["pagination"]["total"], 2)
        self.assertEqual(self.server.get("/scheduler/tasks?name=listed-&enabled=false").json["pagination"]["total"], 1)
        for query in ("enabled=yes", "type=none", "page=0", "page_size=101", "nonsense=1", "page=1&page=2", "label=x", "name=%ff"):
            self.assertEqual(self.server.get(f"/scheduler/tasks?{query}").status, 400, query)

    def test_next_is_computed_by_the_engine_that_fires(self):
        self.server.create(name="coming", type="noop", cron_expr="30 2 * * *", timezone="America/New_York")
        times = self.server.get("/scheduler/tasks/coming/next?count=2&from=2026-03-08T00:00:00Z").data
        self.assertEqual(times, ["2026-03-08T07:00:00.000Z", "2026-03-09T06:30:00.000Z"])  # the gap of 8 March

    def test_types_publish_their_schemas(self):
        types = {row["type"]: row for row in self.server.get("/scheduler/types").data}
        self.assertEqual(set(types), {"command", "http", "noop", "execution_cleanup", "lock_cleanup", "audit_cleanup"})
        import jsonschema

        jsonschema.Draft7Validator.check_schema(types["command"]["schema"])
        jsonschema.validate({"argv": ["true"]}, types["command"]["schema"])

    def test_declared_tasks_that_did_not_change_stay_as_they_are_over_a_restart(self):
        """GEN-04: the server declares its own tasks at every start."""
        before = {name: self.server.get(f"/scheduler/tasks/{name}").data for name in ("execution_cleanup", "lock_cleanup", "audit_cleanup")}
        self.server.stop()
        self.server.start()
        for name, task in before.items():
            after = self.server.get(f"/scheduler/tasks/{name}").data
            self.assertEqual((after["version"], after["uid"]), (task["version"], task["uid"]))

    def test_maintenance_tasks_are_there_from_the_start(self):
        self.assertEqual(self.server.get("/scheduler/tasks/execution_cleanup").data["cron_expr"], "0 2 * * *")
        self.assertEqual(self.server.get("/scheduler/tasks/lock_cleanup").data["cron_expr"], "0 3 * * *")
        self.assertEqual(self.server.get("/scheduler/tasks/audit_cleanup").data["cron_expr"], "0 2 * * *")
        done = self.server.finished(self.server.trigger("execution_cleanup"))
        self.assertEqual(done["state"], "success", done)
        self.assertIn("deleted 0 executions", done["result"])

    def test_retention_is_read_and_changed(self):
        self.assertEqual(self.server.get("/scheduler/config").data["execution_retention_days"], 90)
        changed = self.server.request("PUT", "/scheduler/config", {"execution_retention_days": 10})
        self.assertEqual((changed.status, changed.data["execution_retention_days"]), (200, 10))
        refused = self.server.request("PUT", "/scheduler/config", {"execution_retention_days": 3651})
        self.assert_error(refused, 400, "INVALID_PARAMETER", "execution_retention_days")
        self.assertIn("retention_days must be between 1 and 3650", refused.json["error"])

    def test_an_idempotency_key_gives_one_effect_and_one_answer(self):
        headers = {"Idempotency-Key": "once"}
        body = {"name": "idempotent", "type": "noop"}
        first = self.server.post("/scheduler/tasks", body, headers=headers)
        again = self.server.post("/scheduler/tasks", body, headers=headers)
        self.assertEqual((first.status, again.status), (201, 201))
        self.assertEqual(json.loads(first.body), json.loads(again.body))
        other = self.server.post("/scheduler/tasks", {"name": "other", "type": "noop"}, headers=headers)
        self.assert_error(other, 409, "IDEMPOTENCY_KEY_REUSED")

    def test_repeats_without_a_body_are_answered_the_same_way(self):
        self.server.create(name="repeat", type="noop")
        headers = {"Idempotency-Key": "delete-once"}
        first = self.server.request("DELETE", "/scheduler/tasks/repeat", headers=headers)
        again = self.server.request("DELETE", "/scheduler/tasks/repeat", headers=headers)
        self.assertEqual((first.status, again.status, again.body), (204, 204, b""))
        release = {"Idempotency-Key": "release-once"}
        path = "/scheduler/locks/scheduler_global/release"
        self.assertEqual(self.server.post(path, headers=release).status, 200)
        fence = self.server.get("/scheduler/locks").data[0]["fencing_token"]
        self.assertEqual(self.server.post(path, headers=release).status, 200)
        self.assertEqual(self.server.get("/scheduler/locks").data[0]["fencing_token"], fence)
