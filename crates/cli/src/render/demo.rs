//! What the demo shows.

use super::safe;
use crate::demo::{DemoReport, StepReport};
use crate::output::{BAD, GOOD, STRONG, styled};

/// A step that came true.
pub(crate) fn step(step: &StepReport) -> String {
    format!("{} {}\n", styled(STRONG, &format!("{:<9}", step.step)), safe(&step.claim))
}

/// How it ended.
pub(crate) fn end(report: &DemoReport) -> String {
    let mut out = match &report.failed {
        None => styled(GOOD, &format!("All of it came true in {:.0} s.", report.seconds)),
        Some(failed) => {
            format!("{} {}", styled(BAD, &format!("The step {} failed:", failed.step)), safe(&failed.what))
        }
    };
    match &report.home {
        Some(home) => out.push_str(&format!(" The homes are in {}.", safe(&home.display().to_string()))),
        None => out.push_str(" Every node has stopped, and nothing is left."),
    }
    out
}
