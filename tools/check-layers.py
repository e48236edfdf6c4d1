#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a program can check: folders include themselves and those to their left, foreign headers stay in
their adapters, SQL stays in stores, files and functions stay short, and nothing names a machine."""
import os
import re
import subprocess
import sys

ORDER = ["base", "cron", "db", "cluster", "http", "keeper", "audit", "trail", "alert", "access", "sched", "cli", "app"]
FOREIGN = {"microhttpd.h": ["http/http_server.c"], "curl/curl.h": ["base/curl_library.h"], "hiredis/hiredis.h": ["cluster/redis_library.h"], "sqlite3.h": ["db/db_sqlite.c"],
           "libpq-fe.h": ["db/pq_library.h"],
           "yyjson.h": ["base/json.c"], "yaml.h": ["app/config_file.c"],
           "sodium.h": ["access/access.c", "access/secret.c", "http/idempotency_store.c", "http/webhook_signature.c", "cluster/etcd_gateway.c",
                         "audit/audit_record.c", "trail/audit_key.c"]}
SQL_FILES = re.compile(r"(_store|_query|_sqlite|_postgres|migrate|store)\.c$|db/pg_\w+\.c$|db/claim\.h$")
FILE_LINES_MAX, FUNCTION_LINES_MAX = 600, 80


def functions(lines):
    """(first line, length) of each function: K&R with the brace on its own line in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            yield start, number - start
            start = None


def check_file(path, problems):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    relative = path.removeprefix("src/")
    folder = relative.split("/")[0]
    is_test = bool(re.search(r"_test(_kit)?\.[ch]$", relative))
    if not lines or "SPDX-License-Identifier" not in lines[0]:
        problems.append(f"{path}:1: the first line names the licence")
    if len(lines) > FILE_LINES_MAX:
        problems.append(f"{path}: {len(lines)} lines, at most {FILE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        own = re.match(r'\s*#\s*include "([a-z]+)/', line)
        if own and own.group(1) in ORDER and ORDER.index(own.group(1)) > ORDER.index(folder):
            problems.append(f"{path}:{number}: {folder} must not include {own.group(1)}")
        foreign = re.match(r"\s*#\s*include <([^>]+)>", line)
        if foreign and foreign.group(1) in FOREIGN and relative not in FOREIGN[foreign.group(1)] and not is_test:
            problems.append(f"{path}:{number}: <{foreign.group(1)}> belongs to {', '.join(FOREIGN[foreign.group(1)])}")
        if re.search(r'"(SELECT|INSERT INTO|UPDATE|DELETE FROM) ', line) and not SQL_FILES.search(path) and not is_test:
            problems.append(f"{path}:{number}: SQL stands in *_store.c and *_query.c")
    for start, length in functions(lines):
        if length > FUNCTION_LINES_MAX:
            problems.append(f"{path}:{start}: a function of {length} lines, at most {FUNCTION_LINES_MAX}")


def main():
    os.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    problems = []
    files = subprocess.run(["git", "ls-files", "src"], capture_output=True, text=True, check=True).stdout.split()
    for path in files:
        if path.endswith((".c", ".h")):
            check_file(path, problems)
    print("\n".join(problems) or f"{len(files)} files: the house is in order")
    return 1 if problems else 0


sys.exit(main())
