# SPDX-License-Identifier: Apache-2.0
"""The schedule engine through `horae cron` (contract section 4), without a server."""
import datetime
import json
import os
import random
import select
import shutil
import subprocess
import tempfile
import threading
import unittest
import zoneinfo

import cron_random
from harness import BINARY, ROOT, WAIT_S, Server, cron_answers, run_cli, wait_until


class Vectors(unittest.TestCase):
    """Section 11: the contract as data."""

    QUERY = ("expr", "tz", "from", "to", "seed", "anchor", "dialect", "syntax", "n")

    def test_every_vector(self):
        with open(os.path.join(ROOT, "tests", "data", "cron-vectors.json"), encoding="utf-8") as file:
            vectors = json.load(file)
        self.assertGreater(len(vectors), 2000)
        op = lambda v: "prev" if "prev" in v else "count" if "count" in v else "parse" if v.get("error") else "next"
        queries = [{"op": op(v), **{key: v[key] for key in self.QUERY if key in v}} for v in vectors]
        for vector, answer in zip(vectors, cron_answers(queries), strict=True):
            with self.subTest(id=vector["id"], expr=vector["expr"]):
                for key in ("next", "prev", "count"):
                    if key in vector:
                        self.assertEqual(answer.get(key), vector[key])
                for key in ("code", "pos"):
                    if vector.get("error"):
                        self.assertEqual(answer["error"][key], vector.get(key, answer["error"][key]))

    def test_equivalent_expressions_of_the_vectors(self):
        """`cron` holds the same schedule in the default dialect."""
        with open(os.path.join(ROOT, "tests", "data", "cron-vectors.json"), encoding="utf-8") as file:
            vectors = [v for v in json.load(file) if "cron" in v and not v.get("error")]
        self.assertGreater(len(vectors), 50)
        given = [{**{key: v[key] for key in self.QUERY if key in v}, "n": 8} for v in vectors]
        same = [{**query, "expr": v["cron"], "dialect": None, "syntax": None} for query, v in zip(given, vectors)]
        for vector, left, right in zip(vectors, cron_answers(given), cron_answers(same), strict=True):
            self.assertEqual(left, right, vector["expr"])


class Policies(unittest.TestCase):
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


class Batch(unittest.TestCase):
    START = {"expr": "*/10 * * * *", "from": "2026-01-01T00:00:00Z"}

    def test_answers_come_while_the_input_stays_open(self):
        with subprocess.Popen([BINARY, "cron", "batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            for n in (1, 2):
                process.stdin.write(json.dumps({**self.START, "n": n}).encode() + b"\n")
                process.stdin.flush()
                ready, _, _ = select.select([process.stdout], [], [], WAIT_S)
                self.assertTrue(ready, "no answer before the end of the input")
                self.assertEqual(len(json.loads(process.stdout.readline())["next"]), n)
            process.stdin.close()
            self.assertEqual((process.stdout.read(), process.wait()), (b"", 0))

    def test_a_million_lines_need_no_more_memory_than_a_thousand(self):
        env = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}  # which keeps what was freed
        with subprocess.Popen([BINARY, "cron", "batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
            def feed(first, count):
                for i in range(first, first + count):
                    process.stdin.write(b'{"expr":"%d %d * * *","from":"2026-01-01T00:00:00Z"}\n' % (i % 60, i // 60 % 24))
                process.stdin.flush()

            def check(first, count):
                for i in range(first, first + count):
                    if process.stdout.readline() != b'{"next":["2026-01-0%dT%02d:%02d:00+00:00"]}\n' % (1 if i % 1440 else 2, i // 60 % 24, i % 60):
                        self.fail(f"answer {i} is another")

            def peak_kb():
                with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                    return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

            peaks, done = [], 0
            for count in (1000, 999000):
                feeder = threading.Thread(target=feed, args=(done, count))
                feeder.start()
                check(done, count)
                feeder.join()
                done += count
                peaks.append(peak_kb())
            process.stdin.close()
            self.assertEqual(process.wait(), 0)
        self.assertLess(peaks[1] - peaks[0], 4096, "kB more: the smallest block for each line would be 32,000")

    def test_bad_lines_get_their_error_and_the_next_one_is_answered(self):
        good = json.dumps(self.START)
        for line, code, text in (("nonsense", "json", ""), ("", "json", ""), ("[]", "query", "JSON object"), ('"x"', "query", "JSON object"), ("{}", "query", '"expr"'),
                                 ('{"expr":5}', "query", "expr must be a text"), ('{"expr":"* * * * *","form":1}', "query", '"form" is no key of a query: expr, op, tz'),
                                 ('{"expr":"* * * * *","op":"sing"}', "query", "op must be next, prev, count or parse"),
                                 ('{"expr":"* * * * *","op":1}', "query", "op must be"), ('{"expr":"* * * * *","n":-1}', "query", "n must be a whole number between 0 and 1000000"),
                                 ('{"expr":"* * * * *","n":1.5}', "query", "n must"), ('{"expr":"* * * * *","n":"1"}', "query", "n must"),
                                 ('{"expr":"* * * * *","from":"yesterday"}', "query", "from must be a time"), ('{"expr":"* * * * *","from":true}', "query", "from must be"),
                                 ('{"expr":"* * * * *","from":"0000-12-31T00:00:00Z"}', "query", "in the years 1 to 9999"), ('{"expr":"* * * * *","from":-62135596800001}', "query", "years 1"),
                                 ('{"expr":"* * * * *","to":1e3}', "query", "to must be a time"), ('{"expr":"* * * * *","anchor":[]}', "query", "anchor must"),
                                 ('{"expr":"* * * * *","gap":"jump"}', "query", "gap must be auto, skip, run_at_edge or shift_forward"),
                                 ('{"expr":"* * * * *","fold":"x"}', "query", "fold must be auto, first, last or both"),
                                 ('{"expr":"* * * * *","dialect":"bsd"}', "query", "dialect must be horae, vixie"),
                                 ('{"expr":"* * * * *","syntax":"x"}', "query", "syntax must be cron or oncalendar"), ('{"expr":"* * * * *","seed":7}', "query", "seed must"),
                                 ('{"expr":"* * * * *","tz":7}', "query", "tz must be a text"), ('{"expr":"* * * * *","tz":"Mars/Olympus"}', "tz", "unknown time zone"),
                                 ('{"expr":"* * * * *","op":"count"}', "query", 'count needs "to"'), ("x" * 70000, "length", "65536"),
                                 ('{"expr":"* * * *"}', "fields", "5, 6 or 7"), ('{"expr":"* * * * *"', "json", "")):
            with self.subTest(line[:60]):
                done = run_cli("cron", "batch", stdin=f"{line}\n{good}")
                first, second = map(json.loads, done.stdout.splitlines())
                self.assertEqual(done.returncode, 0)
                self.assertEqual(first["error"]["code"], code)
                self.assertIsInstance(first["error"]["pos"], int)
                self.assertIn(text, first["error"]["message"])
                self.assertEqual(second, {"next": ["2026-01-01T00:10:00+00:00"]})

    def test_a_vector_may_be_asked_as_it_stands(self):
        answer, = cron_answers([{**self.START, "id": "x", "next": [], "note": "", "verified": [], "source": "", "error": False, "code": None, "pos": 0, "cron": ""}])
        self.assertEqual(answer, {"next": ["2026-01-01T00:10:00+00:00"]})

    def test_instants_between_seconds(self):
        """Section 4: next floors, prev ceils; count takes what lies in [from, to)."""
        base = {"expr": "0 0 0 * * *"}
        for op, start, found in (("next", "2025-12-31T23:59:59.9Z", "2026-01-01"), ("next", "2025-12-31T23:59:59Z", "2026-01-01"), ("next", "2026-01-01T00:00:00.5Z", "2026-01-02"),
                                 ("next", "2026-01-01T00:00:00Z", "2026-01-02"), ("prev", "2026-01-01T00:00:00Z", "2025-12-31"), ("prev", "2026-01-01T00:00:00.1Z", "2026-01-01"),
                                 ("prev", "2026-01-01T00:00:00.000000001Z", "2026-01-01"), ("prev", "2026-01-01T00:00:01Z", "2026-01-01"), ("next", 1767225599999, "2026-01-01"),
                                 ("next", 1767225600000, "2026-01-02"), ("prev", 1767225600001, "2026-01-01"), ("next", "1767225599999", "2026-01-01")):
            self.assertEqual(cron_answers([{**base, "op": op, "from": start}]), [{op: [found + "T00:00:00+00:00"]}], (op, start))
        for begin, end, count in (("00:00:00", "00:00:00", 0), ("00:00:00", "00:00:00.5", 1), ("00:00:00.5", "00:00:01", 0), ("00:00:00", "00:00:01", 1)):
            self.assertEqual(cron_answers([{**base, "op": "count", "from": f"2026-01-01T{begin}Z", "to": f"2026-01-01T{end}Z"}]), [{"count": count}], (begin, end))

    def test_offsets_with_seconds_are_printed_and_read(self):
        query = {"expr": "0 0 1 * *", "tz": "America/New_York", "from": "1883-01-15T00:00:00-04:56:02", "n": 2}
        found = cron_answers([query])[0]["next"]
        self.assertEqual(found, ["1883-02-01T00:00:00-04:56:02", "1883-03-01T00:00:00-04:56:02"])
        self.assertEqual(cron_answers([{**query, "from": found[0], "n": 1}])[0]["next"], found[1:])

    def test_the_ends_of_time(self):
        for query, found in (({"expr": "0 0 1 1 *", "from": "9998-06-01T00:00:00Z", "n": 5}, ["9999-01-01T00:00:00+00:00"]),
                             ({"expr": "59 59 23 31 12 *", "from": "9999-12-31T23:59:58Z", "n": 5}, ["9999-12-31T23:59:59+00:00"]),
                             ({"expr": "* * * * * *", "from": "9999-12-31T23:59:59Z"}, []), ({"expr": "@every 1d", "from": "9999-12-31T00:00:00Z"}, []),
                             ({"expr": "0 0 1 1 *", "op": "prev", "from": "0002-06-01T00:00:00Z", "n": 5}, ["0002-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00"]),
                             ({"expr": "0 0 0 1 1 * *", "op": "prev", "from": "1970-06-01T00:00:00Z", "n": 2}, ["1970-01-01T00:00:00+00:00", "1969-01-01T00:00:00+00:00"]),
                             ({"expr": "0 0 0 1 1 * 1970-1972", "op": "prev", "from": "2026-06-01T00:00:00Z", "n": 5},
                              ["1972-01-01T00:00:00+00:00", "1971-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00"]),
                             ({"expr": "0 0 0 1 1 * 1970", "from": "1900-06-01T00:00:00Z", "n": 2}, ["1970-01-01T00:00:00+00:00"])):
            self.assertEqual(list(cron_answers([query])[0].values()), [found], query)

    def test_without_from_it_is_now(self):
        before = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        found = datetime.datetime.fromisoformat(cron_answers([{"expr": "* * * * * *"}])[0]["next"][0])
        self.assertLessEqual(before, found)
        self.assertLessEqual(found, datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1))


class CommandLine(unittest.TestCase):
    def test_lists_and_exit_codes(self):
        start = ("--from", "2026-03-07T12:00:00Z", "--zone", "America/New_York")
        for arguments, code, lines in (
                (("next", "30 2 * * *", *start, "-n", "2"), 0, ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]),
                (("next", "30 2 * * *", *start), 0, ["2026-03-08T03:00:00-04:00"]),
                (("next", "30 2 * * *", *start, "--gap", "skip"), 0, ["2026-03-09T02:30:00-04:00"]),
                (("next", "0 0 1 * *", *start, "--to", "2026-06-01T04:00:00Z"), 0, ["2026-04-01T00:00:00-04:00", "2026-05-01T00:00:00-04:00"]),
                (("prev", "0 0 1 * *", *start, "-n", "2"), 0, ["2026-03-01T00:00:00-05:00", "2026-02-01T00:00:00-05:00"]),
                (("prev", "0 0 1 * *", *start, "--to", "2026-02-01T05:00:00Z"), 0, ["2026-03-01T00:00:00-05:00", "2026-02-01T00:00:00-05:00"]),
                (("count", "0 * * * *", *start, "--to", "2026-03-08T12:00:00Z"), 0, ["24"]),
                (("check", "0 0 * * SUN"), 0, ["0 0 * * 0"]), (("check", "Mon..Fri 09:00", "--syntax", "oncalendar"), 0, ["0 9 * * 1-5"]),
                (("check", "0 0 $ * *", "--dialect", "pg_cron"), 0, ["0 0 L * *"]), (("check", "H H * * *", "--seed", "nightly-backup"), 0, ["31 15 * * *"]),
                (("next", "0 0 30 2 *"), 0, []), (("next", "61 * * * *"), 1, []), (("next", "* * * * *", "--zone", "Mars/Olympus"), 1, []),
                (("next", "* * * * *", "--nonsense"), 2, []), (("next", "* * * * *", "-n", "0"), 2, []), (("next", "* * * * *", "--gap", "x"), 2, []),
                (("next", "* * * * *", "--from", "x"), 2, []), (("next", "*", "*", "*", "*", "*"), 2, []), (("explain", "* * * * *", "--lang", "fr"), 2, []),
                (("count", "* * * * *"), 2, []), (("next",), 2, []), (("nxt", "* * * * *"), 2, []), (("batch", "x"), 2, []), (("phrase", "every day"), 0, ["0 0 * * *"]), (("phrase", "x"), 1, []), (("phrase",), 2, []),
                (("phrase", "every", "day"), 2, []), ((), 2, [])):
            with self.subTest(arguments):
                done = run_cli("cron", *arguments)
                self.assertEqual((done.returncode, done.stdout.splitlines()), (code, lines), done.stderr)
                self.assertEqual(bool(done.stderr), code != 0, done.stderr)

    def test_help(self):
        for command in ("next", "prev", "count", "check", "explain", "phrase", "batch"):
            done = run_cli("cron", command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"horae cron {command}", done.stdout)
            for word in ("op", "anchor", "count needs to") if command == "batch" else ("--zone", "--gap", "--fold", "--dialect", "--lang"):
                self.assertIn(word, done.stdout)


class Zones(unittest.TestCase):
    """Section 5: names, files, and the copy in the program."""

    NONE = {"TZDIR": "/nonexistent"}

    def test_the_copy_in_the_program_tells_what_the_files_tell(self):
        names = sorted(zoneinfo.available_timezones() - {"localtime"})
        self.assertGreater(len(names), 400)
        queries = [{"expr": "0 12 1 */2 *", "tz": name, "from": "1850-01-01T00:00:00Z", "n": 1600} for name in names]
        for name, file, copy in zip(names, cron_answers(queries), cron_answers(queries, self.NONE)):
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
                    answer, = cron_answers([{"expr": "* * * * *", "tz": name, "from": "2026-01-01T00:00:00Z"}], {"TZDIR": folder})
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
            answer, = cron_answers([{**query, "tz": zone} if zone else query], {"TZ": "Europe/Moscow"})
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
