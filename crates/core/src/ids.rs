//! Names of things: nodes, stores, teams, events, facts, hashes.
//!
//! Every id is a newtype over its bytes, so that a team cannot be passed where a store is meant. Text forms are
//! fixed: a node is written as its libp2p peer id (base58), a store, an event and a fact as a ULID, a team and a
//! hash as lower-case hex.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::time::UnixMillis;

/// What separates a store id from every other hash.
const STORE_DOMAIN: &[u8] = b"antiphon/store/1";
/// What separates the author's mark in a fact id from every other hash.
const FACT_DOMAIN: &[u8] = b"antiphon/fact/1";
/// What separates the owner's mark in a resource id from every other hash.
const RESOURCE_DOMAIN: &[u8] = b"antiphon/resource/1";
/// What separates the writer's mark in a message id from every other hash.
const MESSAGE_DOMAIN: &[u8] = b"antiphon/message-id/1";
/// Bytes of an id with an author's mark that the author chooses: the time and 32 random bits. The other 48 bits are the
/// mark.
const CHOSEN_BYTES: usize = 10;

/// The identity multihash of a libp2p Ed25519 public key, without the key itself.
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Why a text or a byte string is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text cannot be read as this kind of id.
    #[error("not a {kind}: {text:?}")]
    Text {
        /// Which id was expected.
        kind: &'static str,
        /// What was given, cut to 80 characters.
        text: String,
    },
    /// The bytes have the wrong length.
    #[error("a {kind} has {want} bytes, not {got}")]
    Length {
        /// Which id was expected.
        kind: &'static str,
        /// Bytes it has.
        want: usize,
        /// Bytes that were given.
        got: usize,
    },
}

impl Error {
    fn text(kind: &'static str, text: &str) -> Self {
        Self::Text { kind, text: text.chars().take(80).collect() }
    }
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads the id from exactly its bytes.
            ///
            /// # Errors
            /// [`Error::Length`] when there are more or fewer.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
                let got = bytes.len();
                bytes.try_into().map(Self).map_err(|_| Error::Length { kind: $kind, want: $len, got })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! hex_text {
    ($name:ident, $kind:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| Error::text($kind, text))?;
                Self::from_slice(&bytes)
            }
        }
    };
}

macro_rules! ulid_text {
    ($name:ident, $kind:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&Ulid::from_bytes(self.0).to_string())
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                // 26 characters hold 130 bits: a first one above 7 would lose its upper bits and name another id.
                let ulid = Ulid::from_string(text).ok().filter(|_| text.as_bytes().first() <= Some(&b'7'));
                ulid.map(|ulid| Self(ulid.to_bytes())).ok_or_else(|| Error::text($kind, text))
            }
        }
    };
}

byte_id!(
    /// A node: its Ed25519 public key (RFC 8032), written as the libp2p peer id of that key.
    NodeId, 32, "node id");
byte_id!(
    /// One data directory's database under one key in one team; see [`StoreId::derive`].
    StoreId, 16, "store id");
byte_id!(
    /// A team: the RFC 6962 Merkle root of its founding genome.
    TeamId, 32, "team id");
byte_id!(
    /// One document: SHA-256 of its address in slash form; see [`crate::address::Address`].
    ContentId, 32, "content id");
byte_id!(
    /// One event: a ULID, monotonic per store.
    EventId, 16, "event id");
byte_id!(
    /// One fact: the ULID it got when it was first written; the same on every node.
    FactId, 16, "fact id");
byte_id!(
    /// One incident: the ULID it got when it was reported; the same on every node.
    IncidentId, 16, "incident id");
byte_id!(
    /// One resource of one node; see [`ResourceId::of_owner`].
    ResourceId, 16, "resource id");
byte_id!(
    /// One message between agents: a ULID that names its writer; the same for every receiver.
    MessageId, 16, "message id");
byte_id!(
    /// A SHA-256 digest (FIPS 180-4).
    Hash, 32, "hash");

hex_text!(TeamId, "team id");
hex_text!(ContentId, "content id");
hex_text!(Hash, "hash");
ulid_text!(StoreId, "store id");
ulid_text!(EventId, "event id");
ulid_text!(FactId, "fact id");
ulid_text!(IncidentId, "incident id");
ulid_text!(ResourceId, "resource id");
ulid_text!(MessageId, "message id");

impl NodeId {
    /// The libp2p peer id of this key: an identity multihash, 38 bytes.
    pub fn to_peer_id_bytes(self) -> [u8; 38] {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PEER_ID_PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        bytes
    }

    /// Reads the identity multihash of an Ed25519 key.
    ///
    /// # Errors
    /// [`Error::Text`] for the peer id of any other kind of key.
    pub fn from_peer_id_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match bytes.strip_prefix(&PEER_ID_PREFIX) {
            Some(key) => Self::from_slice(key),
            None => Err(Error::text("node id", &bs58::encode(bytes).into_string())),
        }
    }

    /// The first and last characters of the peer id, for people: `12D3KooW…f7Qa`.
    pub fn short(&self) -> String {
        let text = self.to_string();
        let tail = text.len().saturating_sub(4);
        format!("{}…{}", &text[..text.len().min(8)], &text[tail..])
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.to_peer_id_bytes()).into_string())
    }
}

impl FromStr for NodeId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        // A peer id is 52 characters; base58 is quadratic, so the length is checked first.
        if text.len() > 64 {
            return Err(Error::text("node id", text));
        }
        let bytes = bs58::decode(text).into_vec().map_err(|_| Error::text("node id", text))?;
        Self::from_peer_id_bytes(&bytes).map_err(|_| Error::text("node id", text))
    }
}

impl StoreId {
    /// The id of a store: the first 16 bytes of `SHA-256("antiphon/store/1" ‖ team ‖ node key ‖ ULID)`, so that
    /// nobody can open a log in another's name.
    pub fn derive(team: &TeamId, node: &NodeId, nonce: &[u8; 16]) -> Self {
        let digest = Sha256::new().chain_update(STORE_DOMAIN).chain_update(team.0).chain_update(node.0);
        let digest: [u8; 32] = digest.chain_update(nonce).finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }
}

impl Hash {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// The bytes of a ULID made of a time and 80 random bits.
pub fn ulid_bytes(at: UnixMillis, random: [u8; 10]) -> [u8; 16] {
    let mut bits = [0; 16];
    bits[6..].copy_from_slice(&random);
    Ulid::from_parts(at.0, u128::from_be_bytes(bits)).to_bytes()
}

impl FactId {
    /// A fresh fact id from the time and 80 random bits. Nobody can prove to have made it.
    pub fn new(at: UnixMillis, random: [u8; 10]) -> Self {
        Self(ulid_bytes(at, random))
    }

    /// A fresh fact id that names its author: the time, 32 random bits, and the author's mark, the first 48 bits of
    /// `SHA-256("antiphon/fact/1" ‖ node key ‖ time and random bits)`.
    ///
    /// An author may make everybody erase a fact, so who wrote it first must follow from the id alone, whatever others
    /// write about it later. To pass for the author of one given fact takes about 2^48 keys, each of which a steward
    /// would have to grant.
    pub fn of_author(node: &NodeId, at: UnixMillis, random: [u8; 4]) -> Self {
        Self(marked(FACT_DOMAIN, node, at, random))
    }

    /// Whether `node` made this id, see [`FactId::of_author`].
    pub fn is_by(&self, node: &NodeId) -> bool {
        is_marked(FACT_DOMAIN, node, &self.0)
    }

    /// The id of an imported fact: the same source text always gets the same id, so that importing a file twice does
    /// not double it. All 128 bits come from the source, so the time in it means nothing.
    pub fn of_source(namespace: &str, key: &str) -> Self {
        let digest = Sha256::new().chain_update(b"antiphon/import/1").chain_update(namespace.as_bytes());
        let digest: [u8; 32] = digest.chain_update([0]).chain_update(key.as_bytes()).finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    /// The time in the ULID.
    pub fn time(&self) -> UnixMillis {
        UnixMillis(Ulid::from_bytes(self.0).timestamp_ms())
    }
}

/// The bytes of a ULID made of a time, 32 random bits, and the mark of `node` on both.
fn marked(domain: &[u8], node: &NodeId, at: UnixMillis, random: [u8; 4]) -> [u8; 16] {
    let mut bits = [0; 10];
    bits[..4].copy_from_slice(&random);
    let mut id = ulid_bytes(at, bits);
    let mark = author_mark(domain, node, &id);
    id[CHOSEN_BYTES..].copy_from_slice(&mark);
    id
}

fn is_marked(domain: &[u8], node: &NodeId, id: &[u8; 16]) -> bool {
    id[CHOSEN_BYTES..] == author_mark(domain, node, id)
}

/// The mark of `node` on the chosen part of an id.
fn author_mark(domain: &[u8], node: &NodeId, id: &[u8; 16]) -> [u8; 16 - CHOSEN_BYTES] {
    let digest = Sha256::new().chain_update(domain).chain_update(node.0);
    let digest: [u8; 32] = digest.chain_update(&id[..CHOSEN_BYTES]).finalize().into();
    let mut mark = [0; 16 - CHOSEN_BYTES];
    mark.copy_from_slice(&digest[..16 - CHOSEN_BYTES]);
    mark
}

impl MessageId {
    /// A fresh message id that names its writer: the time, 32 random bits, and the writer's mark, the first 48 bits of
    /// `SHA-256("antiphon/message-id/1" ‖ node key ‖ time and random bits)`.
    pub fn of_author(node: &NodeId, at: UnixMillis, random: [u8; 4]) -> Self {
        Self(marked(MESSAGE_DOMAIN, node, at, random))
    }

    /// Whether `node` made this id, see [`MessageId::of_author`].
    pub fn is_by(&self, node: &NodeId) -> bool {
        is_marked(MESSAGE_DOMAIN, node, &self.0)
    }

    /// The time in the ULID.
    pub fn time(&self) -> UnixMillis {
        UnixMillis(Ulid::from_bytes(self.0).timestamp_ms())
    }
}

impl ResourceId {
    /// A fresh resource id that names its owner, made as [`FactId::of_author`] makes those of facts: only the owner may
    /// say anything about the resource, and whoever hears of it can tell from the id alone.
    pub fn of_owner(node: &NodeId, at: UnixMillis, random: [u8; 4]) -> Self {
        Self(marked(RESOURCE_DOMAIN, node, at, random))
    }

    /// Whether it is a resource of `node`.
    pub fn is_of(&self, node: &NodeId) -> bool {
        is_marked(RESOURCE_DOMAIN, node, &self.0)
    }
}

impl IncidentId {
    /// A fresh incident id from the time and 80 random bits.
    pub fn new(at: UnixMillis, random: [u8; 10]) -> Self {
        Self(ulid_bytes(at, random))
    }

    /// The time in the ULID.
    pub fn time(&self) -> UnixMillis {
        UnixMillis(Ulid::from_bytes(self.0).timestamp_ms())
    }
}

impl EventId {
    /// The id after `last`, at or after `now`: ULIDs of one store never go back and never repeat.
    pub fn next(last: Option<Self>, now: UnixMillis, random: [u8; 10]) -> Self {
        let fresh = Self(ulid_bytes(now, random));
        match last {
            Some(last) if last >= fresh => {
                // Incrementing the whole 128 bits keeps the order even where the random part is used up.
                Self(u128::from_be_bytes(last.0).saturating_add(1).to_be_bytes())
            }
            _ => fresh,
        }
    }

    /// The time in the ULID.
    pub fn time(&self) -> UnixMillis {
        UnixMillis(Ulid::from_bytes(self.0).timestamp_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_written_as_its_libp2p_peer_id() {
        // RFC 8032 test 1: the public key of the seed 9d61b19d….
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let node = NodeId(key.parse::<Hash>().unwrap().0);
        assert!(node.to_string().starts_with("12D3KooW"));
        assert_eq!(node.to_string().parse::<NodeId>().unwrap(), node);
        assert!("12D3KooW".parse::<NodeId>().is_err());
        assert!("1".repeat(100_000).parse::<NodeId>().is_err());
    }

    #[test]
    fn a_store_id_is_bound_to_team_key_and_ulid() {
        let (team, node, nonce) = (TeamId([1; 32]), NodeId([2; 32]), [3; 16]);
        let store = StoreId::derive(&team, &node, &nonce);
        assert_ne!(store, StoreId::derive(&TeamId([9; 32]), &node, &nonce));
        assert_ne!(store, StoreId::derive(&team, &NodeId([9; 32]), &nonce));
        assert_ne!(store, StoreId::derive(&team, &node, &[9; 16]));
        assert_eq!(store.to_string().parse::<StoreId>().unwrap(), store);
        assert_eq!(store.to_string().len(), 26);
    }

    #[test]
    fn event_ids_only_grow_even_when_the_clock_goes_back() {
        let first = EventId::next(None, UnixMillis(2_000), [255; 10]);
        let second = EventId::next(Some(first), UnixMillis(1_000), [0; 10]);
        assert!(second > first);
    }

    #[test]
    fn a_ulid_has_one_text_and_a_slip_in_its_first_character_names_no_other_id() {
        let id = FactId::new(UnixMillis(1_700_000_000_000), [7; 10]);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for first in ['8', '9', 'G', 'Z', 'g'] {
            assert!(format!("{first}{}", &text[1..]).parse::<FactId>().is_err(), "{first}");
        }
    }

    #[test]
    fn a_fact_id_names_its_author_and_nobody_else() {
        let (alice, eve) = (NodeId([1; 32]), NodeId([6; 32]));
        let id = FactId::of_author(&alice, UnixMillis(1_700_000_000_000), [7; 4]);
        assert!(id.is_by(&alice) && !id.is_by(&eve));
        assert_eq!(id.time(), UnixMillis(1_700_000_000_000));
        assert_ne!(id, FactId::of_author(&alice, UnixMillis(1_700_000_000_000), [8; 4]));
        assert!(!FactId::of_source("memory-server", "a").is_by(&alice));
        for byte in 0..16 {
            let mut other = id;
            other.0[byte] ^= 1;
            assert!(!other.is_by(&alice), "byte {byte}");
        }
    }

    #[test]
    fn the_same_source_gets_the_same_fact_id() {
        let id = |key| FactId::of_source("memory-server", key);
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
    }
}
