# What run.sh and keep.sh have in common; they read this from their own folder.
state=${ANTIPHON_FUZZ:-$HOME/.cache/antiphon-fuzz}
target=${CARGO_TARGET_DIR:-$state/target}
mkdir -p "$state/corpus" "$state/found" "$state/log"
state=$(cd "$state" && pwd)
toolchain=+${ANTIPHON_FUZZ_TOOLCHAIN:-nightly}
triple=$(rustc "$toolchain" -vV | sed -n 's/^host: //p')
# SQLite comes from a C compiler that names two static variables of two functions alike, which the sanitizer takes for one.
export ASAN_OPTIONS="detect_odr_violation=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

# Every target, one a line.
all_targets() { find fuzz_targets -name '*.rs' -printf '%f\n' | sed 's/\.rs$//' | sort; }
