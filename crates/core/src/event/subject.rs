//! What an event is about.

use minicbor::Decoder;

use crate::cbor;
use crate::ids::{ContentId, FactId, Hash, IncidentId, NodeId, StoreId};

/// Longest id of a subject, in bytes.
pub const SUBJECT_ID_BYTES_MAX: usize = 64;

/// The thing an event changes. Conflicts are found per subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A store: it opens.
    Store(StoreId),
    /// A fact.
    Fact(FactId),
    /// A member: its key.
    Member(NodeId),
    /// A charter record: its hash.
    Record(Hash),
    /// A role: its name.
    Role(String),
    /// A gene: its id.
    Gene(String),
    /// An incident.
    Incident(IncidentId),
    /// A document under an address.
    Content(ContentId),
    /// Something a newer version knows.
    Unknown {
        /// The number of its kind.
        kind: u64,
        /// Its id.
        id: Vec<u8>,
    },
    /// Something of a known kind with an id that is none: of the wrong length, or no text. An event about it keeps
    /// its place in its log and does nothing.
    Malformed {
        /// The number of its kind.
        kind: u64,
        /// What stands for its id.
        id: Vec<u8>,
    },
}

impl Subject {
    /// Kind number and id bytes, as a header and the database hold them.
    pub fn parts(&self) -> (u64, &[u8]) {
        match self {
            Self::Store(id) => (0, &id.0),
            Self::Fact(id) => (1, &id.0),
            Self::Member(id) => (2, &id.0),
            Self::Record(hash) => (3, &hash.0),
            Self::Role(name) => (4, name.as_bytes()),
            Self::Gene(id) => (5, id.as_bytes()),
            Self::Incident(id) => (6, &id.0),
            Self::Content(id) => (7, &id.0),
            Self::Unknown { kind, id } | Self::Malformed { kind, id } => (*kind, id),
        }
    }

    /// The fact, if it is one.
    pub fn fact(&self) -> Option<FactId> {
        if let Self::Fact(id) = self { Some(*id) } else { None }
    }

    /// The incident, if it is one.
    pub fn incident(&self) -> Option<IncidentId> {
        if let Self::Incident(id) = self { Some(*id) } else { None }
    }

    /// The document, if it is one.
    pub fn content(&self) -> Option<ContentId> {
        if let Self::Content(id) = self { Some(*id) } else { None }
    }

    pub(super) fn encode(&self, out: &mut minicbor::Encoder<&mut Vec<u8>>) {
        let (kind, id) = self.parts();
        cbor::array(out, 2);
        cbor::uint(out, kind);
        cbor::bytes(out, id);
    }

    pub(super) fn decode(input: &mut Decoder<'_>) -> Result<Self, cbor::Error> {
        if cbor::read_list(input, 2)? != 2 {
            return Err(cbor::Error::Value("a subject is a kind and an id"));
        }
        let kind = input.u64()?;
        let id = cbor::read_bytes(input, SUBJECT_ID_BYTES_MAX)?;
        Ok(Self::from_parts(kind, id))
    }

    /// Reads [`Subject::parts`].
    pub fn from_parts(kind: u64, id: Vec<u8>) -> Self {
        let known = match kind {
            0 => StoreId::from_slice(&id).ok().map(Self::Store),
            1 => FactId::from_slice(&id).ok().map(Self::Fact),
            2 => NodeId::from_slice(&id).ok().map(Self::Member),
            3 => Hash::from_slice(&id).ok().map(Self::Record),
            4 => std::str::from_utf8(&id).ok().map(|name| Self::Role(name.to_owned())),
            5 => std::str::from_utf8(&id).ok().map(|name| Self::Gene(name.to_owned())),
            6 => IncidentId::from_slice(&id).ok().map(Self::Incident),
            7 => ContentId::from_slice(&id).ok().map(Self::Content),
            _ => return Self::Unknown { kind, id },
        };
        known.unwrap_or(Self::Malformed { kind, id })
    }
}
