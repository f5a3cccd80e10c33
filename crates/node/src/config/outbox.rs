//! How much may wait for peers, which requests do, and how soon they are tried again.

use std::collections::BTreeMap;

use antiphon_core::outbox::{Bounds, Level, Protocol, TABLE};

/// How long a first failure keeps the next attempt away, in milliseconds.
pub const OUTBOX_RETRY_MS: u64 = 15_000;

/// Settings of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxConfig {
    /// How much may wait.
    pub bounds: Bounds,
    /// How much it matters that which request arrives.
    pub levels: Levels,
    /// How long a first failure keeps the next attempt away, in milliseconds; each further one doubles it.
    pub retry_ms: u64,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self { bounds: Bounds::default(), levels: Levels::default(), retry_ms: OUTBOX_RETRY_MS }
    }
}

/// The table of levels, with what a person set otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Levels {
    set: BTreeMap<Protocol, Level>,
}

/// A level cannot be set like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// There is no such kind of request.
    #[error("there is no kind of request {0:?}")]
    UnknownKind(String),
    /// There is no such level.
    #[error("there is no level {0:?}")]
    UnknownLevel(String),
    /// Requests of this kind do not pass through the outbox at all.
    #[error("{0} never waits: whatever its level, there is nothing that could be kept")]
    NeverWaits(Protocol),
}

impl Levels {
    /// Sets the level of a kind, both by name.
    ///
    /// # Errors
    /// [`LevelError`]. A kind that never waits by the table can be set to nothing else.
    pub fn set(&mut self, kind: &str, level: &str) -> Result<(), LevelError> {
        let protocol = Protocol::from_name(kind).ok_or_else(|| LevelError::UnknownKind(shown(kind)))?;
        let level = Level::from_name(level).ok_or_else(|| LevelError::UnknownLevel(shown(level)))?;
        let usual = protocol.row().map_or(Level::None, |row| row.level);
        if usual == Level::None && level != Level::None {
            return Err(LevelError::NeverWaits(protocol));
        }
        if level == usual {
            self.set.remove(&protocol);
        } else {
            self.set.insert(protocol, level);
        }
        Ok(())
    }

    /// How much it matters that a request of this kind arrives. What is not in the table is never kept.
    pub fn of(&self, protocol: Protocol) -> Level {
        let usual = || protocol.row().map_or(Level::None, |row| row.level);
        self.set.get(&protocol).copied().unwrap_or_else(usual)
    }

    /// Names of the kinds that can be set.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().filter(|row| row.level != Level::None).map(|row| row.name)
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_but_for_what_a_person_set() {
        let mut levels = Levels::default();
        assert_eq!(levels.of(Protocol::MESSAGE), Level::Critical);
        levels.set("message", "moderate").unwrap();
        levels.set("planner", "none").unwrap();
        assert_eq!((levels.of(Protocol::MESSAGE), levels.of(Protocol::PLANNER)), (Level::Moderate, Level::None));
        assert_eq!(levels.of(Protocol::RESOURCE_CREATE), Level::Critical, "the others stay");
        levels.set("message", "critical").unwrap();
        levels.set("planner", "moderate").unwrap();
        assert_eq!(levels, Levels::default());
    }

    #[test]
    fn what_makes_no_sense_is_not_set() {
        let check = |kind: &str, level: &str, want: LevelError| {
            let mut levels = Levels::default();
            assert_eq!(levels.set(kind, level), Err(want));
            assert_eq!(levels, Levels::default());
        };
        check("mesage", "critical", LevelError::UnknownKind("mesage".into()));
        check("message", "high", LevelError::UnknownLevel("high".into()));
        check("sync", "critical", LevelError::NeverWaits(Protocol::SYNC));
        assert!(Levels::names().any(|name| name == "message") && Levels::names().all(|name| name != "sync"));
    }
}
