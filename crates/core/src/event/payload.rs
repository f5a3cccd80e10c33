//! The detached part of an event: salt, provenance and the fields it sets.
//!
//! A canonical CBOR map `{0: salt, 1: provenance, 2: fields}`. The salt, 16 random bytes, keeps somebody who holds
//! only the header from guessing a short text by its hash. Provenance is `{0: agent, 1: tool, 2: session, 3: source
//! kind}`. Fields map a bit number to a value; a bit that the header sets and the payload omits is cleared.

use std::collections::BTreeMap;
use std::fmt;

use minicbor::Decoder;

use crate::cbor;
use crate::ids::{Hash, NodeId, StoreId};
use crate::log::{Head, LogId, Stream};
use crate::value::Value;

/// Bytes of salt at the beginning of a payload.
pub const SALT_BYTES: usize = 16;
/// Longest payload in the shared and local streams, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 64 * 1024;
/// Longest payload in the charter stream, in bytes.
pub const CHARTER_PAYLOAD_BYTES_MAX: usize = 512 * 1024;
/// Longest text of one provenance entry, in bytes.
pub const PROVENANCE_BYTES_MAX: usize = 256;
/// Most fields of one payload: one per bit of the header's bitmap.
const FIELDS_MAX: usize = 64;

/// Longest payload of a stream, in bytes.
pub const fn payload_bytes_max(stream: Stream) -> usize {
    match stream {
        Stream::Charter => CHARTER_PAYLOAD_BYTES_MAX,
        Stream::Shared | Stream::Local => PAYLOAD_BYTES_MAX,
    }
}

/// Why bytes are not a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not canonical CBOR of the right shape.
    #[error("malformed payload: {0}")]
    Cbor(#[from] cbor::Error),
    /// A field that the header's bitmap does not announce.
    #[error("the payload holds field {0}, which its header does not announce")]
    Unannounced(u8),
    /// Longer than its stream allows.
    #[error("a payload of {got} bytes, the limit is {limit}")]
    TooLarge {
        /// How long it is.
        got: usize,
        /// How long it may be.
        limit: usize,
    },
}

/// What kind of source a memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SourceKind {
    /// A person typed it.
    #[default]
    Human,
    /// An agent wrote it.
    Agent,
    /// A tool's output.
    Tool,
    /// Read on the web.
    Web,
    /// Taken over from another program's files.
    Import,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Human, Self::Agent, Self::Tool, Self::Web, Self::Import];

    /// Its name at the doors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Agent => "agent",
            Self::Tool => "tool",
            Self::Web => "web",
            Self::Import => "import",
        }
    }

    const fn number(self) -> u64 {
        self as u64
    }

    fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an event came to be written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// The agent's or person's name.
    pub agent: Option<String>,
    /// The tool it used.
    pub tool: Option<String>,
    /// Its session.
    pub session: Option<String>,
    /// What kind of source; unknown kinds of newer versions read as absent.
    pub source: Option<SourceKind>,
}

impl Provenance {
    fn encode(&self, out: &mut minicbor::Encoder<&mut Vec<u8>>) {
        let texts = [&self.agent, &self.tool, &self.session];
        let len = texts.iter().filter(|text| text.is_some()).count() + usize::from(self.source.is_some());
        cbor::map(out, len);
        for (key, text) in (0..).zip(texts) {
            if let Some(text) = text {
                cbor::uint(out, key);
                cbor::text(out, text);
            }
        }
        if let Some(source) = self.source {
            cbor::uint(out, 3);
            cbor::uint(out, source.number());
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, cbor::Error> {
        let mut provenance = Self::default();
        for _ in 0..cbor::read_map(input, 16)? {
            match input.u64()? {
                0 => provenance.agent = Some(cbor::read_text(input, PROVENANCE_BYTES_MAX)?),
                1 => provenance.tool = Some(cbor::read_text(input, PROVENANCE_BYTES_MAX)?),
                2 => provenance.session = Some(cbor::read_text(input, PROVENANCE_BYTES_MAX)?),
                3 => provenance.source = SourceKind::from_number(input.u64()?),
                _ => input.skip()?,
            }
        }
        Ok(provenance)
    }
}

/// A decoded payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Random bytes that keep the hash from being guessed.
    pub salt: [u8; SALT_BYTES],
    /// How it came to be.
    pub provenance: Provenance,
    /// Values of the fields it sets, by bit number.
    pub fields: BTreeMap<u8, Value>,
}

impl Payload {
    /// The canonical bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the stream does not allow so many.
    pub fn encode(&self, stream: Stream) -> Result<Vec<u8>, Error> {
        let bytes = cbor::encode(|out| {
            cbor::map(out, 3);
            cbor::uint(out, 0);
            cbor::bytes(out, &self.salt);
            cbor::uint(out, 1);
            self.provenance.encode(out);
            cbor::uint(out, 2);
            cbor::map(out, self.fields.len());
            for (bit, value) in &self.fields {
                cbor::uint(out, u64::from(*bit));
                value.encode(out);
            }
        });
        let limit = payload_bytes_max(stream);
        if bytes.len() > limit { Err(Error::TooLarge { got: bytes.len(), limit }) } else { Ok(bytes) }
    }

    /// Reads a payload; `announced` is the bitmap of its header.
    ///
    /// # Errors
    /// [`Error`] when it is not one, or sets a field that the header does not announce.
    pub fn decode(bytes: &[u8], announced: u64) -> Result<Self, Error> {
        cbor::check(bytes)?;
        let input = &mut Decoder::new(bytes);
        let mut payload = Self { salt: [0; SALT_BYTES], provenance: Provenance::default(), fields: BTreeMap::new() };
        let mut salted = false;
        for _ in 0..cbor::read_map(input, FIELDS_MAX)? {
            match input.u64().map_err(cbor::Error::from)? {
                0 => (payload.salt, salted) = (cbor::read_array(input)?, true),
                1 => payload.provenance = Provenance::decode(input)?,
                2 => payload.fields = decode_fields(input, announced)?,
                _ => input.skip().map_err(cbor::Error::from)?,
            }
        }
        if salted { Ok(payload) } else { Err(cbor::Error::Missing(0).into()) }
    }
}

fn decode_fields(input: &mut Decoder<'_>, announced: u64) -> Result<BTreeMap<u8, Value>, Error> {
    let mut fields = BTreeMap::new();
    for _ in 0..cbor::read_map(input, FIELDS_MAX)? {
        let bit = input.u8().map_err(cbor::Error::from)?;
        if bit > 63 || announced & (1 << bit) == 0 {
            return Err(Error::Unannounced(bit));
        }
        fields.insert(bit, Value::decode(input)?);
    }
    Ok(fields)
}

/// The payload of the first event of a log: who writes here, and what came before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The key that signs this log.
    pub node: NodeId,
    /// The fresh ULID that the store id derives from.
    pub nonce: [u8; 16],
    /// The node's name for people.
    pub name: String,
    /// The store of the same key that this one follows, with its heads.
    pub previous: Option<(StoreId, Vec<(LogId, Head)>)>,
}

impl Open {
    /// Longest name of a node, in bytes.
    pub const NAME_BYTES_MAX: usize = 64;

    /// The fields of the payload.
    pub fn to_fields(&self) -> BTreeMap<u8, Value> {
        let mut fields = BTreeMap::from([
            (0, Value::Bytes(self.node.0.to_vec())),
            (1, Value::Bytes(self.nonce.to_vec())),
            (2, Value::Text(self.name.clone())),
        ]);
        if let Some((store, heads)) = &self.previous {
            let heads = heads.iter().map(|(log, head)| {
                let hash = Value::Bytes(head.hash.0.to_vec());
                Value::List(vec![Value::Uint(u64::from(log.stream.number())), Value::Uint(head.seq), hash])
            });
            fields.insert(3, Value::List(vec![Value::Bytes(store.0.to_vec()), Value::List(heads.collect())]));
        }
        fields
    }

    /// Reads the fields of a payload.
    ///
    /// # Errors
    /// When a field is missing or of the wrong kind.
    pub fn from_fields(fields: &BTreeMap<u8, Value>) -> Result<Self, cbor::Error> {
        let array = |bit: u8| fields.get(&bit).ok_or(cbor::Error::Missing(bit.into()));
        let node = array(0)?.as_array().ok_or(cbor::Error::Value("a node key has 32 bytes"))?;
        let nonce = array(1)?.as_array().ok_or(cbor::Error::Value("a ULID has 16 bytes"))?;
        let name = array(2)?.as_text().ok_or(cbor::Error::Value("a node name is a text"))?;
        if name.len() > Self::NAME_BYTES_MAX {
            return Err(cbor::Error::Value("a node name is longer than 64 bytes"));
        }
        let previous = fields.get(&3).map(previous_of).transpose()?;
        Ok(Self { node: NodeId(node), nonce, name: name.to_owned(), previous })
    }
}

fn previous_of(value: &Value) -> Result<(StoreId, Vec<(LogId, Head)>), cbor::Error> {
    let wrong = cbor::Error::Value("a previous store is an id and its heads");
    let [store, heads] = value.as_list().unwrap_or_default() else { return Err(wrong) };
    let (Some(store), Some(heads)) = (store.as_array().map(StoreId), heads.as_list()) else { return Err(wrong) };
    let head = |value: &Value| {
        let [stream, seq, hash] = value.as_list()? else { return None };
        let stream = Stream::from_number(stream.as_uint()?)?;
        Some((LogId::new(store, stream), Head { seq: seq.as_uint()?, hash: Hash(hash.as_array()?) }))
    };
    heads.iter().map(head).collect::<Option<_>>().map(|heads| (store, heads)).ok_or(wrong)
}
