#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need, from Debian packages only. Idempotent; quiet when nothing is missing.
set -eu

BUILD="gcc make git meson ninja-build pkg-config libmicrohttpd-dev libcurl4-openssl-dev libsodium-dev libyaml-dev
 libsqlite3-dev zlib1g-dev tzdata ca-certificates python3 python3-yaml"
TEST="libcmocka-dev python3-jsonschema wrk sqlite3 openssl clang libclang-rt-14-dev"
CHECK="clang-tidy clang-format cppcheck gcovr"

want="$BUILD"
case "${1:-test}" in
build) ;;
test) want="$want $TEST" ;;
check) want="$want $TEST $CHECK" ;;
bench) # its peers come from npm; whichever npm this machine has will do
    want="$want $TEST"
    command -v npm >/dev/null || want="$want nodejs npm"
    ;;
*) echo "usage: deps.sh build|test|check|bench" >&2; exit 2 ;;
esac

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"

missing=""
for package in $want; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "installing:$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# yyjson is in Debian 13; its two packages install cleanly on 12. They are fetched by name through a private
# source list, verified by the Debian keys of this machine; the system's own sources stay as they are.
if ! pkg-config --exists 'yyjson >= 0.10'; then
    echo "installing: libyyjson0 libyyjson-dev (Debian 13)"
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    mirror=$(apt-get indextargets --format '$(SITE)|$(CODENAME)' 'Created-By: Packages' 'Component: main' |
        awk -F'|' '$2 == "bookworm" || $2 == "trixie" { print $1; exit }')
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/parts"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$dir/sources.list"
    chmod -R a+rX "$dir"
    apt_private() {
        apt-get -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts="$dir/parts" \
            -o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root "$@"
    }
    apt_private -qq update
    (cd "$dir" && apt_private -qq download libyyjson0 libyyjson-dev)
    $sudo dpkg -i "$dir"/*.deb >/dev/null
fi
