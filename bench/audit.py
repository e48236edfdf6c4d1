# SPDX-License-Identifier: Apache-2.0
"""Cutting an audit object of 240 KB to 64 KiB, in process (AUD-12), beside yyjson reading and writing the same text."""
import json
import statistics

from kit import Row, tool

WHAT = {"configs": "long strings, evenly cut", "records": "thousands of records: strings, then the list", "numbers": "numbers only: the list"}


def measure():
    runs = [json.loads(tool("audit_cut")) for _ in range(3)]
    for i, case in enumerate(runs[0]):
        ours, theirs, copied = (statistics.median(run[i][key] for run in runs) for key in ("cut_us", "yyjson_us", "copy_us"))
        yield Row(f"audit object cut: {case['kind']}", ours / 1000, "ms", f"{case['bytes']:,} bytes, {WHAT[case['kind']]}; 200 rounds, median of 3",
                  peer=f"yyjson, read and written: {theirs / 1000:.3f} ms; a copy: {copied / 1000:.4f} ms", ratio=theirs / ours, goal="< 2 ms")
