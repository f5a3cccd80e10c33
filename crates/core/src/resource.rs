//! Resources: what a node offers to its team.
//!
//! A team wants to know which machine has the graphics card, the data set or the deployment script, and agents ask for
//! it by what it can do. So every node keeps a catalogue of what it offers and tells each member of every change. A
//! registry that everybody writes would have to be merged and could be spoilt; a catalogue has one writer. Whose an
//! entry is follows from its id alone ([`crate::ids::ResourceId::is_of`]), and what anybody else says about it does not
//! count.
//!
//! Members hear of changes one by one, perhaps twice, and after a repair even out of order. So each change carries the
//! whole entry with a [`Stamp`] that only grows, and whoever receives it keeps the one with the highest: telling a
//! thing again changes nothing, and an entry whose beginning was missed is complete with its next change.
//!
//! Limits: an entry is what its node says. Nobody looks whether the address answers; [`notice::Verify`] asks the node
//! whether it still stands by the entry, no more.

mod kind;
pub mod notice;
pub mod question;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::fact::{TextError, check_label, check_text};
use crate::ids::ResourceId;
use crate::time::{HLC_MILLIS_MAX, UnixMillis};

pub use kind::{Kind, UnknownKind};

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;
/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 1024;
/// Most capabilities, and most tags, of one resource.
pub const LABELS_MAX: usize = 32;
/// Longest capability or tag, in bytes.
pub const LABEL_BYTES_MAX: usize = 64;
/// Most resources that one node offers.
pub const PER_OWNER_MAX: usize = 1_000;
/// Version of the form of an entry and of all that is said about one.
pub const SCHEMA: u16 = 1;

/// Why a resource was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text that may not be written as it is.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A kind that does not exist.
    #[error(transparent)]
    Kind(#[from] UnknownKind),
    /// Something that is no address.
    #[error("{0:?} is no address: it needs a scheme and no spaces, as https://host/path or ssh:host")]
    Address(String),
    /// Too many labels.
    #[error("a resource has at most {LABELS_MAX} {what}, not {got}")]
    TooMany {
        /// Of which.
        what: &'static str,
        /// How many there are.
        got: usize,
    },
    /// A time that no clock shows.
    #[error("a time beyond the end of the calendar")]
    Time,
    /// The edit changes nothing.
    #[error("the change sets nothing")]
    Nothing,
    /// A window that ends before it begins.
    #[error("the window ends at {until}, before it begins at {from}")]
    Window {
        /// When it begins.
        from: u64,
        /// When it ends.
        until: u64,
    },
    /// Too many windows.
    #[error("a plan has at most {max} windows, not {0}", max = notice::WINDOWS_MAX)]
    Windows(usize),
}

impl Error {
    /// Whether writing the text in its visible form would mend it.
    pub fn is_invisible(&self) -> bool {
        matches!(self, Self::Text(error) if error.is_invisible())
    }
}

/// Which of two states of an entry is newer.
///
/// The version alone would not do: a node that was restored from an older copy counts the same versions again. Its
/// clock has moved on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// When it was written, by its owner's clock, and later than the state before it.
    pub at: UnixMillis,
    /// Counts the states of the entry, from 1.
    pub version: u64,
}

impl Stamp {
    /// The stamp of the state that follows.
    #[must_use]
    pub fn next(self, now: UnixMillis) -> Self {
        Self { at: now.max(self.at.after(1)), version: self.version.saturating_add(1) }
    }

    fn check(self) -> Result<(), Error> {
        if self.at.0 > HLC_MILLIS_MAX { Err(Error::Time) } else { Ok(()) }
    }
}

/// An entry of a node's catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The same on every node; names its owner.
    pub id: ResourceId,
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// What it is for, in words; may be empty.
    pub description: String,
    /// Where it is, in the form of a URL.
    pub address: Option<String>,
    /// What it can do.
    pub capabilities: BTreeSet<String>,
    /// What else it is found by.
    pub tags: BTreeSet<String>,
    /// Version, and when it was written.
    pub stamp: Stamp,
}

/// A change of an entry. What is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edit {
    /// What it is.
    pub kind: Option<Kind>,
    /// What it is called.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Where it is; `Some(None)` takes the address away.
    pub address: Option<Option<String>>,
    /// What it can do, all of it.
    pub capabilities: Option<BTreeSet<String>>,
    /// What else it is found by, all of it.
    pub tags: Option<BTreeSet<String>>,
}

impl Resource {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error`] with the first that is unfit.
    pub fn check(&self) -> Result<(), Error> {
        check_label("the name", &self.name, NAME_BYTES_MAX)?;
        if !self.description.is_empty() {
            check_text("the description", &self.description, DESCRIPTION_BYTES_MAX)?;
        }
        self.address.as_deref().map_or(Ok(()), check_address)?;
        check_labels("capabilities", "the capability", &self.capabilities)?;
        check_labels("tags", "the tag", &self.tags)?;
        self.stamp.check()
    }

    /// The entry as it is after `edit`, written at `now`.
    ///
    /// # Errors
    /// [`Error::Nothing`] when it would stay as it is, and for values that are unfit.
    pub fn edited(&self, edit: Edit, now: UnixMillis) -> Result<Self, Error> {
        let mut new = self.clone();
        set(&mut new.kind, edit.kind);
        set(&mut new.name, edit.name);
        set(&mut new.description, edit.description);
        set(&mut new.address, edit.address);
        set(&mut new.capabilities, edit.capabilities);
        set(&mut new.tags, edit.tags);
        if new == *self {
            return Err(Error::Nothing);
        }
        new.stamp = self.stamp.next(now);
        new.check()?;
        Ok(new)
    }
}

fn set<T>(value: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *value = new;
    }
}

fn check_labels(what: &'static str, one: &'static str, labels: &BTreeSet<String>) -> Result<(), Error> {
    if labels.len() > LABELS_MAX {
        return Err(Error::TooMany { what, got: labels.len() });
    }
    Ok(labels.iter().try_for_each(|label| check_label(one, label, LABEL_BYTES_MAX))?)
}

/// A scheme, a colon, and something after it, without white space.
fn check_address(address: &str) -> Result<(), Error> {
    check_label("the address", address, ADDRESS_BYTES_MAX)?;
    let scheme_fits = |scheme: &str| {
        let rest_fits = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && rest_fits
    };
    let parts = address.split_once(':').filter(|(scheme, rest)| scheme_fits(scheme) && !rest.is_empty());
    match parts {
        Some(_) if !address.contains(char::is_whitespace) => Ok(()),
        _ => Err(Error::Address(address.chars().take(80).collect())),
    }
}
