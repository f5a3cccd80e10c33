//! The header of a document, made and read by the `age` library, and the file key inside it.
//!
//! The library keeps the file key to itself, so a recipient and an identity that only listen learn it on its way. What
//! the library checks stays checked: the form of the header, and its MAC before a file key is believed.

use std::cell::RefCell;
use std::io::{self, Read};

use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient, x25519};
use age_core::format::{FileKey, Stanza};
use zeroize::Zeroizing;

use super::pieces::{NONCE_BYTES, PieceKey};
use super::{Error, HEADER_BYTES_MAX, RECIPIENTS_MAX};
use crate::lean::{Listener, copy_of};
use crate::role::RoleSecret;
use crate::{random, seal};

/// What every age file begins with.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";

/// Bytes that are read at once until the end of the header is found.
const READ_BYTES: usize = 2 * 1024;

/// Makes a header for `recipients` and the nonce after it, and the key of the pieces that follow.
pub(super) fn make(recipients: &[String]) -> Result<(Vec<u8>, PieceKey), Error> {
    if recipients.len() > RECIPIENTS_MAX {
        return Err(Error::TooManyRecipients { got: recipients.len() });
    }
    let listen = |text: &String| Ok(Listener { recipient: seal::parse_recipient(text)?, heard: RefCell::default() });
    let listeners: Vec<Listener> = recipients.iter().map(listen).collect::<Result<_, seal::Error>>()?;
    // `age` ends the process when there is no randomness; asking first turns that into an error.
    random::bytes::<16>()?;
    let encryptor = Encryptor::with_recipients(listeners.iter().map(|listener| listener as &dyn Recipient));
    // There is one reason why native recipients could be refused: that there are none.
    let encryptor = encryptor.map_err(|_| Error::NoRecipient)?;
    let mut head = Vec::new();
    // Its stream is left alone: the pieces are made here.
    drop(encryptor.wrap_output(&mut head).map_err(Error::Write)?);
    let file_key = listeners.iter().find_map(|listener| listener.heard.take());
    let file_key = file_key.ok_or_else(|| Error::Cipher("the age library made no file key".to_owned()))?;
    let key = PieceKey::derive(&file_key, &head[head.len().saturating_sub(NONCE_BYTES)..])?;
    Ok((head, key))
}

/// Reads a header and the nonce after it; returns the key of the pieces, and what was read of them already.
pub(super) fn open(secrets: &[&RoleSecret], cipher: &mut impl Read) -> Result<(PieceKey, Vec<u8>), Error> {
    let (head, ahead) = read(cipher)?;
    let identities: Vec<Hearing<'_>> =
        secrets.iter().map(|secret| Hearing { identity: secret.identity(), heard: RefCell::default() }).collect();
    let decryptor = Decryptor::new_buffered(&head[..]).map_err(explain)?;
    // Its stream is left alone: the pieces are opened here. That there is one says that the MAC is right.
    drop(decryptor.decrypt(identities.iter().map(|identity| identity as &dyn Identity)).map_err(explain)?);
    let file_key = identities.iter().find_map(|identity| identity.heard.take()).ok_or(Error::NotForUs)?;
    Ok((PieceKey::derive(&file_key, &head[head.len() - NONCE_BYTES..])?, ahead))
}

/// Reads the header with its nonce, and what comes along with them. The header is bounded before `age` sees it: that
/// parses it anew with every line.
fn read(cipher: &mut impl Read) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let mut head = Vec::new();
    loop {
        if let Some(end) = end_of(&head) {
            let ahead = head.split_off(end);
            return Ok((head, ahead));
        }
        if !begins_well(&head) {
            return Err(Error::Damaged("this is no age file".to_owned()));
        }
        if head.len() >= HEADER_BYTES_MAX {
            return Err(Error::Damaged("the header is too long or has no end".to_owned()));
        }
        let length = head.len();
        head.resize(length + READ_BYTES, 0);
        let read = match cipher.read(&mut head[length..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Ok(0) => return Err(Error::CutShort),
            Ok(read) => read,
            Err(error) => return Err(Error::Read(error)),
        };
        head.truncate(length + read);
    }
}

/// Whether these are the first bytes of an age file, as far as they go.
fn begins_well(head: &[u8]) -> bool {
    let known = head.len().min(VERSION_LINE.len());
    head[..known] == VERSION_LINE[..known]
}

/// Where the nonce after the header ends, if all of it is there.
fn end_of(head: &[u8]) -> Option<usize> {
    let last_line = head.windows(seal::HEADER_END.len()).position(|window| window == seal::HEADER_END)? + 1;
    let line_end = head[last_line..].iter().position(|byte| *byte == b'\n')?;
    let end = last_line + line_end + 1 + NONCE_BYTES;
    (end <= head.len()).then_some(end)
}

fn explain(error: DecryptError) -> Error {
    match error {
        DecryptError::NoMatchingKeys => Error::NotForUs,
        other => Error::Damaged(other.to_string()),
    }
}

/// An identity that notes the file key while it passes by.
struct Hearing<'a> {
    identity: &'a x25519::Identity,
    heard: RefCell<Option<Zeroizing<Vec<u8>>>>,
}

impl Identity for Hearing<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        let unwrapped = self.identity.unwrap_stanza(stanza);
        if let Some(Ok(file_key)) = &unwrapped {
            self.heard.replace(Some(copy_of(file_key)));
        }
        unwrapped
    }
}
