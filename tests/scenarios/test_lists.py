# SPDX-License-Identifier: Apache-2.0
"""Lists: paging both ways, totals, filters, times in queries (API-05, API-06, API-15, API-31, SCH-80; rulings section 2
"Times", "Totals")."""
import time

from harness import ServerCase, wait_until


class Lists(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i in range(7):
            cls.server.create(name=f"list-{i}", type="noop", labels={"n": str(i % 2)})
            cls.server.post("/users", {"username": f"user{i}", "password": "long enough", "role": "viewer"})
            cls.server.post("/tokens", {"name": f"token{i}", "role": "viewer"})
        for _ in range(5):
            cls.server.post("/scheduler/locks/scheduler_global/release")
        for name in ("ran", "once"):  # without labels: this instance has none
            cls.server.create(name=name, type="noop")
        bulk = cls.server.post("/scheduler/executions", {"task_uid": "ran", "items": [{}] * 7})
        for uid in bulk.json["execution_uids"]:
            cls.server.finished(uid)

    def by_pages(self, path):
        rows, page = [], 1
        while True:
            answer = self.server.get(f"{path}{'&' if '?' in path else '?'}page_size=3&page={page}").json
            pagination = answer["pagination"]
            self.assertEqual((pagination["page"], pagination["page_size"], pagination["total_pages"]), (page, 3, -(-pagination["total"] // 3)))
            self.assertEqual("next_cursor" in pagination, page < pagination["total_pages"], answer)
            rows += answer["data"]
            if page >= pagination["total_pages"]:
                self.assertEqual(len(rows), pagination["total"])
                return rows
            page += 1

    def by_cursor(self, path):
        rows, query = [], ""
        while True:
            answer = self.server.get(f"{path}{'&' if '?' in path else '?'}page_size=3{query}").json
            rows += answer["data"]
            if "next_cursor" not in answer["pagination"]:
                return rows
            self.assertEqual(len(answer["data"]), 3)
            query = "&cursor=" + answer["pagination"]["next_cursor"]

    def test_both_ways_of_paging_show_every_row_once(self):
        for path, least in [("/scheduler/tasks", 9), ("/scheduler/tasks?name=list-", 7), ("/scheduler/tasks?label=n%3D1", 3), ("/scheduler/executions", 7),
                            ("/scheduler/executions?task_name=ran&state=success", 7), ("/scheduler/executions?task_name=nobody", 0), ("/users", 8), ("/tokens", 7),
                            ("/scheduler/locks", 1), ("/scheduler/locks?state=released", 5), ("/scheduler/locks?state=ended", 5), ("/scheduler/locks?state=expired", 0),
                            ("/scheduler/instances", 1)]:
            with self.subTest(path=path):
                rows = self.by_pages(path)
                self.assertGreaterEqual(len(rows), least)
                self.assertEqual(len({str(row) for row in rows}), len(rows))
                if "instances" not in path:
                    self.assertEqual(self.by_cursor(path), rows)

    def test_parameters_of_pages_are_checked(self):
        for path in ("/scheduler/tasks", "/scheduler/executions", "/users", "/tokens", "/scheduler/locks", "/scheduler/instances", "/scheduler/tasks/list-0/occurrences"):
            for query in ("page=1", "page=1000000", "page_size=1", "page_size=100", "page=%31", "&&", "cursor=1"):
                self.assertEqual(self.server.get(f"{path}?{query}").status, 200, (path, query))
            for query, param in [("page=0", "page"), ("page=-1", "page"), ("page=1000001", "page"), ("page=x", "page"), ("page=1.0", "page"), ("page=", "page"), ("page", "page"),
                                 ("page=%2B1", "page"), ("page=1&page=2", "page"), ("page_size=0", "page_size"), ("page_size=101", "page_size"), ("cursor=x", "cursor"),
                                 ("cursor=", "cursor"), ("cursor=0", "cursor"), ("cursor=-1", "cursor"), ("cursor=99999999999999999999", "cursor"), ("cursor=1&page=1", "page"),
                                 ("other=1", "other"), ("=1", None), ("PAGE=1", "PAGE"), ("%zz=1", "query"), ("page=%00", "query"), ("page=%ff", "query")]:
                self.assert_error(self.server.get(f"{path}?{query}"), 400, "INVALID_PARAMETER", param)

    def test_filters_take_the_whole_enum_and_nothing_else(self):
        for query in ("state=pending", "state=running", "state=success", "state=failure", "state=timeout", "state=cancelled", "state=interrupted", "trigger_type=manual",
                      "trigger_type=scheduled", "run_by=x", "execution_uid=x", "task_uid=x", "start_time=0&end_time=0", "start_time=-1"):
            self.assertEqual(self.server.get(f"/scheduler/executions?{query}").status, 200, query)
        for path, query, param in [("executions", "state=canceled", "state"), ("executions", "state=SUCCESS", "state"), ("executions", "state=", "state"),
                                   ("executions", "trigger_type=auto", "trigger_type"), ("executions", "end_time=5&start_time=6", "end_time"), ("executions", "label=a%3Db", "label"),
                                   ("tasks", "enabled=1", "enabled"), ("tasks", "enabled=TRUE", "enabled"), ("tasks", "enabled=", "enabled"), ("tasks", "type=NOOP", "type"),
                                   ("tasks", "label=a", "label"), ("tasks", "label=%3Da", "label"), ("tasks", "name=", "name"), ("locks", "state=held", "state"),
                                   ("stats", "window=2h", "window"), ("tasks/list-0/next", "count=0", "count"), ("tasks/list-0/next", "count=1001", "count"),
                                   ("tasks/list-0/next", "to=1", "to"), ("tasks/list-0/occurrences", "from=2&to=1", "to")]:
            self.assert_error(self.server.get(f"/scheduler/{path}?{query}"), 400, "INVALID_PARAMETER", param)

    def test_times_are_rfc_3339_or_milliseconds(self):
        for value in ("0", "1767225600000", "2026-01-01T00:00:00Z", "2026-01-01t00:00:00.123456z", "2026-01-01T08:00:00%2B08:00", "2026-01-01T08:00:00+08:00", "2025-12-31T16:00:00-08:00"):
            self.assertEqual(self.server.get(f"/scheduler/executions?start_time={value}").status, 200, value)
            self.assertEqual(self.server.get(f"/scheduler/tasks/list-0/next?from={value}").status, 200, value)
        for value in ("", "x", "2026-01-01", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "1.5",
                      "99999999999999999", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+8"):
            self.assert_error(self.server.get(f"/scheduler/executions?end_time={value}"), 400, "INVALID_PARAMETER", "end_time")

    def test_bounds_are_inclusive_to_the_millisecond(self):
        run = self.server.finished(self.server.trigger("once"))
        instant = run["started_at"][:23] + "Z"
        found = self.server.executions(task_name="once", start_time=instant, end_time=instant)
        self.assertEqual([row["execution_uid"] for row in found], [run["execution_uid"]])

    def test_totals_are_exact_to_ten_thousand_and_then_a_lower_bound(self):
        self.server.create(name="many", type="noop")
        for count in (10000, 1):
            self.server.post("/scheduler/executions", {"task_uid": "many", "items": [{"run_at": "2100-01-01T00:00:00Z"}] * count})
        for query in ("task_name=many", "task_name=many&state=pending"):
            pagination = self.server.get(f"/scheduler/executions?{query}").json["pagination"]
            self.assertLessEqual(pagination["total"], 10000)
            self.assertTrue(pagination["total_is_lower_bound"])
        first = self.server.get("/scheduler/executions?task_name=many&page_size=1").json
        rest = self.server.get(f"/scheduler/executions?task_name=many&cursor={first['pagination']['next_cursor']}").json["pagination"]
        self.assertNotIn("total", rest)  # keyset requests omit it
        self.assertNotIn("page", rest)
        deep = self.server.get("/scheduler/executions?task_name=many&page=101&page_size=100").json
        self.assertEqual((len(deep["data"]), "next_cursor" in deep["pagination"]), (1, False))


class Occurrences(ServerCase):
    def test_pages_show_each_slot_once_and_the_summary_counts_all(self):
        self.server.create(name="ticking", type="noop", cron_expr="* * * * * *", overlap="allow", max_concurrent=100)
        path = "/scheduler/tasks/ticking/occurrences"
        wait_until("5 slots", lambda: self.server.get(path).json["pagination"]["total"] >= 5)
        self.server.post("/scheduler/tasks/ticking/disable")
        end = int(time.time() * 1000) + 1000
        for query in ("", f"from=1000&to={end}"):
            whole = self.server.get(f"{path}?{query}&page_size=100").json
            self.assertGreaterEqual(len(whole["data"]), 5)
            self.assertEqual(whole["summary"]["expected"], sum(value for name, value in whole["summary"].items() if name != "expected"))
            rows, cursor = [], ""
            while True:
                part = self.server.get(f"{path}?{query}&page_size=2{cursor}").json
                self.assertEqual(part["summary"], whole["summary"])
                rows += part["data"]
                if "next_cursor" not in part["pagination"]:
                    break
                cursor = "&cursor=" + part["pagination"]["next_cursor"]
            self.assertEqual(rows, whole["data"])
            second = self.server.get(f"{path}?{query}&page_size=2&page=2").json
            self.assertEqual((second["data"], second["pagination"]["total"]), (whole["data"][2:4], len(whole["data"])))


class Statistics(ServerCase):
    def test_statistics_equal_the_history_also_after_a_deletion(self):
        for name, data in (("fine", ""), ("bad", '{"fail_attempts":1}')):
            self.server.create(name=name, type="noop", data=data, max_retries=0)
            for _ in range(2):
                self.server.finished(self.server.trigger(name))
        stats = self.server.get("/scheduler/stats").data
        self.assertEqual((stats["total_tasks"], stats["total_executions"], stats["success_rate"]), (5, 4, 50))  # three are the server's own
        self.assertEqual({row["task_name"]: row["failure_executions"] for row in stats["task_stats"] if row["total_executions"]}, {"fine": 0, "bad": 2})
        self.server.request("DELETE", "/scheduler/tasks/bad")
        for window in ("1h", "24h", "7d", "all"):
            after = self.server.get(f"/scheduler/stats?window={window}").data
            self.assertEqual((after["total_tasks"], after["total_executions"], after["success_rate"]), (4, 4, 50), window)
        self.assertEqual(self.server.get("/scheduler/stats?task_uid=fine").data["total_executions"], 2)
        self.assert_error(self.server.get("/scheduler/stats?task_uid=bad"), 404, "NOT_FOUND")
        self.assertEqual(len(self.server.executions()), 4)
