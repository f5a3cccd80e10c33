#!/usr/bin/env bash
# Measures everything and puts the figures into docs/benchmarks.md. Words after it choose parts of the page. The machine
# should do nothing else meanwhile; without the soak it takes about an hour, with it an hour more.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet
cargo build --release --quiet --manifest-path bench/iroh/Cargo.toml
cargo build --release --quiet --manifest-path bench/Cargo.toml --target-dir target
bench=target/release/antiphon-bench
[ $# -gt 0 ] || set -- charter remember recall outbox content replication dht federation mcp soak
for part; do
    case $part in
        federation) "$bench" federation --long ;;
        mcp) bench/mcp.sh ;;
        soak) "$bench" soak --out docs/images/soak.svg ;;
        *) "$bench" "$part" ;;
    esac | "$bench" write "$part"
done
