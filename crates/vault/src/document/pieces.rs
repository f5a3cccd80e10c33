//! The pieces of a document: each one encrypted by itself, with its number and whether it is the last as the nonce.
//!
//! So no piece can be left out, moved or repeated, and the end cannot be cut off, without being noticed. This is the
//! STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizar (2015) as the age format has it: ChaCha20-Poly1305, a
//! nonce of 11 bytes of number and one that is 1 for the last piece, under a key that serves this one document.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Error;

/// Bytes of plaintext in every piece but the last.
pub(super) const PIECE_BYTES: usize = 64 * 1024;
/// Bytes that authenticate a piece.
pub(super) const TAG_BYTES: usize = 16;
/// Bytes of ciphertext in every piece but the last.
pub(super) const SEALED_PIECE_BYTES: usize = PIECE_BYTES + TAG_BYTES;
/// Bytes between the header and the first piece.
pub(super) const NONCE_BYTES: usize = 16;

/// HKDF info of the key, as the age format names it.
const PAYLOAD_INFO: &[u8] = b"payload";

/// Whether a piece is the last of its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    No,
    Yes,
}

/// The key of a document's pieces, and the number of the next one. The key is wiped when dropped: its library does so.
pub(super) struct PieceKey {
    key: LessSafeKey,
    number: u64,
}

impl PieceKey {
    /// The key of the document with this file key and this nonce after its header.
    pub(super) fn derive(file_key: &[u8], nonce: &[u8]) -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        let expanded = Hkdf::<Sha256>::new(Some(nonce), file_key).expand(PAYLOAD_INFO, key.as_mut_slice());
        expanded.map_err(|error| Error::Cipher(error.to_string()))?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, key.as_slice());
        let key = LessSafeKey::new(key.map_err(|error| Error::Cipher(error.to_string()))?);
        Ok(Self { key, number: 0 })
    }

    /// Number of the next piece.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Encrypts the next piece where it is and returns its tag.
    pub(super) fn seal(&mut self, piece: &mut [u8], last: Last) -> Result<[u8; TAG_BYTES], Error> {
        let nonce = nonce(self.number, last);
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::empty(), piece);
        let tag = tag.map_err(|error| Error::Cipher(error.to_string()))?;
        self.number += 1;
        tag.as_ref().try_into().map_err(|_| Error::Cipher("a tag of another length".to_owned()))
    }

    /// Decrypts the next piece where it is, its tag included; returns how long it is.
    pub(super) fn open(&mut self, piece: &mut [u8], last: Last) -> Result<usize, Error> {
        let length = self.open_at(self.number, piece, last)?;
        self.number += 1;
        Ok(length)
    }

    /// The same for the piece with this number.
    pub(super) fn open_at(&self, number: u64, piece: &mut [u8], last: Last) -> Result<usize, Error> {
        let opened = self.key.open_in_place(nonce(number, last), Aad::empty(), piece);
        match (opened, last) {
            (Ok(opened), _) => Ok(opened.len()),
            (Err(_), Last::No) => Err(Error::Damaged(format!("piece {number} was changed"))),
            (Err(_), Last::Yes) => Err(Error::Damaged(format!("piece {number}, the last, was changed or cut"))),
        }
    }
}

/// The nonce of a piece. Counting 64 KiB at a time, 64 bits are never used up.
fn nonce(number: u64, last: Last) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last == Last::Yes);
    Nonce::assume_unique_for_key(nonce)
}
