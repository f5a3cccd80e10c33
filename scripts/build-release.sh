#!/usr/bin/env bash
# Builds the program as it is released: the bytes depend on the sources, Cargo.lock and the compilers, and not on where,
# when and by whom it is built. Usage: scripts/build-release.sh OUTPUT_DIRECTORY [SOURCE_DIRECTORY]
set -euo pipefail
output=${1:?usage: scripts/build-release.sh OUTPUT_DIRECTORY [SOURCE_DIRECTORY]}
source=$(cd "${2:-$(dirname "$0")/..}" && pwd -P)
mkdir -p "$output"
output=$(cd "$output" && pwd -P)
target=${CARGO_TARGET_DIR:-$source/target}
mkdir -p "$target"
target=$(cd "$target" && pwd -P)
cargo_home=$(cd "${CARGO_HOME:-$HOME/.cargo}" && pwd -P)

# Of several prefixes that fit, both compilers take the one that was named last, so what lies deepest comes last.
rust=() c=()
remap() {
    rust+=("--remap-path-prefix=$1=$2")
    c+=("-ffile-prefix-map=$1=$2")
}
remap "$cargo_home" /cargo
remap "$source" /antiphon
remap "$target" /build
# Joined by a byte that no path has, as Cargo takes them.
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; printf '%s' "${rust[*]}")
# The C and assembler sources of SQLite, AWS-LC, ring and zstd name themselves in messages and line tables.
CFLAGS="${c[*]}"
export CARGO_ENCODED_RUSTFLAGS CFLAGS CXXFLAGS="$CFLAGS" CARGO_TARGET_DIR="$target" CARGO_INCREMENTAL=0
# What asks for the time of the build gets the time of the sources' last change, where that is known.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC

(cd "$source" && cargo build --quiet --release --locked -p antiphon)
cp "$target/release/antiphon" "$output/antiphon"
(cd "$output" && sha256sum antiphon | tee antiphon.sha256)
# What it is made of.
(cd "$source" && unset CARGO_ENCODED_RUSTFLAGS && cargo run --quiet --locked -p xtask -- sbom) >"$output/antiphon.cdx.json"
