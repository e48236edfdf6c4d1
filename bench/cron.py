# SPDX-License-Identifier: Apache-2.0
"""The next firing of a schedule, in process, beside croner in the same run; and `horae cron batch`."""
import datetime
import json
import os
import random
import statistics
import subprocess
import time

from kit import ROOT, Row, npm_folder, tool

CRONER = "croner@11"
INSTANTS = 200  # of croner for each expression
LINES = 200_000


def instants(count):
    rng = random.Random(1)
    return [1767225600 + rng.randrange(10 * 366 * 86400) for _ in range(count)]


def ours(cases, froms):
    """What horae answers from the same instants, in milliseconds."""
    lines = "".join(json.dumps({"expr": case["expr"], "tz": case["zone"], "from": at * 1000}) + "\n" for case in cases for at in froms)
    done = subprocess.run([os.environ["HORAE_BINARY"], "cron", "batch"], input=lines, capture_output=True, text=True, check=True)
    found = [json.loads(line)["next"] for line in done.stdout.splitlines()]
    return [[round(datetime.datetime.fromisoformat(next_[0]).timestamp() * 1000) if next_ else None for next_ in found[i:i + len(froms)]]
            for i in range(0, len(found), len(froms))]


def beside_croner(cases):
    """(how many times the time of horae croner needs over the expressions that it reads, or None; what the peer was)"""
    folder, why_not = npm_folder(CRONER)
    if not folder:
        return None, f"none, {why_not}"
    package = os.path.join(folder, "node_modules", "croner")
    froms = instants(INSTANTS)
    asked = [{"expr": case["expr"], "zone": case["zone"], "from": [at * 1000 for at in froms]} for case in cases]
    done = subprocess.run(["node", os.path.join(ROOT, "bench", "croner_peer.mjs"), package], input=json.dumps(asked), capture_output=True, text=True, check=True)
    both = [(case, answer) for case, answer in zip(cases, json.loads(done.stdout)) if "ns" in answer]
    same = sum(a == b for (_, answer), mine in zip(both, ours([case for case, _ in both], froms)) for a, b in zip(answer["next"], mine, strict=True))
    theirs = statistics.mean(answer["ns"] for _, answer in both)
    with open(os.path.join(package, "package.json"), encoding="utf-8") as file:
        version = json.load(file)["version"]
    return theirs / statistics.mean(case["ns"] for case, _ in both), (
        f"croner {version}, {theirs:,.0f} ns over {INSTANTS} instants each; it reads {len(both)} of {len(cases)} and gives the same answer to "
        f"{same:,} of {len(both) * INSTANTS:,}")


def worst(cases):
    case = max(cases, key=lambda case: max(case["ns"], case["row_ns"]))
    return max(case["ns"], case["row_ns"]), f"{case['expr']} in {case['zone']}"


def batch_rate():
    """Lines of different expressions and zones through the command, all work included."""
    zones = ("UTC", "America/New_York", "Europe/Paris", "Asia/Tokyo")
    lines = "".join(json.dumps({"expr": f"{i % 60} {i // 60 % 24} * * {i % 7}", "tz": zones[i % 4], "from": "2026-01-01T00:00:00Z"}) + "\n" for i in range(LINES))
    rates = []
    for _ in range(3):
        begun = time.monotonic()
        done = subprocess.run([os.environ["HORAE_BINARY"], "cron", "batch"], input=lines, capture_output=True, text=True, check=True)
        rates.append(LINES / (time.monotonic() - begun))
        if done.stdout.count("\n") != LINES:
            raise RuntimeError("answers are missing")
    return statistics.median(rates)


def measure():
    runs = [json.loads(tool("cron_next")) for _ in range(3)]
    for name in ("mixed", "far"):  # the median of the three runs, for each expression
        for i, case in enumerate(runs[0][name]):
            for key in ("ns", "row_ns"):
                case[key] = statistics.median(run[name][i][key] for run in runs)
    cases, far, bare = runs[0]["mixed"], runs[0]["far"], statistics.median(run["bare_ns"] for run in runs)
    zones = sum(case["zone"] != "UTC" for case in cases)
    ratio, peer = beside_croner(cases)
    yield Row("next firing, 50 mixed expressions", statistics.mean(case["ns"] for case in cases), "ns",
              f"in process, 100,000 calls each from instants over 10 years, {zones} in other zones than UTC, median of 3",
              peer=peer, ratio=ratio, goal="≤ 100 ns, ≥ 200 × croner")
    in_a_row = statistics.mean(case["row_ns"] for case in cases)
    yield Row("the same, each from its last firing", in_a_row, "ns", "in process, 20,000 firings in a row each, median of 3",
              peer="splitting the instant into h, m, s", ratio=bare / in_a_row, goal="≤ 100 ns")
    slowest, what = worst(cases + far)
    yield Row(f"next firing, the slowest of {len(cases + far)}", slowest, "ns", f"{what}; {len(far)} of them look years ahead", goal="bounded by fields")
    yield Row("horae cron batch", batch_rate(), "lines/s", f"{LINES:,} lines of 4 zones, one process, JSON in and out, median of 3", goal="≥ 200,000")
