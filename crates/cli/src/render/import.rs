//! What an import came to.

use std::path::Path;

use super::{count, safe};
use crate::import::{Bad, Summary};
use crate::output::{WARNING, styled};

/// Most bad entries that are shown one by one; `--json` has them all.
const BAD_SHOWN_MAX: usize = 100;

/// The whole result.
pub(crate) fn summary(summary: &Summary, path: &Path) -> String {
    let mut out = String::new();
    for bad in summary.bad.iter().take(BAD_SHOWN_MAX) {
        out.push_str(&format!("{}\n", bad_line(bad)));
    }
    if let Some(more) = summary.bad.len().checked_sub(BAD_SHOWN_MAX).filter(|more| *more > 0) {
        out.push_str(&format!("… and {more} more; --json shows them all\n"));
    }
    let from = safe(&path.display().to_string());
    let head = match summary.dry_run {
        true => format!("{} would be imported from {from}", count(summary.found, "fact")),
        false => format!("{} imported from {from}, {} there already", count(summary.imported, "fact"), summary.already),
    };
    let mut notes = vec![head];
    if !summary.bad.is_empty() {
        notes.push(styled(WARNING, &format!("{} bad", summary.bad.len())));
    }
    if summary.escaped > 0 {
        notes.push(format!("{} with invisible characters made visible", summary.escaped));
    }
    if summary.skipped > 0 {
        notes.push(format!("{} skipped (links, hidden directories, node_modules)", summary.skipped));
    }
    out.push_str(&format!("{}.", notes.join(", ")));
    out
}

fn bad_line(bad: &Bad) -> String {
    let place = match (&bad.file, bad.line) {
        (Some(file), Some(line)) => format!("{}, line {line}", safe(file)),
        (Some(file), None) => safe(file),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => "the file".to_owned(),
    };
    format!("{}: {}", styled(WARNING, &place), safe(&bad.reason))
}

/// What was done before the node stopped answering.
pub(crate) fn interrupted(summary: &Summary) -> String {
    format!(
        "{} imported before it stopped. Repeat the command to go on; nothing is imported twice.",
        count(summary.imported, "fact")
    )
}
