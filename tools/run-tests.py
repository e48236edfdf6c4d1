#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test of a build folder and counts: unit tests (cmocka, TAP) and scenarios (unittest, the real binary).
The fuzzers stand in a build folder of their own (build.sh fuzz) and run with everything else after --fuzz. With HORAE_TEST_STORE=postgres
the scenarios run on a PostgreSQL that is started for them; those of the embedded store alone are skipped, and counted so.

The last line is "N passed, N failed, N skipped"; the exit status is 0 when nothing failed.
usage: run-tests.py BUILD_DIR [--fuzz FUZZ_BUILD_DIR] [unit|scenarios] [NAME…]
       run-tests.py FUZZ_BUILD_DIR fuzz [NAME…]
"""
import contextlib
import json
import os
import re
import subprocess
import sys
import unittest

import fuzz

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
import postgres_kit  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
UNIT_TIME_MAX_S = 300


class Count:
    passed = failed = skipped = 0


def run_unit_test(test, count):
    env = {**os.environ, **test["env"], "CMOCKA_MESSAGE_OUTPUT": "TAP"}
    name = test["name"]
    try:
        done = subprocess.run(test["cmd"], env=env, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=UNIT_TIME_MAX_S)
    except subprocess.TimeoutExpired:
        print(f"FAILED {name}: not done after {UNIT_TIME_MAX_S} s")
        count.failed += 1
        return
    output = done.stdout + done.stderr
    results = re.findall(r"^(ok|not ok) \d+(.*)$", output, re.M)
    planned = re.search(r"^1\.\.(\d+)", output, re.M)
    good = sum(1 for word, text in results if word == "ok" and "# SKIP" not in text.upper())
    skipped = sum(1 for word, text in results if word == "ok" and "# SKIP" in text.upper())
    bad = sum(1 for word, _ in results if word == "not ok")
    missing = (int(planned.group(1)) if planned else 1) - len(results)
    if missing > 0:
        bad += missing
    if done.returncode != 0 and not bad:
        bad = 1
    if bad:
        print(f"FAILED {name} (status {done.returncode})\n{output[-8000:]}")
    else:
        print(f"passed {name}: {good}")
    count.passed += good
    count.failed += bad
    count.skipped += skipped


def unit_tests(build, names, count):
    listed = json.loads(subprocess.run(["/usr/bin/meson", "introspect", "--tests", build], capture_output=True, text=True, check=True).stdout)
    for test in listed:
        if not names or any(name in test["name"] for name in names):
            run_unit_test(test, count)


def fuzzers(build, names, count):
    """Two tests for each subject; none at all is a failure, since whoever asks for them wants them run."""
    ran = False
    for name, good, output in fuzz.short_tests(build, names):
        ran = True
        print(f"passed {name}" if good else f"FAILED {name}\n{output}", flush=True)
        count.passed += good
        count.failed += not good
    if not ran:
        print(f"FAILED fuzz: no fuzzer in {build}")
        count.failed += 1


class Result(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)

    def addSuccess(self, test):
        super().addSuccess(test)


def scenarios(build, names, count):
    os.environ["HORAE_BINARY"] = os.path.abspath(os.path.join(build, "horae"))
    suite = unittest.TestSuite()
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{name}*" for name in names] or None
    suite.addTests(loader.discover(os.path.join(ROOT, "tests", "scenarios"), pattern="test_*.py", top_level_dir=os.path.join(ROOT, "tests")))
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result, stream=sys.stdout).run(suite)
    bad = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    count.failed += bad
    count.skipped += len(result.skipped)
    count.passed += result.testsRun - bad - len(result.skipped)
    if not names:
        check_coverage(count)


def check_coverage(count):
    """After all scenarios: each success that the OpenAPI file describes was seen and checked (one more test)."""
    import openapi_check

    missing = openapi_check.unseen()
    for method, template, status in missing:
        print(f"FAILED openapi coverage: no scenario saw {method} {template} {status}")
    count.failed += bool(missing)
    count.passed += not missing


def main():
    arguments = sys.argv[1:]
    build = arguments.pop(0)
    fuzz_build = build
    if arguments[:1] == ["--fuzz"]:
        fuzz_build = arguments[1]
        arguments = arguments[2:]
    kind = arguments[0] if arguments else "all"
    names = arguments[1:]
    count = Count()
    os.chdir(ROOT)
    if kind in ("all", "unit"):
        with postgres_kit.for_tests():
            unit_tests(build, names, count)
    if kind == "fuzz" or (kind == "all" and fuzz_build != build):
        fuzzers(fuzz_build, names, count)
    if kind in ("all", "scenarios"):
        with postgres_kit.for_tests() if os.environ.get("HORAE_TEST_STORE") == "postgres" else contextlib.nullcontext():
            scenarios(build, names, count)
    sys.stdout.flush()
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 1 if count.failed or not count.passed else 0


sys.exit(main())
