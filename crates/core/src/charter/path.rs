//! The grant path: the few charter events that prove one node's membership to a stranger of the same team.
//!
//! It holds the opening event of the steward's charter log, which binds the steward's store to its key, and the
//! grant. Charter events are signed one by one, so the path is checked without the log between them, and whoever
//! gets it learns one member and nothing else.

use super::record::{Entry, Grant, Record};
use crate::cbor;
use crate::event::{Event, HeaderError, Unverified, signed_message};
use crate::ids::{NodeId, StoreId, TeamId};
use crate::sign::{self, Signature};

/// Longest encoded path, in bytes.
pub const GRANT_PATH_BYTES_MAX: usize = 64 * 1024;

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
    /// An event is of another team, not signed by the steward, or not of the kind that is due.
    #[error("the grant path is not signed by a steward of this team")]
    NotSigned,
    /// It grants another node.
    #[error("the grant path names another node")]
    OtherNode,
}

/// The events of a path, as they are kept and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantPath {
    /// Opening event of the steward's charter log.
    pub open: Event<Unverified>,
    /// The grant.
    pub grant: Event<Unverified>,
}

impl GrantPath {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, 2);
            for event in [&self.open, &self.grant] {
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
            if cbor::read_list(input, 2)? != 2 {
                return Err(cbor::Error::Value("a grant path has two events"));
            }
            let mut event = || {
                if cbor::read_list(input, 3)? != 3 {
                    return Err(cbor::Error::Value("an event has three parts"));
                }
                let header = cbor::read_bytes(input, GRANT_PATH_BYTES_MAX)?;
                let payload = cbor::read_bytes(input, GRANT_PATH_BYTES_MAX)?;
                Ok((header, payload, Signature(cbor::read_array(input)?)))
            };
            Ok([event()?, event()?])
        })?;
        let [open, grant] =
            raw.map(|(header, payload, signature)| Event::parse(header, Some(payload), Some(signature)));
        Ok(Self { open: open?, grant: grant? })
    }

    /// The grant that the path proves for `node` in `team`, whose first steward is `steward`.
    ///
    /// # Errors
    /// [`PathError`] when it proves none.
    pub fn verify(&self, team: &TeamId, steward: &NodeId, node: &NodeId) -> Result<Grant, PathError> {
        let open = self.open.opening().ok_or(PathError::NotSigned)?;
        let store = self.grant.header().store;
        let bound = open.node == *steward && StoreId::derive(team, steward, &open.nonce) == store;
        let one_log = self.open.log() == self.grant.log();
        let signed = [&self.open, &self.grant].into_iter().all(|event| {
            let message = signed_message(team, event.header_bytes());
            let valid = |signature| sign::verify(steward, &message, signature);
            event.header().team == *team && event.signature().is_some_and(valid)
        });
        if !(bound && one_log && signed) {
            return Err(PathError::NotSigned);
        }
        let entry = Entry::read(&self.grant, *steward).map_err(|_| PathError::NotSigned)?;
        match entry.record {
            Record::Grant(grant) if grant.node == *node => Ok(grant),
            Record::Grant(_) => Err(PathError::OtherNode),
            _ => Err(PathError::NotSigned),
        }
    }
}
