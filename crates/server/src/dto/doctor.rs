//! What the doctor looked at, and what it found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was looked at on a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DoctorDto {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Whether the node runs; without it less can be looked at.
    pub running: bool,
    /// The version that looked.
    pub version: String,
    /// In the order in which it was done.
    pub checks: Vec<DoctorCheckDto>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DoctorCheckDto {
    /// Its name, which does not change.
    pub check: String,
    /// `ok`, `warning`, `error` or `skipped`.
    pub state: String,
    /// What was seen, or why it was not looked at.
    pub said: String,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<DoctorFindingDto>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DoctorFindingDto {
    /// `warning`: it works, and will not for ever; `error`: it does not work, or something is lost or open to others.
    pub severity: String,
    /// What is wrong.
    pub what: String,
    /// Why, or what comes of it.
    pub why: String,
    /// The command that mends it.
    pub fix: String,
    /// What `antiphon doctor --fix` does about it, if it can do something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mend: Option<DoctorMendDto>,
}

/// What can be done without taking anything from anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum DoctorMendDto {
    /// Gives a file or a directory a mode.
    Mode {
        /// Which.
        path: String,
        /// The mode, as a number.
        mode: u32,
    },
    /// Removes a file that a program left behind.
    Remove {
        /// Which.
        path: String,
    },
}
