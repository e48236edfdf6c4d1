# SPDX-License-Identifier: Apache-2.0
"""A lock that is taken and given back, by each provider, beside what that cannot do without: the calls to the lock server and two durable
transactions that insert and update a row of the same table, in the same run."""
import contextlib
import json
import tempfile

from kit import Row, tool
from lock_kit import LockServer

GOALS_MS = {"store": 5, "redis": 1, "etcd": 20}


def measure():
    for kind, goal in GOALS_MS.items():
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            server = LockServer(kind) if kind != "store" else None
            if server:
                stack.callback(server.remove)
            found = json.loads(tool("lock_calls", folder, kind, server.port if server else 0))
        mine, bare = found["mine"]["p99_us"] / 1000, found["bare"]["p99_us"] / 1000
        alone = f", of it at the lock server {found['server']['p99_us'] / 1000:.2f} ms" if server else ""
        yield Row(f"lock acquire + release, {kind}: p99", mine, "ms", "2,000 times one after the other, in blocks that take turns with the bare operations", "full",
                  f"bare operations {bare:.2f} ms{alone}", bare / mine, f"< {goal}, ratio ≥ 0.67")
