//! Records of the distributed hash table: signed hints that any member may keep for any other.
//!
//! Who holds a document, and where the newest version of an address is, should be found without asking everybody. A
//! hash table spread over the members answers that in a few steps. But it is kept by whoever is nearest to a key, so a
//! member could put there what it likes, and a plain table believes whoever spoke last.
//!
//! So a record is signed by a member for its team, says what it is about, and ends by itself. [`validate`] refuses
//! everything else, each with its own [`Refusal`]; [`supersedes`] says which of two records stands: a lower version
//! never replaces a higher one, and an equal one only prolongs what it repeats. Versions alone would let a member claim
//! the highest there is and so block an address for good. Therefore a pointer names the event of the index that it
//! repeats, and one whose event is known and says the same ([`Standing::Authorised`]) beats any that names an unknown
//! one, whatever its version; [`admit`] holds both together against what a node knows.
//!
//! Limits: a record is a hint. Whoever reads one asks the index what counts, and a table that hides a record hides no
//! document.

mod body;
mod key;
mod law;

use crate::cbor;
use crate::ids::{NodeId, TeamId};
use crate::sign::{self, Signature, Signer};
use crate::time::UnixMillis;

pub use body::{
    ADDRESS_BYTES_MAX, ADDRESSES_MAX, AGENT_BYTES_MAX, Body, CAPABILITIES_MAX, CAPABILITY_BYTES_MAX, Card, Kind,
    NAME_BYTES_MAX, Pointer,
};
pub use key::{Key, MULTIHASH_BYTES, PREFIX_BYTES_MAX, Prefix, PrefixError, Realm, Topic};
pub use law::{Admitted, Claim, Knowledge, Refusal, Standing, Verdict, admit, supersedes, validate};

/// What separates a record from everything else that is signed.
const DOMAIN: &[u8] = b"antiphon/dht/1";
/// Version of the format.
const VERSION: u64 = 1;
/// Most bytes of a record. The table's packets hold 16 KiB, which an answer shares with the addresses of up to 20 nodes.
pub const RECORD_BYTES_MAX: usize = 8 * 1024;
/// Longest that a record may have left to live, in milliseconds: 48 hours.
pub const LIFE_MAX_MS: u64 = 48 * 60 * 60 * 1_000;
/// How long a record should live, in milliseconds: 36 hours. Below the limit, so that a clock that is hours behind
/// still takes it.
pub const LIFE_MS: u64 = 36 * 60 * 60 * 1_000;

/// What a member says under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The team.
    pub team: TeamId,
    /// Who says so.
    pub author: NodeId,
    /// Which of several counts: of a pointer the version of the document, of a card whatever its member counts.
    pub version: u64,
    /// When it ends.
    pub expires: UnixMillis,
    /// What it says.
    pub body: Body,
}

impl Record {
    /// Where it belongs.
    pub fn key(&self) -> Key {
        match &self.body {
            Body::Pointer(pointer) => Key::Content(pointer.content),
            Body::Card(_) => Key::Member(self.author),
        }
    }

    /// What kind it is.
    pub const fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// Signs it and gives the bytes that are stored. The signer must be [`Record::author`].
    ///
    /// # Errors
    /// [`Refusal::Malformed`] and [`Refusal::TooLarge`] when everybody would refuse it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, Refusal> {
        self.body.check()?;
        let bytes = self.encode();
        let signature = signer.sign(&message(&self.team, &bytes));
        let signed = wrap(&bytes, &signature);
        if signed.len() > RECORD_BYTES_MAX { Err(Refusal::TooLarge { got: signed.len() }) } else { Ok(signed) }
    }

    /// Reads a record without believing it: nothing is checked but its form. For what was validated before.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::TooLarge`].
    pub fn read(signed: &[u8]) -> Result<Self, Refusal> {
        Unchecked::read(signed).map(|unchecked| unchecked.record)
    }

    fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::map(out, 7);
            cbor::uint(out, 0);
            cbor::uint(out, VERSION);
            cbor::uint(out, 1);
            cbor::bytes(out, &self.team.0);
            cbor::uint(out, 2);
            cbor::bytes(out, &self.author.0);
            cbor::uint(out, 3);
            cbor::uint(out, self.version);
            cbor::uint(out, 4);
            cbor::uint(out, self.expires.0);
            cbor::uint(out, 5);
            cbor::uint(out, self.kind().number());
            cbor::uint(out, 6);
            self.body.write(out);
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            if cbor::read_map(input, 7)? != 7 {
                return Err(cbor::Error::Value("a record has seven parts"));
            }
            if body::key(input, 0)?.u64()? != VERSION {
                return Err(cbor::Error::Value("a record of another version"));
            }
            let team = TeamId(cbor::read_array(body::key(input, 1)?)?);
            let author = NodeId(cbor::read_array(body::key(input, 2)?)?);
            let version = body::key(input, 3)?.u64()?;
            let expires = UnixMillis(body::key(input, 4)?.u64()?);
            let kind = Kind::from_number(body::key(input, 5)?.u64()?);
            let kind = kind.ok_or(cbor::Error::Value("a record of an unknown kind"))?;
            Ok(Self { team, author, version, expires, body: Body::read(body::key(input, 6)?, kind)? })
        })
    }
}

/// A record that was read and not yet checked.
struct Unchecked {
    record: Record,
    bytes: Vec<u8>,
    signature: Signature,
}

impl Unchecked {
    fn read(signed: &[u8]) -> Result<Self, Refusal> {
        if signed.len() > RECORD_BYTES_MAX {
            return Err(Refusal::TooLarge { got: signed.len() });
        }
        let (bytes, signature) = cbor::decode(signed, |input| {
            if cbor::read_list(input, 2)? != 2 {
                return Err(cbor::Error::Value("a signed record has two parts"));
            }
            Ok((cbor::read_bytes(input, RECORD_BYTES_MAX)?, Signature(cbor::read_array(input)?)))
        })?;
        let record = Record::decode(&bytes)?;
        record.body.check()?;
        Ok(Self { record, bytes, signature })
    }

    fn is_signed(&self) -> bool {
        sign::verify(&self.record.author, &message(&self.record.team, &self.bytes), &self.signature)
    }
}

fn message(team: &TeamId, bytes: &[u8]) -> Vec<u8> {
    [DOMAIN, &team.0, bytes].concat()
}

fn wrap(bytes: &[u8], signature: &Signature) -> Vec<u8> {
    cbor::encode(|out| {
        cbor::array(out, 2);
        cbor::bytes(out, bytes);
        cbor::bytes(out, &signature.0);
    })
}
