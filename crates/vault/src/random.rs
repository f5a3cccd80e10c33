//! Randomness from the operating system for keys, salts and ids; every failure is returned.

use data_encoding::HEXLOWER;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
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

/// Random bytes that cannot fail to come: seeded once by the system, then counted through SHA-256.
///
/// For salts and ids, which must be unguessable and unique. Keys are drawn from the system itself.
pub struct Source {
    seed: Zeroizing<[u8; 32]>,
    drawn: AtomicU64,
}

impl Source {
    /// A source with a fresh seed.
    ///
    /// # Errors
    /// [`Error`] when the system gives none.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { seed: secret()?, drawn: AtomicU64::new(0) })
    }

    /// The next 32 bytes; no two draws are alike.
    pub fn draw(&self) -> [u8; 32] {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new().chain_update(b"antiphon/random/1").chain_update(*self.seed);
        digest.chain_update(drawn.to_be_bytes()).finalize().into()
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source(..)")
    }
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
