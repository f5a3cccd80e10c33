//! Age files whose randomness comes from the seed.
//!
//! The vault asks the system for randomness, as it must; wraps stand in charter records, so with the system's in them
//! no world would be the same twice. Here they are written by the words of the age format instead, with randomness
//! that is given. The vault's own code opens them, which shows that it reads what it did not write.

use bech32::{Bech32, Hrp};
use chacha20poly1305::aead::{Aead, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use data_encoding::BASE64_NOPAD;
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;

use crate::failure::{Broken, Law, Step};
use crate::random::Random;

/// How human-readable age recipients begin.
const RECIPIENT_PREFIX: &str = "age";
/// Bytes of a piece of a document; the last may have fewer.
const PIECE_BYTES: usize = 64 * 1024;
/// What stands before the secret in a wrap, as the vault names it.
pub(crate) const WRAP_KIND: &[u8] = b"antiphon/wrap/1\n";
/// What stands before the secret of an older key.
pub(crate) const PREVIOUS_KIND: &[u8] = b"antiphon/prev/1\n";

/// A fresh X25519 secret in its one form.
pub(crate) fn secret(random: &mut Random) -> [u8; 32] {
    let mut secret: [u8; 32] = random.bytes();
    secret[0] &= 0b1111_1000;
    secret[31] = (secret[31] & 0b0111_1111) | 0b0100_0000;
    secret
}

/// The recipient of a secret.
pub(crate) fn recipient(secret: [u8; 32]) -> Step<String> {
    let public = x25519_dalek::x25519(secret, x25519_dalek::X25519_BASEPOINT_BYTES);
    let prefix = Hrp::parse(RECIPIENT_PREFIX).map_err(broken)?;
    bech32::encode::<Bech32>(prefix, &public).map_err(broken)
}

/// Seals the secret of a role key, of one of the two kinds, to a recipient.
pub(crate) fn seal_secret(kind: &[u8], secret: [u8; 32], to: &str, random: &mut Random) -> Step<Vec<u8>> {
    seal(to, &[kind, &secret].concat(), random)
}

/// Seals any bytes to a recipient.
pub(crate) fn seal_bytes(to: &str, plaintext: &[u8], random: &mut Random) -> Step<Vec<u8>> {
    seal(to, plaintext, random)
}

fn seal(to: &str, plaintext: &[u8], random: &mut Random) -> Step<Vec<u8>> {
    seal_to(std::slice::from_ref(&to), plaintext, random)
}

/// Encrypts a document to recipients: an age file, as the vault makes and opens them.
pub(crate) fn seal_to(to: &[&str], plaintext: &[u8], random: &mut Random) -> Step<Vec<u8>> {
    let (file_key, nonce): ([u8; 16], [u8; 16]) = (random.bytes(), random.bytes());
    let mut header = String::from("age-encryption.org/v1\n");
    for recipient in to {
        header += &stanza(recipient, &file_key, random)?;
    }
    header += "---";
    let mac = Hmac::<Sha256>::new_from_slice(&derive(&file_key, &[], b"header")?).map_err(broken)?;
    let mac = mac.chain_update(header.as_bytes()).finalize().into_bytes();
    let header = format!("{header} {}\n", BASE64_NOPAD.encode(&mac));
    let mut sealed = [header.as_bytes(), &nonce].concat();
    let key = derive(&file_key, &nonce, b"payload")?;
    // A document of no bytes has one piece of none.
    let pieces: Vec<&[u8]> = if plaintext.is_empty() { vec![&[]] } else { plaintext.chunks(PIECE_BYTES).collect() };
    for (n, piece) in pieces.iter().enumerate() {
        let mut counter = [0; 12];
        counter[3..11].copy_from_slice(&(n as u64).to_be_bytes());
        counter[11] = u8::from(n + 1 == pieces.len());
        sealed.extend(encrypt(&key, &counter, piece)?);
    }
    Ok(sealed)
}

/// The part of a header from which one recipient learns the key of a file.
fn stanza(to: &str, file_key: &[u8; 16], random: &mut Random) -> Step<String> {
    let (_, public) = bech32::decode(to).map_err(broken)?;
    let public: [u8; 32] = public.try_into().map_err(|_| broken("not an age recipient"))?;
    let ephemeral = secret(random);
    let share = x25519_dalek::x25519(ephemeral, x25519_dalek::X25519_BASEPOINT_BYTES);
    let shared = x25519_dalek::x25519(ephemeral, public);
    let wrapping = derive(&shared, &[share, public].concat(), b"age-encryption.org/v1/X25519")?;
    let body = encrypt(&wrapping, &[0; 12], file_key)?;
    Ok(format!("-> X25519 {}\n{}\n", BASE64_NOPAD.encode(&share), BASE64_NOPAD.encode(&body)))
}

fn derive(key: &[u8], salt: &[u8], info: &[u8]) -> Step<[u8; 32]> {
    let mut derived = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), key).expand(info, &mut derived).map_err(broken)?;
    Ok(derived)
}

fn encrypt(key: &[u8; 32], nonce: &[u8; 12], plaintext: &[u8]) -> Step<Vec<u8>> {
    let cipher = ChaCha20Poly1305::new(Key::from_slice(key));
    cipher.encrypt(Nonce::from_slice(nonce), plaintext).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> Broken {
    Broken(Law::StoreWorks, format!("the simulator cannot seal: {error}"))
}

#[cfg(test)]
mod tests {
    use antiphon_vault::{NodeKey, Phrase, RoleSecret};

    use super::*;

    #[test]
    fn the_vault_opens_what_the_seed_sealed() {
        let mut random = Random::new(1);
        let bob = NodeKey::from_phrase(&Phrase::from_entropy(&[1; 32]).unwrap()).unwrap();
        let (old, new) = (secret(&mut random), secret(&mut random));
        let wrap = seal_secret(WRAP_KIND, new, &bob.age_recipient(), &mut random).unwrap();
        let opened = RoleSecret::unwrap(&bob, &wrap, &recipient(new).unwrap()).unwrap();
        let previous = seal_secret(PREVIOUS_KIND, old, &opened.recipient(), &mut random).unwrap();
        let older = opened.open_previous(&previous, &recipient(old).unwrap()).unwrap();
        assert_eq!(older.recipient(), recipient(old).unwrap());
        assert_eq!(wrap.len(), antiphon_vault::role::WRAP_BYTES_MAX);
        for len in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let sealed = seal_bytes(&bob.age_recipient(), &vec![7; len], &mut random).unwrap();
            assert_eq!(bob.open_sealed(&sealed).unwrap().len(), len);
        }
    }

    #[test]
    fn the_vault_opens_documents_of_any_length_with_each_of_their_keys() {
        let mut random = Random::new(2);
        let bob = NodeKey::from_phrase(&Phrase::from_entropy(&[1; 32]).unwrap()).unwrap();
        let mut role = || {
            let bytes = secret(&mut random);
            let recipient = recipient(bytes).unwrap();
            let wrap = seal_secret(WRAP_KIND, bytes, &bob.age_recipient(), &mut random).unwrap();
            RoleSecret::unwrap(&bob, &wrap, &recipient).unwrap()
        };
        let (one, two, other) = (role(), role(), role());
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES] {
            let plain = vec![7; length];
            let sealed = seal_to(&[&one.recipient(), &two.recipient()], &plain, &mut Random::new(3)).unwrap();
            for key in [&one, &two] {
                let mut opened = Vec::new();
                antiphon_vault::document::decrypt(&[key], sealed.as_slice(), &mut opened).unwrap();
                assert_eq!(opened, plain);
            }
            let refused = antiphon_vault::document::decrypt(&[&other], sealed.as_slice(), Vec::new()).unwrap_err();
            assert!(refused.is_not_for_us());
        }
    }
}
