#!/usr/bin/env bash
# Takes into fuzz/corpus the smallest set of inputs, up to BYTES_PER_TARGET, that reaches what all found ones reach.
#   fuzz/keep.sh [BYTES_PER_TARGET] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")"
most=${1:-30000}
[ $# -eq 0 ] || shift
state=${ANTIPHON_FUZZ:-$HOME/.cache/antiphon-fuzz}
target=${CARGO_TARGET_DIR:-$state/target}
triple=$(rustc "+${ANTIPHON_FUZZ_TOOLCHAIN:-nightly}" -vV | sed -n 's/^host: //p')
targets=("$@")
[ ${#targets[@]} -gt 0 ] || for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
for name in "${targets[@]}"; do
    small=$(mktemp -d)
    mkdir -p "corpus/$name" "$state/corpus/$name"
    "$target/$triple/release/$name" -merge=1 -max_len=16384 "$small" "corpus/$name" "$state/corpus/$name" >/dev/null 2>&1
    # Seeds and regressions have names and stay; what the fuzzer made up is named by its hash and is taken anew.
    find "corpus/$name" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
    bytes=$(find "corpus/$name" -type f -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }')
    while read -r size file; do
        bytes=$((bytes + size))
        [ "$bytes" -le "$most" ] || break
        cp "$file" "corpus/$name/$(basename "$file")"
    done < <(find "$small" -type f -printf '%s %p\n' | sort -n)
    rm -rf "$small"
done
du -sb --apparent-size corpus
