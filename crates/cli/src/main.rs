//! The program `antiphon`; everything it does is in the library beside it.

use std::process::ExitCode;

/// A node runs for months. glibc keeps what was freed, in heaps that every thread has one of; this gives it back after a
/// second. See `docs/benchmarks.md` for what was measured, and `.cargo/config.toml` for how it is set.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    antiphon::main()
}
