#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need, from Debian packages only. Idempotent; quiet when nothing is missing. As root, or
# with sudo; several at once wait for each other.
set -eu

BUILD="gcc libc6-dev make git meson ninja-build pkg-config libmicrohttpd-dev libcurl4-openssl-dev libsodium-dev libyaml-dev
  libsqlite3-dev libpq-dev libhiredis-dev zlib1g-dev libcmocka-dev tzdata ca-certificates python3 python3-yaml"
TEST="python3-jsonschema postgresql prometheus redis-server etcd-server wrk sqlite3 openssl clang libclang-rt-dev"
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

missing_packages() {
    for package in $want; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf ' %s' "$package"
    done
}

has_yyjson() {
    pkg-config --exists 'yyjson >= 0.10' 2>/dev/null
}

missing=$(missing_packages)
if [ -z "$missing" ] && has_yyjson; then
    exit 0
fi

sudo=""
if [ "$(id -u)" != 0 ]; then
    sudo="sudo"
    if ! command -v sudo >/dev/null; then
        echo "deps.sh: these packages are missing, and there is no sudo:$missing libyyjson-dev; run \"make deps\" as root" >&2
        exit 1
    fi
fi

# Another checkout may be installing just now.
exec 9>>"${TMPDIR:-/tmp}/horae-deps-$(id -u).lock"
flock 9

# Packaged servers must not start by themselves: Debian asks this file before it starts one.
policy=/usr/sbin/policy-rc.d
dir=$(mktemp -d)
placed=""
clean_up() {
    [ -z "$placed" ] || $sudo rm -f "$policy"
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

apt_get() {
    if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 "$@" >"$dir/log" 2>&1; then
        cat "$dir/log" >&2
        echo "deps.sh: apt-get $1 failed" >&2
        exit 1
    fi
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
    echo "installing:$missing"
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$dir/policy"
        $sudo install -m 755 "$dir/policy" "$policy"
        placed=yes
    fi
    apt_get update
    # shellcheck disable=SC2086
    apt_get install -y --no-install-recommends $missing
fi
if has_yyjson; then
    exit 0
fi

# yyjson is in Debian 13; its two packages install cleanly on 12. They are fetched by name through a private
# source list, verified by the Debian keys of this machine; the system's own sources stay as they are.
echo "installing: libyyjson0 libyyjson-dev (Debian 13)"
mirror=$(apt-get indextargets --format '$(SITE)|$(CODENAME)' 'Created-By: Packages' 'Component: main' |
    awk -F'|' '$2 == "bookworm" || $2 == "trixie" { print $1; exit }')
if [ -z "$mirror" ]; then
    echo "deps.sh: no Debian mirror among the sources of apt: this needs Debian 12 or 13" >&2
    exit 1
fi
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
