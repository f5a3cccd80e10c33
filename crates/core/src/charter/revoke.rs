//! Revocations: the end of a membership, with where its logs end and the keys that exclude it.

use std::collections::BTreeMap;

use super::record::{RecordError, node_of, text_of};
use super::role_key::RoleKey;
use crate::ids::{Hash, NodeId, StoreId};
use crate::log::{Head, LogId, Stream};
use crate::value::Value;

/// Longest reason of a revocation, in bytes.
pub const REVOKE_REASON_BYTES_MAX: usize = 1_024;
/// Most role keys that one revocation brings.
pub const ROLE_KEYS_MAX: usize = 256;

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
    /// New keys of the roles, as many as fit.
    pub role_keys: Vec<RoleKey>,
}

/// The last event of a log that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// The log.
    pub log: LogId,
    /// Its last event.
    pub head: Head,
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
            (4, Value::List(self.role_keys.iter().map(RoleKey::to_value).collect())),
        ])
    }

    pub(super) fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let cuts = fields.get(&3).and_then(Value::as_list).ok_or(RecordError::Field("cuts"))?;
        let keys = fields.get(&4).and_then(Value::as_list).filter(|keys| keys.len() <= ROLE_KEYS_MAX);
        let keys = keys.ok_or(RecordError::Field("role keys"))?;
        Ok(Self {
            node: node_of(fields)?,
            reason: text_of(fields, 1, "reason", REVOKE_REASON_BYTES_MAX)?,
            compromised: fields.get(&2).and_then(Value::as_bool).unwrap_or(false),
            cuts: cuts.iter().map(cut_of).collect::<Option<_>>().ok_or(RecordError::Field("cuts"))?,
            role_keys: keys.iter().map(RoleKey::from_value).collect::<Result<_, _>>()?,
        })
    }
}

fn cut_of(value: &Value) -> Option<Cut> {
    let [store, stream, seq, hash] = value.as_list()? else { return None };
    let stream = Stream::from_number(stream.as_uint()?)?;
    let head = Head { seq: seq.as_uint()?, hash: Hash(hash.as_array()?) };
    Some(Cut { log: LogId::new(StoreId(store.as_array()?), stream), head })
}
