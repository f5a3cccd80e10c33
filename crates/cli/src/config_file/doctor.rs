//! `[doctor]`: from when on something counts as stuck.

use super::setting::Setting;
use super::value::{Kind, Value};

/// How long a cursor or an item may stand still, in milliseconds, when nobody says otherwise: a day.
const STUCK_MS: u64 = 24 * 60 * 60 * 1_000;
/// Shortest and longest, in milliseconds.
const STUCK_MS_MIN: u64 = 100;
const STUCK_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;

/// What is wanted of `antiphon doctor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DoctorWanted {
    /// How long a cursor or an item may stand still, in milliseconds.
    pub(crate) stuck_ms: u64,
}

impl Default for DoctorWanted {
    fn default() -> Self {
        Self { stuck_ms: STUCK_MS }
    }
}

/// The table.
pub(super) const SETTINGS: &[Setting] = &[Setting::new(
    "doctor.stuck_after",
    Kind::Span { least: STUCK_MS_MIN, most: STUCK_MS_MAX },
    "after how long `antiphon doctor` names what waits for a member or does not come from it",
    |wanted| Value::Span(wanted.doctor.stuck_ms),
    |wanted, value| {
        if let Value::Span(ms) = value {
            wanted.doctor.stuck_ms = *ms;
        }
        Ok(())
    },
)
.reloads()];
