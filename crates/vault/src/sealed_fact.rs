//! Facts that are sealed to a role.
//!
//! A fact for one role travels through every member's hands, so its payload must be closed to most of them, and nobody
//! who cannot read it may publish it as his own. An age file would do the first and costs two curve multiplications for
//! each fact at each reader; so a fact is sealed symmetrically, under a key that grows from the role's:
//!
//! ```text
//! role key ─ data key (role.rs) ─ HKDF "antiphon/sealed-fact/1" ‖ binding → event key
//! sealed payload = nonce (12) ‖ AES-256-GCM(event key, nonce, AAD = binding, payload) ‖ tag (16)
//! ```
//!
//! The binding is the canonical header without hash and length of the payload (`core::event::sealed`): team, author's
//! store, place in its log, time, fact, role and epoch. It is both the info of the key and the AAD of the cipher. Under
//! another header the payload has another key and opens to nothing. The key serves one header, so a random nonce cannot
//! repeat in practice; it is there for a machine that was restored from a copy and signs the same place twice.
//!
//! The payload begins with its own 16-byte salt, inside the seal, as every payload does. Sealed or not, what stands in
//! the log is at most 64 KiB, so a sealed payload has [`OVERHEAD_BYTES`] less room.
//!
//! Limits: the length, the role, the fields that are set and who wrote it show. Whoever holds the role's key can read
//! it for ever, also after he was removed; and all who hold it could have sealed it, the signature tells who did.

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce, Tag};
use antiphon_core::charter::RoleKeys;
use antiphon_core::event::sealed::{FactSeals, Opened, SealError, sealed_header};
use antiphon_core::event::{Header, Seal};
use antiphon_core::ids::Hash;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keyring::LiveKeyring;
use crate::random;
use crate::role::RoleSecret;

/// Bytes of the nonce in front of the ciphertext.
pub const NONCE_BYTES: usize = 12;
/// Bytes of the tag behind it.
pub const TAG_BYTES: usize = 16;
/// Bytes that sealing adds to a payload.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// HKDF info of an event's key begins with this. Changing it makes every sealed fact unreadable.
const EVENT_KEY_INFO: &[u8] = b"antiphon/sealed-fact/1";

/// Seals a payload with this nonce; see [`LiveKeyring`] for the door that draws one.
///
/// # Errors
/// [`SealError`].
pub fn seal_with(
    secret: &RoleSecret,
    nonce: &[u8; NONCE_BYTES],
    header: &[u8],
    payload: &[u8],
) -> Result<Vec<u8>, SealError> {
    let (header, bound) = sealed_header(header)?;
    let cipher = cipher(secret, &header, &bound).ok_or(SealError::NoSeal)?;
    let mut sealed = Vec::with_capacity(payload.len() + OVERHEAD_BYTES);
    sealed.extend_from_slice(nonce);
    sealed.extend_from_slice(payload);
    let text = sealed.get_mut(NONCE_BYTES..).ok_or(SealError::NoSeal)?;
    let tag = cipher.encrypt_in_place_detached(Nonce::from_slice(nonce), &bound, text);
    sealed.extend_from_slice(&tag.map_err(|_| SealError::NoSeal)?);
    Ok(sealed)
}

/// Opens a payload that was sealed for this header with the role key that it names.
pub fn open_with(secret: &RoleSecret, header: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (header, bound) = sealed_header(header).ok()?;
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let (text, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
    let cipher = cipher(secret, &header, &bound)?;
    let mut payload = text.to_vec();
    let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(tag));
    cipher.decrypt_in_place_detached(nonce, &bound, &mut payload, tag).ok()?;
    Some(payload)
}

/// The cipher of one event. `None` when its role has a name that none can have.
fn cipher(secret: &RoleSecret, header: &Header, bound: &[u8]) -> Option<Aes256Gcm> {
    let Seal { role, epoch } = header.seal.as_ref()?;
    let data_key = secret.data_key(&header.team, role, epoch).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    let expander = Hkdf::<Sha256>::from_prk(data_key.as_slice()).ok()?;
    expander.expand_multi_info(&[EVENT_KEY_INFO, bound], key.as_mut_slice()).ok()?;
    Some(Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(key.as_slice())))
}

fn seal_of(header: &[u8]) -> Result<Seal, SealError> {
    Header::decode(header).ok().and_then(|header| header.seal).ok_or(SealError::NoSeal)
}

impl FactSeals for LiveKeyring {
    fn learn(&self, role_keys: &RoleKeys) {
        let _keyring = self.renew(role_keys);
    }

    fn holds(&self, role: &str, epoch: &Hash) -> bool {
        self.newest().secret(role, epoch).is_some()
    }

    fn seal(&self, header: &[u8], payload: &[u8]) -> Result<Vec<u8>, SealError> {
        let Seal { role, epoch } = seal_of(header)?;
        let keyring = self.newest();
        let secret = keyring.secret(&role, &epoch).ok_or(SealError::NoKey(role))?;
        let nonce = random::bytes().map_err(|_| SealError::NoRandomness)?;
        seal_with(secret, &nonce, header, payload)
    }

    fn open(&self, header: &[u8], sealed: &[u8]) -> Opened {
        let Ok(Seal { role, epoch }) = seal_of(header) else { return Opened::Broken };
        match self.newest().secret(&role, &epoch) {
            None => Opened::Closed,
            Some(secret) => open_with(secret, header, sealed).map_or(Opened::Broken, Opened::Payload),
        }
    }
}
