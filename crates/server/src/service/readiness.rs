//! Whether the node can do its work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use antiphon_node::Error;

use super::Service;

/// Longest wait for the database and the event loop, in milliseconds.
const ANSWER_MS_MAX: u64 = 5_000;

/// What keeps the node from its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// The event loop, or the database behind it, does not answer.
    Stopped,
    /// Nothing can be written.
    Database,
    /// A check found something in the database that is not sound.
    Integrity,
    /// There is no address at which members could reach it.
    Listening,
    /// A record of a newer version stops writes until an upgrade.
    Charter,
}

impl Obstacle {
    /// Its stable name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Database => "database",
            Self::Integrity => "integrity",
            Self::Listening => "listening",
            Self::Charter => "charter",
        }
    }
}

/// Whether the last thing that looked found the database unsound.
#[derive(Debug, Default)]
pub(super) struct Soundness(AtomicBool);

impl Soundness {
    /// A check of everything came to this.
    pub(super) fn checked(&self, sound: bool) {
        self.0.store(!sound, Ordering::Relaxed);
    }

    /// Something failed; remembers it if the database is to blame.
    fn failed(&self, error: &Error) {
        if matches!(error, Error::Store(error) if error.is_damaged()) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn is_broken(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Service {
    /// What keeps the node from its work; nothing when it is ready.
    pub(crate) async fn obstacles(&self) -> Vec<Obstacle> {
        let look = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), self.look());
        match look.await {
            Ok(obstacles) => obstacles,
            Err(_) => vec![Obstacle::Stopped],
        }
    }

    async fn look(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        // An empty batch opens a transaction for writing, and writes nothing.
        if let Err(error) = self.handle.author(Vec::new()).await {
            self.soundness.failed(&error);
            obstacles.push(Obstacle::Database);
        }
        match self.handle.members().await {
            Ok(team) if team.critical.is_some() => obstacles.push(Obstacle::Charter),
            Ok(_) => {}
            Err(error) => self.soundness.failed(&error),
        }
        match self.handle.status().await {
            Ok(status) if status.listen.is_empty() => obstacles.push(Obstacle::Listening),
            Ok(_) => {}
            Err(error) => {
                self.soundness.failed(&error);
                obstacles.push(Obstacle::Stopped);
            }
        }
        if self.soundness.is_broken() {
            obstacles.push(Obstacle::Integrity);
        }
        obstacles.sort_unstable();
        obstacles
    }
}
