//! Settings, where each came from, and what changing them takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Problem;

/// The settings of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SettingsDto {
    /// The file that a person writes them into.
    pub file: String,
    /// Whether there is one.
    pub exists: bool,
    /// Whether these are the settings of a running node; otherwise they are those of the next start.
    pub running: bool,
    /// Why the file cannot be used, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// In the order of their names.
    pub settings: Vec<SettingDto>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SettingDto {
    /// Its table and key, as in `outbox.retry`.
    pub key: String,
    /// Its value, as it is written on a command line; null when nothing is set.
    pub value: Option<String>,
    /// The same for people.
    pub shown: String,
    /// Its default, for people.
    pub default: String,
    /// Who set it: `default`, `file`, `environment` or `flag`.
    pub source: String,
    /// Where: a line of the file, a variable, a flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What it does.
    pub what: String,
    /// From when on a change holds: `reload`, `restart` or `founding` (when the home is made).
    pub takes: String,
    /// Its name in the environment.
    pub environment: String,
    /// The flag of `antiphon up` that sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flag: Option<String>,
    /// What is set by now, where that differs from what the running node goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextSettingDto>,
}

/// A value that a running node does not go by yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct NextSettingDto {
    /// The value, as in a setting.
    pub value: Option<String>,
    /// The same for people.
    pub shown: String,
    /// Who set it.
    pub source: String,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What it takes to hold: `reload`, `restart` or `founding`.
    pub takes: String,
}

/// What came of reading the settings again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReloadedDto {
    /// Keys of the settings that changed and hold now.
    pub changed: Vec<String>,
    /// Keys of those that changed and hold from the next start.
    pub waits: Vec<String>,
}
