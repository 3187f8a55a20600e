#!/bin/sh
# Installs the servers and clients the tests start. Names what is missing where it may not install.
set -eu

missing=""
need() { # package, program or pattern of paths
    # shellcheck disable=SC2086
    if ! command -v "$2" >/dev/null 2>&1 && ! ls $2 >/dev/null 2>&1; then missing="$missing $1"; fi
}
need postgresql "/usr/lib/postgresql/*/bin/initdb"
need postgresql-client psql
need mariadb-server mariadbd
need mariadb-client mariadb
need openssl openssl

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then run=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then run="sudo"
else
    echo "The tests need these packages, and installing them needs root or sudo:$missing" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "Install these with your system's package manager (the names are Debian's):$missing" >&2
    exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q >/dev/null
# shellcheck disable=SC2086
$run apt-get install -q -y --no-install-recommends $missing >/dev/null
