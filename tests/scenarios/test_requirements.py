# SPDX-License-Identifier: Apache-2.0
"""tests/requirements.txt against the tree: each id once, none forgotten, every test that is named exists."""
import os
import re
import unittest

from harness import ROOT
from known_tests import scenario_names, unit_names

# First and last of each run of ids.
IDS = {
    "GEN": [(1, 7)], "DATA": [(1, 5), (10, 17), (20, 24), (30, 37)],
    "SCH": [(1, 10), (15, 22), (25, 30), (35, 39), (45, 48), (55, 61), (70, 75), (80, 85)],
    "LCK": [(1, 3), (5, 7), (9, 9)], "RET": [(1, 6)], "API": [(1, 6), (10, 18), (20, 24), (30, 35)], "AUD": [(1, 14), (20, 28), (30, 37), (39, 43)], "MIG": [(1, 5)], "CRON": [(50, 50), (52, 52), (60, 61)],
}
LATER = re.compile(r"with (the shared stores|those (jobs|parts))$|wanted, not built$")


def wanted_ids():
    return [f"{part}-{number:02d}" for part, runs in IDS.items() for first, last in runs for number in range(first, last + 1)]


def read_lines(text):
    """(id, tests, note) of each line."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            head, _, note = line.partition("  -- ")
            name, _, tests = head.partition("  ")
            yield name, [test.strip() for test in tests.split(",")], note


def problems(text, tests):
    lines = list(read_lines(text))
    names = [name for name, _, _ in lines]
    wanted = set(wanted_ids())
    found = [f"{name} stands twice" for name in sorted(set(names)) if names.count(name) > 1]
    found += [f"{name} is missing" for name in sorted(wanted - set(names))]
    found += [f"{name} is no id of this list" for name in sorted(set(names) - wanted)]
    for name, named, note in lines:
        found += [f"{name}: there is no test {test}" for test in named if test not in tests]
        found += [f"{name}: stands twice: {test}" for test in sorted(set(named)) if named.count(test) > 1]
        if note and not LATER.search(note):
            found.append(f"{name}: the note does not say with what the rest comes: {note}")
    return found


class Requirements(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(ROOT, "tests", "requirements.txt"), encoding="utf-8") as file:
            self.text = file.read()
        self.tests = scenario_names() | unit_names()

    def test_every_requirement_names_tests_that_exist(self):
        self.assertGreater(len(self.tests), 300)
        self.assertEqual(problems(self.text, self.tests), [])

    def test_the_check_can_fail(self):
        first = next(read_lines(self.text))
        line = next(line for line in self.text.splitlines() if line.startswith(first[0]))
        for changed, words in ((self.text.replace(line, ""), "is missing"), (self.text + line + "\n", "twice"), (self.text.replace(first[0], "GEN-99"), "is no id"),
                               (self.text.replace(first[1][0], first[1][0] + "x"), "no test"), (self.text + "RET-06\n", "no test"), (self.text.replace(line, line + " one day"), "note"),
                               (self.text.replace("lease_test.c:", "lease.c:"), "no test")):
            self.assertTrue(any(words in problem for problem in problems(changed, self.tests)), words)
