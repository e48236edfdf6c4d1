#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds one flavour into build/<flavour>: release | gcc | clang | asan | tsan | coverage | fuzz. The program also stands at
# build/<flavour>/horae; fuzz has only the fuzzers and the libraries that they need.
set -eu
cd "$(dirname "$0")/.."
flavour=${1:?usage: build.sh release|gcc|clang|asan|tsan|coverage|fuzz}
dir=build/$flavour
meson=/usr/bin/meson
options="--buildtype=debugoptimized"
CC=gcc
targets=""
case "$flavour" in
release) options="--buildtype=release" ;;
gcc) options="--buildtype=debugoptimized --werror" ;;
clang) CC=clang options="--buildtype=debugoptimized --werror" ;;
asan) options="--buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false" ;;
tsan) CC=clang options="--buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false" ;;
coverage) options="--buildtype=debug -Db_coverage=true" ;;
fuzz)
    CC=clang
    options="--buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dfuzz=true"
    targets=fuzzers
    ;;
*) echo "build.sh: unknown flavour $flavour" >&2; exit 2 ;;
esac
export CC
# A checkout that was moved is set up anew: meson keeps the old place.
if [ -f "$dir/source" ] && [ "$(cat "$dir/source")" != "$PWD" ]; then
    rm -rf "$dir"
fi
if [ ! -f "$dir/build.ninja" ]; then
    echo "building $dir (the first time it takes a minute)"
    log=$(mktemp)
    # shellcheck disable=SC2086
    if ! $meson setup "$dir" $options >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        exit 1
    fi
    rm -f "$log"
    pwd >"$dir/source"
fi
log=$(mktemp)
# shellcheck disable=SC2086
if ! ninja -C "$dir" $targets >"$log" 2>&1; then
    tail -60 "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
[ "$flavour" = fuzz ] || ln -sf src/app/horae "$dir/horae"
