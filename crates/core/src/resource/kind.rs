//! Kinds of resources.

use std::fmt;
use std::str::FromStr;

/// A text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of resource; there are tool, dataset, model, service, workflow, storage and compute")]
pub struct UnknownKind(pub String);

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A program that is run.
    Tool,
    /// Data.
    Dataset,
    /// A model of machine learning.
    Model,
    /// Something that answers requests.
    Service,
    /// Steps that are gone through.
    Workflow,
    /// Room for data.
    Storage,
    /// Time on a machine.
    Compute,
}

impl Kind {
    /// Every kind, in the order of its numbers.
    pub const ALL: [Self; 7] =
        [Self::Tool, Self::Dataset, Self::Model, Self::Service, Self::Workflow, Self::Storage, Self::Compute];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Dataset => "dataset",
            Self::Model => "model",
            Self::Service => "service",
            Self::Workflow => "workflow",
            Self::Storage => "storage",
            Self::Compute => "compute",
        }
    }

    /// Its number on the wire and in the database, from 1.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The kind of this number.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| u64::from(kind.number()) == number)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| UnknownKind(text.chars().take(64).collect()))
    }
}
