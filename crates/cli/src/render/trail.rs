//! The audit trail, as it is shown.

use antiphon_server::dto::{TrailLineDto, TrailVerdictDto};

use super::time::minute;
use super::{count, safe, table};
use crate::output::{BAD, FAINT, GOOD, styled};

/// Who stored and read which document.
pub(crate) fn trail(lines: &[TrailLineDto]) -> String {
    if lines.is_empty() {
        return "No document was stored or read on this machine so far.\n".to_owned();
    }
    let row = |line: &TrailLineDto| {
        let outcome = match &line.error {
            None => styled(GOOD, "done"),
            Some(error) => format!("{}: {}", styled(BAD, "refused"), safe(error)),
        };
        let role = line.role.as_deref().map_or_else(|| "-".to_owned(), safe);
        let address = if line.address.is_empty() { "-".to_owned() } else { safe(&line.address) };
        vec![line.number.to_string(), minute(&line.timestamp), safe(&line.operation), role, address, outcome]
    };
    table(&["line", "when", "what", "role", "document", "outcome"], lines.iter().map(row))
}

/// Whether the trail is what it was.
pub(crate) fn verdict(verdict: &TrailVerdictDto, noted: Option<&str>) -> String {
    if let Some(line) = verdict.broken_at {
        let why = verdict.why.as_deref().map(safe).unwrap_or_default();
        return format!(
            "{} line {line} does not follow from those before it: {why}.\n{} before it are whole.\n",
            styled(BAD, "The audit trail was changed:"),
            count(verdict.lines, "line")
        );
    }
    if let (Some(noted), false) = (noted, verdict.ok) {
        return format!(
            "{} no line has the hash {}. Its end was cut off, or it was written anew.\n",
            styled(BAD, "The audit trail was changed:"),
            safe(noted)
        );
    }
    let whole = styled(GOOD, "The audit trail is whole:");
    let Some(head) = &verdict.head else { return format!("{whole} it is empty so far.\n") };
    let noted = verdict.noted_at.map(|line| format!(" The noted hash is that of line {line}."));
    let note =
        "Note this hash elsewhere: antiphon audit verify --head HASH then shows whether anything before it changed.";
    format!(
        "{whole} {}.{}\nhash {}\n{}\n",
        count(verdict.lines, "line"),
        noted.unwrap_or_default(),
        safe(head),
        styled(FAINT, note)
    )
}
