# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments under load: the server, the keeper, both, the guard; hand-overs and clean stops between them.
After each the history must account for everything (kill_account.py).

usage: kill_loop.py BUILD_DIR [--rounds N] [--seed N]      prints the seed; the same seed makes the same choices
"""
import argparse
import collections
import contextlib
import os
import random
import signal
import statistics
import sys
import time

import harness
from command_kit import processes
from kill_account import Account
from kill_load import Load

KINDS = {"server": 9, "keeper": 4, "both": 3, "guard": 1, "handover": 2, "stop": 1}
REST_S = (0.02, 0.4)  # between two faults
SAY_EVERY = 50  # rounds


class KillLoop:
    def __init__(self, rounds, seed, say=print, kinds=None):
        self.rounds, self.seed, self.say, self.kinds = rounds, seed, say, kinds or KINDS
        self.random = random.Random(seed)
        self.faults = collections.Counter()
        self.recoveries = []  # seconds from an end of the server to the next one's being ready

    def run(self):
        self.say(f"kill loop: {self.rounds} rounds, seed {self.seed}")
        self.server = harness.Server(["--stop-timeout", "5"])
        load = Load(self.server, self.seed)
        account = Account(self.server, load)
        begun = time.monotonic()
        try:
            load.create_tasks()
            load.start()
            try:
                self.go_round(account, begun)
            finally:
                load.stop()
            runs = account.check_all()
        except BaseException as error:
            self.say(f"seed {self.seed}, {dict(self.faults)}: {error}\nwhat the server said last:\n{self.server.log_text()[-6000:]}")
            raise
        finally:
            self.server.remove()
        states = collections.Counter(run["state"] for run in runs.values())
        self.say(f"kill loop: nothing lost, nothing twice in {sum(self.faults.values())} rounds {dict(self.faults)}; {len(runs):,} executions {dict(states)},"
                 f" {sum(map(len, load.acknowledged.values())):,} acknowledged to a caller, {len(account.begun):,} runs of commands;"
                 f" ready again after {statistics.median(self.recoveries or [0]) * 1000:.0f} ms (median), {max(self.recoveries or [0]) * 1000:.0f} ms (longest)")

    def go_round(self, account, begun):
        for number in range(1, self.rounds + 1):
            time.sleep(self.random.uniform(*REST_S))
            kind = self.random.choices(list(self.kinds), list(self.kinds.values()))[0]
            self.faults[kind] += 1
            self.fault(kind)
            account.check_round()
            if number % SAY_EVERY == 0:
                self.say(f"  round {number}, {number / (time.monotonic() - begun) * 60:.0f} a minute: {dict(self.faults)}, {len(account.found):,} executions")

    def fault(self, kind):
        if kind in ("keeper", "both"):
            self.kill_process("horae-keeper")
        if kind == "guard":
            self.kill_process("horae-guard")
        begun = time.monotonic()
        if kind in ("server", "both"):
            self.server.kill()
        elif kind in ("handover", "stop"):
            self.server.stop(signal.SIGUSR2 if kind == "handover" else signal.SIGTERM)
            begun = time.monotonic()
        if self.server.process is None:
            self.server.start()
            self.recoveries.append(time.monotonic() - begun)

    def kill_process(self, name):
        for pid in processes(self.server.folder, name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    arguments = parser.parse_args()
    harness.BINARY = os.path.abspath(os.path.join(arguments.build, "horae"))
    KillLoop(arguments.rounds, arguments.seed, lambda text: print(text, flush=True)).run()


if __name__ == "__main__":
    main()
