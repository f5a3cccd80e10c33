//! Charter records: what the events of the charter stream say.

use std::collections::BTreeMap;

use crate::event::{Action, Event, Open, Payload, PayloadError};
use crate::fact::check_label;
use crate::ids::{Hash, NodeId, StoreId};
use crate::log::{Head, LogId, Stream};
use crate::time::UnixMillis;
use crate::value::Value;
use crate::vclock::VClock;

/// Longest name of a role or a node, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest reason of a revocation, in bytes.
const REASON_BYTES_MAX: usize = 1_024;
/// Most roles of one grant.
const ROLES_MAX: usize = 32;

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
    /// Its subject is not the node it speaks of.
    #[error("its subject is not the node it speaks of")]
    Subject,
}

/// Makes a node a member until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The member's key.
    pub node: NodeId,
    /// Its age recipient, to which role keys are wrapped.
    pub recipient: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// When the grant ends.
    pub not_after: UnixMillis,
    /// Its name when it was granted.
    pub name: String,
}

/// Ends a membership for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// The key that is removed.
    pub node: NodeId,
    /// Why, for people.
    pub reason: String,
    /// Whether somebody else may hold the key.
    pub compromised: bool,
    /// Up to where its logs count.
    pub cuts: Vec<Cut>,
}

/// The last event of a log that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The log.
    pub log: LogId,
    /// Its last event.
    pub head: Head,
}

/// What a charter event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A store opens its charter log.
    Open(Open),
    /// A grant.
    Grant(Grant),
    /// A revocation.
    Revoke(Revoke),
    /// A kind of a newer version; it is kept and not applied.
    Unknown(u64),
}

/// A charter event, decoded, with what decides its weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Hash of its header.
    pub hash: Hash,
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
        let payload = event.payload().ok_or(RecordError::NoPayload)?;
        let fields = Payload::decode(payload, header.fields)?.fields;
        let record = match header.action {
            Action::Open => Open::from_fields(&fields).map(Record::Open).map_err(|_| RecordError::Field("open"))?,
            Action::Grant => Record::Grant(Grant::from_fields(&fields)?),
            Action::Revoke => Record::Revoke(Revoke::from_fields(&fields)?),
            other => Record::Unknown(other.number()),
        };
        let speaks_of = match &record {
            Record::Grant(grant) => Some(grant.node),
            Record::Revoke(revoke) => Some(revoke.node),
            Record::Open(_) | Record::Unknown(_) => None,
        };
        if speaks_of.is_some_and(|node| header.subject != crate::event::Subject::Member(node)) {
            return Err(RecordError::Subject);
        }
        let (hash, store, seq) = (event.hash(), header.store, header.seq);
        Ok(Self { hash, author, store, seq, seen: header.version.clone(), record })
    }

    /// Whether `self` was written by somebody who had seen `other`.
    pub fn has_seen(&self, other: &Self) -> bool {
        self.hash == other.hash || self.seen.get(&other.store) >= other.seq
    }
}

impl Grant {
    /// The fields of the payload: 0 node key, 1 age recipient, 2 roles, 3 not after, 4 wrapped role keys, 5 name.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        BTreeMap::from([
            (0, Value::Bytes(self.node.0.to_vec())),
            (1, Value::Text(self.recipient.clone())),
            (2, Value::texts(&self.roles)),
            (3, Value::Uint(self.not_after.0)),
            (4, Value::List(Vec::new())),
            (5, Value::Text(self.name.clone())),
        ])
    }

    fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let text = |bit, name| fields.get(&bit).and_then(Value::as_text).ok_or(RecordError::Field(name));
        let roles = fields.get(&2).and_then(Value::as_texts).ok_or(RecordError::Field("roles"))?;
        let fit = |role: &String| check_label("role", role, NAME_BYTES_MAX).is_ok();
        if roles.len() > ROLES_MAX || !roles.iter().all(fit) {
            return Err(RecordError::Field("roles"));
        }
        let name = text(5, "name")?;
        check_label("name", name, NAME_BYTES_MAX).map_err(|_| RecordError::Field("name"))?;
        let recipient = text(1, "recipient")?;
        if recipient.len() > 128 || !recipient.is_ascii() {
            return Err(RecordError::Field("recipient"));
        }
        Ok(Self {
            node: node_of(fields)?,
            recipient: recipient.to_owned(),
            roles,
            not_after: fields
                .get(&3)
                .and_then(Value::as_uint)
                .map(UnixMillis)
                .ok_or(RecordError::Field("not_after"))?,
            name: name.to_owned(),
        })
    }
}

impl Revoke {
    /// The fields of the payload: 0 node key, 1 reason, 2 compromised, 3 cuts, 4 new role keys.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        let cut = |cut: &Cut| {
            Value::List(vec![
                Value::Bytes(cut.log.store.0.to_vec()),
                Value::Uint(cut.log.stream.number().into()),
                Value::Uint(cut.head.seq),
                Value::Bytes(cut.head.hash.0.to_vec()),
            ])
        };
        BTreeMap::from([
            (0, Value::Bytes(self.node.0.to_vec())),
            (1, Value::Text(self.reason.clone())),
            (2, Value::Bool(self.compromised)),
            (3, Value::List(self.cuts.iter().map(cut).collect())),
            (4, Value::List(Vec::new())),
        ])
    }

    fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let reason = fields.get(&1).and_then(Value::as_text).ok_or(RecordError::Field("reason"))?;
        if reason.len() > REASON_BYTES_MAX {
            return Err(RecordError::Field("reason"));
        }
        let cuts = fields.get(&3).and_then(Value::as_list).ok_or(RecordError::Field("cuts"))?;
        Ok(Self {
            node: node_of(fields)?,
            reason: reason.to_owned(),
            compromised: fields.get(&2).and_then(Value::as_bool).unwrap_or(false),
            cuts: cuts.iter().map(cut_of).collect::<Option<_>>().ok_or(RecordError::Field("cuts"))?,
        })
    }
}

fn node_of(fields: &BTreeMap<u8, Value>) -> Result<NodeId, RecordError> {
    fields.get(&0).and_then(Value::as_array).map(NodeId).ok_or(RecordError::Field("node"))
}

fn cut_of(value: &Value) -> Option<Cut> {
    let [store, stream, seq, hash] = value.as_list()? else { return None };
    let stream = Stream::from_number(stream.as_uint()?)?;
    let head = Head { seq: seq.as_uint()?, hash: Hash(hash.as_array()?) };
    Some(Cut { log: LogId::new(StoreId(store.as_array()?), stream), head })
}
