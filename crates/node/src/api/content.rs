//! What is shown of documents, and why something about one was not done.

/// Why a role that may read a document is not among those it is encrypted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOutWhy {
    /// Nobody holds it, so nobody ever needed a key of it.
    NoMembers,
    /// Somebody holds it, and it has no key that may be used.
    NoKey,
}

/// A role that may read a document and that it is not encrypted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name.
    pub role: String,
    /// Why.
    pub why: LeftOutWhy,
}

/// Why something about a document was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The role may not write.
    #[error("role {0} is read_only and cannot store content")]
    ReadOnly(String),
    /// The node does not hold the role it would store for.
    #[error("this node does not hold the role {role}; it holds {}", list(held))]
    NotHeld {
        /// The role that was named.
        role: String,
        /// Those it holds.
        held: Vec<String>,
    },
    /// The node's roles may not read the document.
    #[error("role {} cannot decrypt content of role {role}", list(held))]
    CannotDecrypt {
        /// The roles that the node holds.
        held: Vec<String>,
        /// The role whose document it is.
        role: String,
    },
    /// There is no key of the role that all holders of which are members.
    #[error("role {0} has no key to encrypt with")]
    NoKey(String),
}

fn list(roles: &[String]) -> String {
    if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
}
