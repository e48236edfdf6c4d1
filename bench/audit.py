# SPDX-License-Identifier: Apache-2.0
"""In process: cutting an audit object of 240 KB to 64 KiB (AUD-12), beside yyjson reading and writing the same text; and what a business
call pays for its event (PERF-07), beside the same call without one."""
import json
import statistics
import tempfile

from kit import Row, tool

WHAT = {"configs": "long strings, evenly cut", "records": "thousands of records: strings, then the list", "numbers": "numbers only: the list"}


def measure():
    yield from cutting()
    yield from calls()


def cutting():
    runs = [json.loads(tool("audit_cut")) for _ in range(3)]
    for i, case in enumerate(runs[0]):
        ours, theirs, copied = (statistics.median(run[i][key] for run in runs) for key in ("cut_us", "yyjson_us", "copy_us"))
        yield Row(f"audit object cut: {case['kind']}", ours / 1000, "ms", f"{case['bytes']:,} bytes, {WHAT[case['kind']]}; 200 rounds, median of 3",
                  peer=f"yyjson, read and written: {theirs / 1000:.3f} ms; a copy: {copied / 1000:.4f} ms", ratio=theirs / ours, goal="< 2 ms")


def calls():
    runs = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            runs.append(json.loads(tool("audit_call", folder)))
    plain, audited, made, posted = (statistics.median(run[key] for run in runs) for key in ("plain_us", "audited_us", "made_us", "posted_us"))
    yield Row("a business call with its event in its transaction", audited, "µs", "one row of a table with two indexes changed and committed, old and new "
              "object recorded, the trail moving events meanwhile; 1,000 calls in blocks that take turns, medians, median of 3", "full",
              f"the same without an event {plain:.0f} µs", audited / plain, "≤ 1.05")
    yield Row("its event made on the thread of the call", made, "µs", f"user, address, request, two objects of 250 bytes; made and handed to the queue instead: "
              f"{posted:.2f} µs", goal="< 3")
