//! Why a text is no address.

use std::fmt;

use super::{ADDRESS_BYTES_MAX, ANY, SCHEME};

/// What a path may hold.
pub(super) const PATH_ALLOWED: &str = "it may hold letters, digits, `_`, `-`, `.` and `/`";

/// Characters of what was given that an error repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// A part of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Whose work it is.
    Agent,
    /// In which role.
    Role,
    /// In which project.
    Project,
    /// For which task.
    Task,
    /// Its place in there.
    Path,
}

impl Component {
    /// Its name, as people know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Role => "role",
            Self::Project => "project",
            Self::Task => "task",
            Self::Path => "path",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a text is no address, or none that may stand here. Texts are cut to 80 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than [`ADDRESS_BYTES_MAX`].
    #[error("an address of {0} bytes, the limit is {ADDRESS_BYTES_MAX}")]
    TooLong(usize),
    /// It begins with something else.
    #[error("an address begins with `{SCHEME}`, not as {0:?} does")]
    Scheme(String),
    /// Neither of the two forms.
    #[error("{0:?} is neither agent/role/project/task nor agent:role@project:task")]
    Form(String),
    /// A component is not there, or empty.
    #[error("the {0} is missing: an address names agent, role, project and task")]
    Missing(Component),
    /// A character that may not stand in a word.
    #[error("the {component} {text:?} may hold only letters, digits, `_` and `-`")]
    Word {
        /// Which component.
        component: Component,
        /// What was given.
        text: String,
    },
    /// A path with something in it that may not be there.
    #[error("the path {text:?}: {why}")]
    Path {
        /// What was given.
        text: String,
        /// What is allowed.
        why: &'static str,
    },
    /// The word for every value, where one is meant.
    #[error("the {0} is `{ANY}`, which stands for every value in a search and cannot name a document")]
    Any(Component),
    /// Something that begins as a selector and is none.
    #[error("{0:?} chooses no version: it may be `*^`, `*~N` with N from 1, `~~N` or `^^N`")]
    Selector(String),
    /// A selector somewhere in the path.
    #[error("the path {0:?} holds what chooses a version: that stands right after the task")]
    SelectorPlace(String),
    /// A version where none can be chosen.
    #[error("{0} chooses a version, which a search does not")]
    SelectorInSearch(String),
    /// Another spelling than the canonical one, where only that may stand.
    #[error("{0:?} is not the canonical form of an address")]
    NotCanonical(String),
}

/// What was given, as far as an error repeats it.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
