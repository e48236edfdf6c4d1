#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format, clang-tidy and cppcheck. Of clang's analyzer, those checks that do not have to know what a function of another
# file returns: it cannot see that err_set never returns OK, and takes every output behind it for unset.
set -eu
cd "$(dirname "$0")/.."
files=$(git ls-files 'src/*.c' 'bench/*.c' 'tests/*.[ch]')
echo "== format"
bad=""
for file in $files $(git ls-files 'src/*.h'); do
    clang-format "$file" | cmp -s - "$file" || bad="$bad $file"
done
if [ -n "$bad" ]; then
    echo "not formatted (make format):$bad" >&2
    exit 1
fi
echo "== clang-tidy"
tools/build.sh clang
clang-tidy --quiet -p build/clang --warnings-as-errors='*' \
    --checks='-*,bugprone-infinite-loop,bugprone-suspicious-memset-usage,bugprone-undefined-memory-manipulation,bugprone-unused-return-value,bugprone-macro-repeated-side-effects,bugprone-misplaced-widening-cast,clang-analyzer-core.NullDereference,clang-analyzer-core.DivideZero,clang-analyzer-core.StackAddressEscape,clang-analyzer-unix.API,clang-analyzer-unix.MallocSizeof,clang-analyzer-deadcode.*' \
    $(git ls-files 'src/*.c' | grep -vE '_test(_kit)?\.c$') 2>/dev/null
echo "== cppcheck"
cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability --suppress=missingInclude --suppress=normalCheckLevelMaxBranches \
    --suppress=unknownMacro --std=c11 -Isrc -j2 $(git ls-files 'src/*.c' | grep -vE '_test(_kit)?\.c$')
