#!/bin/sh
# Three real daemons under a mixed load for an hour, with a restart every minute. Options go to the program:
# --minutes, --restart-seconds, --pace-ms, --out FILE.svg.
set -eu
bench=$(cd "$(dirname "$0")" && pwd)
cargo build --release --quiet --manifest-path "$bench/../Cargo.toml"
exec cargo run --release --quiet --manifest-path "$bench/Cargo.toml" -- soak --antiphon "$bench/../target/release/antiphon" "$@"
