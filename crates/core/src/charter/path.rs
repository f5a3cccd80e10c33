//! The grant path: the few charter events that prove one node's membership to a stranger of the same team.
//!
//! It holds the grant, how its author became a steward, and the opening event of every charter log that these stand
//! in, which binds the log to its key. Charter events are signed one by one, so the path is checked without the logs
//! between them, and whoever gets it learns one member, its stewards and nothing else. What it proves is decided by the
//! same law as everything else: the membership that the records of the path make together with those already known.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Entry;
use super::{Charter, Membership, Record};
use crate::cbor;
use crate::event::{Action, Event, HeaderError, Unverified, signed_message};
use crate::ids::{Hash, NodeId, StoreId, TeamId};
use crate::sign::{self, Signature};

/// Longest encoded path, in bytes.
pub const GRANT_PATH_BYTES_MAX: usize = 64 * 1024;
/// Most events of a path: each costs a signature to check.
pub const GRANT_PATH_EVENTS_MAX: usize = 64;

/// Why a path proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not an encoded path.
    #[error("malformed grant path: {0}")]
    Cbor(#[from] cbor::Error),
    /// An event of it cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It is longer than [`GRANT_PATH_BYTES_MAX`].
    #[error("a grant path of {0} bytes, the limit is {GRANT_PATH_BYTES_MAX}")]
    TooLong(usize),
    /// An event is of another team, not signed by the key that opened its log, or no charter record.
    #[error("the grant path holds an event that its author did not sign for this team")]
    NotSigned,
    /// It grants nothing to this node.
    #[error("the grant path does not grant this node anything")]
    OtherNode,
}

/// The events of a path, as they are kept and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantPath {
    events: Vec<Event<Unverified>>,
}

impl GrantPath {
    /// A path of these events.
    pub fn new(events: Vec<Event<Unverified>>) -> Self {
        Self { events }
    }

    /// The path of `node`, taken from all charter events with their authors; `None` when it is no member.
    pub fn find(membership: &Membership, node: &NodeId, events: &[(NodeId, Event)]) -> Option<Self> {
        let grounds: BTreeSet<&Hash> = membership.grounds(node)?.iter().collect();
        let grounded = |event: &Event| grounds.contains(&event.hash());
        let stores: BTreeSet<StoreId> =
            events.iter().filter(|(_, event)| grounded(event)).map(|(_, event)| event.header().store).collect();
        let opens = |event: &Event| event.header().action == Action::Open && stores.contains(&event.header().store);
        let needed = events.iter().filter(|(_, event)| opens(event) || grounded(event));
        let events: Vec<_> = needed.map(|(_, event)| event.clone().into_unverified()).collect();
        (events.len() <= GRANT_PATH_EVENTS_MAX).then_some(Self { events })
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, self.events.len());
            for event in &self.events {
                cbor::array(out, 3);
                cbor::bytes(out, event.header_bytes());
                cbor::bytes(out, event.payload().unwrap_or_default());
                cbor::bytes(out, event.signature().map_or(&[], |signature| &signature.0));
            }
        })
    }

    /// Reads what [`GrantPath::encode`] wrote.
    ///
    /// # Errors
    /// [`PathError`] when it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.len() > GRANT_PATH_BYTES_MAX {
            return Err(PathError::TooLong(bytes.len()));
        }
        let raw = cbor::decode(bytes, |input| {
            let len = cbor::read_list(input, GRANT_PATH_EVENTS_MAX)?;
            let mut event = || {
                if cbor::read_list(input, 3)? != 3 {
                    return Err(cbor::Error::Value("an event has three parts"));
                }
                let header = cbor::read_bytes(input, GRANT_PATH_BYTES_MAX)?;
                let payload = cbor::read_bytes(input, GRANT_PATH_BYTES_MAX)?;
                Ok((header, payload, Signature(cbor::read_array(input)?)))
            };
            (0..len).map(|_| event()).collect::<Result<Vec<_>, _>>()
        })?;
        let events = raw
            .into_iter()
            .map(|(header, payload, signature)| Event::parse(header, Some(payload), Some(signature)))
            .collect::<Result<_, _>>()?;
        Ok(Self { events })
    }

    /// The records of the path, once every signature was checked.
    ///
    /// # Errors
    /// [`PathError::NotSigned`] when an event is not what it claims to be.
    pub fn entries(&self, team: &TeamId) -> Result<Vec<Entry>, PathError> {
        let mut keys: BTreeMap<StoreId, NodeId> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.header().action == Action::Open) {
            let open = event.opening().ok_or(PathError::NotSigned)?;
            if StoreId::derive(team, &open.node, &open.nonce) != event.header().store {
                return Err(PathError::NotSigned);
            }
            keys.insert(event.header().store, open.node);
        }
        let entry = |event: &Event<Unverified>| {
            let key = keys.get(&event.header().store)?;
            let message = signed_message(team, event.header_bytes());
            let signed = event.signature().is_some_and(|signature| sign::verify(key, &message, signature));
            (signed && event.header().team == *team).then(|| Entry::read(event, *key).ok()).flatten()
        };
        self.events.iter().map(|event| entry(event).ok_or(PathError::NotSigned)).collect()
    }

    /// The membership that the path and what is known already make together, in which `node` is granted something by
    /// the path or by what is known.
    ///
    /// # Errors
    /// [`PathError`] when the path proves nothing for `node`.
    pub fn verify(
        &self,
        team: &TeamId,
        known: &Charter,
        node: &NodeId,
    ) -> Result<std::sync::Arc<Membership>, PathError> {
        let entries = self.entries(team)?;
        // By itself it must grant the node something, or a revoked steward's path could lean on what is known.
        let grants = |entry: &Entry| matches!(&entry.record, Record::Grant(grant) if grant.node == *node);
        if !entries.iter().any(grants) {
            return Err(PathError::OtherNode);
        }
        Ok(known.membership_with(&entries))
    }
}
