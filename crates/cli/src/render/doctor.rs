//! What the doctor found.

use antiphon_server::dto::{DoctorCheckDto, DoctorFindingDto};

use super::{count, safe};
use crate::commands::doctor::Examined;
use crate::output::{BAD, FAINT, GOOD, STRONG, WARNING, styled};

/// A line for each check, its findings below it, and how it stands in all.
pub(crate) fn examined(examined: &Examined) -> String {
    let mut out: String =
        examined.mended.iter().map(|done| format!("{} {}\n", styled(GOOD, "mended:"), safe(done))).collect();
    examined.found.checks.iter().for_each(|one| out.push_str(&check(one)));
    let findings = examined.found.checks.iter().map(|check| check.findings.len()).sum::<usize>();
    let node = if examined.found.running { "" } else { " No node runs here, so less could be looked at." };
    let end = match findings {
        0 => styled(GOOD, "Nothing is wrong."),
        some => styled(BAD, &format!("{} to mend.", count(some, "thing"))),
    };
    out.push_str(&format!("\n{end}{node}\n"));
    out
}

fn check(check: &DoctorCheckDto) -> String {
    let style = match check.state.as_str() {
        "ok" => GOOD,
        "warning" => WARNING,
        "error" => BAD,
        _ => FAINT,
    };
    let (state, said) = (format!("{:<8}", check.state), safe(&check.said));
    let mut out = format!("{} {:<14} {said}", styled(style, &state), check.check).trim_end().to_owned() + "\n";
    check.findings.iter().for_each(|found| out.push_str(&finding(found)));
    out
}

fn finding(found: &DoctorFindingDto) -> String {
    let label = |name: &str| styled(STRONG, name);
    format!(
        "  {}\n    {} {}\n    {} {}\n",
        safe(&found.what),
        label("why:"),
        safe(&found.why),
        label("try:"),
        safe(&found.fix)
    )
}
