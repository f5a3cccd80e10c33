//! The command line of Antiphon, shared memory for AI agents that lives on its users' own machines.
//!
//! A library only so that what it reads can be tried from outside ([`outside`]); the program is [`main`].
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
mod line_ends;
mod listen;
mod locate;
mod logging;
mod outcome;
mod output;
pub mod outside;
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

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run::run(std::env::args_os().collect()))
}
