#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measurements, each with its method, its durability and its ratio to a limit or peer of the same run. Prints a table and
writes it as JSON beside the build. docs/benchmarks.md explains each row.

usage: run.py BUILD_DIR [GROUP…]     groups are the modules named below; all by default
"""
import dataclasses
import importlib
import json
import os
import platform
import sys
import time

BUILD = os.path.abspath(sys.argv[1])
os.environ["HORAE_BINARY"] = os.path.join(BUILD, "horae")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kit  # noqa: E402

GROUPS = ("cron", "audit", "audit_ingest", "audit_query", "locks", "idle", "executions", "command", "many_tasks", "history", "server_store")


def main():
    groups = sys.argv[2:] or GROUPS
    rows = []
    print(f"{os.cpu_count()} CPUs, {platform.platform()}, load {os.getloadavg()[0]:.2f}")
    print(kit.HEADER)
    for group in groups:
        for row in importlib.import_module(group).measure():
            print(row.text(), flush=True)
            rows.append(dataclasses.asdict(row))
    path = os.path.join(BUILD, "bench.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rows": rows}, file, ensure_ascii=False, indent=1)
    print(f"load {os.getloadavg()[0]:.2f}; written to {os.path.relpath(path)}")


main()
