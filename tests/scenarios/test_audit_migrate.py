# SPDX-License-Identifier: Apache-2.0
"""`horae audit migrate` (MIG-01 to MIG-05): old tables in databases, dumps and lines; what becomes of each row, that a row is stored
once however often it is sent, and that nothing is renamed before everything is stored."""
import datetime
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import unittest

from harness import Server, run_cli, wait_until

COLUMNS = ("id", "user_id", "username", "cluster_id", "cluster_name", "action", "resource_type", "resource_id", "resource_name", "description", "changes", "ip_address",
           "user_agent", "request_id", "status", "error_message", "created_at")
NOW = datetime.datetime.now(datetime.timezone.utc)


def when(days_ago, second=0):
    return (NOW - datetime.timedelta(days=days_ago) + datetime.timedelta(seconds=second)).strftime("%Y-%m-%d %H:%M:%S.%f+00:00")


def row(number, days_ago=1, **more):
    return {"id": f"row-{number}", "user_id": f"u-{number % 3}", "username": "ann", "cluster_id": 1, "cluster_name": "east", "action": "update",
            "resource_type": "deployment", "resource_id": f"d-{number}", "resource_name": "web", "description": "it's \"quoted\"\nand more",
            "changes": json.dumps({"replicas": {"old": number, "new": number + 1}}), "ip_address": "192.0.2.1", "user_agent": "curl/8", "request_id": f"r-{number}",
            "status": "success", "error_message": "", "created_at": when(days_ago, number), **more}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "old.db")

    def database(self, rows, wal=False):
        db = sqlite3.connect(self.path)
        if wal:
            db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE audit_logs (id CHAR(36) PRIMARY KEY, user_id CHAR(36), username VARCHAR(64), cluster_id INTEGER, cluster_name VARCHAR(255), action VARCHAR(64) NOT NULL,"
                   " resource_type VARCHAR(64) NOT NULL, resource_id CHAR(36), resource_name VARCHAR(255), description TEXT, changes TEXT, ip_address VARCHAR(45), user_agent TEXT,"
                   " request_id VARCHAR(128), status VARCHAR(32), error_message TEXT, created_at DATETIME)")
        db.executemany(f"INSERT INTO audit_logs ({','.join(COLUMNS)}) VALUES ({','.join('?' * len(COLUMNS))})", [[r[c] for c in COLUMNS] for r in rows])
        db.commit()
        db.close()

    def tables(self):
        db = sqlite3.connect(self.path)
        self.addCleanup(db.close)
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def migrate(self, *arguments, source=None, server=None, code=0, stdin=None):
        done = run_cli("audit", "migrate", "--from", source or f"sqlite:{self.path}", *arguments, server=server, stdin=stdin)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def report(self, *arguments, **more):
        return json.loads(self.migrate("--json", *arguments, **more).stdout)["data"]


class DryRun(Case):
    """Says what would be done; no server is asked and nothing is changed."""

    def test_the_report_counts_what_is_carried_over_older_and_skipped(self):
        self.database([row(n) for n in range(10)] + [row(n, 91) for n in range(20, 23)] + [row(30, action="modified"), row(31, action="modified"), row(32, resource_type="docker_image"),
                                                                                         row(33, created_at="soon"), row(34, 89)])
        with open(self.path, "rb") as file:
            before = file.read()
        report = self.report("--dry-run")
        self.assertEqual(report["tables"], [{"table": "audit_logs", "rows": 18, "older": 3, "skipped": 4, "events": 11, "stored": 0}])
        self.assertEqual([(s["reason"], s["word"], s["count"]) for s in report["skipped"]],
                         [("unknown action", "modified", 2), ("unknown resource type", "docker_image", 1), ("without a time that can be read", "", 1)])
        self.assertEqual((report["dry_run"], report["renamed"], report["days"]), (True, False, 90))
        text = self.migrate("--dry-run").stdout
        self.assertRegex(text, r"audit_logs +18 +3 +4 +11 +0\n")
        self.assertIn('2  audit_logs: unknown action "modified" (--action modified=NEW)', text)
        self.assertIn("Nothing was sent (--dry-run).", text)
        self.assertEqual(self.report("--dry-run", "--days", "3650", "--action", "modified=updated", "--type", "docker_image=pod")["tables"][0]["events"], 17)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(self.tables(), {"audit_logs"})

    def test_a_dump_of_each_kind_gives_the_same_events(self):
        rows = [row(n, changes=json.dumps({"text": {"old": "a'b\\c\n;", "new": "--"}})) for n in range(3)]
        self.database(rows)
        expected = self.ids(self.path)
        quoted = lambda value, mysql: "NULL" if value is None else str(value) if isinstance(value, int) else "'" + (value.replace("\\", "\\\\").replace("\n", "\\n") if mysql else value).replace("'", "\\'" if mysql else "''") + "'"
        mysql = ["-- MySQL dump 10.13", "/*!40101 SET NAMES utf8mb4 */;", "DROP TABLE IF EXISTS `audit_logs`;", "CREATE TABLE `audit_logs` (",
                 ",\n".join(f"  `{c}` varchar(255) DEFAULT 'x,y)'" for c in COLUMNS) + ",\n  PRIMARY KEY (`id`),\n  KEY `k` (`action`,`status`)\n) ENGINE=InnoDB;",
                 "LOCK TABLES `audit_logs` WRITE;", "INSERT INTO `other` VALUES (1,'audit_logs');",
                 "INSERT INTO `audit_logs` VALUES " + ",".join("(" + ",".join(quoted(r[c], True) for c in COLUMNS) + ")" for r in rows) + ";", "UNLOCK TABLES;"]
        postgres = ["-- PostgreSQL database dump", "SET standard_conforming_strings = on;", "COPY public.other (a) FROM stdin;", "it's; a (line", "\\.", ""] + [
            f"INSERT INTO public.audit_logs ({', '.join(COLUMNS)}) VALUES (" + ", ".join(quoted(r[c], False) + ("::jsonb" if c == "changes" else "") for c in COLUMNS) + ");" for r in rows]
        sqlite = sqlite3.connect(self.path)
        dumped = list(sqlite.iterdump())
        sqlite.close()
        shell = ["CREATE TABLE audit_logs(" + ",".join(f"{c} TEXT" for c in COLUMNS) + ");"] + ["INSERT INTO audit_logs VALUES(" + ",".join(
            "replace(" + quoted(r[c].replace("\n", "\\n"), False) + ",'\\n',char(10))" if "\n" in str(r[c]) and "\\n" not in r[c] else quoted(r[c], False) for c in COLUMNS) + ");" for r in rows]
        spelled = ["E'" + r["description"].replace("'", "\\'").replace("\n", "\\n") + "'" if c == "description" else "X'" + r[c].encode().hex().upper() + "'" if c == "changes"
                   else "_utf8mb4 " + quoted(r[c], False) if c == "action" else "NULL" if r[c] == "" else quoted(r[c], False) for r in rows for c in COLUMNS]
        prefixes = ["CREATE UNLOGGED TABLE IF NOT EXISTS audit_logs (" + ",".join(COLUMNS) + ");", "INSERT INTO audit_logs VALUES " + ",".join(
            "(" + ",".join(spelled[at:at + len(COLUMNS)]) + ")" for at in range(0, len(spelled), len(COLUMNS))) + ";"]
        for name, lines in (("mysql", mysql), ("postgres", postgres), ("sqlite", dumped), ("shell", shell), ("prefixes", prefixes), ("lines", [json.dumps(r) for r in rows])):
            with self.subTest(name):
                path = os.path.join(self.folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("\n".join(lines) + "\n")
                self.assertEqual(self.report("--dry-run", source=path)["tables"], [{"table": "audit_logs", "rows": 3, "older": 0, "skipped": 0, "events": 3, "stored": 0}])
                self.assertEqual(self.ids(path), expected)

    def ids(self, source):
        """What a server would be sent: a small one that only listens."""
        import http.server
        seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                seen.extend(events)
                body = json.dumps({"data": {"ids": [event["id"] for event in events]}}).encode()
                self.send_response(201)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.migrate("--keep", "--server", f"http://127.0.0.1:{server.server_port}", source=source)
        server.shutdown()
        server.server_close()
        self.assertEqual({event["old_object"]["text"] for event in seen}, {"a'b\\c\n;"})
        self.assertEqual({event["data"]["description"] for event in seen}, {"it's \"quoted\"\nand more"})
        return [event["id"] for event in seen]

    def test_what_cannot_be_read_is_refused_by_line(self):
        for text, words in (("INSERT INTO audit_logs VALUES (1);", "line 1: the columns are not known"), ("INSERT INTO audit_logs (id,action) VALUES\n(1);", "line 2: a row has fewer values than columns"),
                            ("INSERT INTO audit_logs (id) VALUES (1,2);", "a row has more values than columns"), ("INSERT INTO audit_logs (id) VALUES ('x", "a text has no end"),
                            ("COPY public.audit_logs (id) FROM stdin;\n", "dump them with pg_dump --inserts"), ("INSERT INTO audit_logs (id) VALUES (now());", "was expected"), ("/* x", "a comment has no end"),
                            ("CREATE TABLE audit_logs (id", "CREATE TABLE has no end"), ("CREATE TABLE audit_logs (" + ",".join(f"c{i} int" for i in range(257)) + ");", "more than 256 columns"),
                            ("INSERT INTO audit_logs (1) VALUES (1);", "a list of columns was expected"), ("INSERT INTO audit_logs (id action) VALUES (1);", "the list of columns has no end"),
                            ("INSERT INTO audit_logs (id) VALUES (replace('a','b'));", "replace() takes three texts"), ("INSERT INTO audit_logs (id) VALUES (char(300));", "a number from 1 to 127"),
                            ("INSERT INTO audit_logs (id) VALUES (char(65 66));", "a call has no end"), ("INSERT INTO audit_logs (id) VALUES (1;", "a row has no end"),
                            ("INSERT INTO audit_logs (id) VALUES (X'4G');", "a text of hexadecimal digits has others"), ("INSERT INTO audit_logs (id) VALUES (X'414');", "an odd number of them"), ("INSERT INTO `audit_logs` (`id`) VALUES ('x\\", "a text has no end"),
                            (f"INSERT INTO audit_logs ({'i' * 257}) VALUES (1);", "a word of more than 256 characters"), (f"INSERT INTO audit_logs (id) VALUES ({'1' * 65});", "a number of more than 64 characters"),
                            ('{"id": 1}\nnonsense\n', "line 2: "), ('{"id": 1}\n[]\n', "line 2: it must be a JSON object")):
            with self.subTest(text):
                self.assertIn(words, self.migrate("--dry-run", source="-", stdin=text, code=1).stderr)
        for arguments, words in ((("--days", "0"), "--days"), (("--type", "x"), "OLD=NEW"), (("--table", "logs"), "--table"), (("more",), "--from")):
            self.assertIn(words, self.migrate("--dry-run", *arguments, source="-", stdin="", code=2).stderr)
        self.assertIn("--from is missing", run_cli("audit", "migrate").stderr)
        self.assertIn("must be sqlite:PATH or a file", self.migrate("--dry-run", source="postgres://user:hidden@host/db", code=1).stderr)
        self.assertNotIn("hidden", self.migrate("--dry-run", source="postgres://user:hidden@host/db", code=1).stderr)
        self.assertIn("cannot read", self.migrate("--dry-run", source="sqlite:/nonexistent", code=1).stderr)
        sqlite3.connect(self.path).execute("CREATE TABLE other (id)").connection.close()
        self.assertIn("has none of the tables", self.migrate("--dry-run", code=1).stderr)
        self.assertEqual(self.migrate("--server", "http://127.0.0.1:1", source="-", stdin=json.dumps(row(1)), code=3).stdout, "")


class Carried(Case):
    """With a server: from the old table into the audit log."""

    def setUp(self):
        super().setUp()
        self.server = Server()
        self.addCleanup(self.server.remove)

    def test_every_row_is_an_event_once_and_the_table_is_kept_under_another_name(self):
        self.database([row(n) for n in range(1203)] + [row(9999, 200)])
        report = self.report(server=self.server)
        self.assertEqual(report["tables"], [{"table": "audit_logs", "rows": 1204, "older": 1, "skipped": 0, "events": 1203, "stored": 1203}])
        self.assertTrue(report["renamed"])
        self.assertEqual(self.tables(), {"audit_logs_backup"})
        self.assertEqual(self.stored(), 1203)
        event = self.server.get("/audit/events?resource_id=d-7").data[0]
        self.assertEqual((event["action"], event["resource"]["data"], event["user"], event["client_ip"], event["diff_object"]["old_object"], event["data"]["migratedId"]),
                         ("updated", {"resourceName": "web"}, {"uid": "u-1", "username": "ann", "type": "user"}, "192.0.2.1", '{"replicas":7}', "row-7"))
        self.assertNotIn("request_method", event)
        again = self.report(server=self.server)  # from the backup, and nothing is renamed
        self.assertEqual((again["tables"][0]["stored"], again["renamed"]), (1203, False))
        self.assertEqual(self.stored(), 1203)
        self.assertEqual(self.tables(), {"audit_logs_backup"})
        self.server.stop()
        with open(os.path.join(self.folder, "clock"), "w", encoding="ascii") as file:
            file.write("200000")
        self.server.env["HORAE_TEST_CLOCK_FILE"] = os.path.join(self.folder, "clock")
        self.server.start()
        self.assertEqual(self.report(server=self.server)["tables"][0]["stored"], 1203)
        self.assertEqual(self.stored(), 1203, "more than a day later")

    def stored(self):
        return self.server.get("/audit/events?resource_type=deployment&page_size=1").json["pagination"]["total"]

    def test_what_is_written_meanwhile_is_not_lost(self):
        self.database([row(n) for n in range(5)])
        writer = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(writer.close)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO audit_logs (id, action, resource_type, created_at) VALUES ('new', 'create', 'user', ?)", (when(0),))
        self.assertIn("somebody else uses it: stop the application", self.migrate(server=self.server, code=1).stderr)
        writer.execute("COMMIT")
        self.assertEqual(self.report("--keep", server=self.server)["tables"][0]["stored"], 6)
        self.assertEqual(self.tables(), {"audit_logs"})

    def test_an_application_that_has_a_database_with_a_write_ahead_log_open_is_found(self):
        self.database([row(1)], wal=True)
        reader = sqlite3.connect(self.path)
        reader.execute("SELECT COUNT(*) FROM audit_logs").fetchall()
        self.assertIn("somebody else uses it", self.migrate(server=self.server, code=1).stderr)
        reader.close()
        self.assertTrue(self.report(server=self.server)["renamed"])

    def test_a_name_that_is_taken_is_found_before_anything_is_sent(self):
        self.database([row(1)])
        db = sqlite3.connect(self.path)
        db.execute("CREATE TABLE audit_logs_backup (id)")
        db.close()
        self.assertIn("there are audit_logs and audit_logs_backup", self.migrate(server=self.server, code=1).stderr)
        self.assertEqual(self.stored(), 0)

    def test_nothing_is_renamed_when_the_server_refuses(self):
        self.database([row(1)])
        done = run_cli("audit", "migrate", "--from", f"sqlite:{self.path}", "--token", "wrong", server=self.server)
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("nothing of rows 1 to 1 of the source was stored", done.stderr)
        self.migrate("--type", "deployment=unheardOf", server=self.server, code=1)
        self.assertEqual(self.tables(), {"audit_logs"})

    def test_a_server_killed_in_the_middle_and_the_same_again(self):
        self.database([row(n) for n in range(3000)])
        process = subprocess.Popen([os.environ.get("HORAE_BINARY", "build/release/horae"), "audit", "migrate", "--from", f"sqlite:{self.path}", "--keep"],
                                   env={"PATH": os.environ["PATH"], "HORAE_URL": self.server.url, "HORAE_TOKEN": "an-administrator-for-tests-only"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("some to be stored", lambda: self.stored() > 0)
        self.server.kill()
        process.wait(timeout=60)
        self.server.start()
        self.assertEqual(self.report("--keep", server=self.server)["tables"][0]["stored"], 3000)
        self.assertEqual(self.stored(), 3000)


if __name__ == "__main__":
    unittest.main()
