#!/usr/bin/env bash
# Runs every target for some minutes, each from where the last run left it.
#   fuzz/run.sh MINUTES_PER_TARGET JOBS [TARGET...]
# What is found is kept in $ANTIPHON_FUZZ (by default ~/.cache/antiphon-fuzz): the growing corpora, the inputs that break
# something, and the tally, one line a run: target, seconds, seconds of a processor, executions, new inputs, how it ended.
# With more JOBS than processors a target gets a part of one. The corpora in the repository are read and never written;
# `fuzz/keep.sh` takes some of the others over.
set -euo pipefail
cd "$(dirname "$0")"
minutes=${1:?usage: fuzz/run.sh MINUTES_PER_TARGET JOBS [TARGET...]}
jobs=${2:?usage: fuzz/run.sh MINUTES_PER_TARGET JOBS [TARGET...]}
shift 2
. ./settings.sh

targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(all_targets)
cargo "$toolchain" fuzz build --target-dir "$target" >&2 || exit 2

one() {
    local name=$1 seconds=$2 log="$state/log/$1.$(date -u +%Y%m%dT%H%M%S).log" began=$SECONDS ended="nothing found"
    mkdir -p "$state/corpus/$name" "$state/found/$name"
    # Frames are up to 4 MiB; nothing here may take more than a few of them at once.
    local TIMEFORMAT=%U
    { time nice -n "${ANTIPHON_FUZZ_NICE:-19}" "$target/$triple/release/$name" "$state/corpus/$name" "corpus/$name" \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 -max_len=16384 \
        -artifact_prefix="$state/found/$name/" -print_final_stats=1 >"$log" 2>&1 || ended="FOUND, see $log"; } 2>"$log.processor"
    local runs new
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    new=$(sed -n 's/^stat::new_units_added: *//p' "$log")
    printf '%s\t%s\t%.0f\t%s\t%s\t%s\n' "$name" $((SECONDS - began)) "$(cat "$log.processor")" "${runs:-0}" "${new:-0}" "$ended" |
        tee -a "$state/tally.tsv"
}
export -f one
export state target triple
seconds=$(awk -v minutes="$minutes" 'BEGIN { printf "%d", minutes * 60 }')
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'one "$@"' _ {} "$seconds"

echo "in all so far: target, minutes, minutes of a processor, executions, runs that found something"
awk -F '\t' '{ s[$1] += $2; p[$1] += $3; n[$1] += $4; f[$1] += ($6 ~ /^FOUND/) }
    END { for (t in s) printf "%s\t%.1f\t%.1f\t%d\t%d\n", t, s[t] / 60, p[t] / 60, n[t], f[t] }' "$state/tally.tsv" | sort
! grep -q 'FOUND' "$state/tally.tsv" || { echo "something was found: see $state/found" >&2; exit 1; }
