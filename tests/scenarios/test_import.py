# SPDX-License-Identifier: Apache-2.0
"""horae import crontab (contract section 5; rulings, Crontab import): everything that cron takes, run as cron would run it."""
import json
import os
import pwd
import re
import subprocess
import tempfile
import time
import unittest

from harness import ADMIN_TOKEN, BINARY, Server, ServerCase, run_cli, wait_until

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
NOWHERE = {"HORAE_URL": "http://127.0.0.1:9"}


class Offline(unittest.TestCase):
    """--dry-run and --prove need no server."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def dry(self, *arguments, stdin=None, env=None):
        return run_cli("import", "crontab", *arguments, "--dry-run", env={**NOWHERE, **(env or {})}, stdin=stdin)

    def bodies(self, text, *arguments, env=None):
        done = self.dry("-", *arguments, "--json", stdin=text, env=env)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def prove(self, text, env=None):
        return run_cli("import", "crontab", "-", "--prove", env={**NOWHERE, **(env or {})}, stdin=text)

    def test_a_dry_run_says_what_would_be_created(self):
        done = self.dry("-", stdin=CRONTAB)
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (1, 5))
        self.assertIn("-:11: not taken: minute 61 is outside 0-59", done.stderr)
        self.assertIn("-:12: not taken: a schedule has five fields", done.stderr)
        self.assertIn("5 would be created or brought up to date, 2 not taken", done.stderr)
        self.assertRegex(done.stdout, r"crontab-\S+-echo-hello-[0-9a-f]{8}  \*/5 \* \* \* \*  \[\S+\]  echo hello\n")

    def test_the_sum_is_the_last_line_of_a_file_that_takes_both_streams(self):
        done = subprocess.run([BINARY, "import", "crontab", "-", "--dry-run"], env=NOWHERE, input=CRONTAB, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        self.assertEqual(done.stdout.splitlines()[-1], "5 would be created or brought up to date, 2 not taken")

    def test_mistakes_of_usage(self):
        for arguments, text in ((("import",), "Usage"), (("import", "crontb", "x"), 'did you mean "crontab"'), (("import", "crontab"), "FILE is missing"),
                                (("import", "crontab", "x", "--sytem"), 'did you mean "--system"')):
            done = run_cli(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(text, done.stderr)
        for arguments in (("import", "--help"), ("import", "help"), ("import", "crontab", "--help"), ("help", "import"), ("help", "import", "crontab")):
            self.assertEqual(run_cli(*arguments).returncode, 0, arguments)

    def test_files_that_cannot_be_read(self):
        done = self.dry("/nonexistent")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", done.stderr)
        self.assertEqual(self.dry("").returncode, 1)
        big = self.write("big", "# comment\n" * 500000)
        self.assertIn("more than", self.dry(big).stderr)
        self.assertEqual(self.dry("-", stdin="").returncode, 0)

    def test_the_body_does_what_cron_does(self):
        user = pwd.getpwuid(os.getuid())
        body = self.bodies("FOO='a b'\nLOGNAME=other\nSHELL=/bin/bash\nMAILTO=\n5 4 * * * cat x%in%put\n")[0]
        self.assertEqual((body["type"], body["cron_expr"], body["gap"], body["fold"], body["overlap"], body["misfire_policy"], body["max_retries"]),
                         ("command", "5 4 * * *", "run_at_edge", "first", "allow", "skip", 0))
        self.assertEqual(json.loads(body["data"]), {
            "command": "cat x", "shell": "/bin/bash", "cwd": user.pw_dir, "stdin": "in\nput\n", "user": user.pw_name,
            "env": {"PATH": "/usr/bin:/bin", "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": "/bin/bash", "FOO": "a b", "MAILTO": ""}})
        self.assertEqual([self.bodies(f"{text} x\n")[0]["gap"] for text in ("* * * * *", "5 */2 * * *", "0 1-3 * * *", "@hourly", "@daily", "@reboot")],
                         ["skip", "skip", "run_at_edge", "skip", "run_at_edge", "auto"])

    def test_the_zone_is_that_of_cron_tz_else_of_the_host(self):
        def zone_and_clock(text, tz):
            body = self.bodies(text, env={"TZ": tz})[0]
            return body["timezone"], json.loads(body["data"])["env"].get("TZ")

        self.assertEqual(zone_and_clock("1 1 * * * x\n", "Asia/Tokyo"), ("Asia/Tokyo", None))
        self.assertEqual(zone_and_clock("1 1 * * * x\n", ":Asia/Tokyo"), ("Asia/Tokyo", None))
        self.assertEqual(zone_and_clock("CRON_TZ=Europe/Paris\n1 1 * * * x\n", "Asia/Tokyo"), ("Europe/Paris", "Asia/Tokyo"))
        self.assertEqual(zone_and_clock("TZ=Europe/Paris\n1 1 * * * x\n", "Asia/Tokyo"), ("Asia/Tokyo", "Europe/Paris"))
        self.assertIn("not the name of a time zone", self.dry("-", stdin="", env={"TZ": "CET-1CEST"}).stderr)
        self.assertIn("not a zone that this machine knows", self.dry("-", stdin="CRON_TZ=Mars/X\n1 1 * * * x\n").stderr)

    def test_schedules_are_stored_in_the_default_dialect(self):
        self.assertEqual(self.bodies("0 0 */2 * 1 x\n")[0]["cron_expr"], "0 0 */2 * +1")
        self.assertEqual(self.bodies("*/70 * * * * x\n")[0]["cron_expr"], "0 * * * *")
        self.assertEqual(self.bodies("-*/15 * * * * x\n")[0]["cron_expr"], "*/15 * * * *")

    def test_lines_that_cannot_be_taken_have_reasons(self):
        for line, reason in (("50-10 * * * *", "two ranges"), ("0 0 30 2 *", "no year has"), ("* * * * * " + "x" * 11000, "10240 bytes"),
                             (",".join(["1"] * 200) + " * * * *", "255 bytes"), ("5/0 * * * *", "step")):
            done = self.dry("-", stdin=f"{line} x\n")
            self.assertEqual((done.returncode, done.stdout), (1, ""), line[:40])
            self.assertRegex(done.stderr, f"-:1: not taken: .*{reason}")
        self.assertIn("cron itself refuses this schedule (bad day-of-month)", self.dry("-", stdin="0 0 L * * x\n").stderr)
        self.assertIn("bytes that are not UTF-8", subprocess.run([BINARY, "import", "crontab", "-", "--dry-run"], input=b"* * * * * \xe9\n", capture_output=True,
                                                                 check=False).stderr.decode())

    def test_the_system_form_names_users(self):
        done = self.dry("-", "--system", stdin="0 5 * * * www-data run-parts /etc/cron.daily\n-5 5 * * *\tDOM\\ann\tx y\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"crontab-www-data-run-parts\S* .*\ncrontab-DOM\\ann-x-y\S* .*\n$")
        self.assertIn('-:2: the user "DOM\\ann" does not exist on this machine', done.stderr)
        bad = self.dry("-", "--system", stdin="0 5 * * * root\n")
        self.assertIn("the command is missing", bad.stderr)
        body = self.bodies("0 5 * * * www-data x\n", "--system")[0]
        self.assertEqual(json.loads(body["data"])["user"], "www-data")

    def test_a_missing_home_folder_does_not_keep_cron_from_running(self):
        body = self.bodies("HOME=/nonexistent\n0 5 * * * x\n")[0]
        data = json.loads(body["data"])
        self.assertEqual((data["cwd"], data["env"]["HOME"]), ("/", "/nonexistent"))

    def test_places_that_cron_reads_are_known(self):
        self.write("etc/crontab", "1 1 * * * root system-one\n")
        for name in ("good_name-1", "bad.dpkg-old", "bad~", ".placeholder"):
            self.write(f"etc/cron.d/{name}", f"2 2 * * * root from-{name[:3]}\n")
        self.write("cron/crontabs/nobody", "3 3 * * * user-one\n")
        self.write("cron/crontabs/tmp.x", "4 4 * * * no\n")
        done = self.dry(os.path.join(self.folder, "etc/crontab"), os.path.join(self.folder, "etc/cron.d"), os.path.join(self.folder, "cron/crontabs"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(re.findall(r"^crontab-(\S+)-[0-9a-f]{8} ", done.stdout, re.M), ["root-system-one", "root-from-goo", "nobody-user-one"])
        self.assertEqual(done.stderr.count("passed over, as cron does"), 3)
        one = self.dry(os.path.join(self.folder, "etc/cron.d/bad~"))
        self.assertEqual((one.stdout, one.stderr.count("passed over")), ("", 1))

    def test_odd_files(self):
        done = self.dry("-", stdin="\ufeff# mark\r\nA=b\r\n1 1 * * * one\r\n  \t\r\n2 2 * * * two")
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 2), done.stderr)
        self.assertNotIn("\r", done.stdout)
        long = self.dry("-", stdin="1 1 * * * echo " + "y" * 5000 + "\n")
        self.assertEqual(long.returncode, 0, long.stderr)

    def test_the_proof_covers_a_year_with_its_clock_changes(self):
        text = "CRON_TZ=America/New_York\n30 2 * * * a\n*/30 * * * * b\n15 2 * * 0 d\n*/20 2 * * * e\n30 1 * * * f\n15 0-23 * * * g\n0 1-3 * * * h\n0,30 2 * * * i\n@hourly j\n"
        done = self.prove(text)
        self.assertEqual((done.returncode, done.stdout.count(" coming times are equal, 0 differ")), (0, 9), done.stdout)
        self.assertEqual(len(re.findall(r"note:  \d{4}-03-\d\dT03:00:00-04:00  cron starts it 2 times at once, horae once", done.stdout)), 2)
        self.assertIn("9 entries compared with cron, 0 differ; 0 not taken", done.stderr)
        counts = [int(n) for n in re.findall(r"(\d+) coming times", done.stdout)]
        self.assertGreater(counts[1], 2 * 24 * 365)

    def test_the_proof_is_right_in_odd_zones(self):
        for zone in ("Australia/Lord_Howe", "Africa/Casablanca", "Asia/Beirut", "America/Havana", "Pacific/Chatham", "America/Scoresbysund", "Antarctica/Troll", "Asia/Kolkata"):
            done = self.prove("0 0 * * * a\n30 * * * * b\n15 2 * * * c\n*/7 1 * * * d\n45 0-23/3 * * 0 e\n0 0 13 * 5 f\n@weekly g\n@monthly h\n@yearly i\n", env={"TZ": zone})
            self.assertEqual(done.returncode, 0, (zone, done.stdout))

    def test_rare_schedules_are_compared_beyond_a_year(self):
        done = self.prove("0 0 29 2 * a\n@reboot b\n")
        self.assertRegex(done.stdout, r"[23] coming times are equal, 0 differ")
        self.assertIn("once, when the machine has started", done.stdout)

    def test_what_cron_would_never_start_is_a_difference(self):
        done = self.prove("0 0 L * * x\n1 1 * * * y\n")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cron:   refuses it (bad day-of-month), and with it the whole file", done.stdout)
        self.assertIn("2 entries compared with cron, 1 differ", done.stderr)


class Import(ServerCase):
    def setUp(self):
        handle, self.path = tempfile.mkstemp(prefix="crontab", dir=self.server.folder)
        os.close(handle)
        self.addCleanup(self.run_import, "", "--prune")

    def run_import(self, text, *arguments, **kwargs):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        return run_cli("import", "crontab", self.path, *arguments, server=self.server, **kwargs)

    def imported(self):
        return [task for task in self.server.get("/scheduler/tasks?name=crontab-&page_size=100").data if task["description"] == f"from {self.path}"]

    def test_import_is_idempotent_and_reports_what_it_cannot_take(self):
        first = self.run_import(CRONTAB)
        self.assertIn("5 created, 0 changed, 0 unchanged, 2 not taken\n", first.stdout, first.stderr)
        self.assertEqual(first.stdout.count("created    crontab-"), 5)
        self.assertEqual(first.returncode, 1)
        again = self.run_import(CRONTAB)
        self.assertEqual(again.stdout, "0 created, 0 changed, 5 unchanged, 2 not taken\n")
        shifted = self.run_import("# a comment above moves lines\n\n" + CRONTAB)
        self.assertEqual(shifted.stdout, "0 created, 0 changed, 5 unchanged, 2 not taken\n")
        data = {task["cron_expr"]: (json.loads(task["data"]), task["timezone"]) for task in self.imported()}
        self.assertEqual(data["@daily"][0]["stdin"], "line one\nline two\n")
        self.assertEqual(data["30 2 * * *"][0]["command"], "date +%F")
        self.assertEqual(data["30 2 * * *"][1], "Europe/Berlin")

    def test_what_an_operator_has_changed_stays(self):
        self.run_import("1 1 * * * one\n")
        task = self.imported()[0]
        change = {"name": "renamed", "priority": 7, "max_retries": 2, "labels": {"a": "b"}, "description": f"from {self.path}", "enabled": False}
        self.assertEqual(self.server.request("PATCH", f"/scheduler/tasks/{task['uid']}", change).status, 200)
        self.assertIn("0 created, 0 changed, 1 unchanged", self.run_import("1 1 * * * one\n").stdout)
        changed = self.run_import("X=1\n1 1 * * * one\n")
        self.assertIn("0 created, 1 changed, 0 unchanged", changed.stdout)
        after = self.server.get(f"/scheduler/tasks/{task['uid']}").data
        self.assertEqual({key: after[key] for key in change}, change)
        self.assertEqual(json.loads(after["data"])["env"]["X"], "1")
        self.server.request("DELETE", f"/scheduler/tasks/{task['uid']}")

    def test_a_changed_line_is_another_entry_and_the_former_one_is_named(self):
        self.run_import("1 1 * * * one\n2 2 * * * two\n")
        changed = self.run_import("1 1 * * * one\n2 3 * * * two\n")
        self.assertIn("1 created, 0 changed, 1 unchanged, 0 not taken, 1 gone\n", changed.stdout)
        self.assertRegex(changed.stdout, r"gone       crontab-\S+-two-\S+: it is no longer in .*, but runs on; --prune deletes it")
        self.assertEqual(len(self.imported()), 3)
        pruned = self.run_import("1 1 * * * one\n2 3 * * * two\n", "--prune")
        self.assertIn("0 created, 0 changed, 2 unchanged, 0 not taken, 1 deleted\n", pruned.stdout)
        self.assertEqual(sorted(task["cron_expr"] for task in self.imported()), ["1 1 * * *", "2 3 * * *"])

    def test_equal_lines_are_entries_of_their_own_and_other_files_are_left_alone(self):
        self.run_import("1 1 * * * same\n1 1 * * * same\n")
        self.assertEqual(len(self.imported()), 2)
        self.assertIn("0 created, 0 changed, 2 unchanged", self.run_import("1 1 * * * same\n1 1 * * * same\n").stdout)
        other = run_cli("import", "crontab", "-", "--prune", server=self.server, stdin="1 1 * * * same\n")
        self.assertIn("1 created", other.stdout)
        self.assertEqual(len(self.imported()), 2)
        run_cli("import", "crontab", "-", "--prune", server=self.server, stdin="")

    def test_more_entries_than_a_page_of_the_api(self):
        text = "".join(f"{i % 60} {i // 60} * * * entry {i}\n" for i in range(250))
        self.assertIn("250 created", self.run_import(text).stdout)
        self.assertEqual(self.run_import(text).stdout, "0 created, 0 changed, 250 unchanged, 0 not taken\n")

    def test_refusals_of_the_server_name_the_line(self):
        self.run_import("1 1 * * * named\n")
        name = self.imported()[0]["name"]
        self.run_import("", "--prune")
        self.server.create(name=name, type="noop")
        done = self.run_import("\n1 1 * * * named\n")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, f":2: not taken: .*{name}.*exists already")
        self.server.request("DELETE", f"/scheduler/tasks/{name}")

    def test_no_server_and_no_token(self):
        done = self.run_import("1 1 * * * x\n", env=NOWHERE)
        self.assertEqual((done.returncode, done.stdout), (3, ""))
        self.assertEqual(self.run_import("1 1 * * * x\n", env={"HORAE_TOKEN": "wrong"}).returncode, 4)
        viewer = self.server.post("/tokens", {"name": "v", "role": "viewer"}).data["token"]
        done = self.run_import("1 1 * * * x\n", env={"HORAE_TOKEN": viewer})
        self.assertEqual(done.returncode, 4)
        self.assertIn("does not allow", done.stderr)


class Running(unittest.TestCase):
    """Imported entries run: by the clock, and with what cron gives them."""

    def start(self, *prefix, clock=False):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        env = {}
        if clock:
            env["HORAE_TEST_CLOCK_FILE"] = os.path.join(folder, "clock")
            with open(env["HORAE_TEST_CLOCK_FILE"], "w", encoding="utf-8") as file:
                file.write(str(57 - time.time() % 60))  # the next minute is three seconds away
        server = Server([], env, folder)
        self.addCleanup(server.remove)
        return server

    def test_entries_run_by_the_clock(self):
        server = self.start(clock=True)
        self.assertIn("1 created", run_cli("import", "crontab", "-", server=server, stdin="* * * * * echo tick\n").stdout)
        run = wait_until("the minute to pass", lambda: next((e for e in server.executions() if e["state"] == "success"), None), 60)
        self.assertEqual((run["result"], run["trigger_type"]), ("tick\n", "scheduled"))

    @unittest.skipUnless(os.geteuid() == 0, "needs the rights to become another user")
    def test_entries_run_as_their_users_with_cron_s_environment(self):
        server = self.start()
        text = "GREETING='hello there'\n1 1 * * * nobody id -un; pwd; env | sort; cat%in%put\n2 2 * * * root id -un\n"
        self.assertIn("2 created", run_cli("import", "crontab", "-", "--system", server=server, stdin=text).stdout)
        results = {}
        for task in server.get("/scheduler/tasks?name=crontab-").data:
            results[task["cron_expr"]] = server.finished(server.trigger(task["name"]))
        self.assertEqual({run["state"] for run in results.values()}, {"success"}, results)
        self.assertEqual(results["2 2 * * *"]["result"], "root\n")
        lines = results["1 1 * * *"]["result"].splitlines()
        self.assertEqual((lines[0], lines[-2:]), ("nobody", ["in", "put"]))
        for expected in ("GREETING=hello there", "LOGNAME=nobody", "USER=nobody", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", f"HOME={pwd.getpwnam('nobody').pw_dir}"):
            self.assertIn(expected, lines)

    @unittest.skipUnless(os.geteuid() == 0, "needs another user")
    def test_a_server_without_rights_runs_the_entries_of_its_own_user(self):
        folder = tempfile.mkdtemp(prefix="horae-test-")
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", folder], check=True))
        os.chmod(folder, 0o755)
        data = os.path.join(folder, "data")
        os.mkdir(data)
        os.chown(data, 65534, 65534)
        binary = os.path.join(folder, "horae")
        subprocess.run(["cp", "-L", BINARY, binary], check=True)
        become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        env = {"PATH": os.environ["PATH"], "HORAE_ADMIN_TOKEN": ADMIN_TOKEN}
        process = subprocess.Popen([*become, binary, "serve", "--listen", "127.0.0.1:0", "--data", data], env=env, stderr=subprocess.PIPE, text=True)
        try:
            url = next(line.split(" on ")[1].strip() for line in process.stderr if "ready on" in line)
            client = {"HORAE_URL": url, "HORAE_TOKEN": ADMIN_TOKEN}
            done = subprocess.run([*become, binary, "import", "crontab", "-"], input="1 1 * * * id -un\n", env=client, capture_output=True, text=True, check=False)
            self.assertIn("1 created", done.stdout, done.stderr)
            name = done.stdout.split()[1]
            ran = run_cli("task", "trigger", name, "--follow", env=client)
            self.assertEqual((ran.returncode, ran.stdout), (0, "nobody\n"), ran.stderr)
        finally:
            process.terminate()
            process.stderr.read()
            process.stderr.close()
            self.assertEqual(process.wait(timeout=40), 0)
