//! What the demo showed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

/// The whole demo; the shape of its JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct DemoReport {
    /// Whether every step came true.
    pub(crate) ok: bool,
    /// How long all of it took, in seconds.
    pub(crate) seconds: f64,
    /// The steps that came true.
    pub(crate) steps: Vec<StepReport>,
    /// The step that did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<FailedStep>,
    /// Where the homes of the nodes are, if they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) home: Option<PathBuf>,
}

/// A step that came true.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct StepReport {
    /// Its name.
    pub(crate) step: &'static str,
    /// What it showed, in one or more sentences.
    pub(crate) claim: String,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// What was measured; the unit is the end of the name.
    pub(crate) figures: BTreeMap<&'static str, f64>,
}

/// A step that did not come true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FailedStep {
    /// Its name.
    pub(crate) step: &'static str,
    /// What happened instead.
    pub(crate) what: String,
}
