# SPDX-License-Identifier: Apache-2.0
"""The schedule engine through `horae cron` (contract section 4), without a server."""
import json
import os
import random
import shutil
import tempfile
import unittest
import zoneinfo

import cron_random
from harness import BINARY, ROOT, Server, run_cli, wait_until


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


def answers(queries, env=None):
    done = run_cli("cron", "batch", stdin="".join(json.dumps(query) + "\n" for query in queries), env=env)
    return [json.loads(line) for line in done.stdout.splitlines()]


class Zones(unittest.TestCase):
    """Section 5: names, files, and the copy in the program."""

    NONE = {"TZDIR": "/nonexistent"}

    def test_the_copy_in_the_program_tells_what_the_files_tell(self):
        names = sorted(zoneinfo.available_timezones() - {"localtime"})
        self.assertGreater(len(names), 400)
        queries = [{"expr": "0 12 1 */2 *", "tz": name, "from": "1850-01-01T00:00:00Z", "n": 1600} for name in names]
        for name, file, copy in zip(names, answers(queries), answers(queries, self.NONE)):
            self.assertEqual(len(file.get("next", [])), 1600, name)
            self.assertTrue(file == copy, name)
        wrong, _ = cron_random.run(300, 1, BINARY, self.NONE)
        self.assertEqual(wrong[:5], [])

    def test_the_version_of_the_rules_is_shown(self):
        self.assertRegex(run_cli("version").stdout, r"^horae \S+\ntzdata \d{4}[a-z]+\n$")
        self.assertRegex(run_cli("version", env=self.NONE).stdout, r"\ntzdata \d{4}[a-z]+ \(built in: .*\)\n$")

    def test_names_are_checked_before_any_file_is_opened(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "Inner"))
            for name in ("Plain", "Inner/Zone", "localtime", "with.dot", "Über"):
                shutil.copy("/usr/share/zoneinfo/Europe/Paris", os.path.join(folder, name))
            with open(os.path.join(folder, "Garbage"), "wb") as file:
                file.write(b"TZif2" + b"\xff" * 100)
            shutil.copy(os.path.join(folder, "Garbage"), os.path.join(folder, "UCT"))
            for name, known in (("Plain", True), ("Inner/Zone", True), ("Inner//Zone", False), ("Inner/", False), ("Inner", False),
                                ("Inner/../Plain", False), ("../" + os.path.basename(folder) + "/Plain", False), (folder + "/Plain", False),
                                ("./Plain", False), ("with.dot", False), ("Über", False), ("localtime", False), ("plain", False), ("Garbage", False),
                                ("UCT", False), ("Plain\x00", False), ("", True), ("x" * 64, False), ("x" * 10000, False), ("UTC", True),
                                ("Asia/Tokyo", True)):
                with self.subTest(name=name[:80]):
                    answer, = answers([{"expr": "* * * * *", "tz": name, "from": "2026-01-01T00:00:00Z"}], {"TZDIR": folder})
                    self.assertEqual(answer.get("error", {}).get("code"), None if known else "tz", answer)

    def test_offsets_and_rules_are_no_names(self):
        for name, hint in (("+02:00", "Etc/GMT-2"), ("+2", "Etc/GMT-2"), ("-0330", "name of a place"), ("+5:30", "name of a place"), ("-14", "IANA"),
                           ("UTC+3", "Etc/GMT-3"), ("GMT-2", "Etc/GMT+2"),
                           ("EST5EDT4", "IANA"), ("CEST", "Europe/Paris")):
            done = run_cli("cron", "check", f"TZ={name} 0 0 * * *")
            self.assertEqual(done.returncode, 1)
            self.assertIn(f'unknown time zone "{name}"', done.stderr)
            self.assertIn(hint, done.stderr)

    def test_which_zone_counts(self):
        """The prefix, then the option, then UTC."""
        for expression, zone, offset in (("TZ=Asia/Tokyo 0 0 * * *", "America/New_York", "+09:00"), ("CRON_TZ=Asia/Tokyo 0 0 * * *", None, "+09:00"),
                                         ("0 0 * * *", "Asia/Kolkata", "+05:30"), ("0 0 * * *", None, "+00:00"), ("0 0 * * *", "UTC", "+00:00"),
                                         ("0 0 * * *", "EST", "-05:00"), ("0 0 * * *", "US/Eastern", "-05:00")):
            query = {"expr": expression, "from": "2026-01-01T00:00:00Z"}
            answer, = answers([{**query, "tz": zone} if zone else query], {"TZ": "Europe/Moscow"})
            self.assertEqual(answer["next"][0][-6:], offset, (expression, zone))


class NewZoneFiles(unittest.TestCase):
    def test_queued_slots_follow_newer_zone_files(self):
        """Section 5: on a change of tzdata at run time every queued job of the changed zones is computed anew."""
        with tempfile.TemporaryDirectory() as folder:
            def install(name, source):
                shutil.copy(os.path.join("/usr/share/zoneinfo", source), os.path.join(folder, "new"))
                os.replace(os.path.join(folder, "new"), os.path.join(folder, name))

            install("Moving", "Asia/Tokyo")
            install("Staying", "Asia/Tokyo")
            server = Server(env={"TZDIR": folder})
            self.addCleanup(server.remove)
            for name in ("Moving", "Staying"):
                server.create(name=name.lower(), type="noop", cron_expr="0 12 1 1 *", timezone=name)

            def next_run(name):
                return server.get(f"/scheduler/tasks/{name}").data["next_run"][10:16]

            self.assertEqual((next_run("moving"), next_run("staying")), ("T03:00", "T03:00"))
            install("Moving", "America/Bogota")
            wait_until("the slot to move", lambda: next_run("moving") == "T17:00")
            self.assertEqual(server.get("/scheduler/tasks/moving/next?count=1").data[0][10:16], "T17:00")
            self.assertEqual(next_run("staying"), "T03:00")
            self.assertIn("time zone rules changed: the next slots of 1 tasks", server.log_text())
            with open(os.path.join(folder, "new"), "wb") as file:
                file.write(b"damaged")
            os.replace(os.path.join(folder, "new"), os.path.join(folder, "Moving"))
            wait_until("the complaint", lambda: "zone Moving is damaged" in server.log_text())
            self.assertEqual(server.get("/scheduler/tasks/moving/next?count=1").data[0][10:16], "T17:00")
            server.stop()
            install("Moving", "Asia/Kolkata")  # while no server ran
            server.start()
            self.assertEqual(server.get("/scheduler/tasks/moving/next?count=1").data[0][10:16], "T06:30")
            wait_until("the slot to move", lambda: next_run("moving") == "T06:30")


class Model(unittest.TestCase):
    """Random schedules against a second reading of the rules, which lists every local time (tests/cron_model.py)."""

    def test_random_schedules_fire_when_the_model_says(self):
        seed = int(os.environ.get("HORAE_CRON_SEED") or random.randrange(1 << 31))
        print(f"seed {seed}")
        wrong, asked = cron_random.run(2500, seed, BINARY)
        self.assertEqual(wrong[:5], [], f"HORAE_CRON_SEED={seed}: {len(wrong)} differences")
        self.assertGreaterEqual(asked, 7500)
