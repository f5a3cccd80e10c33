//! The two messages of joining.
//!
//! Request: 0 version, 1 team, 2 secret, 3 name, 4 age recipient, 5 nonce; a member that comes back sends no secret, and
//! no team if it does not know it. Answer: 0 version, 1 nonce, 2 refusal; or without one 3 founding genome, 4 grant path,
//! 5 charter events, 6 steward name, 7 former stores of the joiner: `[store, pinned, heads]` each.

use std::fmt;

use antiphon_core::cbor::{self, Error};
use antiphon_core::charter::{CHARTER_EVENTS_MAX, GRANT_PATH_BYTES_MAX, GrantPath};
use antiphon_core::event::{Event, Unverified};
use antiphon_core::ids::{StoreId, TeamId};
use antiphon_core::log::Stream;
use minicbor::Decoder;

use super::{
    FORMER_STORES_MAX, FormerStore, JOIN_REQUEST_BYTES_MAX, JOIN_RESPONSE_BYTES_MAX, RECIPIENT_BYTES_MAX, Refusal,
};
use crate::handshake::NODE_NAME_BYTES_MAX;
use crate::wire::{Fields, Out, read_clock, read_event, read_fields, required, write_clock, write_event};

const VERSION: u64 = 1;
/// Longest name of a refusal, in bytes.
const REFUSAL_BYTES_MAX: usize = 32;

/// Asks to become a member.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The ticket's team; `None` for a member that comes back and has nothing but its key.
    pub team: Option<TeamId>,
    /// The ticket's secret; `None` for a member that comes back.
    pub secret: Option<[u8; 32]>,
    /// The joiner's name for people.
    pub name: String,
    /// The joiner's age recipient.
    pub recipient: String,
    /// Random bytes that the answer must echo.
    pub nonce: [u8; 32],
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("team", &self.team).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The request's nonce.
    pub nonce: [u8; 32],
    /// What was decided.
    pub verdict: Result<Box<Welcome>, Refusal>,
}

/// What a new member is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The founding genome, encoded.
    pub genome: Vec<u8>,
    /// The joiner's grant path.
    pub path: GrantPath,
    /// Charter events, log by log, each log from its first event on.
    pub charter: Vec<Event<Unverified>>,
    /// The steward's name for people.
    pub steward_name: String,
    /// Stores that the joiner's key had before.
    pub stores: Vec<FormerStore>,
}

fn within(bytes: &[u8], limit: usize) -> Result<(), Error> {
    let (got, limit) = (bytes.len() as u64, limit as u64);
    if got > limit { Err(Error::TooLong { what: "a join message", got, limit }) } else { Ok(()) }
}

fn check_version(version: Option<u64>) -> Result<(), Error> {
    match required(version, 0)? {
        VERSION => Ok(()),
        _ => Err(Error::Value("a join message of another version")),
    }
}

impl Request {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, VERSION));
        fields.put_some(1, self.team, |out, team| cbor::bytes(out, &team.0));
        fields.put_some(2, self.secret, |out, secret| cbor::bytes(out, &secret));
        fields.put(3, |out| cbor::text(out, &self.name));
        fields.put(4, |out| cbor::text(out, &self.recipient));
        fields.put(5, |out| cbor::bytes(out, &self.nonce));
        fields.finish()
    }

    /// Reads a request strictly.
    ///
    /// # Errors
    /// When it is malformed or longer than [`JOIN_REQUEST_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        within(bytes, JOIN_REQUEST_BYTES_MAX)?;
        let (mut version, mut team, mut secret, mut nonce) = (None, None, None, None);
        let (mut name, mut recipient) = (None, None);
        cbor::decode(bytes, |input| {
            read_fields(input, |key, input| {
                match key {
                    0 => version = Some(input.u64()?),
                    1 => team = Some(TeamId(cbor::read_array(input)?)),
                    2 => secret = Some(cbor::read_array(input)?),
                    3 => name = Some(cbor::read_text(input, NODE_NAME_BYTES_MAX)?),
                    4 => recipient = Some(cbor::read_text(input, RECIPIENT_BYTES_MAX)?),
                    5 => nonce = Some(cbor::read_array(input)?),
                    _ => return Ok(false),
                }
                Ok(true)
            })
        })?;
        check_version(version)?;
        Ok(Self {
            team,
            secret,
            name: required(name, 3)?,
            recipient: required(recipient, 4)?,
            nonce: required(nonce, 5)?,
        })
    }
}

impl Response {
    /// The canonical bytes. Charter events that would make the answer too long are left out, from the end.
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put(0, |out| cbor::uint(out, VERSION));
        fields.put(1, |out| cbor::bytes(out, &self.nonce));
        match &self.verdict {
            Err(refusal) => fields.put(2, |out| cbor::text(out, refusal.name())),
            Ok(welcome) => {
                let path = welcome.path.encode();
                let fixed = 512 + welcome.genome.len() + path.len();
                let fitting = count_fitting(&welcome.charter, JOIN_RESPONSE_BYTES_MAX.saturating_sub(fixed));
                fields.put(3, |out| cbor::bytes(out, &welcome.genome));
                fields.put(4, |out| cbor::bytes(out, &path));
                fields.put(5, |out| {
                    cbor::array(out, fitting);
                    welcome.charter.iter().take(fitting).for_each(|event| write_event(out, event));
                });
                fields.put(6, |out| cbor::text(out, &welcome.steward_name));
                fields.put(7, |out| {
                    cbor::array(out, welcome.stores.len());
                    welcome.stores.iter().for_each(|store| write_store(out, store));
                });
            }
        }
        fields.finish()
    }

    /// Reads an answer strictly.
    ///
    /// # Errors
    /// When it is malformed or longer than [`JOIN_RESPONSE_BYTES_MAX`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        within(bytes, JOIN_RESPONSE_BYTES_MAX)?;
        let (mut version, mut nonce, mut refusal) = (None, None, None);
        let (mut genome, mut path, mut charter, mut steward_name) = (None, None, Vec::new(), String::new());
        let mut stores = Vec::new();
        cbor::decode(bytes, |input| {
            read_fields(input, |key, input| {
                match key {
                    0 => version = Some(input.u64()?),
                    1 => nonce = Some(cbor::read_array(input)?),
                    2 => {
                        let name = cbor::read_text(input, REFUSAL_BYTES_MAX)?;
                        refusal = Some(Refusal::from_name(&name).unwrap_or(Refusal::Malformed));
                    }
                    3 => genome = Some(cbor::read_bytes(input, JOIN_RESPONSE_BYTES_MAX)?),
                    4 => {
                        let path_bytes = cbor::read_bytes(input, GRANT_PATH_BYTES_MAX)?;
                        let decoded = GrantPath::decode(&path_bytes);
                        path = Some(decoded.map_err(|error| Error::Malformed(error.to_string()))?);
                    }
                    5 => {
                        let len = cbor::read_list(input, CHARTER_EVENTS_MAX)?;
                        charter =
                            (0..len).map(|_| read_event(input, JOIN_RESPONSE_BYTES_MAX)).collect::<Result<_, _>>()?;
                    }
                    6 => steward_name = cbor::read_text(input, NODE_NAME_BYTES_MAX)?,
                    7 => {
                        let len = cbor::read_list(input, FORMER_STORES_MAX)?;
                        stores = (0..len).map(|_| read_store(input)).collect::<Result<_, _>>()?;
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })
        })?;
        check_version(version)?;
        let nonce = required(nonce, 1)?;
        let verdict = match refusal {
            Some(refusal) => Err(refusal),
            None => {
                let (genome, path) = (required(genome, 3)?, required(path, 4)?);
                Ok(Box::new(Welcome { genome, path, charter, steward_name, stores }))
            }
        };
        Ok(Self { nonce, verdict })
    }
}

fn write_store(out: &mut Out<'_>, store: &FormerStore) {
    cbor::array(out, 3);
    cbor::bytes(out, &store.store.0);
    cbor::bool(out, store.pinned);
    write_clock(out, &store.heads);
}

fn read_store(input: &mut Decoder<'_>) -> Result<FormerStore, Error> {
    if cbor::read_list(input, 3)? != 3 {
        return Err(Error::Value("a former store has three parts"));
    }
    Ok(FormerStore {
        store: StoreId(cbor::read_array(input)?),
        pinned: input.bool()?,
        heads: read_clock(input, Stream::ALL.len())?,
    })
}

/// How many of the first events fit into `room` bytes.
fn count_fitting(events: &[Event<Unverified>], mut room: usize) -> usize {
    let fits = |event: &&Event<Unverified>| {
        // Three heads of five bytes each, and a signature.
        let size = 96 + event.header_bytes().len() + event.payload().map_or(0, <[u8]>::len);
        room = room.saturating_sub(size);
        room > 0
    };
    events.iter().take(CHARTER_EVENTS_MAX).take_while(fits).count()
}
