//! What waits in the outbox, sealed on this node's own disk.
//!
//! A message that could not be delivered yet lies in a database for days. Whoever gets hold of that file, a backup or
//! a broken disk must not read it; and whoever can write the file must not have this node send, in its name, what it
//! never wrote. So each row is sealed with AES-256-GCM before the database sees it. The key grows from the node's own
//! key, so there is nothing more to store, to back up or to lose: the recovery phrase brings it back.
//!
//! ```text
//! Ed25519 seed ‖ public key ─ HKDF "antiphon/outbox/v1" → outbox key
//!                              └ HKDF "antiphon/outbox/row/v1" ‖ row ‖ era → row key
//! sealed row = nonce (12) ‖ ciphertext ‖ tag (16)
//! ```
//!
//! One key for all rows would be sound only as long as no random nonce repeats; with a key for each row of each era
//! that does not matter, not even when a database is restored and gives a row's number to another item.
//!
//! A row is bound to all that stands beside it in the clear, and to the node: it does not open in another place, for
//! another peer, as another kind of request, or under another's key.
//!
//! Limits: the length of a body shows. A whole row that is deleted is not missed here, and one that is put back as it
//! was opens; its receiver knows its place and takes it once.

use std::fmt;

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce, Tag};
use antiphon_core::cbor;
use antiphon_core::ids::NodeId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Binding, NoRandomness, Sealed, Sealer};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key::{Error, NodeKey};
use crate::random;

/// HKDF info of the outbox key. Changing it makes everything that waits unreadable.
const OUTBOX_INFO: &[u8] = b"antiphon/outbox/v1";
/// HKDF info of a row's key, before its number and its era.
const ROW_INFO: &[u8] = b"antiphon/outbox/row/v1";
/// Bytes of the nonce in front of the ciphertext.
const NONCE_BYTES: usize = 12;
/// Bytes of the tag behind it.
const TAG_BYTES: usize = 16;

/// Bytes that sealing adds to a body.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// The key that seals what waits. It is wiped when it is dropped.
pub struct OutboxKey {
    node: NodeId,
    key: Zeroizing<[u8; 32]>,
}

impl OutboxKey {
    /// The outbox key of a node, always the same one.
    ///
    /// # Errors
    /// [`Error::Derive`], which no key is known to cause.
    pub fn derive(key: &NodeKey) -> Result<Self, Error> {
        let mut output = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, key.keypair().as_slice())
            .expand(OUTBOX_INFO, output.as_mut_slice())
            .map_err(|error| Error::Derive { key: "outbox key", reason: error.to_string() })?;
        Ok(Self { node: key.node_id(), key: output })
    }

    /// The key of one row. `None` cannot happen: both lengths are right for SHA-256.
    fn row_key(&self, binding: &Binding) -> Option<Zeroizing<[u8; 32]>> {
        let (row, era) = (binding.row.to_be_bytes(), binding.place.era.to_be_bytes());
        let mut output = Zeroizing::new([0; 32]);
        let expander = Hkdf::<Sha256>::from_prk(self.key.as_slice()).ok()?;
        expander.expand_multi_info(&[ROW_INFO, &row, &era], output.as_mut_slice()).ok()?;
        Some(output)
    }

    fn cipher(&self, binding: &Binding) -> Option<Aes256Gcm> {
        let key = self.row_key(binding)?;
        Some(Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(key.as_slice())))
    }

    /// All that the row is bound to, in one form.
    fn bound_to(&self, binding: &Binding) -> Vec<u8> {
        let Binding { row, peer, place, protocol, level, schema, subject } = binding;
        cbor::encode(|out| {
            cbor::array(out, 9);
            cbor::bytes(out, &self.node.0);
            cbor::uint(out, *row);
            cbor::bytes(out, &peer.0);
            cbor::uint(out, place.era);
            cbor::uint(out, place.n);
            cbor::uint(out, protocol.number().into());
            cbor::uint(out, level.number().into());
            cbor::uint(out, (*schema).into());
            cbor::bytes(out, &subject.0);
        })
    }

    /// Seals in the one buffer that leaves, so that no copy of the body stays behind.
    fn seal_with(&self, nonce: &[u8; NONCE_BYTES], binding: &Binding, body: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = Vec::with_capacity(body.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(body);
        let cipher = self.cipher(binding)?;
        let text = sealed.get_mut(NONCE_BYTES..)?;
        let tag = cipher.encrypt_in_place_detached(Nonce::from_slice(nonce), &self.bound_to(binding), text).ok()?;
        sealed.extend_from_slice(&tag);
        Some(sealed)
    }
}

impl Sealer for OutboxKey {
    fn seal(&self, binding: &Binding, body: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let nonce = random::bytes().map_err(|_| NoRandomness)?;
        // Nothing else can fail: the lengths are right, and no body is near the limit of the cipher, 64 GiB.
        self.seal_with(&nonce, binding, body).ok_or(NoRandomness)
    }

    fn open(&self, binding: &Binding, sealed: &[u8]) -> Result<Vec<u8>, Sealed> {
        if sealed.len() > BODY_BYTES_MAX + OVERHEAD_BYTES {
            return Err(Sealed);
        }
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(Sealed)?;
        let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Sealed)?;
        let mut body = text.to_vec();
        let bound_to = self.bound_to(binding);
        let cipher = self.cipher(binding).ok_or(Sealed)?;
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(tag));
        cipher.decrypt_in_place_detached(nonce, &bound_to, &mut body, tag).map_err(|_| Sealed)?;
        Ok(body)
    }
}

impl fmt::Debug for OutboxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutboxKey({}, secret redacted)", self.node)
    }
}

#[cfg(test)]
mod tests;
