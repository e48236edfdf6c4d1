# SPDX-License-Identifier: Apache-2.0
"""The names of all tests, for the lists that name them (requirements.txt, faults.txt)."""
import glob
import importlib
import os
import re
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


def unit_names():
    """FILE.c:function of unit tests that their file runs, and of the checks of the simulation that it calls."""
    found = set()
    for top in ("src", "tests/sim"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if not name.endswith("_test.c" if top == "src" else ".c"):
                    continue
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text = file.read()
                for function in re.findall(r"^static .*?(\w+)\([^;]*$", text, re.M):
                    runs = rf"cmocka_unit_test\w*\({function}\b" if top == "src" else rf"^\s.*\b{function}\b|^\s+\{{{function}\b"
                    if re.search(runs, text, re.M):
                        found.add(f"{name}:{function}")
    return found
