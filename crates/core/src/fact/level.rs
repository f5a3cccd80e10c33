//! How far a fact reaches.

use std::fmt;
use std::str::FromStr;

use crate::log::Stream;

/// Level of a fact. Project and domain facts are shared, module facts and snippets stay on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Level {
    /// 0: true for the whole project.
    Project,
    /// 1: true for an area of it. What is remembered without a level is there on the other machine too.
    #[default]
    Domain,
    /// 2: true for one module.
    Module,
    /// 3: a scrap.
    Snippet,
}

impl Level {
    /// Every level; its position is its number.
    pub const ALL: [Self; 4] = [Self::Project, Self::Domain, Self::Module, Self::Snippet];

    /// Its number, 0 to 3.
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// The level of a number.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Domain => "domain",
            Self::Module => "module",
            Self::Snippet => "snippet",
        }
    }

    /// Whether facts of this level are shared by default.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Project | Self::Domain)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which levels of facts a team shares, as founded: every level up to one. The deeper ones stay on their node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharing {
    /// The deepest level that is shared.
    pub up_to: Level,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { up_to: Level::Domain }
    }
}

impl Sharing {
    /// Reads the text of the gene: the deepest level that is shared.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self { up_to: text.parse().ok()? })
    }

    /// The stream that a fact of this level is written to.
    pub fn stream_of(self, level: Level, private: bool) -> Stream {
        if level <= self.up_to && !private { Stream::Shared } else { Stream::Local }
    }
}

/// A text that names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a level: use 0 project, 1 domain, 2 module or 3 snippet")]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        let named = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(text));
        let numbered = || text.parse().ok().and_then(Self::from_number);
        named.or_else(numbered).ok_or_else(|| UnknownLevel(text.chars().take(32).collect()))
    }
}
