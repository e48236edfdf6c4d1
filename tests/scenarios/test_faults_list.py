# SPDX-License-Identifier: Apache-2.0
"""tests/faults.txt names tests that exist, and each test of a fault (test_faults_*.py) stands in it."""
import os
import unittest

from harness import ROOT
from known_tests import scenario_names, unit_names


def faults():
    with open(os.path.join(ROOT, "tests", "faults.txt"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                fault, tests = line.split(" | ")
                yield fault, tests.split()


class List(unittest.TestCase):
    def test_every_fault_has_tests_that_exist(self):
        seen, existing = set(), scenario_names() | unit_names()
        for fault, tests in faults():
            self.assertNotIn(fault, seen)
            seen.add(fault)
            self.assertTrue(tests, fault)
            self.assertEqual(set(tests) - existing, set(), fault)
        self.assertGreater(len(seen), 40)

    def test_every_test_of_a_fault_stands_in_the_list(self):
        named = {name for _, tests in faults() for name in tests}
        of_faults = {name for name in scenario_names() if name.startswith("test_faults_") and not name.startswith("test_faults_list.")}
        self.assertGreater(len(of_faults), 20)
        self.assertEqual(of_faults - named, set())
