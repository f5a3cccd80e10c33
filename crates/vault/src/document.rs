//! Documents: age files of any length, for several roles, made and opened piece by piece.
//!
//! A document may be larger than memory, so nothing here ever holds more than a few pieces of 64 KiB. What comes out
//! is a plain binary age file to X25519 recipients, as the age tool writes and reads it: whoever exports a role's key
//! needs no program of ours to open its documents.
//!
//! Each piece is authenticated by itself, and handed out before the next one is looked at. So [`decrypt`] and
//! [`Opening`] may have handed out the sound beginning of a document that turns out to be damaged or cut short further
//! on: whoever takes the plaintext must throw it away when the end is an error. What was handed out is never wrong.
//!
//! A document whose last piece is incomplete cannot be told from one whose last piece was changed; both are
//! [`Error::Damaged`]. One that ends between two pieces, or within its header, is [`Error::CutShort`].

use std::io::{self, BufReader, Chain, Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient};
use zeroize::Zeroizing;

use crate::role::RoleSecret;
use crate::{random, seal};

/// Most recipients of a document: with them a header stays within the bound for reading it.
pub const RECIPIENTS_MAX: usize = 128;

/// Most bytes in the header of a document.
pub const HEADER_BYTES_MAX: usize = seal::HEADER_BYTES_MAX;

/// Bytes of plaintext in every piece but the last.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that are read at once.
const READ_BYTES: usize = 4 * PIECE_BYTES;

/// Why a document cannot be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody could ever read it.
    #[error("a document needs a recipient")]
    NoRecipient,
    /// The header would be longer than readers accept.
    #[error("a document for {got} recipients, the limit is {RECIPIENTS_MAX}")]
    TooManyRecipients {
        /// How many there are.
        got: usize,
    },
    /// One of the recipients is none, or one that nobody may encrypt to.
    #[error(transparent)]
    Recipient(#[from] seal::Error),
    /// It is encrypted to others.
    #[error("the document is encrypted to others, none of the keys that were tried opens it")]
    NotForUs,
    /// It is no age file, or was changed.
    #[error("the document is damaged: {0}")]
    Damaged(String),
    /// It ends too early, between two pieces or within its header.
    #[error("the document is cut short")]
    CutShort,
    /// What it is read from failed.
    #[error("the document cannot be read: {0}")]
    Read(io::Error),
    /// What it is written to failed.
    #[error("the document cannot be written: {0}")]
    Write(io::Error),
    /// There is no randomness to encrypt with.
    #[error(transparent)]
    Random(#[from] random::Error),
}

impl Error {
    /// Whether the document is sound but encrypted to others.
    pub const fn is_not_for_us(&self) -> bool {
        matches!(self, Self::NotForUs)
    }

    /// Whether the document itself is not what was encrypted, so that another copy of it may help.
    pub const fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::CutShort)
    }

    /// What the source or the destination said, if one of them failed.
    pub const fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Read(error) | Self::Write(error) => Some(error),
            _ => None,
        }
    }
}

/// Encrypts everything that `plain` gives to every one of `recipients` (`age1…`); returns how many bytes that were.
///
/// # Errors
/// When a recipient is not usable, and when reading or writing fails.
pub fn encrypt<W: Write>(recipients: &[String], mut plain: impl Read, out: W) -> Result<u64, Error> {
    let mut sealing = Sealing::new(recipients, out)?;
    let mut bytes = Zeroizing::new(vec![0; PIECE_BYTES]);
    loop {
        match plain.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => sealing.write_all(&bytes[..read]).map_err(Error::Write)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Read(error)),
        }
    }
    let written = sealing.written();
    sealing.finish()?;
    Ok(written)
}

/// Decrypts a document with whichever of `secrets` opens it; returns how many bytes of plaintext were written.
///
/// # Errors
/// [`Error`] with what is wrong. What was written until then is a sound beginning, see the module.
pub fn decrypt<W: Write>(secrets: &[&RoleSecret], cipher: impl Read, mut out: W) -> Result<u64, Error> {
    let mut opening = Opening::new(secrets, cipher)?;
    let mut bytes = Zeroizing::new(vec![0; PIECE_BYTES]);
    let mut written = 0;
    loop {
        match opening.next(&mut bytes)? {
            0 => return Ok(written),
            read => out.write_all(&bytes[..read]).map_err(Error::Write)?,
        }
        written = opening.read_bytes();
    }
}

/// A document that is being encrypted. Without [`Sealing::finish`] what was written is no document.
pub struct Sealing<W: Write> {
    stream: StreamWriter<W>,
    written: u64,
}

impl<W: Write> std::fmt::Debug for Sealing<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealing").field("written", &self.written).finish_non_exhaustive()
    }
}

impl<W: Write> Sealing<W> {
    /// Begins a document for `recipients` (`age1…`): writes its header to `out`.
    ///
    /// # Errors
    /// When a recipient is not usable, and when writing fails.
    pub fn new(recipients: &[String], out: W) -> Result<Self, Error> {
        if recipients.len() > RECIPIENTS_MAX {
            return Err(Error::TooManyRecipients { got: recipients.len() });
        }
        let recipients: Vec<_> =
            recipients.iter().map(|text| seal::parse_recipient(text)).collect::<Result<_, seal::Error>>()?;
        // `age` ends the process when there is no randomness; asking first turns that into an error.
        random::bytes::<16>()?;
        let encryptor = Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn Recipient));
        // There is one reason why native recipients could be refused: that there are none.
        let encryptor = encryptor.map_err(|_| Error::NoRecipient)?;
        let stream = encryptor.wrap_output(out).map_err(Error::Write)?;
        Ok(Self { stream, written: 0 })
    }

    /// Bytes of plaintext that were taken.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Ends the document and hands back what it was written to.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> Result<W, Error> {
        self.stream.finish().map_err(Error::Write)
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.stream.write(bytes)?;
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A document that is being decrypted.
pub struct Opening<R: Read> {
    stream: StreamReader<Head<R>>,
    /// What the source said when it failed, to tell its failures from those of the document.
    failed: Failure,
    read_bytes: u64,
}

/// Where the source leaves its error.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    fn put(&self, error: io::Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(error);
    }

    fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The header, which was read ahead, and the rest.
type Head<R> = Chain<Cursor<Vec<u8>>, BufReader<Source<R>>>;

impl<R: Read> std::fmt::Debug for Opening<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").field("read_bytes", &self.read_bytes).finish_non_exhaustive()
    }
}

impl<R: Read> Opening<R> {
    /// Reads the header of a document and finds the one of `secrets` that opens it.
    ///
    /// # Errors
    /// [`Error::NotForUs`] when none does, and whatever else is wrong with the header.
    pub fn new(secrets: &[&RoleSecret], cipher: R) -> Result<Self, Error> {
        let failed = Failure::default();
        let mut source = Source { inner: cipher, failed: failed.clone() };
        let head = read_head(&mut source)?;
        let input = Cursor::new(head).chain(BufReader::with_capacity(READ_BYTES, source));
        let decryptor = Decryptor::new_buffered(input).map_err(|error| explain(error, &failed))?;
        let identities = secrets.iter().map(|secret| secret.identity() as &dyn Identity);
        let stream = decryptor.decrypt(identities).map_err(|error| explain(error, &failed))?;
        Ok(Self { stream, failed, read_bytes: 0 })
    }

    /// Bytes of plaintext that were handed out.
    pub const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Fills some of `bytes` with plaintext; 0 at the end of a sound document.
    ///
    /// # Errors
    /// [`Error`] with what is wrong.
    pub fn next(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        let read = self.stream.read(bytes).map_err(|error| match self.failed.take() {
            Some(failure) => Error::Read(failure),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Error::CutShort,
            None => Error::Damaged(error.to_string()),
        })?;
        self.read_bytes += read as u64;
        Ok(read)
    }
}

impl<R: Read> Read for Opening<R> {
    /// As [`Opening::next`], whose error is inside the one that this returns.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.next(bytes).map_err(|error| match error {
            Error::Read(error) => error,
            error if error.is_damaged() => io::Error::new(io::ErrorKind::InvalidData, error),
            error => io::Error::other(error),
        })
    }
}

/// Reads until the header must be complete, or nothing more comes: `age` parses a header anew with every line, so it
/// is bounded before it is shown to it.
fn read_head<R: Read>(source: &mut Source<R>) -> Result<Vec<u8>, Error> {
    let mut head = vec![0; HEADER_BYTES_MAX];
    let mut length = 0;
    while length < head.len() && !has_end(&head[..length]) {
        match source.read(&mut head[length..]) {
            Ok(0) => {
                head.truncate(length);
                return if begins_well(&head) { Err(Error::CutShort) } else { Err(no_document()) };
            }
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Read(source.failed.take().unwrap_or(error))),
        }
        if !begins_well(&head[..length]) {
            return Err(no_document());
        }
    }
    head.truncate(length);
    if has_end(&head) { Ok(head) } else { Err(Error::Damaged("the header is too long or has no end".to_owned())) }
}

/// What every age file begins with.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";

/// Whether these are the first bytes of an age file, as far as they go.
fn begins_well(head: &[u8]) -> bool {
    let known = head.len().min(VERSION_LINE.len());
    head[..known] == VERSION_LINE[..known]
}

/// Whether the last line of a header begins within these bytes.
fn has_end(head: &[u8]) -> bool {
    head.windows(seal::HEADER_END.len()).any(|window| window == seal::HEADER_END)
}

fn no_document() -> Error {
    Error::Damaged("this is no age file".to_owned())
}

fn explain(error: DecryptError, failed: &Failure) -> Error {
    match (error, failed.take()) {
        (_, Some(failure)) => Error::Read(failure),
        (DecryptError::NoMatchingKeys, None) => Error::NotForUs,
        (DecryptError::Io(error), None) if error.kind() == io::ErrorKind::UnexpectedEof => Error::CutShort,
        (other, None) => Error::Damaged(other.to_string()),
    }
}

/// Keeps the errors of what it reads from.
struct Source<R> {
    inner: R,
    failed: Failure,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.inner.read(bytes).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let copy = io::Error::from(error.kind());
            self.failed.put(error);
            copy
        })
    }
}
