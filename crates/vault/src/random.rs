//! Randomness from the operating system: the only place that asks for it, and every failure is returned.

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

/// Random bytes in a token made by [`token`].
pub const TOKEN_BYTES: usize = 32;

/// The operating system has no randomness to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct Error(getrandom::Error);

/// Fills `buffer` with random bytes.
///
/// # Errors
/// When the operating system cannot give any; then `buffer` must not be used.
pub fn fill(buffer: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(buffer).map_err(Error)
}

/// Random bytes that need not be kept secret, such as a nonce or the random part of an id.
///
/// # Errors
/// As [`fill`].
pub fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    fill(&mut bytes)?;
    Ok(bytes)
}

/// Random bytes that are wiped when dropped.
///
/// # Errors
/// As [`fill`].
pub fn secret<const N: usize>() -> Result<Zeroizing<[u8; N]>, Error> {
    let mut bytes = Zeroizing::new([0; N]);
    fill(bytes.as_mut_slice())?;
    Ok(bytes)
}

/// A secret token of [`TOKEN_BYTES`] random bytes as lower-case hex, for instance for the HTTP door.
///
/// # Errors
/// As [`fill`].
pub fn token() -> Result<Zeroizing<String>, Error> {
    let bytes = secret::<TOKEN_BYTES>()?;
    // The capacity is exact, so that growing leaves no unwiped copy behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * TOKEN_BYTES));
    HEXLOWER.encode_append(bytes.as_slice(), &mut text);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_alike() {
        let (first, second) = (token().unwrap(), token().unwrap());
        assert_ne!(*first, *second);
        assert_eq!(first.len(), 64);
        assert_ne!(bytes::<16>().unwrap(), bytes::<16>().unwrap());
    }
}
