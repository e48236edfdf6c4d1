# SPDX-License-Identifier: Apache-2.0
"""The command line: contract sections 2, 4 and 5; exit codes 0 done, 1 failed, 2 usage, 3 unreachable, 4 not allowed."""
import json
import os
import tempfile

from harness import Server, ServerCase, run_cli


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
