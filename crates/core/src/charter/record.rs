//! Charter records: what the events of the charter stream say, and how much their authors had seen.

use std::collections::BTreeMap;

use super::changes::{Approve, GeneAdd, StewardChange};
use super::grant::Grant;
use super::revoke::Revoke;
use super::role_key::RoleKey;
use crate::event::{Action, Event, Open, Payload, PayloadError, Subject};
use crate::ids::{Hash, NodeId, StoreId};
use crate::log::Stream;
use crate::value::Value;
use crate::vclock::VClock;

/// Longest name of a role or a node, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 64;

/// Why an event of the charter stream is not a charter record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It is of another stream.
    #[error("not an event of the charter stream")]
    Stream,
    /// Its payload is not held.
    #[error("the payload is missing")]
    NoPayload,
    /// Its payload cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A field is missing or of the wrong kind.
    #[error("field {0} is missing or malformed")]
    Field(&'static str),
    /// Its subject is not what it speaks of.
    #[error("its subject is not what it speaks of")]
    Subject,
    /// Its clock does not count the event itself.
    #[error("its clock does not count the event itself")]
    Clock,
}

/// What a charter event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A store opens its charter log.
    Open(Open),
    /// Makes a node a member, or renews it.
    Grant(Grant),
    /// Ends a membership for good.
    Revoke(Revoke),
    /// A new key of a role.
    RoleKey(RoleKey),
    /// Makes somebody a steward, or ends that.
    StewardChange(StewardChange),
    /// Consents to another steward's record.
    Approve(Approve),
    /// Adds a gene.
    GeneAdd(GeneAdd),
    /// A kind of a newer version; it is kept and not applied.
    Unknown(u64),
}

impl Record {
    /// The action of its event.
    pub fn action(&self) -> Action {
        match self {
            Self::Open(_) => Action::Open,
            Self::Grant(_) => Action::Grant,
            Self::Revoke(_) => Action::Revoke,
            Self::RoleKey(_) => Action::RoleKey,
            Self::StewardChange(_) => Action::StewardChange,
            Self::Approve(_) => Action::Approve,
            Self::GeneAdd(_) => Action::GeneAdd,
            Self::Unknown(number) => Action::Unknown(*number),
        }
    }

    /// The subject of its event; `None` for an opening, whose subject is the store, and for what is not known.
    pub fn subject(&self) -> Option<Subject> {
        match self {
            Self::Open(_) | Self::Unknown(_) => None,
            Self::Grant(grant) => Some(Subject::Member(grant.node)),
            Self::Revoke(revoke) => Some(Subject::Member(revoke.node)),
            Self::RoleKey(key) => Some(Subject::Role(key.role.clone())),
            Self::StewardChange(change) => Some(Subject::Member(change.node)),
            Self::Approve(approve) => Some(Subject::Record(approve.record)),
            Self::GeneAdd(gene) => Some(Subject::Gene(gene.id.clone())),
        }
    }

    /// The fields of its payload.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        match self {
            Self::Open(open) => open.to_fields(),
            Self::Grant(grant) => grant.to_fields(),
            Self::Revoke(revoke) => revoke.to_fields(),
            Self::RoleKey(key) => key.to_fields(),
            Self::StewardChange(change) => change.to_fields(),
            Self::Approve(approve) => approve.to_fields(),
            Self::GeneAdd(gene) => gene.to_fields(),
            Self::Unknown(_) => BTreeMap::new(),
        }
    }

    fn from_fields(action: Action, fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        Ok(match action {
            Action::Open => Self::Open(Open::from_fields(fields).map_err(|_| RecordError::Field("open"))?),
            Action::Grant => Self::Grant(Grant::from_fields(fields)?),
            Action::Revoke => Self::Revoke(Revoke::from_fields(fields)?),
            Action::RoleKey => Self::RoleKey(RoleKey::from_fields(fields)?),
            Action::StewardChange => Self::StewardChange(StewardChange::from_fields(fields)?),
            Action::Approve => Self::Approve(Approve::from_fields(fields)?),
            Action::GeneAdd => Self::GeneAdd(GeneAdd::from_fields(fields)?),
            other => Self::Unknown(other.number()),
        })
    }
}

/// A charter event, decoded, with what decides its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Hash of its header.
    pub hash: Hash,
    /// Hash of the header before it in its log, zeros for the first.
    pub prev: Hash,
    /// The key that signed it.
    pub author: NodeId,
    /// The store it was written by.
    pub store: StoreId,
    /// Its place in that store's charter log.
    pub seq: u64,
    /// Charter events its author had seen, by store, itself included.
    pub seen: VClock,
    /// What it says.
    pub record: Record,
}

impl Entry {
    /// Decodes a charter event that `author` signed.
    ///
    /// # Errors
    /// [`RecordError`] when it is none or malformed.
    pub fn read<State>(event: &Event<State>, author: NodeId) -> Result<Self, RecordError> {
        let header = event.header();
        if header.stream != Stream::Charter {
            return Err(RecordError::Stream);
        }
        if header.version.get(&header.store) != header.seq {
            return Err(RecordError::Clock);
        }
        if header.action == Action::Malformed {
            return Err(RecordError::Field("header"));
        }
        let record = if let Action::Unknown(number) = header.action {
            Record::Unknown(number)
        } else {
            let payload = event.payload().ok_or(RecordError::NoPayload)?;
            Record::from_fields(header.action, &Payload::decode(payload, header.fields)?.fields)?
        };
        if record.subject().is_some_and(|subject| header.subject != subject) {
            return Err(RecordError::Subject);
        }
        let (hash, prev, store, seq) = (event.hash(), header.prev, header.store, header.seq);
        Ok(Self { hash, prev, author, store, seq, seen: header.version.clone(), record })
    }

    /// Whether `self` was written by somebody who had seen `other`, which is another record.
    ///
    /// A clock counts its own event, so a clock that covers another's counts that event too. Two branches of a fork
    /// have equal clocks and have not seen each other. Being the order of the clocks, this has no circles, whatever
    /// a clock claims.
    pub fn has_seen(&self, other: &Self) -> bool {
        // Most of those that have not seen it lack the event itself, which is the quickest to see.
        let counts_it = self.seen.get(&other.store) >= other.seen.get(&other.store);
        counts_it && self.seen != other.seen && self.seen.covers(&other.seen)
    }

    /// How much its author had seen: grows along every chain of [`Entry::has_seen`].
    pub(super) fn depth(&self) -> u128 {
        self.seen.iter().map(|(_, count)| u128::from(count)).sum()
    }
}

/// The node key in field 0.
pub(super) fn node_of(fields: &BTreeMap<u8, Value>) -> Result<NodeId, RecordError> {
    fields.get(&0).and_then(Value::as_array).map(NodeId).ok_or(RecordError::Field("node"))
}

/// A text of at most `limit` bytes.
pub(super) fn text_of(
    fields: &BTreeMap<u8, Value>,
    bit: u8,
    name: &'static str,
    limit: usize,
) -> Result<String, RecordError> {
    let text = fields.get(&bit).and_then(Value::as_text).filter(|text| text.len() <= limit);
    text.map(str::to_owned).ok_or(RecordError::Field(name))
}
