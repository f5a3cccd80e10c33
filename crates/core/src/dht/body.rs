//! What records say.

use std::collections::BTreeSet;

use minicbor::{Decoder, Encoder};

use crate::cbor::{self, Error};
use crate::fact::{TextError, check_label};
use crate::ids::{ContentId, EventId, Hash, StoreId};
use crate::roles::{ROLE_NAME_BYTES_MAX, ROLES_MAX, is_role_name};

use super::Refusal;

/// Longest name of a node, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Longest name of an agent, in bytes.
pub const AGENT_BYTES_MAX: usize = 128;
/// Most capabilities of a card.
pub const CAPABILITIES_MAX: usize = 32;
/// Longest capability, in bytes.
pub const CAPABILITY_BYTES_MAX: usize = 64;
/// Most addresses of a card.
pub const ADDRESSES_MAX: usize = 16;
/// Longest address, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 256;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Where the newest version of a document is.
    Pointer,
    /// Who a member is and what it does.
    Card,
}

impl Kind {
    /// Its number on the wire and in the database.
    pub const fn number(self) -> u64 {
        match self {
            Self::Pointer => 1,
            Self::Card => 2,
        }
    }

    /// The kind of this number, if this version knows it.
    pub const fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Pointer),
            2 => Some(Self::Card),
            _ => None,
        }
    }

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pointer => "pointer",
            Self::Card => "card",
        }
    }
}

/// What an event of the index says of a document, repeated. The record's version is the document's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// The document.
    pub content: ContentId,
    /// The event of the index.
    pub event: EventId,
    /// The store that wrote it.
    pub store: StoreId,
    /// The root manifest of the ciphertext.
    pub root: Hash,
}

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// What its machine is called.
    pub name: String,
    /// The agent that works there.
    pub agent: Option<String>,
    /// The roles it works in.
    pub roles: BTreeSet<String>,
    /// What it can do.
    pub capabilities: BTreeSet<String>,
    /// Where it listens, as multiaddresses.
    pub addresses: Vec<String>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Where a document is.
    Pointer(Pointer),
    /// Who a member is.
    Card(Card),
}

impl Body {
    /// What kind it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Pointer(_) => Kind::Pointer,
            Self::Card(_) => Kind::Card,
        }
    }

    /// Checks every value.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Pointer(_) => Ok(()),
            Self::Card(card) => card.check(),
        }
    }

    pub(super) fn write(&self, out: &mut Encoder<&mut Vec<u8>>) {
        match self {
            Self::Pointer(pointer) => pointer.write(out),
            Self::Card(card) => card.write(out),
        }
    }

    pub(super) fn read(input: &mut Decoder<'_>, kind: Kind) -> Result<Self, Error> {
        match kind {
            Kind::Pointer => Pointer::read(input).map(Self::Pointer),
            Kind::Card => Card::read(input).map(Self::Card),
        }
    }
}

impl Pointer {
    fn write(&self, out: &mut Encoder<&mut Vec<u8>>) {
        cbor::map(out, 4);
        cbor::uint(out, 0);
        cbor::bytes(out, &self.content.0);
        cbor::uint(out, 1);
        cbor::bytes(out, &self.event.0);
        cbor::uint(out, 2);
        cbor::bytes(out, &self.store.0);
        cbor::uint(out, 3);
        cbor::bytes(out, &self.root.0);
    }

    fn read(input: &mut Decoder<'_>) -> Result<Self, Error> {
        if cbor::read_map(input, 4)? != 4 {
            return Err(Error::Value("a pointer has four parts"));
        }
        Ok(Self {
            content: ContentId(cbor::read_array(key(input, 0)?)?),
            event: EventId(cbor::read_array(key(input, 1)?)?),
            store: StoreId(cbor::read_array(key(input, 2)?)?),
            root: Hash(cbor::read_array(key(input, 3)?)?),
        })
    }
}

impl Card {
    /// Checks every value.
    fn check(&self) -> Result<(), Refusal> {
        check_label("the name", &self.name, NAME_BYTES_MAX)?;
        if let Some(agent) = &self.agent {
            check_label("the agent", agent, AGENT_BYTES_MAX)?;
        }
        if self.roles.len() > ROLES_MAX || !self.roles.iter().all(|role| is_role_name(role)) {
            return Err(Error::Value("a card names roles that a team can have").into());
        }
        if self.capabilities.len() > CAPABILITIES_MAX || self.addresses.len() > ADDRESSES_MAX {
            return Err(Error::Value("a card names at most 32 capabilities and 16 addresses").into());
        }
        let fit = |what, text: &String, limit| check_label(what, text, limit);
        self.capabilities.iter().try_for_each(|text| fit("the capability", text, CAPABILITY_BYTES_MAX))?;
        self.addresses.iter().try_for_each(|text| fit("the address", text, ADDRESS_BYTES_MAX))?;
        Ok(())
    }

    fn write(&self, out: &mut Encoder<&mut Vec<u8>>) {
        cbor::map(out, 5);
        cbor::uint(out, 0);
        cbor::text(out, &self.name);
        cbor::uint(out, 1);
        match &self.agent {
            Some(agent) => cbor::text(out, agent),
            None => cbor::null(out),
        }
        cbor::uint(out, 2);
        write_texts(out, self.roles.iter());
        cbor::uint(out, 3);
        write_texts(out, self.capabilities.iter());
        cbor::uint(out, 4);
        write_texts(out, self.addresses.iter());
    }

    fn read(input: &mut Decoder<'_>) -> Result<Self, Error> {
        if cbor::read_map(input, 5)? != 5 {
            return Err(Error::Value("a card has five parts"));
        }
        Ok(Self {
            name: cbor::read_text(key(input, 0)?, NAME_BYTES_MAX)?,
            agent: cbor::read_option(key(input, 1)?, |input| cbor::read_text(input, AGENT_BYTES_MAX))?,
            roles: ascending(read_texts(key(input, 2)?, ROLES_MAX, ROLE_NAME_BYTES_MAX)?)?,
            capabilities: ascending(read_texts(key(input, 3)?, CAPABILITIES_MAX, CAPABILITY_BYTES_MAX)?)?,
            addresses: read_texts(key(input, 4)?, ADDRESSES_MAX, ADDRESS_BYTES_MAX)?,
        })
    }
}

impl From<TextError> for Refusal {
    fn from(error: TextError) -> Self {
        Self::Text(error)
    }
}

fn write_texts<'a>(out: &mut Encoder<&mut Vec<u8>>, texts: impl ExactSizeIterator<Item = &'a String>) {
    cbor::array(out, texts.len());
    texts.for_each(|text| cbor::text(out, text));
}

fn read_texts(input: &mut Decoder<'_>, most: usize, bytes: usize) -> Result<Vec<String>, Error> {
    (0..cbor::read_list(input, most)?).map(|_| cbor::read_text(input, bytes)).collect()
}

/// A set has one form: each entry after the one before it.
fn ascending(texts: Vec<String>) -> Result<BTreeSet<String>, Error> {
    let ascend = texts.windows(2).all(|pair| pair[0] < pair[1]);
    if ascend { Ok(texts.into_iter().collect()) } else { Err(Error::Value("roles and capabilities ascend")) }
}

/// Reads a key that must come next.
pub(super) fn key<'a, 'b>(input: &'a mut Decoder<'b>, want: u64) -> Result<&'a mut Decoder<'b>, Error> {
    if input.u64()? == want { Ok(input) } else { Err(Error::Missing(want)) }
}
