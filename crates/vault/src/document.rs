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

//! # Why not through the library
//! `age` makes and reads the headers, which is where keys are agreed on. The pieces are encrypted here, exactly as the
//! format says: the library takes 2.2 times as long for them, in a cipher without assembly and in wiping and allocating a
//! buffer for each piece, and with two hashes beside it a document would take twice as long as with the age tool.

mod head;
mod pieces;

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use crate::role::RoleSecret;
use crate::{random, seal};
use pieces::{Last, PIECE_BYTES, PieceKey, SEALED_PIECE_BYTES, TAG_BYTES};

/// Most recipients of a document: with them a header stays within the bound for reading it.
pub const RECIPIENTS_MAX: usize = 128;

/// Most bytes in the header of a document.
pub const HEADER_BYTES_MAX: usize = seal::HEADER_BYTES_MAX;

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
    /// The cipher refuses, which it never should.
    #[error("the document cannot be encrypted: {0}")]
    Cipher(String),
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
            Ok(read) => sealing.push(&bytes[..read])?,
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
    while opening.open_piece()? {
        let piece = opening.rest();
        out.write_all(piece).map_err(Error::Write)?;
        let length = piece.len();
        opening.hand_out(length);
    }
    Ok(opening.read_bytes())
}

/// A document that is being encrypted. Without [`Sealing::finish`] what was written is no document.
pub struct Sealing<W: Write> {
    out: W,
    key: PieceKey,
    /// The piece that is being filled; there is room for its tag.
    piece: Zeroizing<Vec<u8>>,
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
    pub fn new(recipients: &[String], mut out: W) -> Result<Self, Error> {
        let (head, key) = head::make(recipients)?;
        out.write_all(&head).map_err(Error::Write)?;
        Ok(Self { out, key, piece: Zeroizing::new(Vec::with_capacity(SEALED_PIECE_BYTES)), written: 0 })
    }

    /// Bytes of plaintext that were taken.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Takes more of the plaintext.
    ///
    /// # Errors
    /// When writing fails. Then the document cannot be finished.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            // The last piece of a document is marked as such, so a full one waits until more comes.
            if self.piece.len() == PIECE_BYTES {
                self.pass_on(Last::No)?;
            }
            let (fits, more) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.piece.len()));
            self.piece.extend_from_slice(fits);
            self.written += fits.len() as u64;
            bytes = more;
        }
        Ok(())
    }

    /// Ends the document and hands back what it was written to.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.pass_on(Last::Yes)?;
        Ok(self.out)
    }

    fn pass_on(&mut self, last: Last) -> Result<(), Error> {
        let tag = self.key.seal(&mut self.piece, last)?;
        self.piece.extend_from_slice(&tag);
        let written = self.out.write_all(&self.piece).map_err(Error::Write);
        self.piece.clear();
        written
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A document that is being decrypted.
pub struct Opening<R: Read> {
    cipher: R,
    key: PieceKey,
    /// What was read: a piece and one byte of the next, which tells that it is not the last. The piece is opened here.
    bytes: Zeroizing<Vec<u8>>,
    /// How much of `bytes` was read from the source.
    held: usize,
    /// Where the plaintext of the piece that is being handed out begins and ends.
    at: usize,
    end: usize,
    state: State,
    read_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    First,
    More,
    Ended,
    Failed,
}

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
    pub fn new(secrets: &[&RoleSecret], mut cipher: R) -> Result<Self, Error> {
        let (key, ahead) = head::open(secrets, &mut cipher)?;
        let mut bytes = Zeroizing::new(vec![0; (SEALED_PIECE_BYTES + 1).max(ahead.len())]);
        bytes[..ahead.len()].copy_from_slice(&ahead);
        Ok(Self { cipher, key, bytes, held: ahead.len(), at: 0, end: 0, state: State::First, read_bytes: 0 })
    }

    /// Bytes of plaintext that were handed out.
    pub const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Fills some of `bytes` with plaintext; 0 at the end of a sound document.
    ///
    /// # Errors
    /// [`Error`] with what is wrong.
    pub fn pull(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        if bytes.is_empty() || (self.at == self.end && !self.open_piece()?) {
            return Ok(0);
        }
        let read = self.rest().len().min(bytes.len());
        bytes[..read].copy_from_slice(&self.rest()[..read]);
        self.hand_out(read);
        Ok(read)
    }

    /// What is left of the piece that was opened last.
    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..self.end]
    }

    fn hand_out(&mut self, read: usize) {
        self.at += read;
        self.read_bytes += read as u64;
    }

    /// Opens the next piece; says whether there was one with something in it.
    fn open_piece(&mut self) -> Result<bool, Error> {
        let first = match self.state {
            State::Ended => return Ok(false),
            State::Failed => return Err(Error::Damaged("it could not be opened before".to_owned())),
            State::First => true,
            State::More => false,
        };
        self.state = State::Failed;
        if !first {
            // The byte that was read ahead begins this piece.
            self.bytes.copy_within(SEALED_PIECE_BYTES..self.held, 0);
            self.held -= SEALED_PIECE_BYTES;
        }
        self.fill()?;
        if self.held > SEALED_PIECE_BYTES {
            self.end = self.key.open(&mut self.bytes[..SEALED_PIECE_BYTES], Last::No)?;
            self.state = State::More;
        } else {
            self.end = self.open_last(first)?;
            self.state = State::Ended;
        }
        self.at = 0;
        Ok(self.end > 0)
    }

    fn open_last(&mut self, first: bool) -> Result<usize, Error> {
        if first && self.held == 0 {
            return Err(Error::CutShort);
        }
        if self.held == TAG_BYTES && !first {
            return Err(Error::Damaged("an empty piece follows others".to_owned()));
        }
        // A full piece that is not the last one shows that the document went on behind it.
        let full = (self.held == SEALED_PIECE_BYTES).then(|| Zeroizing::new(self.bytes[..self.held].to_vec()));
        let number = self.key.number();
        let opened = self.key.open(&mut self.bytes[..self.held], Last::Yes);
        match (opened, full) {
            (Err(error), Some(mut piece)) => {
                let went_on = self.key.open_at(number, &mut piece, Last::No).is_ok();
                Err(if went_on { Error::CutShort } else { error })
            }
            (opened, _) => opened,
        }
    }

    /// Reads until a piece and one more byte are held, or nothing more comes.
    fn fill(&mut self) -> Result<(), Error> {
        while self.held <= SEALED_PIECE_BYTES {
            match self.cipher.read(&mut self.bytes[self.held..=SEALED_PIECE_BYTES]) {
                Ok(0) => break,
                Ok(read) => self.held += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Read(error)),
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Opening<R> {
    /// As [`Opening::pull`], whose error is inside the one that this returns.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(self.pull(bytes)?)
    }
}

impl From<Error> for io::Error {
    /// Failures of the source or the destination as they were, everything else inside.
    fn from(error: Error) -> Self {
        match error {
            Error::Read(error) | Error::Write(error) => error,
            error if error.is_damaged() => Self::new(io::ErrorKind::InvalidData, error),
            error => Self::other(error),
        }
    }
}
