//! The machine that keeps count of copies, by itself.

use crate::Outcome;

pub async fn run() -> Outcome<()> {
    Ok(())
}

/// The process.
pub fn alone() -> Outcome<()> {
    Ok(())
}
