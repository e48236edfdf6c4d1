# SPDX-License-Identifier: Apache-2.0
"""The names of all scenarios, for the lists that name them (requirements.txt, faults.txt)."""
import glob
import importlib
import os
import unittest

from harness import ROOT


def scenario_names():
    """FILE.Class.method of every test that runs, inherited ones under the class that runs them."""
    found = set()
    for path in glob.glob(os.path.join(ROOT, "tests", "scenarios", "test_*.py")):
        module = os.path.basename(path)[:-3]
        for group in vars(importlib.import_module("scenarios." + module)).values():
            if isinstance(group, type) and issubclass(group, unittest.TestCase) and group.__module__ == "scenarios." + module:
                found |= {f"{module}.{group.__name__}.{name}" for name in unittest.defaultTestLoader.getTestCaseNames(group)}
    return found
