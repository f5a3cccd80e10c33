//! Chores of the house: `cargo run -p xtask -- tidy`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod tidy;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let chore = std::env::args().nth(1);
    let outcome = match chore.as_deref() {
        Some("tidy") => report_tidy(),
        _ => writeln!(std::io::stderr(), "usage: cargo run -p xtask -- tidy").map(|()| ExitCode::from(2)),
    };
    outcome.unwrap_or(ExitCode::FAILURE)
}

fn report_tidy() -> std::io::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let findings = tidy::check(root)?;
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "{} findings", findings.len())?;
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
