//! Whole files sealed to one node, for what a person carries by hand: plain binary age files.
//!
//! Documents that are carried are read and checked as a whole before anything of them counts, so they are sealed and
//! opened as a whole too. What bounds the memory is a limit on both sides that is checked before `age` begins.

use std::io::Read;

use age::{Decryptor, Identity};
use zeroize::Zeroizing;

use crate::key::NodeKey;
use crate::random;
use crate::seal::{Error, HEADER_BYTES_MAX, check_header, check_size, explain, parse_recipient};

/// Most bytes of a file before it is sealed.
pub const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of plaintext that one tag of a sealed file speaks for.
const CHUNK_BYTES: usize = 64 * 1024;

/// Most bytes of a sealed file: header, nonce, and 16 bytes for every chunk begun.
pub const SEALED_FILE_BYTES_MAX: usize =
    FILE_BYTES_MAX + HEADER_BYTES_MAX + 16 + 16 * (FILE_BYTES_MAX / CHUNK_BYTES + 1);

/// What every binary age file begins with.
const MAGIC: &[u8] = b"age-encryption.org/v1\n";

/// Whether `bytes` begin as a sealed file does.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Seals a file so that only the holder of the recipient's identity can read it.
///
/// # Errors
/// When the recipient is not usable or the file is larger than [`FILE_BYTES_MAX`].
pub fn seal_file(recipient: &str, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    check_size("file", plaintext.len(), FILE_BYTES_MAX)?;
    let recipient = parse_recipient(recipient)?;
    // `age` ends the process when there is no randomness; asking first turns that into an error.
    random::bytes::<16>()?;
    age::encrypt(&recipient, plaintext).map_err(|error| Error::Seal(error.to_string()))
}

impl NodeKey {
    /// Opens a file that was sealed to this node's [`age_recipient`](Self::age_recipient).
    ///
    /// # Errors
    /// When it was sealed to others, is damaged or too large.
    pub fn open_file(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        check_size("sealed file", sealed.len(), SEALED_FILE_BYTES_MAX)?;
        check_header(sealed)?;
        let decryptor = Decryptor::new_buffered(sealed).map_err(explain)?;
        let mut reader = decryptor.decrypt(std::iter::once(self.age() as &dyn Identity)).map_err(explain)?;
        // The plaintext is shorter than the file, so the buffer never grows and leaves no unwiped copy behind.
        let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
        reader.read_to_end(&mut plaintext).map_err(|error| Error::Damaged(error.to_string()))?;
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> NodeKey {
        NodeKey::generate().unwrap().0
    }

    #[test]
    fn bob_opens_what_was_sealed_to_him_and_eve_does_not() {
        let (bob, eve) = (key(), key());
        let text: Vec<u8> = (0..3 * 1024 * 1024_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut sealed = seal_file(&bob.age_recipient(), &text).unwrap();
        assert!(is_sealed(&sealed) && !is_sealed(&text) && !is_sealed(b""));
        assert!(*bob.open_file(&sealed).unwrap() == text);
        assert!(eve.open_file(&sealed).unwrap_err().is_not_for_us());
        let last = sealed.len() - 1;
        assert!(matches!(bob.open_file(&sealed[..last]), Err(Error::Damaged(_))));
        sealed[last] ^= 1;
        assert!(matches!(bob.open_file(&sealed), Err(Error::Damaged(_))));
    }

    #[test]
    fn what_is_larger_than_any_bundle_is_refused_before_it_is_looked_at() {
        let bob = key();
        let large = vec![0; SEALED_FILE_BYTES_MAX + 1];
        assert!(matches!(bob.open_file(&large), Err(Error::TooLarge { what: "sealed file", .. })));
        let got = seal_file(&bob.age_recipient(), &large[..=FILE_BYTES_MAX]);
        assert!(matches!(got, Err(Error::TooLarge { what: "file", .. })));
    }
}
