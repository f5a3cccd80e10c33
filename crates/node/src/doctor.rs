//! Looking for what is wrong with a node: its files, its disk, its clock, its database, its team, and how it stands with
//! others. Every finding says why, and names the command that mends it.
//!
//! Most faults show themselves as something else: a key that others may read as a node that does not start, a clock that
//! was set back as a member that is never heard of. So this looks at the causes one by one, whether anything failed or not.
//!
//! | file | what is looked at | without a running node |
//! |---|---|---|
//! | `files.rs` | modes and owners, what crashed programs left, who holds the home | yes |
//! | `disk.rs` | free space and files | yes |
//! | `clock.rs` | the clock against files, the log and members | in part |
//! | `database.rs` | pages, the log, genes, the search index | yes |
//! | `team.rs` | membership, the charter, role keys | no |
//! | `peers.rs` | cursors and items that do not move, what was kept back, versions, reachability | no |
//!
//! Limits: nothing is sent to anybody, so of members only what is known already counts.

mod clock;
mod database;
mod disk;
mod files;
mod peers;
mod team;

use std::path::PathBuf;

use crate::api::Error;
use crate::counted::count;
use crate::handle::Handle;
use crate::home::Home;

pub use disk::DiskSpace;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, and will not for ever.
    Warning,
    /// It does not work, or something is lost or open to others.
    Error,
}

impl Severity {
    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What the doctor can do by itself, because it takes nothing from anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// Gives a file or a directory this mode.
    Mode {
        /// Which.
        path: PathBuf,
        /// The mode.
        mode: u32,
    },
    /// Removes a file that a program left behind.
    Remove {
        /// Which.
        path: PathBuf,
    },
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ailment {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// Why, or what comes of it.
    pub why: String,
    /// The command that mends it.
    pub fix: String,
    /// What the doctor can do about it.
    pub mend: Option<Mend>,
}

impl Ailment {
    pub(crate) fn warning(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, what: what.into(), why: why.into(), fix: fix.into(), mend: None }
    }

    pub(crate) fn error(what: impl Into<String>, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Error, ..Self::warning(what, why, fix) }
    }

    pub(crate) fn mended_by(self, mend: Mend) -> Self {
        Self { mend: Some(mend), ..self }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its stable name.
    pub check: &'static str,
    /// What was seen, in a few words.
    pub said: String,
    /// Why it was not looked at, if it was not.
    pub skipped: Option<String>,
    /// What is wrong.
    pub ailments: Vec<Ailment>,
}

impl Checked {
    pub(crate) fn new(check: &'static str, said: impl Into<String>, ailments: Vec<Ailment>) -> Self {
        Self { check, said: said.into(), skipped: None, ailments }
    }

    pub(crate) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, said: String::new(), skipped: Some(why.into()), ailments: Vec::new() }
    }
}

/// Looks at a home whose node does not run. Nothing is changed.
pub fn examine_home(home: &Home, reserve_bytes: u64) -> Vec<Checked> {
    if !home.path().exists() {
        let why = format!("there is no node in {} yet: antiphon up", home.path().display());
        return vec![Checked::skipped("files", why)];
    }
    let mut checked = of_files(home, reserve_bytes);
    checked.extend(database::offline(home));
    checked
}

fn of_files(home: &Home, reserve_bytes: u64) -> Vec<Checked> {
    vec![
        files::modes(home),
        files::leftovers(home),
        files::holders(home),
        disk::examine(home.path(), reserve_bytes),
        clock::of_files(home),
    ]
}

impl Handle {
    /// Looks for what is wrong with this node. What did not move for `stuck_ms` milliseconds counts as stuck.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Store`].
    pub async fn examine(&self, stuck_ms: u64) -> Result<Vec<Checked>, Error> {
        let (home, reserve) = (self.shared.home.clone(), self.reserve_bytes());
        let looked = crate::tasks::Tasks::compute(move || of_files(&home, reserve)).await;
        let mut checked = looked.map_err(|_| Error::Stopped)?;
        checked.push(self.examine_clock().await?);
        checked.extend(self.examine_database().await?);
        checked.extend(self.examine_team().await?);
        checked.extend(self.examine_peers(stuck_ms).await?);
        Ok(checked)
    }

    /// How much of everything is held, and what of it does not count.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn counts(&self) -> Result<antiphon_store::Counts, Error> {
        Ok(self.store().read(|reader| reader.counts()).await?)
    }

    /// What is left of the disk that this node writes to, and whether that is enough.
    ///
    /// # Errors
    /// [`Error::Home`] when the system does not say.
    pub fn disk_space(&self) -> Result<DiskSpace, Error> {
        disk::space(self.shared.home.path())
            .map_err(|source| Error::Home(crate::home::Error::Io { path: self.shared.home.path().to_owned(), source }))
    }

    /// Whether something can still be written beside the database; a file is made for it and removed.
    pub fn can_write(&self) -> bool {
        disk::probe(self.shared.home.path()).is_ok()
    }
}
