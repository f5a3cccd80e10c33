//! Messages between agents: what one node writes to another, and that it was read.
//!
//! A fact is for everybody who may read it and stays; a message is for one node, which deals with it. It is sealed to
//! its receiver, so whoever keeps or carries it learns nothing but its length. A seal alone does not say who made it,
//! and a signature alone could be lifted off and sealed again for somebody else, so a letter names the team, its writer
//! and its receiver, and all of it is signed before it is sealed. A receiver believes a letter only if it names the
//! receiver itself and the peer that hands it over.
//!
//! The id of a message names its writer as that of a fact does. Otherwise one receiver of a message to a whole role
//! could send something else under the same id to the others, and whichever came first would stand for both.
//!
//! Limits: a receiver can show what it got to anybody, with a signature that proves it; and that a message was read is
//! what the reader says.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decoder, Encoder};

use crate::cbor;
use crate::fact::{TextError, check_label, check_text};
use crate::ids::{FactId, MessageId, NodeId, TeamId};
use crate::roles::{ROLE_NAME_BYTES_MAX, is_role_name};
use crate::sign::{self, Signature, Signer};
use crate::time::UnixMillis;

/// What separates a letter from everything else that is signed.
const LETTER_DOMAIN: &[u8] = b"antiphon/message/1";
/// What separates a read notice from everything else that is signed.
const NOTICE_DOMAIN: &[u8] = b"antiphon/message-read/1";
/// Version of both formats.
const VERSION: u64 = 1;
/// Longest text of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 32 * 1024;
/// Most references of a message.
pub const REFS_MAX: usize = 16;
/// Longest address of a document, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 512;
/// Longest name of an agent, in bytes.
pub const AGENT_BYTES_MAX: usize = 128;
/// Most messages that one notice names.
pub const NOTICE_IDS_MAX: usize = 64;
/// Most bytes of a signed letter or notice: text, references, agent and role, and what holds them together.
pub const SIGNED_BYTES_MAX: usize =
    TEXT_BYTES_MAX + REFS_MAX * (ADDRESS_BYTES_MAX + 3) + AGENT_BYTES_MAX + ROLE_NAME_BYTES_MAX + 512;
/// What an address of a document begins with.
const ADDRESS_PREFIX: &str = "ucxl://";

/// Why something is no message, or not one for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not made as one is.
    #[error("malformed message: {0}")]
    Malformed(#[from] cbor::Error),
    /// Its text or another value is unfit.
    #[error(transparent)]
    Text(#[from] TextError),
    /// Something else about it is unfit.
    #[error("{0}")]
    Value(&'static str),
    /// It belongs to another team.
    #[error("a message of another team")]
    OtherTeam,
    /// It is for somebody else.
    #[error("a message for {0}, not for this node")]
    NotForUs(NodeId),
    /// It was handed over by somebody who did not write it.
    #[error("a message by {0}, who did not hand it over")]
    OtherWriter(NodeId),
    /// Whoever it names did not sign it.
    #[error("a message that its writer did not sign")]
    NotSigned,
}

impl Error {
    /// Its stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Text(_) | Self::Value(_) => "malformed_message",
            Self::OtherTeam => "message_of_another_team",
            Self::NotForUs(_) => "message_for_another_node",
            Self::OtherWriter(_) => "message_by_another_node",
            Self::NotSigned => "message_not_signed",
        }
    }
}

/// What a message points to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A fact.
    Fact(FactId),
    /// A document.
    Address(String),
}

/// A text that is neither a fact id nor an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a reference is the id of a fact or an address that begins with {ADDRESS_PREFIX}; got {0:?}")]
pub struct NotAReference(String);

impl Reference {
    fn check(&self) -> Result<(), Error> {
        let Self::Address(address) = self else { return Ok(()) };
        check_label("the address", address, ADDRESS_BYTES_MAX)?;
        let fit = address.strip_prefix(ADDRESS_PREFIX).is_some_and(|rest| !rest.is_empty());
        if fit && !address.contains(char::is_whitespace) {
            return Ok(());
        }
        Err(Error::Value("an address begins with ucxl:// and has no white space"))
    }
}

impl FromStr for Reference {
    type Err = NotAReference;
    fn from_str(text: &str) -> Result<Self, NotAReference> {
        if let Ok(fact) = text.parse() {
            return Ok(Self::Fact(fact));
        }
        let address = Self::Address(text.to_owned());
        let wrong = |_| NotAReference(text.chars().take(80).collect());
        address.check().map_err(wrong).map(|()| address)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact(fact) => fact.fmt(f),
            Self::Address(address) => f.write_str(address),
        }
    }
}

/// A message, as its receiver gets it. One that goes to several is a letter to each, all with one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The team.
    pub team: TeamId,
    /// Its id, which its writer made.
    pub id: MessageId,
    /// The message that began the conversation; itself, if it answers none.
    pub thread: MessageId,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Who wrote it.
    pub from: NodeId,
    /// For whom.
    pub to: NodeId,
    /// The role whose members it went to, if it was sent to a role.
    pub role: Option<String>,
    /// When, by the writer's clock.
    pub at: UnixMillis,
    /// The agent that wrote it, as the writer's node was told.
    pub agent: Option<String>,
    /// What it says.
    pub text: String,
    /// What it points to.
    pub refs: Vec<Reference>,
}

/// What is kept of a message besides ids and times. Its writer keeps it sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// As in [`Letter`].
    pub role: Option<String>,
    /// As in [`Letter`].
    pub agent: Option<String>,
    /// As in [`Letter`].
    pub text: String,
    /// As in [`Letter`].
    pub refs: Vec<Reference>,
}

/// That messages were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadNotice {
    /// The team.
    pub team: TeamId,
    /// Who read them.
    pub from: NodeId,
    /// Who wrote them.
    pub to: NodeId,
    /// When, by the reader's clock.
    pub at: UnixMillis,
    /// Which, in ascending order.
    pub ids: Vec<MessageId>,
}

/// A letter or a notice as it travels inside its seal: the bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Canonical CBOR of a [`Letter`] or a [`ReadNotice`].
    pub bytes: Vec<u8>,
    /// Ed25519 over the domain and the bytes.
    pub signature: Signature,
}

impl Letter {
    /// What is kept of it.
    pub fn kept(&self) -> Kept {
        let Self { role, agent, text, refs, .. } = self.clone();
        Kept { role, agent, text, refs }
    }

    /// Signs it. The signer must be [`Letter::from`].
    ///
    /// # Errors
    /// [`Error`] when a reader would refuse it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Signed, Error> {
        self.check()?;
        Ok(sign(self.encode(), LETTER_DOMAIN, signer))
    }

    fn check(&self) -> Result<(), Error> {
        check_text("the message", &self.text, TEXT_BYTES_MAX)?;
        if let Some(agent) = &self.agent {
            check_label("the agent", agent, AGENT_BYTES_MAX)?;
        }
        if self.role.as_ref().is_some_and(|role| !is_role_name(role)) {
            return Err(Error::Value("the role of a message is none that a team can have"));
        }
        if self.refs.len() > REFS_MAX {
            return Err(Error::Value("a message points to at most 16 things"));
        }
        self.refs.iter().try_for_each(Reference::check)?;
        if !self.id.is_by(&self.from) {
            return Err(Error::Value("a message with an id that its writer did not make"));
        }
        // What answers nothing begins a conversation, and what answers something does not.
        if self.reply_to.is_none() != (self.thread == self.id) || self.reply_to == Some(self.id) {
            return Err(Error::Value("a message that stands in no conversation"));
        }
        if self.from == self.to { Err(Error::Value("a message to its own writer")) } else { Ok(()) }
    }

    fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            head(out, 12, &self.team, &self.from, &self.to, self.at);
            cbor::uint(out, 5);
            cbor::bytes(out, &self.id.0);
            cbor::uint(out, 6);
            cbor::bytes(out, &self.thread.0);
            cbor::uint(out, 7);
            write_option(out, self.reply_to.as_ref(), |out, id| cbor::bytes(out, &id.0));
            cbor::uint(out, 8);
            write_option(out, self.role.as_ref(), |out, role| cbor::text(out, role));
            cbor::uint(out, 9);
            write_option(out, self.agent.as_ref(), |out, agent| cbor::text(out, agent));
            cbor::uint(out, 10);
            cbor::text(out, &self.text);
            cbor::uint(out, 11);
            write_refs(out, &self.refs);
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let letter = cbor::decode(bytes, |input| {
            let (team, from, to, at) = read_head(input, 12)?;
            Ok(Self {
                team,
                from,
                to,
                at,
                id: MessageId(cbor::read_array(key(input, 5)?)?),
                thread: MessageId(cbor::read_array(key(input, 6)?)?),
                reply_to: cbor::read_option(key(input, 7)?, |input| Ok(MessageId(cbor::read_array(input)?)))?,
                role: cbor::read_option(key(input, 8)?, |input| cbor::read_text(input, ROLE_NAME_BYTES_MAX))?,
                agent: cbor::read_option(key(input, 9)?, |input| cbor::read_text(input, AGENT_BYTES_MAX))?,
                text: cbor::read_text(key(input, 10)?, TEXT_BYTES_MAX)?,
                refs: read_refs(key(input, 11)?)?,
            })
        })?;
        letter.check().map(|()| letter)
    }
}

impl ReadNotice {
    /// Signs it. The signer must be [`ReadNotice::from`].
    ///
    /// # Errors
    /// [`Error`] when a reader would refuse it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Signed, Error> {
        self.check()?;
        Ok(sign(self.encode(), NOTICE_DOMAIN, signer))
    }

    fn check(&self) -> Result<(), Error> {
        if self.ids.is_empty() || self.ids.len() > NOTICE_IDS_MAX {
            return Err(Error::Value("a read notice names 1 to 64 messages"));
        }
        let ascend = self.ids.windows(2).all(|pair| pair[0] < pair[1]);
        if ascend { Ok(()) } else { Err(Error::Value("the messages of a read notice ascend")) }
    }

    fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            head(out, 6, &self.team, &self.from, &self.to, self.at);
            cbor::uint(out, 5);
            cbor::array(out, self.ids.len());
            self.ids.iter().for_each(|id| cbor::bytes(out, &id.0));
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let notice = cbor::decode(bytes, |input| {
            let (team, from, to, at) = read_head(input, 6)?;
            let count = cbor::read_list(key(input, 5)?, NOTICE_IDS_MAX)?;
            let ids = (0..count).map(|_| Ok(MessageId(cbor::read_array(input)?)));
            Ok(Self { team, from, to, at, ids: ids.collect::<Result<_, cbor::Error>>()? })
        })?;
        notice.check().map(|()| notice)
    }
}

impl Signed {
    /// The letter that `from` wrote to `to` in `team`.
    ///
    /// # Errors
    /// [`Error`] for anything else.
    pub fn letter(&self, team: &TeamId, from: &NodeId, to: &NodeId) -> Result<Letter, Error> {
        let letter = Letter::decode(&self.bytes)?;
        self.check((&letter.team, &letter.from, &letter.to), (team, from, to), LETTER_DOMAIN)?;
        Ok(letter)
    }

    /// What `from` tells `to` in `team` that it read.
    ///
    /// # Errors
    /// [`Error`] for anything else.
    pub fn notice(&self, team: &TeamId, from: &NodeId, to: &NodeId) -> Result<ReadNotice, Error> {
        let notice = ReadNotice::decode(&self.bytes)?;
        self.check((&notice.team, &notice.from, &notice.to), (team, from, to), NOTICE_DOMAIN)?;
        Ok(notice)
    }

    fn check(
        &self,
        named: (&TeamId, &NodeId, &NodeId),
        want: (&TeamId, &NodeId, &NodeId),
        domain: &[u8],
    ) -> Result<(), Error> {
        if named.0 != want.0 {
            return Err(Error::OtherTeam);
        }
        if named.2 != want.2 {
            return Err(Error::NotForUs(*named.2));
        }
        if named.1 != want.1 {
            return Err(Error::OtherWriter(*named.1));
        }
        let valid = sign::verify(named.1, &[domain, &self.bytes].concat(), &self.signature);
        if valid { Ok(()) } else { Err(Error::NotSigned) }
    }

    /// The bytes that are sealed.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, 2);
            cbor::bytes(out, &self.bytes);
            cbor::bytes(out, &self.signature.0);
        })
    }

    /// Reads what was sealed.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Ok(cbor::decode(bytes, |input| {
            if cbor::read_list(input, 2)? != 2 {
                return Err(cbor::Error::Value("what is signed has two parts"));
            }
            let bytes = cbor::read_bytes(input, SIGNED_BYTES_MAX)?;
            Ok(Self { bytes, signature: Signature(cbor::read_array(input)?) })
        })?)
    }
}

fn sign(bytes: Vec<u8>, domain: &[u8], signer: &dyn Signer) -> Signed {
    let signature = signer.sign(&[domain, &bytes].concat());
    Signed { bytes, signature }
}

/// Writes what letters and notices begin with.
fn head(out: &mut Encoder<&mut Vec<u8>>, entries: usize, team: &TeamId, from: &NodeId, to: &NodeId, at: UnixMillis) {
    cbor::map(out, entries);
    cbor::uint(out, 0);
    cbor::uint(out, VERSION);
    cbor::uint(out, 1);
    cbor::bytes(out, &team.0);
    cbor::uint(out, 2);
    cbor::bytes(out, &from.0);
    cbor::uint(out, 3);
    cbor::bytes(out, &to.0);
    cbor::uint(out, 4);
    cbor::uint(out, at.0);
}

fn read_head(input: &mut Decoder<'_>, entries: u64) -> Result<(TeamId, NodeId, NodeId, UnixMillis), cbor::Error> {
    if cbor::read_map(input, 12)? != entries {
        return Err(cbor::Error::Value("a message with too few or too many parts"));
    }
    if key(input, 0)?.u64()? != VERSION {
        return Err(cbor::Error::Value("a message of another version"));
    }
    let team = TeamId(cbor::read_array(key(input, 1)?)?);
    let from = NodeId(cbor::read_array(key(input, 2)?)?);
    let to = NodeId(cbor::read_array(key(input, 3)?)?);
    Ok((team, from, to, UnixMillis(key(input, 4)?.u64()?)))
}

/// Writes references: the bytes of a fact id, or the text of an address.
fn write_refs(out: &mut Encoder<&mut Vec<u8>>, refs: &[Reference]) {
    cbor::array(out, refs.len());
    for reference in refs {
        match reference {
            Reference::Fact(fact) => cbor::bytes(out, &fact.0),
            Reference::Address(address) => cbor::text(out, address),
        }
    }
}

fn read_refs(input: &mut Decoder<'_>) -> Result<Vec<Reference>, cbor::Error> {
    let count = cbor::read_list(input, REFS_MAX)?;
    let one = |input: &mut Decoder<'_>| match input.datatype()? {
        minicbor::data::Type::Bytes => Ok(Reference::Fact(FactId(cbor::read_array(input)?))),
        _ => Ok(Reference::Address(cbor::read_text(input, ADDRESS_BYTES_MAX)?)),
    };
    (0..count).map(|_| one(input)).collect()
}

impl Kept {
    /// As bytes, for the database.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(|out| {
            cbor::array(out, 4);
            write_option(out, self.role.as_ref(), |out, role| cbor::text(out, role));
            write_option(out, self.agent.as_ref(), |out, agent| cbor::text(out, agent));
            cbor::text(out, &self.text);
            write_refs(out, &self.refs);
        })
    }

    /// Reads what [`Kept::encode`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, cbor::Error> {
        cbor::decode(bytes, |input| {
            if cbor::read_list(input, 4)? != 4 {
                return Err(cbor::Error::Value("what is kept of a message has four parts"));
            }
            Ok(Self {
                role: cbor::read_option(input, |input| cbor::read_text(input, ROLE_NAME_BYTES_MAX))?,
                agent: cbor::read_option(input, |input| cbor::read_text(input, AGENT_BYTES_MAX))?,
                text: cbor::read_text(input, TEXT_BYTES_MAX)?,
                refs: read_refs(input)?,
            })
        })
    }
}

fn write_option<T>(
    out: &mut Encoder<&mut Vec<u8>>,
    value: Option<&T>,
    write: impl FnOnce(&mut Encoder<&mut Vec<u8>>, &T),
) {
    match value {
        Some(value) => write(out, value),
        None => cbor::null(out),
    }
}

/// Reads a key that must come next.
fn key<'a, 'b>(input: &'a mut Decoder<'b>, want: u64) -> Result<&'a mut Decoder<'b>, cbor::Error> {
    if input.u64()? == want { Ok(input) } else { Err(cbor::Error::Missing(want)) }
}
