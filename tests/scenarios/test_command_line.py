# SPDX-License-Identifier: Apache-2.0
"""The command line for people and scripts (contract section 2): help, mistakes with advice, exit codes, tables, and all that
REST offers for tasks and executions."""
import fcntl
import json
import os
import pty
import stat
import struct
import subprocess
import tempfile
import termios
import unittest

from harness import ADMIN_TOKEN, BINARY, Server, ServerCase, run_cli

COMMANDS = {"task": ("list", "show", "create", "update", "edit", "delete", "enable", "disable", "trigger", "next", "occurrences", "stats", "types"),
            "execution": ("list", "show", "logs", "cancel", "retry"), "lock": ("list", "release"), "instance": ("list", "drain"),
            "token": ("list", "show", "create", "revoke"), "user": ("list", "add", "show", "update", "delete", "me", "passwd"), "config": ("get", "set")}


class Usage(unittest.TestCase):
    """Nothing here needs a server."""

    def test_help_is_on_standard_output_with_status_0_in_every_form(self):
        for command, subcommands in COMMANDS.items():
            for arguments in ((command, "--help"), (command, "-h"), (command, "help"), ("help", command)):
                done = run_cli(*arguments)
                self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
                for subcommand in subcommands:
                    self.assertIn(f"horae {command} {subcommand}", done.stdout)
            for subcommand in subcommands:
                for arguments in ((command, subcommand, "--help"), ("help", command, subcommand)):
                    done = run_cli(*arguments)
                    self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
                    self.assertIn("--server URL", done.stdout)
        for arguments in (("--help",), ("-h",), ("help",), ("help", "help"), ("help", "version")):
            self.assertEqual(run_cli(*arguments).returncode, 0, arguments)

    def test_help_of_the_audit_commands_that_need_no_server(self):
        for command, option in (("verify", "--checkpoint"), ("migrate", "--dry-run")):
            done = run_cli("audit", command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(option, done.stdout)

    def test_without_arguments_the_help_is_an_error(self):
        for arguments in ((), *((command,) for command in COMMANDS)):
            done = run_cli(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn("Usage", done.stderr)

    def test_mistakes_are_usage_errors_that_say_what_was_meant(self):
        for arguments, text in ((("tsak", "list"), 'did you mean "task"'), (("help", "taks"), 'did you mean "task"'), (("task", "updte", "x"), 'did you mean "update"'),
                                (("task", "create", "--nam", "x"), 'did you mean "--name"'), (("task", "list", "--sevrer", "x"), 'did you mean "--server"'),
                                (("task", "show"), "ID is missing"), (("task", "show", ""), "ID must not be empty"), (("task", "show", "a", "b"), 'unexpected argument "b"'),
                                (("task", "list", "--server"), "--server needs a value"), (("task", "trigger", "x", "--force=1"), "--force takes no value"),
                                (("task", "create"), "--name NAME is missing"), (("task", "create", "--name", "x"), "--command TEXT"),
                                (("task", "create", "--name", "x", "--env", "A=b"), "--env goes with --command"),
                                (("task", "create", "--name", "x", "--command", "c", "--data", "{}"), "do not go together"),
                                (("task", "create", "--name", "x", "--command", "c", "--env", "A"), "NAME=VALUE"),
                                (("task", "create", "--name", "x", "--command", "c", "--label", "=b"), "NAME=VALUE"),
                                (("task", "create", "--name", "x", "--command", "c", "--limits", "pids"), "NAME=NUMBER"),
                                (("task", "create", "--name", "x", "--command", "c", "--timeout", "soon"), "whole number"),
                                (("task", "create", "--file", "/nonexistent"), "No such file"), (("task", "update", "x"), "nothing to change"),
                                (("task", "trigger", "x", "--bulk", "f", "--data", "{}"), "do not go together"), (("token", "create"), "--name NAME"),
                                (("user", "update", "x"), "nothing to change"), (("user", "update", "x", "--enabled", "maybe"), "true or false"),
                                (("config", "set", "a=b"), "NAME=NUMBER"), (("task", "list", "--server", "ftp://x"), "http://HOST:PORT"),
                                (("task", "list", "--server", "http://"), "http://HOST:PORT"), (("task", "list", "--token", "a b"), "printable characters"),
                                (("audit", "verify", "--nonsense"), "--nonsense"), (("audit", "migrate", "--nonsense"), "--nonsense"), (("audit", "truncate", "--nonsense"), "--nonsense"),
                                (("audit", "client-address", "--nonsense"), "--nonsense"), (("audit", "verify", "--file", "-", "--checkpoint", "-"), "only one of --file and --checkpoint"),
                                (("task", "trigger", "x", "--priority", "high"), "--priority"), (("task", "show", "--", "--help", "more"), 'unexpected argument "more"'),
                                (("import", "crontab", "f", "--server", "ftp://x"), "http://HOST:PORT"),
                                (("cron", "next", "* * * * *", "--dialect", "basic"), "vixie"), (("cron", "next", "* * * * *", "--syntax", "basic"), "cron or oncalendar"),
                                (("cron", "next", "* * * * *", "--fold", "twice"), "auto, first, last or both")):
            done = run_cli(*arguments, env={"HORAE_URL": "http://127.0.0.1:9"}, stdin="")
            self.assertEqual((done.returncode, done.stdout), (2, ""), (arguments, done.stderr))
            self.assertIn(text, done.stderr, arguments)

    def test_no_server_is_status_3_with_advice(self):
        done = run_cli("task", "list", env={"HORAE_URL": "http://127.0.0.1:9"})
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertIn("http://127.0.0.1:9", done.stderr)
        self.assertIn("horae serve", done.stderr)

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([BINARY, "help"], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"cannot write", done.stderr)


class Tasks(ServerCase):
    def cli(self, *arguments, **kwargs):
        return run_cli(*arguments, server=self.server, **kwargs)

    def ok(self, *arguments, **kwargs):
        done = self.cli(*arguments, **kwargs)
        self.assertEqual(done.returncode, 0, (arguments, done.stderr))
        return done.stdout

    def failed(self, *arguments, text="", **kwargs):
        done = self.cli(*arguments, **kwargs)
        self.assertEqual(done.returncode, 1, (arguments, done.stdout, done.stderr))
        self.assertIn(text, done.stderr)
        return done

    def show(self, name):
        return json.loads(self.ok("task", "show", name, "--json"))["data"]

    def file(self, text):
        file = tempfile.NamedTemporaryFile("w", suffix=".json", dir=self.server.folder, delete=False, encoding="utf-8")
        with file:
            file.write(text)
        return file.name

    def test_every_member_has_an_option(self):
        self.ok("task", "create", "--name", "all", "--command", "echo $A", "--env", "A=b=c", "--env", "D=", "--cwd", "/", "--shell", "/bin/sh", "--stdin", "in",
                "--user", "root", "--cron", "H 3 * * *", "--zone", "Europe/Paris", "--gap", "skip", "--fold", "first", "--jitter", "3", "--seed", "s", "--misfire",
                "skip", "--start-deadline", "5", "--overlap", "allow", "--max-concurrent", "3", "--priority", "-4", "--timeout", "10", "--grace", "2", "--retries",
                "1", "--backoff", "base_ms=5,cap_ms=10,jitter_percent=0", "--limits", "memory_bytes=1000000,pids=20", "--label", "a=b", "--label", "c=d", "--group",
                "g", "--description", "备份", "--secret", "s3cret", "--anchor", "2026-01-01T00:00:00Z", "--disabled")
        task = self.show("all")
        expected = {"type": "command", "cron_expr": "H 3 * * *", "timezone": "Europe/Paris", "gap": "skip", "fold": "first", "jitter_seconds": 3, "seed": "s",
                    "misfire_policy": "skip", "start_deadline_seconds": 5, "overlap": "allow", "max_concurrent": 3, "priority": -4, "max_duration_seconds": 10,
                    "timeout_grace_period": 2, "max_retries": 1, "retry_backoff": {"base_ms": 5, "cap_ms": 10, "jitter_percent": 0},
                    "limits": {"memory_bytes": 1000000, "pids": 20}, "labels": {"a": "b", "c": "d"}, "group_id": "g", "description": "备份", "has_secret": True,
                    "anchor": "2026-01-01T00:00:00.000Z", "enabled": False}
        self.assertEqual({key: task.get(key) for key in expected}, expected)
        self.assertEqual(json.loads(task["data"]), {"command": "echo $A", "env": {"A": "b=c", "D": ""}, "cwd": "/", "shell": "/bin/sh", "stdin": "in", "user": "root"})

    def test_other_schedules_and_types(self):
        self.ok("task", "create", "--name", "calendar", "--type", "noop", "--calendar", "Mon..Fri 09:00")
        self.ok("task", "create", "--name", "once", "--type", "noop", "--once", "2099-01-01T00:00:00Z")
        self.ok("task", "create", "--name", "web", "--url", "http://127.0.0.1:9/x")
        self.assertEqual(json.loads(self.show("web")["data"])["url"], "http://127.0.0.1:9/x")
        data = self.file('{"result":"from a file"}')
        self.ok("task", "create", "--name", "data", "--type", "noop", "--data", "@" + data)
        self.assertIn("from a file", self.show("data")["data"])
        listed = self.ok("task", "list")
        self.assertIn("Mon..Fri 09:00", listed)
        self.assertRegex(listed, r"once +noop +true +once ")

    def test_a_changed_schedule_replaces_the_former_one(self):
        self.ok("task", "create", "--name", "changing", "--type", "noop", "--cron", "0 3 * * *", "--label", "a=b")
        self.ok("task", "update", "changing", "--interval", "60")
        task = self.show("changing")
        self.assertEqual((task["interval"], task.get("cron_expr")), (60, None))
        self.assertRegex(self.ok("task", "list", "--name", "changing"), "every 60 s")
        self.ok("task", "update", "changing", "--cron", "1 3 * * *", "--unset", "labels")
        task = self.show("changing")
        self.assertEqual((task["interval"], task["cron_expr"], task.get("labels")), (0, "1 3 * * *", None))
        self.failed("task", "update", "changing", "--priority", "1", "--if-version", "1", text="CONFLICT")
        self.ok("task", "update", "changing", "--priority", "1", "--if-version", str(task["version"]))

    def test_files_give_members_and_options_override_them(self):
        path = self.file(json.dumps({"name": "file", "type": "noop", "cron_expr": "0 3 * * *", "priority": 2, "labels": {"a": "b"}, "data": "{}"}))
        self.ok("task", "create", "--file", path, "--name", "from-file", "--interval", "30", "--label", "c=d")
        task = self.show("from-file")
        self.assertEqual((task["interval"], task.get("cron_expr"), task["labels"], task["priority"]), (30, None, {"c": "d"}, 2))
        self.ok("task", "create", "--file", "-", stdin=json.dumps({**json.loads(self.ok("task", "show", "from-file", "--json"))["data"], "name": "copy"}))
        self.assertEqual(self.show("copy")["labels"], {"c": "d"})
        for text, message in (("[1]", "JSON object"), ("{", "not JSON")):
            done = self.cli("task", "create", "--file", "-", stdin=text)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)

    def test_a_task_is_edited_in_an_editor(self):
        self.ok("task", "create", "--name", "edited", "--type", "noop", "--priority", "4")

        def edit(script):
            path = self.file("#!/bin/sh\n" + script)
            os.chmod(path, 0o700)
            return self.cli("task", "edit", "edited", env={"EDITOR": path, "TMPDIR": self.server.folder})

        done = edit("""sed -i 's/"priority": 4/"priority": 9/' "$1"\n""")
        self.assertEqual((done.returncode, self.show("edited")["priority"]), (0, 9), done.stderr)
        self.assertIn("nothing was changed", edit("true\n").stderr)
        broken = edit("echo '{' > \"$1\"\n")
        self.assertEqual(broken.returncode, 1)
        kept = broken.stderr.split("your text is kept in ")[1].split(";")[0]
        self.assertTrue(os.path.exists(kept))
        self.assertEqual(edit("exit 3\n").returncode, 1)
        stale = edit(f"""{os.path.abspath(BINARY)} task update edited --priority 1 >&2; sed -i 's/"priority": 9/"priority": 5/' "$1"\n""")
        self.assertIn("CONFLICT", stale.stderr)
        self.assertEqual(self.show("edited")["priority"], 1)

    def test_triggers_with_all_options(self):
        self.ok("task", "create", "--name", "triggered", "--type", "noop", "--overlap", "queue_all")
        uid = self.ok("task", "trigger", "triggered", "--data", '{"result":"own"}', "--priority", "3", "--unique-key", "k", "--at", "2020-01-01T00:00:00Z").strip()
        self.assertEqual(self.server.finished(uid)["result"], "own")
        self.ok("task", "disable", "triggered", "--cancel-running")
        self.failed("task", "trigger", "triggered", text="TASK_DISABLED")
        self.server.finished(self.ok("task", "trigger", "triggered", "--force").strip())
        bulk = self.cli("task", "trigger", "triggered", "--force", "--bulk", "-", stdin='{"unique_key":"a"}\n\n{"override_data":"{\\"result\\":\\"b\\"}"}\r\n')
        self.assertEqual(bulk.returncode, 0, bulk.stderr)
        self.assertIn("2 queued", bulk.stderr)
        self.assertEqual(self.server.finished(bulk.stdout.split()[1])["result"], "b")
        array = json.loads(self.ok("task", "trigger", "triggered", "--force", "--bulk", self.file("[{},{},{}]"), "--json"))
        self.assertEqual(array["count"], 3)
        before = len(self.server.executions(task_name="triggered"))
        for text, message in (("{}\nnonsense\n", "line 2"), ("5\n", "JSON object"), ("\n", "lists no runs"), ("{}\n" * 10001, "at most 10000")):
            done = self.cli("task", "trigger", "triggered", "--bulk", "-", stdin=text)
            self.assertEqual(done.returncode, 2)
            self.assertIn(message, done.stderr)
        self.assertEqual(len(self.server.executions(task_name="triggered")), before)

    def test_a_run_is_followed_to_its_end(self):
        self.ok("task", "create", "--name", "followed", "--command", "echo out; echo err >&2; exit $CODE", "--env", "CODE=3", "--retries", "0")
        done = self.cli("task", "trigger", "followed", "--follow")
        self.assertEqual((done.returncode, done.stdout), (1, "out\n"))
        self.assertIn("err\n", done.stderr)
        self.assertIn("ended as failure", done.stderr)
        uid = done.stderr.split("execution ")[1].split()[0]
        self.assertEqual(self.ok("execution", "logs", uid, "--stream", "stderr"), "err\n")
        self.assertEqual(self.ok("execution", "logs", uid, "--stream", "stdout", "--tail", "1"), "out\n")
        events = [json.loads(line) for line in self.cli("execution", "logs", uid, "--follow", "--json").stdout.splitlines()]
        self.assertEqual(events[-1], {"state": "failure"})
        again = self.server.finished(self.ok("execution", "retry", uid).strip())
        self.assertEqual(again["retry_of"], uid)
        self.ok("task", "update", "followed", "--command", "echo fine")
        self.assertEqual(self.ok("task", "trigger", "followed", "-f"), "fine\n")

    def test_executions_are_listed_by_every_filter_and_cancelled(self):
        self.ok("task", "create", "--name", "slow", "--type", "noop", "--data", '{"sleep_ms":60000}')
        uid = self.ok("task", "trigger", "slow").strip()
        run = self.server.in_state(uid, "running")
        for filters in (("--task", "slow"), ("--task-uid", run["task_uid"]), ("--uid", uid), ("--run-by", run["run_by"]), ("--state", "running"),
                        ("--trigger-type", "manual"), ("--from", run["started_at"]), ("--to", "2099-01-01T00:00:00Z"), ("--page", "1", "--page-size", "100")):
            found = json.loads(self.ok("execution", "list", "--json", *filters))
            self.assertIn(uid, [row["execution_uid"] for row in found["data"]], filters)
        self.assertIn("cancel", self.ok("execution", "cancel", uid, "--reason", "enough").lower())
        self.assertEqual(self.server.finished(uid)["cancel_reason"], "enough")
        for _ in range(3):
            self.server.finished(self.ok("task", "trigger", "slow", "--data", "{}").strip())
        page = self.cli("execution", "list", "--page-size", "2", "--json")
        cursor = json.loads(page.stdout)["pagination"]["next_cursor"]
        following = json.loads(self.ok("execution", "list", "--page-size", "2", "--cursor", cursor, "--json"))
        self.assertFalse({row["id"] for row in json.loads(page.stdout)["data"]} & {row["id"] for row in following["data"]})
        self.assertIn("--page N shows others", self.cli("execution", "list", "--page-size", "2").stderr)

    def test_an_instance_is_drained_and_taken_back(self):
        own, = self.server.get("/scheduler/instances").data
        for arguments, role in (((), "draining"), (("--undo",), "planner")):
            self.ok("instance", "drain", own["id"], *arguments)
            self.assertEqual(self.server.get("/scheduler/instances").data[0]["role"], role)

    def test_what_does_not_exist_gets_a_suggestion(self):
        self.ok("task", "create", "--name", "nightly-backup", "--type", "noop")
        for arguments in (("task", "show", "nightly-bakcup"), ("task", "trigger", "nightly-backups"), ("task", "delete", "nightly-backp")):
            self.failed(*arguments, text='did you mean "nightly-backup"')
        self.failed("user", "show", "admni", text='did you mean "admin"')
        self.failed("lock", "release", "scheduler_globl", text='did you mean "scheduler_global"')
        self.assertNotIn("did you mean", self.failed("task", "show", "something quite different").stderr)
        self.failed("task", "types", "nope", text="horae task types")

    def test_json_is_the_body_unchanged_also_of_errors(self):
        self.ok("task", "create", "--name", "body", "--type", "noop")
        self.assertEqual(self.ok("task", "show", "body", "--json"), self.server.get("/scheduler/tasks/body").body.decode() + "\n")
        done = self.failed("task", "show", "nobody", "--json")
        self.assertEqual(json.loads(done.stdout)["code"], "NOT_FOUND")
        self.assertEqual(self.ok("task", "delete", "body", "--json"), "")

    def test_types_configuration_and_statistics(self):
        self.assertIn("Runs a program", self.ok("task", "types"))
        self.assertIn("sleep_ms", self.ok("task", "types", "noop"))
        self.assertRegex(self.ok("config", "get"), r"execution_retention_days +\d+")
        self.assertRegex(self.ok("config", "set", "execution_retention_days=31", "lock_retention_days=8"), r"execution_retention_days +31")
        self.assertEqual(self.server.get("/scheduler/config").data["lock_retention_days"], 8)
        self.failed("config", "set", "execution_retention_days=0", text="between 1 and 3650")
        self.failed("config", "set", "nonsense=1", text="nonsense")
        self.assertIn("total_tasks", self.ok("task", "stats", "--window", "24h"))

    def test_users_and_tokens(self):
        self.ok("user", "add", "dave", "--role", "viewer", stdin="a long password\n")
        self.ok("user", "update", "dave", "--role", "operator", "--enabled", "false")
        self.assertRegex(self.ok("user", "show", "dave"), r"enabled +false")
        self.ok("user", "delete", "dave")
        self.failed("user", "show", "dave", text="NOT_FOUND")
        self.assertEqual(self.cli("user", "add", "eve", stdin="").returncode, 2)
        secret = self.cli("token", "create", "--name", "mine", "--role", "operator", "--expires", "2099-01-01T00:00:00Z")
        self.assertIn("not shown again", secret.stderr)
        mine = {"HORAE_URL": self.server.url, "HORAE_TOKEN": secret.stdout.strip()}
        self.assertIn("operator", run_cli("user", "me", env=mine).stdout)
        identifier = next(row["id"] for row in json.loads(self.ok("token", "list", "--json"))["data"] if row["name"] == "mine")
        self.assertIn("mine", self.ok("token", "show", identifier))
        head, *rows = self.ok("token", "list").splitlines()
        self.assertEqual(head.split("  ")[0], "ID")
        self.assertIn([identifier, "mine", "operator"], [row.split()[:3] for row in rows])
        self.ok("token", "revoke", identifier)
        denied = run_cli("user", "me", env=mine)
        self.assertEqual(denied.returncode, 4)
        self.assertIn("does not know this token", denied.stderr)

    def test_the_local_token_is_sent_to_this_machine_only(self):
        env = {"HORAE_DATA": self.server.folder}
        port = self.server.url.rsplit(":", 1)[1]
        self.assertEqual(run_cli("task", "list", "--server", f"http://localhost:{port}", env=env).returncode, 0)
        elsewhere = run_cli("task", "list", "--server", f"http://127.0.0.1.nip.invalid:{port}", env=env)
        self.assertEqual(elsewhere.returncode, 3)
        without = run_cli("task", "list", "--server", self.server.url, env={"HORAE_DATA": "/nonexistent"})
        self.assertEqual(without.returncode, 4)
        self.assertIn("--token or HORAE_TOKEN", without.stderr)

    def test_proxy_variables_are_for_the_web(self):
        self.ok("task", "list", env={"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9"})


def on_terminal(*arguments, columns=80, env=None, typed=None):
    """What the command prints on a terminal of that width; `typed` is (what it asks, what is typed then): then its input and its
    errors are the terminal too."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([BINARY, *arguments], stdin=theirs if typed else None, stdout=theirs, stderr=theirs if typed else subprocess.PIPE,
                               env={"PATH": os.environ["PATH"], "TERM": "xterm", **(env or {})})
    os.close(theirs)
    seen = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk
        if typed and typed[0] in seen.decode(errors="replace"):
            os.write(ours, typed[1].encode())
            typed = None
    os.close(ours)
    error = seen
    if process.stderr:
        error = process.stderr.read()
        process.stderr.close()
    if process.wait() != 0:
        raise AssertionError(error)
    return seen.decode().replace("\r\n", "\n")


def width(text):
    import unicodedata

    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)


class Tables(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = {"HORAE_URL": cls.server.url, "HORAE_TOKEN": ADMIN_TOKEN, "TZ": "America/New_York"}
        for name in ("备份数据库", "plain", "e\u0301clair", "long-" + "长" * 60):
            cls.server.create(name=name, type="noop", cron_expr="0 3 1 1 *", description="steering\u001b[31m\u0085\u007f\nsecond line")
        cls.server.finished(cls.server.trigger("plain"))

    def test_a_password_is_asked_for_and_not_shown(self):
        seen = on_terminal("user", "add", "typist", "--role", "viewer", env=self.env, typed=("New password: ", "no one sees it\n"))
        self.assertIn("New password: \n", seen)
        self.assertNotIn("no one sees it", seen)
        self.assertEqual(self.server.post("/auth/login", {"username": "typist", "password": "no one sees it"}, token=None).status, 200)

    def test_progress_stands_on_a_terminal_and_is_wiped_out_at_the_end(self):
        nothing = ("never asked", "")
        with tempfile.TemporaryDirectory() as folder:
            exported = os.path.join(folder, "events")
            seen = on_terminal("audit", "export", "--out", exported, env=self.env, typed=nothing)
            self.assertRegex(seen, r"^\r\S.* \d+ of \d+\x1b\[K(\r\S.* \d+ of \d+\x1b\[K)*\r\x1b\[K$")
            with open(exported, encoding="utf-8") as file:
                self.assertIn("manifest", json.loads(file.readlines()[-1]))

    def test_columns_line_up_with_wide_and_combining_characters(self):
        lines = run_cli("task", "list", env=self.env).stdout.splitlines()
        at = lines[0].index("TYPE")
        for line in lines[1:]:
            column = width(line[:line.index(" noop" if " noop" in line else "_cleanup  ") + 1])
            if " noop" in line:
                self.assertEqual(column, at, line)
        self.assertGreaterEqual(len(lines), 7)

    def test_control_characters_steer_no_terminal(self):
        shown = run_cli("task", "show", "plain", env=self.env).stdout
        self.assertRegex(shown, "description +steering \\[31m +\n {25}second line\n")
        for character in "\u001b\u0085\u007f":
            self.assertNotIn(character, shown)

    def test_on_a_terminal_a_table_fits_and_says_what_was_cut(self):
        for columns in (80, 100, 300):
            lines = on_terminal("task", "list", columns=columns, env={**self.env, "NO_COLOR": "1"}).splitlines()
            self.assertTrue(all(width(line) <= columns for line in lines), lines)
            self.assertEqual(any("…" in line for line in lines), columns < 300)
        self.assertNotIn("…", run_cli("task", "list", env=self.env).stdout)

    def test_colours_are_for_terminals_that_want_them(self):
        arguments = ("execution", "list")
        self.assertIn("\033[32m", on_terminal(*arguments, columns=200, env=self.env))
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotIn("\033", on_terminal(*arguments, columns=200, env={**self.env, **env}))
        self.assertNotIn("\033", run_cli(*arguments, env=self.env).stdout)

    def test_times_are_shown_in_the_zone_of_who_looks(self):
        listed = run_cli("task", "list", env=self.env).stdout
        self.assertRegex(listed, r"T22:00:00-05:00")
        self.assertRegex(run_cli("task", "list", env={**self.env, "TZ": "UTC"}).stdout, r"T03:00:00Z")
        self.assertRegex(run_cli("task", "next", "plain", "-n", "1", env=self.env).stdout, r"^\d{4}-12-31T22:00:00-05:00\n$")

    def test_an_empty_list_is_no_line_of_output(self):
        done = run_cli("task", "list", "--name", "nothing like it", env=self.env)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", "(none)\n"))


class Secured(unittest.TestCase):
    def test_a_certificate_is_checked_and_can_be_named(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        server = Server(["--tls-cert", cert, "--tls-key", key], data=folder)
        try:
            env = {"HORAE_URL": server.url, "HORAE_TOKEN": ADMIN_TOKEN}
            self.assertEqual(run_cli("task", "list", "--ca", cert, env=env).returncode, 0)
            self.assertEqual(run_cli("task", "list", env={**env, "HORAE_CA": cert}).returncode, 0)
            refused = run_cli("task", "list", env=env)
            self.assertEqual(refused.returncode, 3)
            self.assertIn("--ca FILE", refused.stderr)
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, "cli-token")).st_mode), 0o600)
        finally:
            server.remove()
