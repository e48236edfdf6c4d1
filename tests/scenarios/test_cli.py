# SPDX-License-Identifier: Apache-2.0
"""The command line: contract sections 2, 4 and 5; exit codes 0 done, 1 failed, 2 usage, 3 unreachable, 4 not allowed."""
import json
import os
import tempfile
import unittest

from harness import ROOT, Server, ServerCase, run_cli


class CommandLine(ServerCase):
    def cli(self, *arguments, **kwargs):
        return run_cli(*arguments, server=self.server, **kwargs)

    def ok(self, *arguments, **kwargs):
        done = self.cli(*arguments, **kwargs)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_every_command_has_help(self):
        for command in ("serve", "task", "execution", "cron", "import", "lock", "instance", "token", "user", "store"):
            for arguments in ((command, "--help"), ("help", command)):
                done = run_cli(*arguments)
                self.assertEqual(done.returncode, 0, arguments)
                self.assertIn("Usage" if command != "serve" else "--listen", done.stdout)
        self.assertIn("horae", run_cli("version").stdout)

    def test_usage_errors_are_2_and_name_what_is_wrong(self):
        for arguments, text in ((("tsak",), "did you mean \"task\""), (("task", "lst"), "did you mean \"list\""), (("task", "list", "--nonsense"), "--nonsense"),
                                (("task", "show"), "ID"), (("cron", "next"), "EXPR"), (("task", "create", "--priority", "high"), "--priority"), ((), "Usage")):
            done = self.cli(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(text, done.stderr)

    def test_a_task_from_creation_to_deletion(self):
        self.ok("task", "create", "--name", "by-cli", "--type", "noop", "--data", '{"result":"r"}', "--cron", "0 0 1 1 *")
        self.assertIn("by-cli", self.ok("task", "list"))
        self.assertIn("0 0 1 1 *", self.ok("task", "show", "by-cli"))
        uid = self.ok("task", "trigger", "by-cli", "--force").strip()
        self.server.finished(uid)
        self.assertIn("success", self.ok("execution", "list", "--task", "by-cli"))
        shown = json.loads(self.ok("execution", "show", uid, "--json"))
        self.assertEqual(shown["data"]["result"], "r")
        self.assertEqual(len(self.ok("task", "next", "by-cli", "-n", "3").split()), 3)
        self.ok("task", "update", "by-cli", "--description", "changed")
        self.ok("task", "disable", "by-cli")
        self.ok("task", "enable", "by-cli")
        self.assertIn("expected", self.ok("task", "occurrences", "by-cli"))
        self.ok("task", "delete", "by-cli")
        self.assertEqual(self.cli("task", "show", "by-cli").returncode, 1)

    def test_administration(self):
        self.assertIn("scheduler_global", self.ok("lock", "list"))
        self.assertIn("planner", self.ok("instance", "list"))
        token = self.ok("token", "create", "--name", "t", "--role", "viewer").strip()
        denied = run_cli("task", "create", "--name", "x", "--type", "noop", env={"HORAE_URL": self.server.url, "HORAE_TOKEN": token})
        self.assertEqual(denied.returncode, 4, denied.stderr)
        self.ok("user", "add", "carol", "--role", "operator", stdin="a long password\n")
        self.assertIn("carol", self.ok("user", "list"))
        self.ok("user", "passwd", "carol", stdin="another password\n")

    def test_the_token_file_of_the_data_folder_is_found(self):
        done = run_cli("task", "list", env={"HORAE_URL": self.server.url, "HORAE_DATA": self.server.folder})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_unreachable_server_is_3_and_a_bad_token_4(self):
        self.assertEqual(run_cli("task", "list", "--server", "http://127.0.0.1:9", "--token", "x").returncode, 3)
        self.assertEqual(run_cli("task", "list", "--server", self.server.url, "--token", "wrong").returncode, 4)

    def test_a_running_database_is_backed_up_checked_and_restored(self):
        self.server.create(name="kept", type="noop")
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "copy.db")
            self.ok("store", "backup", copy, "--data", self.server.folder)
            self.ok("store", "check", "--store", "sqlite:" + copy)
            refused = self.cli("store", "restore", copy, "--data", self.server.folder)
            self.assertEqual(refused.returncode, 1)
            self.server.request("DELETE", "/scheduler/tasks/kept")
            self.server.stop()
            self.ok("store", "restore", copy, "--data", self.server.folder)
            self.server.start()
            self.assertEqual(self.server.get("/scheduler/tasks/kept").status, 200)
            with open(copy, "r+b") as file:
                file.seek(4096)
                file.write(b"\xff" * 4096)
            self.assertEqual(run_cli("store", "check", "--store", "sqlite:" + copy).returncode, 1)


class Cron(unittest.TestCase):
    def test_all_vectors_pass_through_batch(self):
        with open(os.path.join(ROOT, "tests", "data", "cron-vectors.json"), encoding="utf-8") as file:
            vectors = json.load(file)
        queries = []
        for v in vectors:
            query = {key: v[key] for key in ("expr", "tz", "from", "to", "seed", "anchor", "dialect", "syntax") if key in v}
            query["op"] = "prev" if "prev" in v else "count" if "count" in v else "parse" if v.get("error") else "next"
            query["n"] = v.get("n", len(v.get(query["op"], [])) or 1) if query["op"] in ("next", "prev") else 1
            queries.append(json.dumps(query))
        done = run_cli("cron", "batch", stdin="\n".join(queries) + "\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(answers), len(vectors))
        self.assertGreater(len(vectors), 2000)
        for vector, answer in zip(vectors, answers):
            with self.subTest(id=vector["id"], expr=vector["expr"]):
                if vector.get("error"):
                    self.assertIn("error", answer)
                    self.assertIsInstance(answer["error"]["pos"], int)
                for key in ("next", "prev", "count"):
                    if key in vector:
                        self.assertEqual(answer.get(key), vector[key])
                if "cron" in vector and not vector.get("error"):
                    self.same_fires(vector)

    def same_fires(self, vector):
        """`cron` holds the equivalent default expression."""
        lines = [json.dumps({"expr": vector["expr"], "syntax": vector.get("syntax"), "dialect": vector.get("dialect"), "tz": vector.get("tz"),
                             "from": vector["from"], "n": 5, "anchor": vector.get("anchor"), "seed": vector.get("seed")}),
                 json.dumps({"expr": vector["cron"], "tz": vector.get("tz"), "from": vector["from"], "n": 5, "anchor": vector.get("anchor"),
                             "seed": vector.get("seed")})]
        answers = [json.loads(line) for line in run_cli("cron", "batch", stdin="\n".join(lines) + "\n").stdout.splitlines()]
        self.assertEqual(answers[0], answers[1])

    def test_errors_point_at_the_offending_character(self):
        done = run_cli("cron", "check", "61 * * * *")
        self.assertEqual((done.returncode, done.stderr), (1, "horae: schedule error: minute 61 is outside 0-59\n  61 * * * *\n  ^~\n"))
        never = run_cli("cron", "check", "0 0 30 2 *")
        self.assertEqual(never.returncode, 1)
        self.assertIn("never fires", never.stderr)

    def test_descriptions_follow_the_table_of_section_7(self):
        table = {
            "* * * * *": "Every minute", "*/5 * * * *": "Every 5 minutes", "7/20 * * * *": "At 7, 27 and 47 minutes past every hour",
            "*/25 * * * *": "At 0, 25 and 50 minutes past every hour (uneven: 10 minutes across the hour)", "0 * * * *": "Every hour, on the hour",
            "15 * * * *": "Every hour at 15 minutes past", "0 */6 * * *": "Every 6 hours, at 00:00, 06:00, 12:00 and 18:00",
            "0 */5 * * *": "At 00:00, 05:00, 10:00, 15:00 and 20:00 every day (uneven: 4 hours across midnight)", "30 2 * * *": "Every day at 02:30",
            "0 9 * * MON-FRI": "Monday to Friday at 09:00", "*/10 9-17 * * 1-5": "Every 10 minutes from 09:00 to 17:50, Monday to Friday",
            "0 22-2 * * *": "Every hour from 22:00 to 02:00", "0 0 1 * *": "On the 1st of every month at 00:00",
            "0 0 1,15 * *": "On the 1st and 15th of every month at 00:00", "0 0 13 * 5": "On the 13th of every month or on any Friday, at 00:00",
            "0 0 13 * +5": "On the 13th of the month when it is a Friday, at 00:00", "0 0 31 * *": "On the 31st at 00:00, in months that have one",
            "0 0 29 2 *": "On 29 February at 00:00 (leap years only)", "0 0 L * *": "On the last day of every month at 00:00",
            "0 0 L-3 * *": "3 days before the last day of every month at 00:00",
            "0 0 LW * *": "On the last working day (Monday to Friday) of every month at 00:00",
            "0 0 15W * *": "On the working day nearest the 15th of every month at 00:00", "0 10 * * 5#2": "On the second Friday of every month at 10:00",
            "0 10 * * 5L": "On the last Friday of every month at 10:00", "0 0 1 */3 *": "On the 1st of January, April, July and October at 00:00",
            "0 0 0 1 1 * 2030": "On 1 January 2030 at 00:00", "*/10 * * * * *": "Every 10 seconds", "@reboot": "Once, when the scheduler starts",
            "0 0 30 2 *": "Never (no year has 30 February)",
        }
        for expression, text in table.items():
            with self.subTest(expression):
                self.assertEqual(run_cli("cron", "explain", expression, "--from", "2026-01-01T00:00:00Z").stdout.strip(), text)
        seeded = run_cli("cron", "explain", "H H * * *", "--seed", "nightly-backup").stdout.strip()
        self.assertEqual(seeded, "Every day at 15:31 (hashed from the job name)")

    def test_descriptions_in_chinese(self):
        for expression, text in (("30 2 * * *", "每天02:30"), ("0 9 * * MON-FRI", "每周一至周五，09:00"), ("*/5 * * * *", "每5分钟"),
                                 ("0 0 L * *", "每月最后一天00:00"), ("0 0 29 2 *", "每年2月29日00:00（仅闰年）")):
            with self.subTest(expression):
                self.assertEqual(run_cli("cron", "explain", expression, "--lang", "zh").stdout.strip(), text)

    def test_batch_goes_on_after_lines_that_it_cannot_read(self):
        lines = ['{"expr":"* * * * *","from":"2026-01-01T00:00:00Z"}', "nonsense", '{"expr":5}', '{"expr":"x","op":"sing"}', "x" * 70000,
                 '{"expr":"0 0 * * *","op":"parse"}']
        done = run_cli("cron", "batch", stdin="\n".join(lines))
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([("error" in a) for a in answers], [False, True, True, True, True, False])
        self.assertEqual(answers[5]["ok"], True)

    def test_gap_and_fold_policies(self):
        def ask(**query):
            return json.loads(run_cli("cron", "batch", stdin=json.dumps({"expr": "30 2 * * *", "tz": "America/New_York", "n": 1, **query})).stdout)["next"]

        gap = {"from": "2026-03-08T00:00:00-05:00"}
        self.assertEqual(ask(**gap, gap="run_at_edge"), ["2026-03-08T03:00:00-04:00"])
        self.assertEqual(ask(**gap, gap="shift_forward"), ["2026-03-08T03:30:00-04:00"])
        self.assertEqual(ask(**gap, gap="skip"), ["2026-03-09T02:30:00-04:00"])
        fold = {"expr": "30 1 * * *", "from": "2026-11-01T00:00:00-04:00", "n": 2}
        self.assertEqual(ask(**fold, fold="both"), ["2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"])
        self.assertEqual(ask(**fold, fold="last")[0], "2026-11-01T01:30:00-05:00")
        self.assertEqual(ask(**fold, fold="first")[0], "2026-11-01T01:30:00-04:00")


CRONTAB = """# a crontab
SHELL=/bin/sh
PATH = "/usr/bin:/bin"
MAILTO=root
*/5 * * * * echo hello
0 3 * * 1-5 /usr/local/bin/backup --all 2>&1
@daily cat%line one%line two
@reboot touch /tmp/started
CRON_TZ=Europe/Berlin
30 2 * * * date +\\%F
61 * * * * never
* * * *
"""


class Import(ServerCase):
    def write(self, text):
        path = os.path.join(self.server.folder, "crontab")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_import_is_idempotent_and_reports_what_it_cannot_take(self):
        path = self.write(CRONTAB)
        first = run_cli("import", "crontab", path, server=self.server)
        self.assertIn("5 created, 0 changed, 0 unchanged, 2 not taken", first.stdout, first.stderr)
        self.assertIn(":11: not taken: minute 61", first.stderr)
        self.assertIn(":12: not taken:", first.stderr)
        self.assertEqual(first.returncode, 1)
        again = run_cli("import", "crontab", path, server=self.server)
        self.assertIn("0 created, 0 changed, 5 unchanged", again.stdout)
        tasks = self.server.get("/scheduler/tasks?name=crontab-&page_size=100").data
        data = {task["cron_expr"]: (json.loads(task["data"]), task["timezone"]) for task in tasks}
        self.assertEqual(data["@daily"][0]["stdin"], "line one\nline two\n")
        self.assertEqual(data["30 2 * * *"][0]["command"], "date +%F")
        self.assertEqual(data["30 2 * * *"][1], "Europe/Berlin")
        self.assertEqual(data["*/5 * * * *"][0]["env"]["PATH"], "/usr/bin:/bin")
        self.assertTrue(all(task["name"].startswith("crontab-") for task in tasks))

    def test_dry_run_and_proof_need_no_server(self):
        path = self.write(CRONTAB)
        env = {"HORAE_URL": "http://127.0.0.1:9"}
        dry = run_cli("import", "crontab", path, "--dry-run", env=env)
        self.assertEqual(dry.stdout.count("crontab-"), 5)
        proof = run_cli("import", "crontab", path, "--prove", env=env)
        self.assertEqual(proof.stdout.count("all equal"), 4, proof.stdout)
        self.assertNotIn("DIFFER", proof.stdout)

    def test_proof_compares_across_clock_changes(self):
        text = "CRON_TZ=America/New_York\n30 2 * * * a\n*/30 * * * * b\n0 1-3 * * * c\n15 2 * * 0 d\n*/20 2 * * * e\n30 1 * * * f\n"
        proof = run_cli("import", "crontab", "-", "--prove", stdin=text)
        self.assertEqual((proof.returncode, proof.stdout.count("all equal")), (0, 6), proof.stdout)

    def test_the_system_form_names_users(self):
        done = run_cli("import", "crontab", "-", "--system", "--dry-run", stdin="0 5 * * * www-data run-parts /etc/cron.daily\n")
        self.assertIn("crontab-www-data-run-parts", done.stdout)
        bad = run_cli("import", "crontab", "-", "--system", "--dry-run", stdin="0 5 * * * root\n")
        self.assertIn("the command is missing", bad.stderr)
