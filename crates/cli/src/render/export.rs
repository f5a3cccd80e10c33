//! What an export came to.

use super::{count, safe};
use crate::commands::export::Exported;

/// The whole result.
pub(crate) fn exported(exported: &Exported) -> String {
    let end = &exported.end;
    let mut out = match &exported.path {
        None => format!("{} exported.", count(end.facts, "fact")),
        Some(path) => {
            let (path, files) = (safe(&path.display().to_string()), count(exported.files, "file"));
            format!("{} exported to {path}: {files}, {} bytes.", count(end.facts, "fact"), exported.bytes)
        }
    };
    let mut left_out = Vec::new();
    if end.private > 0 {
        left_out.push(format!("{} private (--private)", end.private));
    }
    if end.sealed > 0 {
        left_out.push(format!("{} sealed to a role (--sealed)", end.sealed));
    }
    if end.closed > 0 {
        left_out.push(format!("{} sealed to roles that this node cannot read", end.closed));
    }
    if end.without_text > 0 {
        left_out.push(format!("{} whose text is not here", end.without_text));
    }
    if !left_out.is_empty() {
        out.push_str(&format!("\nLeft out: {}.", left_out.join(", ")));
    }
    if end.diverged > 0 {
        let hint = "only the later side is exported; antiphon divergences list";
        out.push_str(&format!("\n{} with several sides: {hint}.", count(end.diverged, "fact")));
    }
    out
}
