//! The node key: everything that makes a node itself, grown from one root.

use std::fmt;

use age::x25519;
use antiphon_core::ids::NodeId;
use antiphon_core::sign::{Signature, Signer};
use bech32::{Bech32, ByteIterExt, Fe32IterExt, Hrp};
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::phrase::{self, Phrase, ROOT_BYTES};
use crate::{random, seal};

/// HKDF info of the Ed25519 seed. Changing it changes every node's identity.
const NODE_KEY_INFO: &[u8] = b"antiphon/node-key/1";

/// HKDF info of the age identity. Changing it makes everything sealed to a node unreadable.
const AGE_INFO: &[u8] = b"antiphon/age/1";

/// What the text of an age identity begins with; [bech32] writes it in upper case.
const AGE_SECRET_PREFIX: &str = "age-secret-key-";

/// Characters in the text of an age identity: prefix, separator, 52 for the key, 6 for the checksum.
const AGE_SECRET_CHARS: usize = AGE_SECRET_PREFIX.len() + 1 + 52 + 6;

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no randomness to make one from.
    #[error("a node key cannot be made: {0}")]
    Random(#[from] random::Error),
    /// The recovery phrase is not one.
    #[error(transparent)]
    Phrase(#[from] phrase::Error),
    /// A key cannot be derived from the root.
    #[error("the {key} cannot be derived: {reason}")]
    Derive {
        /// Which key.
        key: &'static str,
        /// What is in the way.
        reason: String,
    },
}

/// The secret keys of one node. They are wiped when it is dropped; it is shared behind an `Arc`, not cloned.
pub struct NodeKey {
    phrase: Phrase,
    signing: SigningKey,
    age: x25519::Identity,
}

impl NodeKey {
    /// A fresh key, and the phrase that brings it back.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<(Self, Phrase), Error> {
        let phrase = Phrase::generate()?;
        Ok((Self::from_phrase(&phrase)?, phrase))
    }

    /// The key that belongs to this phrase, always the same one.
    ///
    /// # Errors
    /// [`Error::Derive`], which no phrase is known to cause.
    pub fn from_phrase(phrase: &Phrase) -> Result<Self, Error> {
        let seed = derive("node key", phrase.root(), NODE_KEY_INFO)?;
        let secret = derive("age identity", phrase.root(), AGE_INFO)?;
        Ok(Self { phrase: phrase.clone(), signing: SigningKey::from_bytes(&seed), age: age_identity(&secret)? })
    }

    /// The key of this entropy, as the key file holds it.
    pub(crate) fn from_root(root: &[u8; ROOT_BYTES]) -> Result<Self, Error> {
        Self::from_phrase(&Phrase::from_entropy(root)?)
    }

    pub(crate) fn age(&self) -> &x25519::Identity {
        &self.age
    }

    pub(crate) fn root(&self) -> &[u8; ROOT_BYTES] {
        self.phrase.root()
    }

    /// The public half, which names the node.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.signing.verifying_key().to_bytes())
    }

    /// The phrase that brings this key back.
    pub fn phrase(&self) -> &Phrase {
        &self.phrase
    }

    /// The age recipient (`age1…`) to which others seal what only this node shall read.
    pub fn age_recipient(&self) -> String {
        self.age.to_public().to_string()
    }

    /// The age identity (`AGE-SECRET-KEY-1…`), so that its owner can open sealed files with the age tool.
    pub fn expose_age_identity(&self) -> Zeroizing<String> {
        use age::secrecy::ExposeSecret;
        Zeroizing::new(self.age.to_string().expose_secret().to_owned())
    }

    /// The Ed25519 seed (RFC 8032), from which libp2p makes the same key pair.
    pub fn libp2p_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes())
    }

    /// Seed and public key of the Ed25519 key, one after the other.
    pub(crate) fn keypair(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.signing.to_keypair_bytes())
    }

    /// Opens what was sealed to this node's [`age_recipient`](Self::age_recipient).
    ///
    /// # Errors
    /// When it was sealed to others, is damaged or too large; see [`seal::Error`].
    pub fn open_sealed(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, seal::Error> {
        seal::open(&self.age, sealed)
    }
}

impl Signer for NodeKey {
    fn node_id(&self) -> NodeId {
        self.node_id()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.signing.sign(message).to_bytes())
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({}, secret redacted)", self.node_id())
    }
}

/// HKDF-SHA256 (RFC 5869) without salt: the root is already uniform, the info alone keeps the keys apart.
fn derive(key: &'static str, root: &[u8; ROOT_BYTES], info: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut output = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, root)
        .expand(info, output.as_mut_slice())
        .map_err(|error| Error::Derive { key, reason: error.to_string() })?;
    Ok(output)
}

/// An age identity from its 32 bytes. `age` takes only the text form, so it is written and read again.
pub(crate) fn age_identity(secret: &[u8; 32]) -> Result<x25519::Identity, Error> {
    let failed = |reason: String| Error::Derive { key: "age identity", reason };
    let prefix = Hrp::parse(AGE_SECRET_PREFIX).map_err(|error| failed(error.to_string()))?;
    let mut text = Zeroizing::new(String::with_capacity(AGE_SECRET_CHARS));
    // Character by character into a buffer that is wiped: the encoders of `bech32` leave a copy on the stack.
    for character in secret.iter().copied().bytes_to_fes().with_checksum::<Bech32>(&prefix).chars() {
        text.push(character.to_ascii_uppercase());
    }
    text.parse().map_err(|reason: &str| failed(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_age_identity_fits_its_buffer_and_reads_back() {
        let key = NodeKey::from_root(&[7; 32]).unwrap();
        let text = key.expose_age_identity();
        assert_eq!(text.len(), AGE_SECRET_CHARS);
        let again: x25519::Identity = text.parse().unwrap();
        assert_eq!(again.to_public().to_string(), key.age_recipient());
    }
}
