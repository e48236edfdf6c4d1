#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzzers of tests/fuzz. New inputs are kept in BUILD_DIR/corpus/<subject>; an input that fails stands in
BUILD_DIR/found and goes into tests/fuzz/corpus/<subject> together with the correction.

usage: fuzz.py BUILD_DIR [--seconds N] [SUBJECT…]     N seconds for each subject (600)
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORPUS = os.path.join(ROOT, "tests", "fuzz", "corpus")
SHORT_RUNS, SHORT_SECONDS_MAX, INPUT_SECONDS_MAX, INPUT_BYTES_MAX = 50000, 4, 10, 4096
SANITIZERS = {"UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1"}


def subjects(build, names=()):
    """(subject, program) of every fuzzer that has been built, or of those whose name holds one of `names`."""
    folder = os.path.join(build, "tests", "fuzz")
    files = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    found = [(name.removeprefix("fuzz_"), os.path.join(folder, name)) for name in files if name.startswith("fuzz_")]
    return [(subject, path) for subject, path in found if os.path.isfile(path) and (not names or any(name in subject for name in names))]


def call(build, program, arguments, folders):
    """One run; (did it pass, what it printed). New inputs are written into the first folder."""
    found = os.path.join(build, "found", "")
    for folder in (found, folders[0]):
        os.makedirs(folder, exist_ok=True)
    command = [program, f"-artifact_prefix={found}", f"-timeout={INPUT_SECONDS_MAX}", f"-max_len={INPUT_BYTES_MAX}", "-rss_limit_mb=1024",
               *arguments, *folders]
    done = subprocess.run(command, env={**os.environ, **SANITIZERS}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    return done.returncode == 0, f"$ {' '.join(command)}\n{done.stdout[-8000:]}"


def replay(build, subject, program):
    """Every input of the corpus in the tree, once. A subject without inputs fails: nothing would be tested."""
    corpus = os.path.join(CORPUS, subject)
    if not os.path.isdir(corpus) or not os.listdir(corpus):
        return False, f"{corpus} holds no input"
    return call(build, program, ["-runs=0"], [corpus])


def short_run(build, subject, program):
    """A few seconds of new inputs, which are not kept. HORAE_FUZZ_SEED repeats a run."""
    seed = os.environ.get("HORAE_FUZZ_SEED") or random.randrange(1, 1 << 31)
    with tempfile.TemporaryDirectory() as scratch:
        return call(build, program, [f"-seed={seed}", f"-runs={SHORT_RUNS}", f"-max_total_time={SHORT_SECONDS_MAX}"],
                    [scratch, os.path.join(CORPUS, subject)])


def long_run(build, subject, program, seconds):
    return call(build, program, [f"-max_total_time={seconds}", "-print_final_stats=1"],
                [os.path.join(build, "corpus", subject), os.path.join(CORPUS, subject)])


def short_tests(build, names=()):
    """(name, did it pass, output) of the replay and the short run of every subject; for tools/run-tests.py."""
    for subject, program in subjects(build, names):
        for kind, run in (("replay", replay), ("short run", short_run)):
            yield f"fuzz {subject} {kind}", *run(build, subject, program)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("subject", nargs="*")
    given = parser.parse_intermixed_args()  # a subject may stand behind --seconds
    chosen, bad = subjects(given.build, given.subject), 0
    for subject, program in chosen:
        print(f"fuzz {subject}: {given.seconds} s", flush=True)
        passed, output = long_run(given.build, subject, program, given.seconds)
        print(output[-1500:] if passed else output, flush=True)
        bad += not passed
    print(f"{len(chosen) - bad} passed, {bad} failed, 0 skipped")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
