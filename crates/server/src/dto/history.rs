//! What the figures of a node were.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Scalar;

/// Which figures are asked for, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FiguresAskDto {
    /// The name of one figure; without it, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Since when: a time, or how long ago, as in `6h`; an hour ago if it is not given, a week ago at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Scalar>,
}

/// Figures over time. They are kept since the node started: every ten seconds for an hour, every five minutes for a
/// week. Where samples are missing there are no points.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FiguresDto {
    /// The time asked for.
    pub since: String,
    /// Now.
    pub until: String,
    /// The figures.
    pub metrics: Vec<FigureDto>,
}

/// One figure over time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FigureDto {
    /// Its name.
    pub metric: String,
    /// What it is.
    pub what: String,
    /// `count`, `bytes` or `per_minute`.
    pub unit: String,
    /// One line, or one for each member; none where nothing is known.
    pub lines: Vec<FigureLineDto>,
}

/// One line of a figure.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FigureLineDto {
    /// The member it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The points, the oldest first.
    pub points: Vec<FigurePointDto>,
}

/// A figure at a time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct FigurePointDto {
    /// When.
    pub at: String,
    /// What it was.
    pub value: f64,
    /// No line leads here from the point before: samples are missing in between.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gap: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}
