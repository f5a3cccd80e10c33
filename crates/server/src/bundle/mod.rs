//! Bundles: what a person carries between two machines as JSON files.
//!
//! Reading one is a row of checks, each with its own error: size, shape, version, signature. A document is looked at
//! byte by byte before it is parsed ([`scan`]), because a small file of empty lists becomes large in memory. What is
//! signed is the document in one canonical form ([`canonical`]), so that a program that reads and writes JSON in
//! another order does not break the signature.

mod canonical;
mod document;
mod plain;
mod read;
mod scan;
mod write;

pub(crate) use document::{Document, Kind};
pub(crate) use plain::{Plain, plain};
pub(crate) use read::{Opened, clock_of_text, heads, open};
pub(crate) use write::{answer_document, facts_document, request_document, to_bytes, to_value};

use antiphon_core::ids::{Hash, NodeId};
use antiphon_node::bundles::CarryError;

/// The version that is written.
pub(crate) const VERSION: &str = "1.1";
/// Versions that are read.
pub(crate) const VERSIONS_READ: [&str; 2] = ["1.0", VERSION];

/// Why a document is not taken. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It has too many bytes.
    #[error("the file has more than {} MiB", limit >> 20)]
    TooLarge {
        /// Most bytes.
        limit: usize,
    },
    /// It is nested too deeply, or has too many values.
    #[error("the file has more than {limit} {what}")]
    TooComplex {
        /// Levels or values.
        what: &'static str,
        /// Most of them.
        limit: usize,
    },
    /// It ends in the middle.
    #[error("the file is cut off after {bytes} bytes")]
    Truncated {
        /// Its length.
        bytes: usize,
    },
    /// It is no JSON, or not of this shape.
    #[error("the file cannot be read: {0}")]
    Malformed(String),
    /// A version that this node does not know.
    #[error("the file is of version {0}")]
    Version(String),
    /// A kind of document that does not belong here.
    #[error("the file is a {got}, a {want} is needed")]
    Kind {
        /// What it is.
        got: &'static str,
        /// What is needed.
        want: &'static str,
    },
    /// Nobody signed it.
    #[error("the file is not signed")]
    Unsigned,
    /// The signature is not the sender's.
    #[error("the signature is not that of {0}")]
    BadSignature(NodeId),
    /// It has more genes than a team may have.
    #[error("the file has {got} genes, the limit is {limit}")]
    TooManyGenes {
        /// How many.
        got: usize,
        /// Most.
        limit: usize,
    },
    /// What people read and what is proved say different things.
    #[error("{0} of the file is not what its handshake says")]
    Disagrees(&'static str),
    /// The node refused it.
    #[error(transparent)]
    Carry(#[from] CarryError),
}

impl Error {
    /// The stable name, for the audit; `None` where something failed.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::TooLarge { .. } | Self::TooComplex { .. } => "too_large",
            Self::Truncated { .. } => "truncated",
            Self::Malformed(_) => "malformed",
            Self::Version(_) => "unknown_version",
            Self::Kind { .. } => "wrong_kind",
            Self::Unsigned => "unsigned",
            Self::BadSignature(_) => "bad_signature",
            Self::TooManyGenes { .. } => "too_many_genes",
            Self::Disagrees(_) => "disagrees",
            Self::Carry(error) => return error.reason(),
        })
    }
}

/// SHA-256 of the canonical form of a document without its signature.
pub(crate) fn hash_of(value: &serde_json::Value) -> Result<Hash, Error> {
    Ok(Hash::of(&canonical::bytes(value)?))
}
