//! Whether the node can do its work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use antiphon_node::{DiskSpace, Error};

use super::Service;
use crate::dto::FindingDto;

/// Longest wait for the database and the event loop, in milliseconds.
const ANSWER_MS_MAX: u64 = 5_000;

/// What keeps the node from its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// The event loop, or the database behind it, does not answer.
    Stopped,
    /// Nothing can be written.
    Database,
    /// There is less free space on the disk than should stay free, or nothing can be written to it.
    Disk,
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
            Self::Disk => "disk",
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

    /// A look at a part of it came to this. What such a look does not find may be there all the same.
    pub(super) fn looked(&self, sound: bool) {
        if !sound {
            self.0.store(true, Ordering::Relaxed);
        }
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
        let look = tokio::time::timeout(Duration::from_millis(ANSWER_MS_MAX), self.obstacles_now());
        match look.await {
            Ok(obstacles) => obstacles,
            Err(_) => vec![Obstacle::Stopped],
        }
    }

    /// Free space tells of a disk that is nearly full, and a small file of one that is full for this user alone.
    fn has_room(&self) -> bool {
        let suffices = |space: DiskSpace| space.suffices(self.handle.reserve_bytes());
        self.handle.disk_space().is_ok_and(suffices) && self.handle.can_write()
    }

    /// That the disk is nearly full, if it is: nobody should learn it from a write that fails.
    pub(super) fn disk_finding(&self) -> Option<FindingDto> {
        let (space, reserve) = (self.handle.disk_space().ok()?, self.handle.reserve_bytes());
        (!space.suffices(reserve)).then(|| FindingDto {
            what: "the disk of this node is full, or will be soon".to_owned(),
            fix: "antiphon doctor (it says how much is left, and what frees some)".to_owned(),
        })
    }

    /// That a check found the database unsound, if one did.
    pub(super) fn integrity_finding(&self) -> Option<FindingDto> {
        self.soundness.is_broken().then(|| FindingDto {
            what: "the database of this node is damaged: what it shows may be wrong".to_owned(),
            fix: "antiphon doctor (it says what is wrong, and how members give back what was there)".to_owned(),
        })
    }

    async fn obstacles_now(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        // An empty batch opens a transaction for writing, and writes nothing.
        if let Err(error) = self.handle.author(Vec::new()).await {
            self.soundness.failed(&error);
            obstacles.push(Obstacle::Database);
        }
        if !self.has_room() {
            obstacles.push(Obstacle::Disk);
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
