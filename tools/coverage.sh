#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which lines the tests run: unit tests and scenarios, servers and keepers included (those that are killed write nothing).
# Lists the files below the floor, then the sum; the whole list is build/coverage/coverage.txt.
set -eu
cd "$(dirname "$0")/.."
floor=85

tools/build.sh coverage
find build/coverage -name '*.gcda' -delete
/usr/bin/python3 tools/run-tests.py build/coverage >build/coverage/tests.log 2>&1 || {
    tail -60 build/coverage/tests.log
    exit 1
}
tail -1 build/coverage/tests.log
gcovr --root . --filter 'src/' --exclude '.*_test(_kit)?\.c' --exclude-unreachable-branches --gcov-ignore-parse-errors \
    --txt build/coverage/coverage.txt --json-summary build/coverage/coverage.json build/coverage >/dev/null
/usr/bin/python3 - build/coverage/coverage.json $floor <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    found = json.load(file)
floor = float(sys.argv[2])
for row in sorted(found["files"], key=lambda row: row["line_percent"]):
    if row["line_percent"] < floor:
        print(f"{row['line_percent']:5.1f} %  {row['line_total'] - row['line_covered']:4d} lines not run  {row['filename']}")
folders = {}
for row in found["files"]:
    sums = folders.setdefault(row["filename"].split("/")[1], [0, 0])
    sums[0] += row["line_covered"]
    sums[1] += row["line_total"]
print("  ".join(f"{name} {100 * run / total:.1f} %" for name, (run, total) in folders.items()))
print(f"lines of src/: {found['line_percent']:.1f} %, floor {floor:.0f} %")
sys.exit(found["line_percent"] < floor)
PYTHON
