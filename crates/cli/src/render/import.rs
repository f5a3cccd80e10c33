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
    let all = summary.bad.len() as u64 + summary.more_bad;
    if let Some(more) = all.checked_sub(BAD_SHOWN_MAX as u64).filter(|more| *more > 0) {
        out.push_str(&format!("… and {more} more; --json shows them\n"));
    }
    let from = safe(&path.display().to_string());
    let head = match summary.would_import {
        Some(facts) => format!("{} would be imported from {from}", count(facts, "fact")),
        None => format!("{} imported from {from}", count(summary.imported, "fact")),
    };
    let mut notes = vec![head, format!("{} there already", summary.already)];
    if summary.duplicates > 0 {
        notes.push(format!("{} said more than once", summary.duplicates));
    }
    if all > 0 {
        notes.push(styled(WARNING, &format!("{all} bad")));
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
