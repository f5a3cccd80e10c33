//! Signatures: Ed25519 (RFC 8032) with a domain in front of every message.
//!
//! Secret keys live in the vault; this module knows the public half and the [`Signer`] that the vault implements.

use ed25519_dalek::VerifyingKey;

use crate::ids::{Error, NodeId};

/// An Ed25519 signature, 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// Reads a signature from exactly 64 bytes.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let got = bytes.len();
        bytes.try_into().map(Self).map_err(|_| Error::Length { kind: "signature", want: 64, got })
    }
}

impl std::fmt::Debug for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signature({})", data_encoding::HEXLOWER.encode(&self.0[..8]))
    }
}

/// Whoever can sign in a node's name. The vault's key is one; a test may bring its own.
pub trait Signer: Send + Sync {
    /// The public key that verifies what this signs.
    fn node_id(&self) -> NodeId;
    /// Signs the message with Ed25519.
    fn sign(&self, message: &[u8]) -> Signature;
}

/// Whether `signature` is a strictly valid signature of `message` by `node`.
///
/// Strict: small-order keys and non-canonical encodings are refused, so that every node reaches one verdict.
#[must_use]
pub fn verify(node: &NodeId, message: &[u8], signature: &Signature) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(&node.0) else { return false };
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
}
