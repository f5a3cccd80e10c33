#!/usr/bin/env bash
# Takes into fuzz/corpus some of the found inputs that reach what all of them reach: INPUTS_PER_TARGET, from the shortest
# to 2 KiB in even steps. The tests try each of them, so they are few; the fuzzer finds the rest again from them.
#   fuzz/keep.sh [INPUTS_PER_TARGET] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")"
most=${1:-32}
[ $# -eq 0 ] || shift
. ./settings.sh
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(all_targets)
for name in "${targets[@]}"; do
    small=$(mktemp -d)
    mkdir -p "corpus/$name" "$state/corpus/$name" "$state/found/$name"
    "$target/$triple/release/$name" -merge=1 -max_len=16384 -artifact_prefix="$state/found/$name/" \
        "$small" "corpus/$name" "$state/corpus/$name" >/dev/null 2>&1
    # Seeds and regressions have names and stay; what the fuzzer made up is named by its hash and is taken anew.
    find "corpus/$name" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
    find "$small" -type f -size -2049c -printf '%s %p\n' | sort -n | cut -d ' ' -f 2- |
        awk -v most="$most" '{ file[NR] = $0 } END { for (i = 1; i <= NR && i <= most; i++) print file[NR <= most ? i : int(1 + (i - 1) * (NR - 1) / (most > 1 ? most - 1 : 1))] }' |
        xargs -r -d '\n' cp -t "corpus/$name"
    rm -rf "$small"
done
du -sb --apparent-size corpus
