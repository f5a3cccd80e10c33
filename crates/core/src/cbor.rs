//! Canonical CBOR: the one encoding of everything that is signed or hashed.
//!
//! Signed bytes must mean one thing, so what comes in is checked before it is decoded: deterministic encoding
//! (RFC 8949 §4.2.1: shortest integers, definite lengths, map keys strictly ascending), no tags, no floats, bounded
//! nesting, nothing after the end. Keys that a decoder does not know are allowed and kept with the original bytes.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

/// Deepest nesting of arrays and maps that is read.
pub const DEPTH_MAX: usize = 8;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not well-formed, or not of the expected type.
    #[error("malformed CBOR: {0}")]
    Malformed(String),
    /// Well-formed, but not in the one canonical form.
    #[error("not canonical CBOR at byte {0}")]
    NotCanonical(usize),
    /// Canonical, but with a value that is not allowed here.
    #[error("{0}")]
    Value(&'static str),
    /// A required key is missing.
    #[error("key {0} is missing")]
    Missing(u64),
    /// Something is longer than it may be.
    #[error("{what} has {got} entries or bytes, the limit is {limit}")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// How long it is.
        got: u64,
        /// How long it may be.
        limit: u64,
    },
}

impl From<minicbor::decode::Error> for Error {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Encodes into a fresh buffer.
pub fn encode(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes));
    bytes
}

/// Checks the canonical form of all of `bytes`, then decodes them.
///
/// # Errors
/// Whatever the check or `read` finds.
pub fn decode<T>(bytes: &[u8], read: impl FnOnce(&mut Decoder<'_>) -> Result<T, Error>) -> Result<T, Error> {
    check(bytes)?;
    let mut input = Decoder::new(bytes);
    let value = read(&mut input)?;
    if input.position() == bytes.len() { Ok(value) } else { Err(Error::NotCanonical(input.position())) }
}

/// Checks that `bytes` are exactly one item in canonical form.
///
/// # Errors
/// [`Error::NotCanonical`] with the place, or [`Error::Malformed`].
pub fn check(bytes: &[u8]) -> Result<(), Error> {
    let end = item(bytes, 0, DEPTH_MAX)?;
    if end == bytes.len() { Ok(()) } else { Err(Error::NotCanonical(end)) }
}

/// Checks one item from `at` on and returns where it ends.
fn item(bytes: &[u8], at: usize, depth: usize) -> Result<usize, Error> {
    let (major, value, body) = head(bytes, at)?;
    match major {
        0 | 1 => Ok(body),
        2 | 3 => {
            let end = usize::try_from(value).ok().and_then(|len| body.checked_add(len));
            let end = end.filter(|end| *end <= bytes.len()).ok_or(Error::NotCanonical(at))?;
            if major == 3 && std::str::from_utf8(&bytes[body..end]).is_err() {
                return Err(Error::NotCanonical(at));
            }
            Ok(end)
        }
        4 | 5 if depth == 0 => Err(Error::NotCanonical(at)),
        4 => (0..value).try_fold(body, |at, _| item(bytes, at, depth - 1)),
        5 => entries(bytes, body, value, depth - 1),
        7 if matches!(value, 20..=22) => Ok(body),
        _ => Err(Error::NotCanonical(at)),
    }
}

/// Checks the entries of a map: keys strictly ascending in their encoded bytes.
fn entries(bytes: &[u8], mut at: usize, count: u64, depth: usize) -> Result<usize, Error> {
    let mut last: Option<&[u8]> = None;
    for _ in 0..count {
        let value = item(bytes, at, depth)?;
        let key = &bytes[at..value];
        if last.is_some_and(|last| last >= key) {
            return Err(Error::NotCanonical(at));
        }
        last = Some(key);
        at = item(bytes, value, depth)?;
    }
    Ok(at)
}

/// Reads an item's head: major type, argument, where the body begins. The argument must be in its shortest form.
fn head(bytes: &[u8], at: usize) -> Result<(u8, u64, usize), Error> {
    let first = *bytes.get(at).ok_or(Error::NotCanonical(at))?;
    let (major, info) = (first >> 5, first & 31);
    if info < 24 {
        return Ok((major, u64::from(info), at + 1));
    }
    let (len, least): (usize, u64) = match info {
        24 => (1, 24),
        25 => (2, 1 << 8),
        26 => (4, 1 << 16),
        27 => (8, 1 << 32),
        _ => return Err(Error::NotCanonical(at)),
    };
    let body = at + 1 + len;
    let raw = bytes.get(at + 1..body).ok_or(Error::NotCanonical(at))?;
    let value = raw.iter().fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
    if value < least || major == 7 { Err(Error::NotCanonical(at)) } else { Ok((major, value, body)) }
}

/// Drops the result of writing into memory, which cannot fail.
fn written<T>(result: Result<T, minicbor::encode::Error<std::convert::Infallible>>) {
    debug_assert!(result.is_ok(), "writing into a Vec is infallible");
}

/// Writes the head of a map.
pub fn map(out: &mut Encoder<&mut Vec<u8>>, len: usize) {
    written(out.map(len as u64).map(drop));
}

/// Writes the head of an array.
pub fn array(out: &mut Encoder<&mut Vec<u8>>, len: usize) {
    written(out.array(len as u64).map(drop));
}

/// Writes an unsigned integer in its shortest form.
pub fn uint(out: &mut Encoder<&mut Vec<u8>>, value: u64) {
    written(out.u64(value).map(drop));
}

/// Writes a byte string.
pub fn bytes(out: &mut Encoder<&mut Vec<u8>>, value: &[u8]) {
    written(out.bytes(value).map(drop));
}

/// Writes a text string.
pub fn text(out: &mut Encoder<&mut Vec<u8>>, value: &str) {
    written(out.str(value).map(drop));
}

/// Writes a boolean.
pub fn bool(out: &mut Encoder<&mut Vec<u8>>, value: bool) {
    written(out.bool(value).map(drop));
}

/// Writes null.
pub fn null(out: &mut Encoder<&mut Vec<u8>>) {
    written(out.null().map(drop));
}

/// Reads the head of a map of at most `limit` entries.
///
/// # Errors
/// When it is not a map, is indefinite or longer.
pub fn read_map(input: &mut Decoder<'_>, limit: usize) -> Result<u64, Error> {
    let len = input.map()?.ok_or(Error::Value("an indefinite map"))?;
    within("a map", len, limit)
}

/// Reads the head of an array of at most `limit` entries.
///
/// # Errors
/// When it is not an array, is indefinite or longer.
pub fn read_list(input: &mut Decoder<'_>, limit: usize) -> Result<u64, Error> {
    let len = input.array()?.ok_or(Error::Value("an indefinite array"))?;
    within("an array", len, limit)
}

/// Reads a byte string of exactly `N` bytes.
///
/// # Errors
/// When it is not one.
pub fn read_array<const N: usize>(input: &mut Decoder<'_>) -> Result<[u8; N], Error> {
    input.bytes()?.try_into().map_err(|_| Error::Value("a byte string of the wrong length"))
}

/// Reads a byte string of at most `limit` bytes.
///
/// # Errors
/// When it is not one, or longer.
pub fn read_bytes(input: &mut Decoder<'_>, limit: usize) -> Result<Vec<u8>, Error> {
    let value = input.bytes()?;
    within("a byte string", value.len() as u64, limit)?;
    Ok(value.to_vec())
}

/// Reads a text of at most `limit` bytes.
///
/// # Errors
/// When it is not one, or longer.
pub fn read_text(input: &mut Decoder<'_>, limit: usize) -> Result<String, Error> {
    let value = input.str()?;
    within("a text", value.len() as u64, limit)?;
    Ok(value.to_owned())
}

/// Reads null as `None` and anything else with `read`.
///
/// # Errors
/// Whatever `read` returns.
pub fn read_option<T>(
    input: &mut Decoder<'_>,
    read: impl FnOnce(&mut Decoder<'_>) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    if input.datatype()? == Type::Null {
        input.null()?;
        return Ok(None);
    }
    read(input).map(Some)
}

fn within(what: &'static str, got: u64, limit: usize) -> Result<u64, Error> {
    let limit = limit as u64;
    if got > limit { Err(Error::TooLong { what, got, limit }) } else { Ok(got) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_canonical_form_is_read() {
        let check_all = |cases: &[(&[u8], bool)]| {
            for (bytes, good) in cases {
                assert_eq!(check(bytes).is_ok(), *good, "{bytes:02x?}");
            }
        };
        check_all(&[
            (&[0x17], true),
            (&[0x18, 0x17], false),
            (&[0x18, 0x18], true),
            (&[0x19, 0x00, 0xff], false),
            (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], false),
            (&[0xa2, 0x00, 0x01, 0x01, 0x02], true),
            (&[0xa2, 0x01, 0x01, 0x00, 0x02], false),
            (&[0xa2, 0x01, 0x01, 0x01, 0x02], false),
            (&[0xbf, 0xff], false),
            (&[0x5f, 0xff], false),
            (&[0x42, 0x01], false),
            (&[0x61, 0xff], false),
            (&[0xc0, 0x00], false),
            (&[0xf9, 0x00, 0x00], false),
            (&[0xf6], true),
            (&[0xf7], false),
            (&[0x00, 0x00], false),
            (&[], false),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], false),
        ]);
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(check(&[[0x81].repeat(DEPTH_MAX), vec![0]].concat()).is_ok());
        assert!(check(&[[0x81].repeat(100_000), vec![0]].concat()).is_err());
    }
}
