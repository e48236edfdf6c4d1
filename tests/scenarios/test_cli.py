# SPDX-License-Identifier: Apache-2.0
"""The command line: contract sections 2, 4 and 5; exit codes 0 done, 1 failed, 2 usage, 3 unreachable, 4 not allowed."""
import json

from harness import ServerCase, run_cli, wait_until


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

    def test_lists_show_times_to_the_millisecond_and_which_page_they_are(self):
        self.ok("task", "create", "--name", "listed", "--type", "noop", "--cron", "* * * * * *")
        wait_until("two slots", lambda: self.server.get("/scheduler/tasks/listed/occurrences").json["summary"]["fired"] >= 2)
        self.ok("task", "disable", "listed")
        done = self.cli("task", "occurrences", "listed", "--page-size", "1")
        self.assertRegex(done.stderr, r"^page 1: 1 of \d+; --page N shows others\n$")
        self.assertRegex(done.stdout.splitlines()[-1], r"^expected \d+  fired \d+  .*shifted \d+$")
        started = self.server.executions(task_name="listed")[0]["started_at"]  # to the microsecond
        listed = self.ok("execution", "list", "--task", "listed", env={"TZ": "UTC"})
        self.assertIn(f" {started[:-4]}Z ".replace(".000Z", "Z"), listed)

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
