#!/bin/sh
# Measures federation beside iroh-docs. Words after it choose parts: first, live, resync, idle; --long also takes
# iroh-docs through 50,000 and 100,000 entries.
set -eu
bench=$(dirname "$0")
cargo build --release --quiet --manifest-path "$bench/iroh/Cargo.toml"
exec cargo run --release --quiet --manifest-path "$bench/Cargo.toml" -- federation "$@"
