//! The laws that most decoders have in common.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use antiphon_core::cbor;

/// What was read from bytes that have one form is written as those bytes. Gives what was read.
pub fn exact<T: PartialEq + Debug, E>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = decode(bytes).ok()?;
    assert_eq!(encode(&value), bytes, "what was read has another form: {value:?}");
    Some(value)
}

/// What was read is written as something that is read as the same and written as the same. Gives what was read.
///
/// For what may hold parts that a reader leaves out, so that the first bytes may be others.
pub fn settles<T: PartialEq, E: Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = decode(bytes).ok()?;
    let written = encode(&value);
    let again = decode(&written);
    assert!(
        again.as_ref().is_ok_and(|again| *again == value),
        "it is read as something else, or not: {:?}",
        again.err()
    );
    assert_eq!(again.map(|again| encode(&again)).expect("it was just read"), written, "it is written in two ways");
    Some(value)
}

/// As [`settles`], of what is canonical CBOR.
pub fn settles_canonically<T: PartialEq, E: Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, E>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Option<T> {
    let value = settles(bytes, decode, &encode)?;
    assert_eq!(cbor::check(bytes), Ok(()), "what was read is not canonical");
    assert_eq!(cbor::check(&encode(&value)), Ok(()), "what was written is not canonical");
    Some(value)
}

/// A text that is read as a value is read as it again when the value writes it.
pub fn reads_back<T: PartialEq + Debug + Display + FromStr>(text: &str) -> Option<T>
where
    T::Err: Debug,
{
    let value = text.parse::<T>().ok()?;
    let again = value.to_string().parse::<T>();
    assert_eq!(again.expect("what was written is read"), value);
    Some(value)
}

/// The first byte, by which a target chooses among what it tries, and the rest.
pub fn choice(bytes: &[u8]) -> Option<(u8, &[u8])> {
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

/// Two parts: the first as long as the first two bytes say, most significant first, or as there is.
pub fn two_parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    Some(rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len())))
}

/// The opposite of [`two_parts`], for seeds.
pub fn join_parts(first: &[u8], second: &[u8]) -> Vec<u8> {
    let len = u16::try_from(first.len()).expect("a seed has a short first part");
    [&len.to_be_bytes(), first, second].concat()
}
