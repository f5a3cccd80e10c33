//! Small blobs sealed to one node: plain binary age files, which the age tool can write and read as well.
//!
//! Recipients and sealed blobs come from other nodes, so both are checked before `age` sees them: its encryption
//! ends the process when a recipient is a point of small order, and its header parser starts over on every line, so
//! a header of many lines would cost quadratic time.

use std::io::{self, Read};

use age::{DecryptError, Decryptor, Identity, x25519};
use bech32::Bech32;
use bech32::primitives::decode::CheckedHrpstring;
use zeroize::Zeroizing;

use crate::random;

/// Most bytes that are sealed at once. Documents are larger and take another path.
pub const PLAINTEXT_BYTES_MAX: usize = 1024 * 1024;

/// Most bytes in the header of a sealed blob: room for about a hundred recipients.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Most bytes of a sealed blob: header, nonce, and 16 bytes for every 64 KiB begun of plaintext.
pub const SEALED_BYTES_MAX: usize = PLAINTEXT_BYTES_MAX + HEADER_BYTES_MAX + 16 + 16 * 17;

/// Most characters of a wrong recipient that an error repeats.
const RECIPIENT_CHARS_MAX: usize = 80;

/// What the last line of an age header begins with.
pub(crate) const HEADER_END: &[u8] = b"\n---";

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The recipient is not a native age recipient, or one that nobody may seal to.
    #[error("not an age recipient: {text:?}: {reason}")]
    Recipient {
        /// What was given, cut to 80 characters and never a secret key.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are more bytes than may be sealed or opened at once.
    #[error("the {what} has {got} bytes, the limit is {limit}")]
    TooLarge {
        /// Plaintext, sealed blob, or its header.
        what: &'static str,
        /// Bytes that were given.
        got: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// It was sealed to other recipients.
    #[error("this was sealed to others, this node's key does not open it")]
    NotForUs,
    /// It is not an age file, or was changed on the way.
    #[error("the sealed blob is damaged: {0}")]
    Damaged(String),
    /// Sealing failed.
    #[error("sealing failed: {0}")]
    Seal(String),
    /// There is no randomness to seal with.
    #[error("sealing failed: {0}")]
    Random(#[from] random::Error),
}

impl Error {
    /// Whether the blob is sound but sealed to others.
    pub fn is_not_for_us(&self) -> bool {
        matches!(self, Self::NotForUs)
    }
}

/// Checks that `text` is a native age recipient (`age1…`) to which something can be sealed safely.
///
/// # Errors
/// [`Error::Recipient`] with the reason.
pub fn check_recipient(text: &str) -> Result<(), Error> {
    parse_recipient(text).map(drop)
}

/// Seals `plaintext` so that only the holder of the recipient's identity can read it.
///
/// # Errors
/// When the recipient is not usable or the plaintext is larger than [`PLAINTEXT_BYTES_MAX`].
pub fn seal_to(recipient: &str, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    check_size("plaintext", plaintext.len(), PLAINTEXT_BYTES_MAX)?;
    let recipient = parse_recipient(recipient)?;
    // `age` ends the process when there is no randomness; asking first turns that into an error.
    random::bytes::<16>()?;
    age::encrypt(&recipient, plaintext).map_err(|error| Error::Seal(error.to_string()))
}

/// Opens a sealed blob with an age identity.
pub(crate) fn open(identity: &x25519::Identity, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    check_size("sealed blob", sealed.len(), SEALED_BYTES_MAX)?;
    check_header(sealed)?;
    let decryptor = Decryptor::new_buffered(sealed).map_err(explain)?;
    let mut reader = decryptor.decrypt(std::iter::once(identity as &dyn Identity)).map_err(explain)?;
    // The plaintext is shorter than the blob, so the buffer never grows and leaves no unwiped copy behind.
    let mut plaintext = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plaintext).map_err(|error: io::Error| Error::Damaged(error.to_string()))?;
    Ok(plaintext)
}

pub(crate) fn check_size(what: &'static str, got: usize, limit: usize) -> Result<(), Error> {
    if got > limit { Err(Error::TooLarge { what, got, limit }) } else { Ok(()) }
}

/// Bounds the header before it is parsed.
pub(crate) fn check_header(sealed: &[u8]) -> Result<(), Error> {
    let head = &sealed[..sealed.len().min(HEADER_BYTES_MAX)];
    if head.windows(HEADER_END.len()).any(|window| window == HEADER_END) {
        return Ok(());
    }
    check_size("header of the sealed blob", sealed.len(), HEADER_BYTES_MAX)?;
    Err(Error::Damaged("the header has no end".to_owned()))
}

pub(crate) fn explain(error: DecryptError) -> Error {
    match error {
        DecryptError::NoMatchingKeys => Error::NotForUs,
        other => Error::Damaged(other.to_string()),
    }
}

pub(crate) fn parse_recipient(text: &str) -> Result<x25519::Recipient, Error> {
    let refuse = |reason| Error::Recipient { text: repeatable(text), reason };
    let recipient: x25519::Recipient = text.parse().map_err(refuse)?;
    let point = CheckedHrpstring::new::<Bech32>(text).map_err(|_| refuse("invalid Bech32 encoding"))?;
    let point: Vec<u8> = point.byte_iter().collect();
    let point: [u8; 32] = point.try_into().map_err(|_| refuse("incorrect pubkey length"))?;
    // A point of small order makes every shared secret zero, whatever the scalar, so any scalar finds it.
    if x25519_dalek::x25519([1; 32], point) == [0; 32] {
        return Err(refuse("a point of small order, to which anything sealed could be read by all"));
    }
    Ok(recipient)
}

/// What an error may repeat of a wrong recipient: people paste the secret half by mistake, and that must not end up
/// in a log.
fn repeatable(text: &str) -> String {
    if text.to_ascii_lowercase().contains("secret") {
        return "(an age identity, which is secret)".to_owned();
    }
    text.chars().take(RECIPIENT_CHARS_MAX).collect()
}
