//! The two messages of a handshake.
//!
//! Request: 0 version, 1 from_peer_id, 2 from_node, 3 team, 4 genome_hash, 5 timestamp, 6 nonce, 7 agent_version,
//! 8 proof. Answer: 0 version, 1 to_peer_id, 2 to_node, 3 genome_hash, 4 match, 5 trust, 6 reason, 7 timestamp,
//! 8 nonce, 9 agent_version, 10 proof, 11 removal. Proof: 0 grant path, 1 store_id, 2 opening event, 3 charter_heads,
//! 4 addresses.

use antiphon_core::cbor::{self, Error};
use antiphon_core::charter::{GRANT_PATH_BYTES_MAX, GrantPath};
use antiphon_core::event::{Event, Unverified};
use antiphon_core::ids::{Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::NodeClock;
use antiphon_core::time::UnixMillis;
use minicbor::Decoder;

use super::check::told_charter;
use super::{
    ADDRESS_BYTES_MAX, ADDRESSES_MAX, AGENT_VERSION_BYTES_MAX, CHARTER_HEADS_MAX, HANDSHAKE_BYTES_MAX, Local,
    NODE_NAME_BYTES_MAX, OPENING_BYTES_MAX, Trust,
};
use crate::reason::Reason;
use crate::wire::{
    Fields, Out, read_clock, read_event, read_fields, read_reason, read_texts, required, write_clock, write_event,
    write_texts,
};

/// Version of both messages.
const VERSION: u64 = 1;
/// Longest name of a trust state, in bytes.
const TRUST_BYTES_MAX: usize = 16;

/// What somebody shows to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// Its grant path.
    pub path: Option<GrantPath>,
    /// Its store.
    pub store: Option<StoreId>,
    /// The opening event of one of that store's logs.
    pub opening: Option<Event<Unverified>>,
    /// Heads of the charter logs it holds; empty for somebody it does not know.
    pub charter: NodeClock,
    /// Where it listens; empty for somebody it does not know.
    pub addresses: Vec<String>,
}

/// Asks to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asks.
    pub from: NodeId,
    /// Its name for people.
    pub from_name: String,
    /// Its team.
    pub team: TeamId,
    /// Hash of its genome.
    pub genome: Hash,
    /// Its clock, for people; it decides nothing.
    pub timestamp: UnixMillis,
    /// Random bytes that the answer must echo.
    pub nonce: [u8; 32],
    /// Its program and version.
    pub agent_version: String,
    /// What it shows.
    pub proof: Proof,
}

/// Answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Who answers.
    pub to: NodeId,
    /// Its name for people; empty for somebody it does not believe.
    pub to_name: String,
    /// Hash of its genome.
    pub genome: Hash,
    /// Whether the genomes are equal.
    pub matches: bool,
    /// What the requester is to the answerer now.
    pub trust: Trust,
    /// Why it is not verified.
    pub reason: Option<Reason>,
    /// The answerer's clock, for people.
    pub timestamp: UnixMillis,
    /// The request's nonce.
    pub nonce: [u8; 32],
    /// The answerer's program and version; empty for somebody it does not believe.
    pub agent_version: String,
    /// What it shows to somebody it believes.
    pub proof: Option<Proof>,
    /// To somebody who was removed: the opening of the steward's log and the header of the record that did it.
    pub removal: Option<Removal>,
}

/// What proves a removal to the removed: two events of one charter log, without what the second says, for it brings
/// keys that are no longer meant for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The opening event of the log, which binds it to the steward's key.
    pub opening: Event<Unverified>,
    /// The record, header and signature only.
    pub record: Event<Unverified>,
}

impl Proof {
    /// What `local` shows to a peer that is a known member, or to a stranger.
    pub(super) fn of(local: &Local, known: bool) -> Self {
        let (charter, addresses) = if known {
            let charter = told_charter(local);
            let fit = |address: &&String| address.len() <= ADDRESS_BYTES_MAX;
            (charter, local.addresses.iter().filter(fit).take(ADDRESSES_MAX).cloned().collect())
        } else {
            (NodeClock::new(), Vec::new())
        };
        Self { path: local.path.clone(), store: Some(local.store), opening: local.opening.clone(), charter, addresses }
    }

    fn write(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put_some(0, self.path.as_ref(), |out, path| cbor::bytes(out, &path.encode()));
        fields.put_some(1, self.store, |out, store| cbor::bytes(out, &store.0));
        fields.put_some(2, self.opening.as_ref(), write_event);
        if !self.charter.is_empty() {
            fields.put(3, |out| write_clock(out, &self.charter));
        }
        if !self.addresses.is_empty() {
            fields.put(4, |out| write_texts(out, &self.addresses));
        }
        fields.finish()
    }

    fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut proof = Self::default();
        cbor::decode(bytes, |input| {
            read_fields(input, |key, input| {
                match key {
                    0 => proof.path = Some(read_path(input)?),
                    1 => proof.store = Some(StoreId(cbor::read_array(input)?)),
                    2 => proof.opening = Some(read_event(input, OPENING_BYTES_MAX)?),
                    3 => proof.charter = read_clock(input, CHARTER_HEADS_MAX)?,
                    4 => proof.addresses = read_texts(input, ADDRESSES_MAX, ADDRESS_BYTES_MAX)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })
        })?;
        Ok(proof)
    }
}

fn read_path(input: &mut Decoder<'_>) -> Result<GrantPath, Error> {
    let bytes = cbor::read_bytes(input, GRANT_PATH_BYTES_MAX)?;
    GrantPath::decode(&bytes).map_err(|error| Error::Malformed(error.to_string()))
}

fn read_removal(input: &mut Decoder<'_>) -> Result<Removal, Error> {
    if cbor::read_list(input, 2)? != 2 {
        return Err(Error::Value("a removal is an opening and a record"));
    }
    let opening = read_event(input, OPENING_BYTES_MAX)?;
    Ok(Removal { opening, record: read_event(input, OPENING_BYTES_MAX)? })
}

/// The proof travels as a byte string, so that its own nesting does not count with the message's.
fn read_proof(input: &mut Decoder<'_>) -> Result<Proof, Error> {
    Proof::read(&cbor::read_bytes(input, HANDSHAKE_BYTES_MAX)?)
}

fn write_proof(out: &mut Out<'_>, proof: &Proof) {
    cbor::bytes(out, &proof.write());
}

/// Cuts a text to at most `limit` bytes at a character's end.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn within(bytes: &[u8]) -> Result<(), Error> {
    let (got, limit) = (bytes.len() as u64, HANDSHAKE_BYTES_MAX as u64);
    if got > limit { Err(Error::TooLong { what: "a handshake message", got, limit }) } else { Ok(()) }
}

fn check_version(version: Option<u64>) -> Result<(), Error> {
    match required(version, 0)? {
        VERSION => Ok(()),
        _ => Err(Error::Value("a handshake of another version")),
    }
}

impl Request {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, VERSION));
        fields.put(1, |out| cbor::bytes(out, &self.from.0));
        fields.put(2, |out| cbor::text(out, cut(&self.from_name, NODE_NAME_BYTES_MAX)));
        fields.put(3, |out| cbor::bytes(out, &self.team.0));
        fields.put(4, |out| cbor::bytes(out, &self.genome.0));
        fields.put(5, |out| cbor::uint(out, self.timestamp.0));
        fields.put(6, |out| cbor::bytes(out, &self.nonce));
        fields.put(7, |out| cbor::text(out, cut(&self.agent_version, AGENT_VERSION_BYTES_MAX)));
        fields.put(8, |out| write_proof(out, &self.proof));
        fields.finish()
    }

    /// Reads a request strictly.
    ///
    /// # Errors
    /// When it is malformed or longer than [`HANDSHAKE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        within(bytes)?;
        let (mut version, mut from, mut team, mut genome, mut nonce) = (None, None, None, None, None);
        let (mut from_name, mut agent_version) = (String::new(), String::new());
        let (mut timestamp, mut proof) = (UnixMillis(0), Proof::default());
        cbor::decode(bytes, |input| {
            read_fields(input, |key, input| {
                match key {
                    0 => version = Some(input.u64()?),
                    1 => from = Some(NodeId(cbor::read_array(input)?)),
                    2 => from_name = cbor::read_text(input, NODE_NAME_BYTES_MAX)?,
                    3 => team = Some(TeamId(cbor::read_array(input)?)),
                    4 => genome = Some(Hash(cbor::read_array(input)?)),
                    5 => timestamp = UnixMillis(input.u64()?),
                    6 => nonce = Some(cbor::read_array(input)?),
                    7 => agent_version = cbor::read_text(input, AGENT_VERSION_BYTES_MAX)?,
                    8 => proof = read_proof(input)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })
        })?;
        check_version(version)?;
        let (from, team) = (required(from, 1)?, required(team, 3)?);
        let (genome, nonce) = (required(genome, 4)?, required(nonce, 6)?);
        Ok(Self { from, from_name, team, genome, timestamp, nonce, agent_version, proof })
    }
}

impl Response {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, VERSION));
        fields.put(1, |out| cbor::bytes(out, &self.to.0));
        fields.put(2, |out| cbor::text(out, cut(&self.to_name, NODE_NAME_BYTES_MAX)));
        fields.put(3, |out| cbor::bytes(out, &self.genome.0));
        fields.put(4, |out| cbor::bool(out, self.matches));
        fields.put(5, |out| cbor::text(out, self.trust.name()));
        fields.put_some(6, self.reason, |out, reason| cbor::text(out, reason.name()));
        fields.put(7, |out| cbor::uint(out, self.timestamp.0));
        fields.put(8, |out| cbor::bytes(out, &self.nonce));
        fields.put(9, |out| cbor::text(out, cut(&self.agent_version, AGENT_VERSION_BYTES_MAX)));
        fields.put_some(10, self.proof.as_ref(), write_proof);
        fields.put_some(11, self.removal.as_ref(), |out, removal| {
            cbor::array(out, 2);
            write_event(out, &removal.opening);
            write_event(out, &removal.record);
        });
        fields.finish()
    }

    /// Reads an answer strictly.
    ///
    /// # Errors
    /// When it is malformed or longer than [`HANDSHAKE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        within(bytes)?;
        let (mut version, mut to, mut genome, mut nonce, mut trust) = (None, None, None, None, None);
        let (mut to_name, mut agent_version, mut matches) = (String::new(), String::new(), false);
        let (mut reason, mut timestamp, mut proof, mut removal) = (None, UnixMillis(0), None, None);
        cbor::decode(bytes, |input| {
            read_fields(input, |key, input| {
                match key {
                    0 => version = Some(input.u64()?),
                    1 => to = Some(NodeId(cbor::read_array(input)?)),
                    2 => to_name = cbor::read_text(input, NODE_NAME_BYTES_MAX)?,
                    3 => genome = Some(Hash(cbor::read_array(input)?)),
                    4 => matches = input.bool()?,
                    5 => trust = Trust::from_name(&cbor::read_text(input, TRUST_BYTES_MAX)?),
                    6 => reason = Some(read_reason(input)?),
                    7 => timestamp = UnixMillis(input.u64()?),
                    8 => nonce = Some(cbor::read_array(input)?),
                    9 => agent_version = cbor::read_text(input, AGENT_VERSION_BYTES_MAX)?,
                    10 => proof = Some(read_proof(input)?),
                    11 => removal = Some(read_removal(input)?),
                    _ => return Ok(false),
                }
                Ok(true)
            })
        })?;
        check_version(version)?;
        let (to, genome) = (required(to, 1)?, required(genome, 3)?);
        let (trust, nonce) = (required(trust, 5)?, required(nonce, 8)?);
        Ok(Self { to, to_name, genome, matches, trust, reason, timestamp, nonce, agent_version, proof, removal })
    }
}
