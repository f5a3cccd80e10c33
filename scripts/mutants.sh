#!/usr/bin/env bash
# Changes one thing at a time in the code of an area and runs the tests that stand for it; each change should be noticed.
#   scripts/mutants.sh charter|sync|outbox|divergence [SHARD/SHARDS] [DIRECTORY]
# JOBS (1) run at once, and none longer than TIMEOUT (120) seconds.
# Needs `cargo install cargo-mutants`. The whole of an area takes hours; a shard is every so many-th of its mutants. What
# came out stands in DIRECTORY/PART/mutants.out: caught.txt, missed.txt, timeout.txt, unviable.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
area=${1:?usage: scripts/mutants.sh charter|sync|outbox|divergence [SHARD/SHARDS] [DIRECTORY]}
shard=${2:-0/1}
out=${3:-$(mktemp -d)}
# A broken law shows in few sets of records; more of them only make each mutant slower.
export CARGO_INCREMENTAL=1 ANTIPHON_LAW_SETS=${ANTIPHON_LAW_SETS:-300}

# part PACKAGE "FILES, below its src" WORDS_FOR_CARGO_TEST...
part() {
    local package=$1 file files=()
    for file in $2; do files+=(-f "crates/$package/src/$file"); done
    shift 2
    mkdir -p "$out/$package"
    local ended=0
    cargo mutants -p "antiphon-$package" "${files[@]}" --sharding round-robin --shard "$shard" --timeout "${TIMEOUT:-120}" \
        -j "${JOBS:-1}" --no-times --colors never -o "$out/$package" -- "$@" || ended=$?
    # 2: some were missed; 3: some never ended. Both are what is looked for.
    case $ended in 0 | 2 | 3) ;; *) return "$ended" ;; esac
}

case $area in
    charter)
        part core 'charter.rs charter/*.rs' --lib --test charter_keys --test charter_leaks --test charter_law \
            --test charter_stories --test charter_paths --test charter_records ;;
    sync)
        part core 'frontier.rs' --lib
        part protocol 'sync.rs sync/**/*.rs' --lib --test stories -- sync:: custody:: ;;
    outbox)
        part core 'outbox.rs letter.rs' --lib --test letters --test vectors
        part protocol 'outbox.rs outbox/*.rs' --lib --test stories -- outbox
        part store 'outbox.rs outbox/*.rs' --lib --test stories -- outbox messages:: resources:: ;;
    divergence)
        part core 'edit.rs fact/edit.rs' --lib --test vectors
        part store 'edits.rs divergence.rs query/divergence.rs' --lib --test stories -- divergences:: laws:: incidents:: as_of::
        part node 'divergences.rs divergences/*.rs' --lib --test stories -- divergence incidents:: ;;
    *) echo "no such area: $area" >&2; exit 64 ;;
esac
for kind in caught timeout missed unviable; do
    printf '%s %s\n' "$kind" "$(cat "$out"/*/mutants.out/$kind.txt 2>/dev/null | wc -l)"
done
echo "what each was: $out"
