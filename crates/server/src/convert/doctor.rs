//! What the doctor found, in its documented shape.

use antiphon_node::{Ailment, Checked, Mend, Severity};

use crate::dto::{DoctorCheckDto, DoctorDto, DoctorFindingDto, DoctorMendDto};

/// What was looked at, together.
pub(crate) fn doctor(checked: Vec<Checked>, running: bool) -> DoctorDto {
    let checks: Vec<DoctorCheckDto> = checked.into_iter().map(check).collect();
    let ok = checks.iter().all(|check| check.findings.is_empty());
    DoctorDto { ok, running, version: env!("CARGO_PKG_VERSION").to_owned(), checks }
}

fn check(checked: Checked) -> DoctorCheckDto {
    let worst = checked.ailments.iter().map(|ailment| ailment.severity).max();
    let state = match (&checked.skipped, worst) {
        (Some(_), _) => "skipped",
        (None, None) => "ok",
        (None, Some(severity)) => severity.name(),
    };
    DoctorCheckDto {
        check: checked.check.to_owned(),
        state: state.to_owned(),
        said: checked.skipped.unwrap_or(checked.said),
        findings: checked.ailments.into_iter().map(finding).collect(),
    }
}

fn finding(ailment: Ailment) -> DoctorFindingDto {
    let Ailment { severity, what, why, fix, mend } = ailment;
    let mend = mend.map(|mend| match mend {
        Mend::Mode { path, mode } => DoctorMendDto::Mode { path: path.display().to_string(), mode },
        Mend::Remove { path } => DoctorMendDto::Remove { path: path.display().to_string() },
    });
    DoctorFindingDto { severity: Severity::name(severity).to_owned(), what, why, fix, mend }
}
