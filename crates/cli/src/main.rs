//! Shared memory for AI agents that lives on your own machines.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod args;
mod commands;
mod config_file;
mod daemon;
mod demo;
mod document;
mod export;
mod founding;
mod help;
mod import;
mod listen;
mod locate;
mod logging;
mod outcome;
mod output;
mod reload;
mod render;
mod run;
mod secret_input;
mod serve;
mod service;
mod size;
mod start;
mod toml_reader;

use std::process::ExitCode;

/// A node runs for months. glibc keeps what was freed, in heaps that every thread has one of; this gives it back after a
/// second. See `docs/benchmarks.md` for what was measured, and `.cargo/config.toml` for how it is set.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(run::run(std::env::args_os().collect()))
}
