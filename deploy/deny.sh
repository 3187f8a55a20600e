#!/bin/sh
# Checks licences, sources and banned crates. cargo-deny is built once, beside the target directory. Advisories need their
# database, which a closed network does not reach: DENY_ADVISORIES=1 checks them too.
set -eu

tools="$(dirname "${CARGO_TARGET_DIR:-$HOME/.cache/narrows/target}")/tools"
export PATH="$tools/bin:$PATH"
if ! command -v cargo-deny >/dev/null 2>&1; then
    echo "Building cargo-deny (once)"
    CARGO_TARGET_DIR="$tools/target" cargo install --quiet --locked --root "$tools" cargo-deny
    rm -rf "$tools/target"
fi
cargo deny --workspace check bans licenses sources
if [ "${DENY_ADVISORIES:-}" = 1 ]; then cargo deny --workspace check advisories; fi
