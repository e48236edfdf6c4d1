# SPDX-License-Identifier: Apache-2.0
"""The alerting rules in docs/, checked and tried with Prometheus' own tool, and held against the metrics that a server has."""
import os
import re
import subprocess

import yaml
from harness import ROOT, ServerCase

RULES = os.path.join(ROOT, "docs", "prometheus-rules.yml")
CASES = os.path.join(ROOT, "tests", "prometheus", "rules_test.yml")


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)


def read(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def rules():
    return [rule for group in read(RULES)["groups"] for rule in group["rules"]]


class Rules(ServerCase):
    def test_they_are_rules(self):
        done = promtool("check", "rules", RULES)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_fires_on_its_trouble_and_none_on_a_server_that_is_well(self):
        names = [rule["alert"] for rule in rules()]
        well, trouble = read(CASES)["tests"]
        self.assertEqual([case["alertname"] for case in well["alert_rule_test"]], names)
        fired = [re.search(r'alertname="(\w+)"', sample["labels"])[1] for sample in trouble["promql_expr_test"][0]["exp_samples"]]
        self.assertEqual(fired, names)
        done = promtool("test", "rules", CASES)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_they_name_metrics_and_labels_that_a_server_has(self):
        text = self.server.get("/metrics").body.decode()
        for rule in rules():
            named = re.findall(r"(horae_\w+)(?:\{([^}]*)\})?", rule["expr"])
            for name, labels in named:
                lines = [line for line in text.splitlines() if line.startswith((name + "{", name + " "))]
                self.assertTrue(lines, f"{rule['alert']}: there is no {name}")
                for label, value in re.findall(r'(\w+)=~?"([^"]*)"', labels):
                    for one in value.split("|"):
                        self.assertTrue(any(f'{label}="{one}"' in line for line in lines), f"{rule['alert']}: {name} has no {label}=\"{one}\"")

    def test_the_page_on_operation_says_what_to_do_about_each(self):
        with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
            page = file.read()
        for rule in rules():
            self.assertIn(f"`{rule['alert']}`", page)
