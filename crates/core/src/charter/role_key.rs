//! Role keys: age identities that everybody who may read a role holds.
//!
//! A role's key is made by a steward, who wraps it to every member that may read the role. An *epoch* is one such
//! key; the hash of the record that made it is its id. When a member is removed, the removal itself carries the next
//! epoch, so there is no moment at which a writer knows of the removal and has no key that excludes the removed.

use std::collections::BTreeMap;

use super::MEMBERS_MAX;
use super::record::{NAME_BYTES_MAX, RecordError, text_of};
use crate::fact::check_label;
use crate::ids::{Hash, NodeId};
use crate::value::Value;

/// Longest sealed role key, in bytes.
pub const WRAP_BYTES_MAX: usize = 512;
/// Longest age recipient, in bytes.
pub(super) const RECIPIENT_BYTES_MAX: usize = 128;

/// A new key of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKey {
    /// The role.
    pub role: String,
    /// The public half: what is sealed to it, holders can read.
    pub recipient: String,
    /// The secret half, sealed to each holder.
    pub wraps: Vec<Wrap>,
    /// The key before it; `None` for the first one, and for one that shall not open the history.
    pub previous: Option<Previous>,
}

/// The secret half of a role key, sealed to one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrap {
    /// The member.
    pub node: NodeId,
    /// The key, sealed to its recipient.
    pub sealed: Vec<u8>,
}

/// An older key of a role, sealed to the newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// Its epoch.
    pub epoch: Hash,
    /// Its secret half, sealed to the newer key's recipient.
    pub sealed: Vec<u8>,
}

impl RoleKey {
    /// The fields of the payload: 0 role, 1 recipient, 2 wraps, 3 previous epoch and key.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        let Value::List(parts) = self.to_value() else { return BTreeMap::new() };
        (0..).zip(parts).collect()
    }

    pub(super) fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, RecordError> {
        let role = text_of(fields, 0, "role", NAME_BYTES_MAX)?;
        check_label("role", &role, NAME_BYTES_MAX).map_err(|_| RecordError::Field("role"))?;
        let wraps = fields.get(&2).and_then(Value::as_list).filter(|wraps| wraps.len() <= MEMBERS_MAX);
        let wraps = wraps.and_then(|wraps| wraps.iter().map(wrap_of).collect::<Option<_>>());
        let previous = fields.get(&3).and_then(Value::as_list).ok_or(RecordError::Field("previous"))?;
        Ok(Self {
            role,
            recipient: recipient_of(&text_of(fields, 1, "recipient", RECIPIENT_BYTES_MAX)?)?,
            wraps: wraps.ok_or(RecordError::Field("wraps"))?,
            previous: previous_of(previous).ok_or(RecordError::Field("previous"))?,
        })
    }

    /// The same four parts as a list, as a revocation carries them.
    pub(super) fn to_value(&self) -> Value {
        let wrap =
            |wrap: &Wrap| Value::List(vec![Value::Bytes(wrap.node.0.to_vec()), Value::Bytes(wrap.sealed.clone())]);
        let previous = self
            .previous
            .iter()
            .flat_map(|previous| [Value::Bytes(previous.epoch.0.to_vec()), Value::Bytes(previous.sealed.clone())]);
        Value::List(vec![
            Value::Text(self.role.clone()),
            Value::Text(self.recipient.clone()),
            Value::List(self.wraps.iter().map(wrap).collect()),
            Value::List(previous.collect()),
        ])
    }

    /// Reads [`RoleKey::to_value`].
    pub(super) fn from_value(value: &Value) -> Result<Self, RecordError> {
        let parts = value.as_list().filter(|parts| parts.len() == 4).ok_or(RecordError::Field("role keys"))?;
        Self::from_fields(&(0..).zip(parts.iter().cloned()).collect())
    }
}

/// An age recipient is printable ASCII; whether something can be sealed to it is for the vault to say.
pub(super) fn recipient_of(text: &str) -> Result<String, RecordError> {
    let fit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fit { Ok(text.to_owned()) } else { Err(RecordError::Field("recipient")) }
}

fn wrap_of(value: &Value) -> Option<Wrap> {
    let [node, Value::Bytes(sealed)] = value.as_list()? else { return None };
    let fits = sealed.len() <= WRAP_BYTES_MAX;
    fits.then(|| Some(Wrap { node: NodeId(node.as_array()?), sealed: sealed.clone() })).flatten()
}

fn previous_of(parts: &[Value]) -> Option<Option<Previous>> {
    match parts {
        [] => Some(None),
        [epoch, Value::Bytes(sealed)] if sealed.len() <= WRAP_BYTES_MAX => {
            Some(Some(Previous { epoch: Hash(epoch.as_array()?), sealed: sealed.clone() }))
        }
        _ => None,
    }
}
