//! Role keys: what the members of a role share, and others do not have.
//!
//! What is meant for a role must be readable by every machine in it, by one that joins next month, and no longer by
//! one that was removed. Sealing to each member's own key fails the second; one key for ever fails the third. So a
//! role has a chain of *epochs*. Each is a random age identity whose public half, the recipient, is written in a
//! charter record together with
//!
//! - a **wrap** for every entitled node: the secret, sealed to that node's age recipient, and
//! - the **previous** epoch's secret, sealed to the new recipient, so that who holds the newest key can walk back
//!   through the history (unless the role was rotated to leave the past behind).
//!
//! Documents are sealed to the recipient itself. Facts are too many for that (an age file costs two curve
//! multiplications), so each epoch also has a *data key*, from which the key of each sealed fact derives.
//!
//! A wrap comes from another node and may have been moved here from another role or epoch. It names neither; instead
//! the secret that comes out must have the recipient in the signed record as its public half, which no other secret
//! does. Both kinds of sealed secret begin with a name of their own, so that one cannot stand in for the other.
//!
//! Limits: nothing here makes a removed member forget, and who makes the key can read all that is sealed with it.

use std::fmt;

use age::x25519;
use antiphon_core::ids::{Hash, TeamId};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::key::{self, NodeKey};
use crate::{lean, random, seal};

/// Bytes of the secret of one epoch.
pub const SECRET_BYTES: usize = 32;

/// Bytes of a wrap, and of a sealed previous secret; all are exactly as long.
///
/// 200 of the age format, 16 that name the kind, 32 of the secret.
pub const WRAP_BYTES_MAX: usize = lean::OVERHEAD_BYTES + KIND_BYTES + SECRET_BYTES;

/// Longest name of a role in bytes, as the genome has it.
pub const ROLE_BYTES_MAX: usize = 64;

const KIND_BYTES: usize = 16;

/// HKDF info of the data key begins with this. Changing it makes every sealed fact unreadable.
const DATA_KEY_INFO: &[u8] = b"antiphon/role-data-key/1";

/// Why there is no role key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no randomness to make one from.
    #[error("a role key cannot be made: {0}")]
    Random(#[from] random::Error),
    /// It cannot be opened, or the recipient it should belong to is none.
    #[error(transparent)]
    Seal(#[from] seal::Error),
    /// The age identity or a key cannot be derived from the secret.
    #[error(transparent)]
    Derive(#[from] key::Error),
    /// It opens, but what is inside is something else.
    #[error("this is not {expected}: {reason}")]
    Kind {
        /// What was to be opened.
        expected: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It holds the key of another role or epoch.
    #[error("the wrapped key belongs to {got}, not to {expected}: it was moved here from another role key")]
    OtherKey {
        /// The recipient in the record.
        expected: String,
        /// The recipient of the secret inside.
        got: String,
    },
    /// The name of the role is too long for one.
    #[error("a role name of {got} bytes, the limit is {ROLE_BYTES_MAX}")]
    RoleName {
        /// Bytes that were given.
        got: usize,
    },
}

impl Error {
    /// Whether the wrap is sound but meant for another node or epoch.
    pub fn is_not_for_us(&self) -> bool {
        matches!(self, Self::Seal(error) if error.is_not_for_us())
    }
}

/// What a sealed secret is for.
#[derive(Clone, Copy)]
enum Kind {
    /// To a node.
    Wrap,
    /// To the next epoch of the same role.
    Previous,
}

impl Kind {
    const fn prefix(self) -> &'static [u8; KIND_BYTES] {
        match self {
            Self::Wrap => b"antiphon/wrap/1\n",
            Self::Previous => b"antiphon/prev/1\n",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Wrap => "a wrapped role key",
            Self::Previous => "a previous role key",
        }
    }
}

/// The age identity of one epoch of a role. It is wiped when dropped.
pub struct RoleSecret {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    identity: x25519::Identity,
}

impl RoleSecret {
    /// A fresh key for a new epoch.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, Error> {
        let mut secret = random::secret::<SECRET_BYTES>()?;
        clamp(&mut secret);
        Self::from_secret(secret)
    }

    /// Opens a wrap that was made for this node, of the role key whose record names `recipient`.
    ///
    /// # Errors
    /// When it is sealed to another node ([`Error::is_not_for_us`]), is damaged, is none, or holds another key.
    pub fn unwrap(key: &NodeKey, sealed: &[u8], recipient: &str) -> Result<Self, Error> {
        check_sealed(Kind::Wrap, sealed)?;
        Self::read(Kind::Wrap, &key.open_sealed(sealed)?, recipient)
    }

    /// The recipient (`age1…`) that the role key's record names and documents are sealed to.
    pub fn recipient(&self) -> String {
        self.identity.to_public().to_string()
    }

    /// The age identity (`AGE-SECRET-KEY-1…`), so that a member can open documents of the role with the age tool.
    pub fn expose_age_identity(&self) -> Zeroizing<String> {
        use age::secrecy::ExposeSecret;
        Zeroizing::new(self.identity.to_string().expose_secret().to_owned())
    }

    /// Wraps this key for the node with this age recipient; [`WRAP_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// When the recipient is not usable.
    pub fn wrap_for(&self, recipient: &str) -> Result<Vec<u8>, seal::Error> {
        self.seal_secret(Kind::Wrap, recipient)
    }

    /// Seals this key, which is no longer the newest, to the recipient of the one that follows it.
    ///
    /// # Errors
    /// When the recipient is not usable.
    pub fn wrap_previous(&self, newer_recipient: &str) -> Result<Vec<u8>, seal::Error> {
        self.seal_secret(Kind::Previous, newer_recipient)
    }

    /// Opens the key before this one, whose record names `recipient`.
    ///
    /// # Errors
    /// When it is sealed to another epoch ([`Error::is_not_for_us`]), is damaged, is none, or holds another key.
    pub fn open_previous(&self, sealed: &[u8], recipient: &str) -> Result<Self, Error> {
        check_sealed(Kind::Previous, sealed)?;
        Self::read(Kind::Previous, &self.open_sealed(sealed)?, recipient)
    }

    /// Opens what was sealed to this epoch's [`recipient`](Self::recipient) with [`seal_to`](crate::seal_to).
    ///
    /// # Errors
    /// When it was sealed to others, is damaged or too large; see [`seal::Error`].
    pub fn open_sealed(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, seal::Error> {
        seal::open(&self.identity, sealed)
    }

    /// The key from which the keys of this epoch's sealed facts derive.
    ///
    /// HKDF-SHA256 (RFC 5869) of the secret without salt; the info is `"antiphon/role-data-key/1"`, the team id, the
    /// length of the role's name in two bytes, most significant first, the name, and the epoch: the hash of the record
    /// that made it. So one secret published again in another team, role or record gives another key.
    ///
    /// # Errors
    /// When the name is longer than [`ROLE_BYTES_MAX`].
    pub fn data_key(&self, team: &TeamId, role: &str, epoch: &Hash) -> Result<Zeroizing<[u8; 32]>, Error> {
        let length = u16::try_from(role.len()).ok().filter(|length| usize::from(*length) <= ROLE_BYTES_MAX);
        let length = length.ok_or(Error::RoleName { got: role.len() })?.to_be_bytes();
        let info = [DATA_KEY_INFO, &team.0, &length, role.as_bytes(), &epoch.0];
        let mut output = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.secret.as_slice())
            .expand_multi_info(&info, output.as_mut_slice())
            .map_err(|error| key::Error::Derive { key: "role's data key", reason: error.to_string() })?;
        Ok(output)
    }

    /// For [`crate::document`].
    pub(crate) const fn identity(&self) -> &x25519::Identity {
        &self.identity
    }

    fn from_secret(secret: Zeroizing<[u8; SECRET_BYTES]>) -> Result<Self, Error> {
        let identity = key::age_identity(&secret)?;
        Ok(Self { secret, identity })
    }

    fn seal_secret(&self, kind: Kind, recipient: &str) -> Result<Vec<u8>, seal::Error> {
        let mut plaintext = Zeroizing::new(Vec::with_capacity(KIND_BYTES + SECRET_BYTES));
        plaintext.extend_from_slice(kind.prefix());
        plaintext.extend_from_slice(self.secret.as_slice());
        lean::seal_to(recipient, &plaintext)
    }

    fn read(kind: Kind, plaintext: &[u8], recipient: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::Kind { expected: kind.name(), reason };
        let body = plaintext.strip_prefix(kind.prefix()).ok_or_else(|| wrong("it begins with another name"))?;
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        if body.len() != SECRET_BYTES {
            return Err(wrong("the secret has another length"));
        }
        secret.copy_from_slice(body);
        // X25519 ignores five bits. Secrets that differ in them would have one recipient and several data keys, and a
        // steward could give the members of a role different ones.
        let mut clamped = secret.clone();
        clamp(&mut clamped);
        if clamped != secret {
            return Err(wrong("the secret is not in its one form"));
        }
        let expected = seal::parse_recipient(recipient)?.to_string();
        let opened = Self::from_secret(secret)?;
        let got = opened.recipient();
        if got == expected { Ok(opened) } else { Err(Error::OtherKey { expected, got }) }
    }
}

impl fmt::Debug for RoleSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoleSecret({}, secret redacted)", self.recipient())
    }
}

/// Sets the bits that X25519 (RFC 7748) does not take from the secret.
fn clamp(secret: &mut [u8; SECRET_BYTES]) {
    secret[0] &= 0b1111_1000;
    secret[31] = (secret[31] & 0b0111_1111) | 0b0100_0000;
}

/// Refuses what is too long before it is looked at.
fn check_sealed(kind: Kind, sealed: &[u8]) -> Result<(), seal::Error> {
    seal::check_size(kind.name().trim_start_matches("a "), sealed.len(), WRAP_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phrase::Phrase;

    #[test]
    fn eve_cannot_give_bob_and_carol_different_data_keys_under_one_recipient() {
        let bob = NodeKey::from_phrase(&Phrase::from_entropy(&[1; 32]).unwrap()).unwrap();
        let role = RoleSecret::generate().unwrap();
        let honest = bob.open_sealed(&role.wrap_for(&bob.age_recipient()).unwrap()).unwrap();
        for (byte, bit) in [(KIND_BYTES, 1_u8), (KIND_BYTES, 4), (KIND_BYTES + 31, 0x80), (KIND_BYTES + 31, 0x40)] {
            let mut changed = honest.to_vec();
            changed[byte] ^= bit;
            let secret: [u8; 32] = changed[KIND_BYTES..].try_into().unwrap();
            assert_eq!(RoleSecret::from_secret(Zeroizing::new(secret)).unwrap().recipient(), role.recipient());
            let sealed = lean::seal_to(&bob.age_recipient(), &changed).unwrap();
            let error = RoleSecret::unwrap(&bob, &sealed, &role.recipient()).unwrap_err();
            assert!(error.to_string().contains("one form"), "{error}");
        }
    }

    #[test]
    fn a_wrap_holds_the_secret_and_nothing_else() {
        let bob = NodeKey::from_phrase(&Phrase::from_entropy(&[1; 32]).unwrap()).unwrap();
        let role = RoleSecret::generate().unwrap();
        let honest = bob.open_sealed(&role.wrap_for(&bob.age_recipient()).unwrap()).unwrap();
        let short = lean::seal_to(&bob.age_recipient(), &honest[..honest.len() - 1]).unwrap();
        let error = RoleSecret::unwrap(&bob, &short, &role.recipient()).unwrap_err();
        assert_eq!(error.to_string(), "this is not a wrapped role key: the secret has another length");
    }
}
