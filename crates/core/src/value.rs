//! The values that fields of a payload may have.

use minicbor::Decoder;
use minicbor::data::Type;

use crate::cbor;

/// Most entries of one list value.
pub const LIST_ENTRIES_MAX: usize = 1_024;

/// One field's value. Typed layers (facts, charter records) give it its meaning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// An unsigned number; its unit is the field's.
    Uint(u64),
    /// Yes or no.
    Bool(bool),
    /// UTF-8 text.
    Text(String),
    /// Raw bytes: ids, hashes, keys.
    Bytes(Vec<u8>),
    /// A list, nested at most as deep as [`cbor::DEPTH_MAX`] allows.
    List(Vec<Value>),
}

impl Value {
    /// The number, if it is one.
    pub fn as_uint(&self) -> Option<u64> {
        if let Self::Uint(value) = self { Some(*value) } else { None }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    /// The bytes, if they are exactly `N`.
    pub fn as_array<const N: usize>(&self) -> Option<[u8; N]> {
        if let Self::Bytes(value) = self { value.as_slice().try_into().ok() } else { None }
    }

    /// The entries, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(value) = self { Some(value) } else { None }
    }

    /// A list of texts.
    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        Self::List(texts.into_iter().cloned().map(Self::Text).collect())
    }

    /// The texts of a list, if it holds nothing else.
    pub fn as_texts(&self) -> Option<Vec<String>> {
        self.as_list()?.iter().map(|value| value.as_text().map(str::to_owned)).collect()
    }

    /// Writes the value.
    pub fn encode(&self, out: &mut minicbor::Encoder<&mut Vec<u8>>) {
        match self {
            Self::Uint(value) => cbor::uint(out, *value),
            Self::Bool(value) => cbor::bool(out, *value),
            Self::Text(value) => cbor::text(out, value),
            Self::Bytes(value) => cbor::bytes(out, value),
            Self::List(values) => {
                cbor::array(out, values.len());
                values.iter().for_each(|value| value.encode(out));
            }
        }
    }

    /// Reads a value; the caller has checked the canonical form, which bounds the depth.
    ///
    /// # Errors
    /// For maps, null, negative numbers and lists longer than [`LIST_ENTRIES_MAX`].
    pub fn decode(input: &mut Decoder<'_>) -> Result<Self, cbor::Error> {
        Ok(match input.datatype()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 => Self::Uint(input.u64()?),
            Type::Bool => Self::Bool(input.bool()?),
            Type::String => Self::Text(input.str()?.to_owned()),
            Type::Bytes => Self::Bytes(input.bytes()?.to_vec()),
            Type::Array => {
                let len = cbor::read_list(input, LIST_ENTRIES_MAX)?;
                Self::List((0..len).map(|_| Self::decode(input)).collect::<Result<_, _>>()?)
            }
            _ => return Err(cbor::Error::Value("a field value of an unknown type")),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
