//! Age files to one recipient without the random filler that the library adds.
//!
//! The library appends a stanza of random length to every header ("grease"), so that readers do not come to rely on
//! headers without strangers in them. For a document that costs nothing; a charter record carries a wrapped key for
//! every member of a role, and there the filler would make up a third of it and blur how many wraps fit. It cannot be
//! switched off, and the header's MAC covers it. So a recipient that only listens learns the file key, the filler is
//! cut out, and the MAC is made again as the format says: HMAC-SHA256 of the header up to and including `---`, under
//! HKDF-SHA256(file key, "header"). The recipient's stanza and the payload stay as the library wrote them; what comes
//! out is an ordinary age file, as the stock tool writes them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Write;

use age::secrecy::ExposeSecret;
use age::{EncryptError, Encryptor, Recipient, x25519};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use data_encoding::BASE64_NOPAD;
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::random;
use crate::seal::{self, Error, parse_recipient};

/// HKDF info of the key that authenticates a header, as the age format names it.
const HEADER_INFO: &[u8] = b"header";

/// Lines of the header before the filler: the version, and the recipient's stanza of two lines.
const HEADER_LINES: usize = 3;

/// What stands before the MAC in the last line of a header.
const MAC_TAG: &[u8] = b"---";

/// Bytes of a whole lean file around its plaintext of at most 64 KiB: version line, stanza, MAC line, nonce, tag.
pub(crate) const OVERHEAD_BYTES: usize = 22 + (10 + 43 + 1) + (43 + 1) + (4 + 43 + 1) + 16 + 16;

/// Seals a small plaintext into a file of exactly [`OVERHEAD_BYTES`] more.
pub(crate) fn seal_to(recipient: &str, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
    seal::check_size("plaintext", plaintext.len(), seal::PLAINTEXT_BYTES_MAX)?;
    let listener = Listener { recipient: parse_recipient(recipient)?, heard: RefCell::default() };
    // `age` ends the process when there is no randomness; asking first turns that into an error.
    random::bytes::<16>()?;
    let greased = encrypt(&listener, plaintext).map_err(|reason| Error::Seal(reason.to_string()))?;
    let file_key = listener.heard.take().ok_or_else(|| unexpected("no file key"))?;
    cut_filler(&greased, &file_key)
}

fn encrypt(recipient: &Listener, plaintext: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let encryptor = Encryptor::with_recipients(std::iter::once(recipient as &dyn Recipient))?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed)?;
    writer.write_all(plaintext)?;
    writer.finish()?;
    Ok(sealed)
}

fn cut_filler(greased: &[u8], file_key: &[u8]) -> Result<Vec<u8>, Error> {
    let mut lines = greased.split_inclusive(|byte| *byte == b'\n');
    let mut sealed = lines.by_ref().take(HEADER_LINES).collect::<Vec<_>>().concat();
    let filler = lines.by_ref().take_while(|line| !line.starts_with(MAC_TAG));
    let payload = sealed.len() + filler.map(<[u8]>::len).sum::<usize>() + MAC_TAG.len() + 1 + 43 + 1;
    let payload = greased.get(payload..).ok_or_else(|| unexpected("the header has no end"))?;
    sealed.extend_from_slice(MAC_TAG);
    let mac = mac_of(&sealed, file_key)?;
    sealed.push(b' ');
    sealed.extend_from_slice(BASE64_NOPAD.encode(&mac).as_bytes());
    sealed.push(b'\n');
    sealed.extend_from_slice(payload);
    Ok(sealed)
}

fn mac_of(header: &[u8], file_key: &[u8]) -> Result<[u8; 32], Error> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, file_key).expand(HEADER_INFO, key.as_mut_slice());
    expanded.map_err(|error| Error::Seal(error.to_string()))?;
    let mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).map_err(|error| Error::Seal(error.to_string()))?;
    Ok(mac.chain_update(header).finalize().into_bytes().into())
}

fn unexpected(what: &str) -> Error {
    Error::Seal(format!("the age library wrote {what}"))
}

/// A recipient that notes the file key while it passes by.
pub(crate) struct Listener {
    pub(crate) recipient: x25519::Recipient,
    pub(crate) heard: RefCell<Option<Zeroizing<Vec<u8>>>>,
}

impl Recipient for Listener {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        self.heard.replace(Some(copy_of(file_key)));
        self.recipient.wrap_file_key(file_key)
    }
}

/// A copy of a file key that is wiped when dropped.
pub(crate) fn copy_of(file_key: &FileKey) -> Zeroizing<Vec<u8>> {
    let mut copy = Zeroizing::new(Vec::with_capacity(FILE_KEY_BYTES));
    copy.extend_from_slice(file_key.expose_secret());
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lean_file_is_always_as_long_and_the_age_library_opens_it() {
        let bob = x25519::Identity::generate();
        for length in [0, 1, 48, 65_536] {
            let plaintext = vec![7; length];
            for _ in 0..20 {
                let sealed = seal_to(&bob.to_public().to_string(), &plaintext).unwrap();
                assert_eq!(sealed.len(), length + OVERHEAD_BYTES);
                assert_eq!(age::decrypt(&bob, &sealed).unwrap(), plaintext);
            }
        }
    }

    #[test]
    fn a_changed_header_is_still_found() {
        let bob = x25519::Identity::generate();
        let sealed = seal_to(&bob.to_public().to_string(), b"key").unwrap();
        let text = String::from_utf8_lossy(&sealed[..OVERHEAD_BYTES - 32]).into_owned();
        assert_eq!(text.matches("-> ").count(), 1, "{text}");
        let stranger = [b"-> other\n\n---", &sealed[..0]].concat();
        let at = text.find("---").unwrap();
        let changed = [&sealed[..at], &stranger, &sealed[at + 3..]].concat();
        assert!(age::decrypt(&bob, &changed).is_err());
    }
}
