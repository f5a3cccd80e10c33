//! Payloads that only a role can read: what they are bound to, and who opens them.
//!
//! Every member carries every event of the shared stream, and some are meant for one role. Their payload is sealed
//! under a key of that role, and the header says so. The ciphertext then stands in the log where the payload would,
//! and its hash in the header. What keeps somebody who cannot read it from publishing it again as his own, or from
//! moving it to another fact? The seal is bound to the header: its key and its tag depend on everything that the header
//! says, but for the hash and the length of the payload, which are only known once it is sealed.
//!
//! [`binding`] gives these bytes. It takes them from the signed bytes and encodes nothing anew, so fields of newer
//! versions are bound too, and nodes of different versions open the same payload.
//!
//! Sealing needs secrets, which are not this crate's business: a [`FactSeals`] does it, and a store is handed one as it
//! is handed a signer.

use minicbor::Decoder;

use super::header::{HEADER_BYTES_MAX, Header};
use crate::cbor;
use crate::charter::RoleKeys;

/// Keys of a header that say what the payload is: its hash and its length.
const PAYLOAD_KEYS: [u64; 2] = [12, 13];
/// Most keys of a header.
const KEYS_MAX: usize = 64;

/// What a sealed payload of this header is bound to: the canonical bytes of the header without hash and length of the
/// payload.
///
/// # Errors
/// [`cbor::Error`] when the bytes are no canonical header.
pub fn binding(header: &[u8]) -> Result<Vec<u8>, cbor::Error> {
    if header.len() > HEADER_BYTES_MAX {
        return Err(cbor::Error::Value("a header is longer than it may be"));
    }
    cbor::check(header)?;
    let mut input = Decoder::new(header);
    let keys = cbor::read_map(&mut input, KEYS_MAX)?;
    let (mut kept, mut rest) = (0, Vec::with_capacity(header.len()));
    for _ in 0..keys {
        let from = input.position();
        let key = input.u64().ok();
        if key.is_none() {
            input.set_position(from);
            input.skip()?;
        }
        input.skip()?;
        if !key.is_some_and(|key| PAYLOAD_KEYS.contains(&key)) {
            kept += 1;
            rest.extend_from_slice(header.get(from..input.position()).unwrap_or_default());
        }
    }
    let mut bound = cbor::encode(|out| cbor::map(out, kept));
    bound.append(&mut rest);
    Ok(bound)
}

/// What becomes of a sealed payload.
#[derive(Clone, PartialEq, Eq)]
pub enum Opened {
    /// The payload.
    Payload(Vec<u8>),
    /// This node has not the key: it carries the payload for others.
    Closed,
    /// This node has the key, and the payload is not what was sealed with it for this header.
    Broken,
}

/// Without the payload, which must not get into a log.
impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Payload(_) => "Payload(redacted)",
            Self::Closed => "Closed",
            Self::Broken => "Broken",
        })
    }
}

/// Why a payload was not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key that the header names is not held.
    #[error("this node does not hold the key of {0}")]
    NoKey(String),
    /// There is no randomness to seal with.
    #[error("there is no randomness to seal with")]
    NoRandomness,
    /// The header is none, or names no role.
    #[error("the header names no role to seal for")]
    NoSeal,
}

/// Opens and seals payloads with the role keys of this node. The vault's keyring does; a test may bring its own.
pub trait FactSeals: Send + Sync {
    /// Learns which role keys there are, each time the charter changes.
    fn learn(&self, role_keys: &RoleKeys);
    /// Whether this node can open what was sealed with this key.
    fn holds(&self, role: &str, epoch: &crate::ids::Hash) -> bool;
    /// Seals a payload for the header with these bytes, whose own hash and length of a payload do not matter.
    ///
    /// # Errors
    /// [`SealError`].
    fn seal(&self, header: &[u8], payload: &[u8]) -> Result<Vec<u8>, SealError>;
    /// Opens the payload of the header with these bytes.
    fn open(&self, header: &[u8], sealed: &[u8]) -> Opened;
}

/// The header with these bytes and what it is bound to, if it names a role.
///
/// # Errors
/// [`SealError::NoSeal`].
pub fn sealed_header(bytes: &[u8]) -> Result<(Header, Vec<u8>), SealError> {
    let header = Header::decode(bytes).map_err(|_| SealError::NoSeal)?;
    let bound = binding(bytes).map_err(|_| SealError::NoSeal)?;
    if header.seal.is_some() { Ok((header, bound)) } else { Err(SealError::NoSeal) }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Seal, Subject};
    use super::*;
    use crate::ids::{EventId, FactId, Hash, StoreId, TeamId};
    use crate::log::Stream;
    use crate::time::Hlc;
    use crate::vclock::VClock;

    fn header() -> Header {
        let store = StoreId([3; 16]);
        Header {
            team: TeamId([1; 32]),
            id: EventId([2; 16]),
            store,
            stream: Stream::Shared,
            seq: 2,
            prev: Hash([4; 32]),
            hlc: Hlc(5),
            action: Action::Set,
            subject: Subject::Fact(FactId([6; 16])),
            version: [(store, 1)].into_iter().collect(),
            fields: 1,
            payload_hash: Hash([7; 32]),
            payload_len: 100,
            seal: Some(Seal { role: "backend_developer".into(), epoch: Hash([8; 32]) }),
        }
    }

    #[test]
    fn only_hash_and_length_of_the_payload_are_left_out() {
        let plain = header();
        let bound = |header: &Header| binding(&header.encode().unwrap()).unwrap();
        let other = Header { payload_hash: Hash([9; 32]), payload_len: 1, ..plain.clone() };
        assert_eq!(bound(&plain), bound(&other));
        cbor::check(&bound(&plain)).unwrap();
        let changed: [Header; 10] = [
            Header { team: TeamId([9; 32]), ..plain.clone() },
            Header { id: EventId([9; 16]), ..plain.clone() },
            Header { store: StoreId([9; 16]), version: VClock::new(), ..plain.clone() },
            Header { stream: Stream::Local, ..plain.clone() },
            Header { seq: 3, ..plain.clone() },
            Header { prev: Hash([9; 32]), ..plain.clone() },
            Header { hlc: Hlc(6), ..plain.clone() },
            Header { subject: Subject::Fact(FactId([9; 16])), ..plain.clone() },
            Header { fields: 3, ..plain.clone() },
            Header { seal: Some(Seal { role: "qa_engineer".into(), epoch: Hash([8; 32]) }), ..plain.clone() },
        ];
        for header in changed {
            assert_ne!(bound(&plain), bound(&header), "{header:?}");
        }
    }

    #[test]
    fn fields_of_newer_versions_are_bound_too() {
        let plain = header().encode().unwrap();
        let newer = |value: u64| {
            let mut bytes = plain.clone();
            assert_eq!(bytes[0], 0xa0 | 15, "a map of 15 keys");
            bytes[0] = 0xb0;
            bytes.extend(cbor::encode(|out| {
                cbor::uint(out, 15);
                cbor::uint(out, value);
            }));
            bytes
        };
        assert_ne!(binding(&newer(1)).unwrap(), binding(&newer(2)).unwrap());
        assert_ne!(binding(&newer(1)).unwrap(), binding(&plain).unwrap());
    }

    #[test]
    fn what_is_no_header_is_bound_to_nothing() {
        for bytes in [&[][..], &[0xff], &[0xa1, 12], &[0x80]] {
            assert!(binding(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(sealed_header(&[0xa0]), Err(SealError::NoSeal));
        let open = Header { seal: None, ..header() }.encode().unwrap();
        assert_eq!(sealed_header(&open), Err(SealError::NoSeal));
    }
}
