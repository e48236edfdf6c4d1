# SPDX-License-Identifier: Apache-2.0
"""tests/faults.txt names tests that exist, and each test of a fault (test_faults_*.py) stands in it."""
import glob
import importlib
import os
import unittest

from harness import ROOT


def faults():
    with open(os.path.join(ROOT, "tests", "faults.txt"), encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                fault, tests = line.split(" | ")
                yield fault, tests.split()


class List(unittest.TestCase):
    def test_every_fault_has_tests_that_exist(self):
        seen = set()
        for fault, tests in faults():
            self.assertNotIn(fault, seen)
            seen.add(fault)
            self.assertTrue(tests, fault)
            for name in tests:
                module, group, test = name.split(".")
                found = getattr(getattr(importlib.import_module("scenarios." + module), group, None), test, None)
                self.assertTrue(test.startswith("test_") and callable(found), f"{fault}: {name}")
        self.assertGreater(len(seen), 40)

    def test_every_test_of_a_fault_stands_in_the_list(self):
        named = {name for _, tests in faults() for name in tests}
        for path in sorted(glob.glob(os.path.join(ROOT, "tests", "scenarios", "test_faults_*.py"))):
            module = os.path.basename(path)[:-3]
            if module == "test_faults_list":
                continue
            for group in vars(importlib.import_module("scenarios." + module)).values():
                if isinstance(group, type) and issubclass(group, unittest.TestCase) and group.__module__ == "scenarios." + module:
                    missing = [name for name in unittest.defaultTestLoader.getTestCaseNames(group) if f"{module}.{group.__name__}.{name}" not in named]
                    self.assertEqual(missing, [], group)
