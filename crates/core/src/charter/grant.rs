//! Grants: who is a member, with which roles, until when.

use std::collections::BTreeMap;

use super::record::{NAME_BYTES_MAX, RecordError, node_of, text_of};
use super::role_key::{RECIPIENT_BYTES_MAX, WRAP_BYTES_MAX, recipient_of};
use crate::fact::check_label;
use crate::ids::{Hash, NodeId};
use crate::time::UnixMillis;
use crate::value::Value;

/// Most roles of one grant.
const ROLES_MAX: usize = 32;
/// Most role keys that one grant wraps: a steward reads every role.
const WRAPS_MAX: usize = 256;

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
    /// The current key of every role it may read.
    pub wraps: Vec<GrantWrap>,
    /// Its name when it was granted.
    pub name: String,
}

/// A role key, wrapped to the member of the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantWrap {
    /// The role.
    pub role: String,
    /// Which of its keys: the hash of the record that made it.
    pub epoch: Hash,
    /// The key, sealed to the member's recipient.
    pub sealed: Vec<u8>,
}

impl Grant {
    /// The fields of the payload: 0 node key, 1 age recipient, 2 roles, 3 not after, 4 wrapped role keys, 5 name.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        let wrap = |wrap: &GrantWrap| {
            let epoch = Value::Bytes(wrap.epoch.0.to_vec());
            Value::List(vec![Value::Text(wrap.role.clone()), epoch, Value::Bytes(wrap.sealed.clone())])
        };
        BTreeMap::from([
            (0, Value::Bytes(self.node.0.to_vec())),
            (1, Value::Text(self.recipient.clone())),
            (2, Value::texts(&self.roles)),
            (3, Value::Uint(self.not_after.0)),
            (4, Value::List(self.wraps.iter().map(wrap).collect())),
            (5, Value::Text(self.name.clone())),
        ])
    }

    pub(super) fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let roles = fields.get(&2).and_then(Value::as_texts).ok_or(RecordError::Field("roles"))?;
        let fit = |role: &String| check_label("role", role, NAME_BYTES_MAX).is_ok();
        if roles.len() > ROLES_MAX || !roles.iter().all(fit) {
            return Err(RecordError::Field("roles"));
        }
        let name = text_of(fields, 5, "name", NAME_BYTES_MAX)?;
        check_label("name", &name, NAME_BYTES_MAX).map_err(|_| RecordError::Field("name"))?;
        let not_after = fields.get(&3).and_then(Value::as_uint).map(UnixMillis);
        let wraps = fields.get(&4).and_then(Value::as_list).filter(|wraps| wraps.len() <= WRAPS_MAX);
        let wraps = wraps.and_then(|wraps| wraps.iter().map(wrap_of).collect::<Option<_>>());
        Ok(Self {
            node: node_of(fields)?,
            recipient: recipient_of(&text_of(fields, 1, "recipient", RECIPIENT_BYTES_MAX)?)?,
            roles,
            not_after: not_after.ok_or(RecordError::Field("not_after"))?,
            wraps: wraps.ok_or(RecordError::Field("wraps"))?,
            name,
        })
    }
}

fn wrap_of(value: &Value) -> Option<GrantWrap> {
    let [role, epoch, Value::Bytes(sealed)] = value.as_list()? else { return None };
    let role = role.as_text().filter(|role| role.len() <= NAME_BYTES_MAX)?.to_owned();
    (sealed.len() <= WRAP_BYTES_MAX)
        .then(|| Some(GrantWrap { role, epoch: Hash(epoch.as_array()?), sealed: sealed.clone() }))
        .flatten()
}
