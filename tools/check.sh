#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everything a change must pass before it is merged: both compilers with warnings as errors, the tests under ASan+UBSan
# and under TSan, the linters, the house rules, the format.
set -eu
cd "$(dirname "$0")/.."
python=/usr/bin/python3
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions="$PWD/tools/tsan.supp"

tools/check-layers.py
tools/lint.sh
for flavour in gcc clang; do
    echo "== $flavour, warnings are errors"
    tools/build.sh $flavour
done
for flavour in asan tsan; do
    echo "== $flavour"
    tools/build.sh $flavour
    HORAE_KILL_ROUNDS=4 $python tools/run-tests.py build/$flavour
done
