//! Chores of the house: `cargo run -p xtask -- tidy`, `supply`, `sbom`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod lock;
mod sbom;
mod supply;
mod threats;
mod tidy;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let chore = std::env::args().nth(1);
    let outcome = match chore.as_deref() {
        Some("tidy") => report(tidy::check(root())),
        Some("supply") => report(supply::check(root())),
        Some("sbom") => print_sbom(),
        _ => {
            writeln!(io::stderr(), "usage: cargo run -p xtask -- tidy|supply|sbom [TARGET]").map(|()| ExitCode::from(2))
        }
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "{error}");
        ExitCode::FAILURE
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

fn report<T: Display>(findings: io::Result<Vec<T>>) -> io::Result<ExitCode> {
    let findings = findings?;
    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    writeln!(out, "{} findings", findings.len())?;
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_sbom() -> io::Result<ExitCode> {
    let target = std::env::args().nth(2).unwrap_or_else(|| sbom::TARGET.to_owned());
    io::stdout().lock().write_all(sbom::document(root(), &target)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
