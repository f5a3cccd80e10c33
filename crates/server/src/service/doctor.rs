//! Looking for what is wrong with the node.

use crate::convert;
use crate::dto::{DoctorCheckDto, DoctorDto, DoctorFindingDto, FindingDto};
use crate::error::Problem;

use super::Service;

/// How long something may stand still when nobody says otherwise, in milliseconds: a day.
const STUCK_MS: u64 = 24 * 60 * 60 * 1_000;

impl Service {
    pub(crate) async fn doctor(&self) -> Result<DoctorDto, Problem> {
        let stuck_ms = self.config.as_ref().map_or(STUCK_MS, |config| config.stuck_ms());
        let mut found = convert::doctor(self.handle.examine(stuck_ms).await?, true);
        let database = found.checks.iter().any(is_about_the_database);
        self.soundness.looked(!database);
        found.checks.push(doors(&self.findings));
        if let Some(config) = &self.config {
            found.checks.push(configuration(config.findings()));
        }
        found.ok = found.checks.iter().all(|check| check.findings.is_empty());
        Ok(found)
    }
}

/// Whether a check says that the database is not what was written.
pub(super) fn is_about_the_database(check: &DoctorCheckDto) -> bool {
    matches!(check.check.as_str(), "database" | "log" | "genome") && check.state == "error"
}

/// Doors that could not be opened.
fn doors(findings: &[FindingDto]) -> DoctorCheckDto {
    let why = "another program has its port, or it is set to an address that is not here";
    check("doors", "they are open", findings.iter().map(|finding| of(finding, "error", why)).collect())
}

fn configuration(findings: Vec<FindingDto>) -> DoctorCheckDto {
    let why = "the running node does not go by what antiphon.toml says";
    check("settings", "the node goes by them", findings.iter().map(|finding| of(finding, "warning", why)).collect())
}

fn check(name: &str, said: &str, findings: Vec<DoctorFindingDto>) -> DoctorCheckDto {
    let state = findings.first().map_or("ok", |finding| &finding.severity).to_owned();
    let said = if findings.is_empty() { said.to_owned() } else { String::new() };
    DoctorCheckDto { check: name.to_owned(), state, said, findings }
}

fn of(finding: &FindingDto, severity: &str, why: &str) -> DoctorFindingDto {
    DoctorFindingDto {
        severity: severity.to_owned(),
        what: finding.what.clone(),
        why: why.to_owned(),
        fix: finding.fix.clone(),
        mend: None,
    }
}
