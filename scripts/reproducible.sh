#!/usr/bin/env bash
# Builds the release of one commit twice, in two directories with names of different lengths, and compares the bytes.
# Usage: scripts/reproducible.sh [COMMIT] [SCRATCH_DIRECTORY]; exits with 1 if the two programs differ.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
commit=$(git -C "$root" rev-parse "${1:-HEAD}")
scratch=${2:-$(mktemp -d)}
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd -P)
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct "$commit")
export SOURCE_DATE_EPOCH

build() {
    local at=$1 target=$2
    mkdir -p "$at"
    git -C "$root" archive "$commit" | tar -x -C "$at"
    CARGO_TARGET_DIR="$target" "$root/scripts/build-release.sh" "$scratch/out-$3" "$at"
    # Only the program is compared, and what it was built from takes gigabytes.
    rm -rf "$target"
}
build "$scratch/one" "$scratch/one/target" 1
build "$scratch/another/place-of-its-own/for-the-second" "$scratch/another/built" 2

printf 'commit %s, %s, %s\n' "$commit" "$(rustc --version)" "$(cc --version | head -n 1)"
if cmp "$scratch/out-1/antiphon" "$scratch/out-2/antiphon"; then
    printf 'the same bytes twice: sha256 %s\n' "$(cut -d ' ' -f 1 "$scratch/out-1/antiphon.sha256")"
else
    printf 'the two builds differ; both are kept in %s\n' "$scratch" >&2
    exit 1
fi
