# SPDX-License-Identifier: Apache-2.0
"""/metrics: the exact names of the rulings from the first scrape on, the text format, the linter's rules (contract section 6)."""
import re

from harness import ServerCase

# name → (kind, labels)
PROMISED = {
    "horae_occurrences_expected_total": ("counter", ()), "horae_occurrences_total": ("counter", ("verdict",)),
    "horae_executions_started_total": ("counter", ("type",)), "horae_executions_finished_total": ("counter", ("type", "state")),
    "horae_queue_depth": ("gauge", ()), "horae_start_lateness_seconds": ("histogram", ()), "horae_execution_duration_seconds": ("histogram", ("type",)),
    "horae_store_commit_seconds": ("histogram", ()), "horae_store_batch_ops": ("histogram", ()), "horae_lock_seconds": ("histogram", ("provider", "op")),
    "horae_audit_queue_depth": ("gauge", ()), "horae_audit_written_total": ("counter", ()), "horae_audit_dropped_total": ("counter", ()),
    "horae_http_requests_total": ("counter", ("route", "status")), "horae_children": ("gauge", ()), "horae_build_info": ("gauge", ("version",)),
}
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|\+Inf|NaN)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')


class Family:
    def __init__(self, name):
        self.name, self.help, self.kind, self.samples = name, None, None, []


def parse(text):
    """Families by name; every line must be in order and in form."""
    assert text.endswith("\n")
    families, current = {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, help_text = line[7:].split(" ", 1)
            assert name not in families, f"{name} comes twice"
            current = families[name] = Family(name)
            current.help = help_text
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert current and name == current.name and not current.samples and current.kind is None, line
            current.kind = kind
        else:
            found = SAMPLE.match(line)
            assert found, line
            name = found.group(1)
            base = re.sub(r"_(bucket|sum|count)$", "", name) if current.kind == "histogram" else name
            assert base == current.name, f"{line} stands under {current.name}"
            labels = LABEL.findall(found.group(2) or "")
            assert len({key for key, _ in labels}) == len(labels), line
            current.samples.append((name, dict(labels), float(found.group(3))))
    return families


def check_histogram(family):
    series = {}
    for name, labels, value in family.samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        series.setdefault(key, {"bucket": []})
        part = name.rsplit("_", 1)[1]
        if part == "bucket":
            series[key]["bucket"].append((float(labels["le"]), value))
        else:
            assert part not in series[key], f"{name} twice"
            series[key][part] = value
    for key, one in series.items():
        bounds, counts = zip(*one["bucket"])
        assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), (family.name, key)
        assert list(counts) == sorted(counts) and counts[-1] == one["count"] and one["sum"] >= 0, (family.name, key)


def lint(families):
    for name, family in families.items():
        assert name.startswith("horae_") and re.fullmatch(r"[a-z][a-z0-9_]*", name), name
        assert family.help and not family.help[0].islower() and family.kind in ("counter", "gauge", "histogram"), name
        assert family.samples, f"{name} has no sample"
        assert (family.kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(milliseconds|ms|us|minutes|kilobytes|megabytes|bucket|sum|count)$", name), name
        if family.kind == "histogram":
            check_histogram(family)
        else:
            keys = [tuple(sorted(labels.items())) for _, labels, _ in family.samples]
            assert len(set(keys)) == len(keys), f"{name}: a label set comes twice"
            assert all(value >= 0 for _, _, value in family.samples), name


class Metrics(ServerCase):
    def scrape(self):
        answer = self.server.get("/metrics", token=None)
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        families = parse(answer.body.decode())
        lint(families)
        return families

    def value(self, families, name, **labels):
        return sum(value for _, has, value in families[name].samples if labels.items() <= has.items())

    def test_all_promised_names_are_there_from_the_first_scrape(self):
        families = self.scrape()
        for name, (kind, labels) in PROMISED.items():
            self.assertIn(name, families)
            self.assertEqual(families[name].kind, kind, name)
            for _, has, _ in families[name].samples:
                self.assertEqual(set(has) - {"le"}, set(labels), name)
        values = lambda name, label: {labels[label] for _, labels, _ in families[name].samples}
        self.assertEqual(values("horae_occurrences_total", "verdict"), {"fired", "coalesced", "skipped", "missed", "shifted"})
        self.assertLessEqual({"command", "http", "noop", "execution_cleanup", "lock_cleanup", "audit_cleanup"}, values("horae_executions_started_total", "type"))
        self.assertEqual(values("horae_executions_finished_total", "state"), {"success", "failure", "timeout", "cancelled", "interrupted"})
        self.assertEqual(self.value(families, "horae_audit_dropped_total"), 0)
        self.assertEqual(self.value(families, "horae_build_info"), 1)

    def test_they_count(self):
        before = self.scrape()
        self.server.create(name="measured", type="noop")
        self.server.create(name="failing", type="noop", data='{"fail_attempts":1}', max_retries=0)
        for name in ("measured", "measured", "failing"):
            self.server.finished(self.server.trigger(name))
        self.server.get("/nothing")
        after = self.scrape()
        grown = lambda name, **labels: self.value(after, name, **labels) - self.value(before, name, **labels)
        self.assertEqual(grown("horae_executions_started_total", type="noop"), 3)
        self.assertEqual(grown("horae_executions_finished_total", type="noop", state="success"), 2)
        self.assertEqual(grown("horae_executions_finished_total", type="noop", state="failure"), 1)
        self.assertEqual(grown("horae_http_requests_total", route="/api/v1/scheduler/tasks", status="201"), 2)
        self.assertEqual(grown("horae_http_requests_total", route="/api/v1/scheduler/tasks/{id}/trigger", status="202"), 3)
        self.assertEqual(grown("horae_http_requests_total", route="none", status="404"), 1)
        count = lambda families, name: sum(value for full, _, value in families[name].samples if full == name + "_count")
        self.assertEqual(count(after, "horae_execution_duration_seconds") - count(before, "horae_execution_duration_seconds"), 3)
        for name in ("horae_store_commit_seconds", "horae_store_batch_ops"):
            self.assertGreater(count(after, name), count(before, name), name)

    def test_the_linter_can_fail(self):
        good = '# HELP horae_x_total Things.\n# TYPE horae_x_total counter\nhorae_x_total{a="b"} 1\n'
        lint(parse(good))
        for bad in (good.replace("_total", ""), good.replace("horae_", "other_"), good.replace("Things.", ""), good + good, good + 'horae_x_total{a="b"} 2\n', good.replace("} 1", "} x"),
                    good.replace('a="b"', "a=b"), good.replace(" 1\n", " -1\n"), good + "horae_y 1\n", good.rstrip("\n"), good.replace("# TYPE horae_x_total counter\n", "")):
            with self.subTest(bad=bad):
                with self.assertRaises((AssertionError, ValueError)):
                    lint(parse(bad))
