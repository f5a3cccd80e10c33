//! Documents: age files of any length for several roles.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use antiphon_vault::RoleSecret;
use antiphon_vault::document::{self, Error, Opening, RECIPIENTS_MAX, Sealing};
use proptest::prelude::*;

const PIECE: usize = 64 * 1024;

fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..len).map(next).collect()
}

fn role() -> RoleSecret {
    RoleSecret::generate().unwrap()
}

fn recipients(roles: &[&RoleSecret]) -> Vec<String> {
    roles.iter().map(|role| role.recipient()).collect()
}

fn sealed(roles: &[&RoleSecret], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(document::encrypt(&recipients(roles), plain, &mut out).unwrap(), plain.len() as u64);
    out
}

fn opened(roles: &[&RoleSecret], cipher: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let read = document::decrypt(roles, cipher, &mut out)?;
    assert_eq!(read, out.len() as u64);
    Ok(out)
}

/// Where the first piece begins: after the header and the nonce.
fn body(cipher: &[u8]) -> usize {
    let end = cipher.windows(4).position(|window| window == b"\n---").unwrap();
    end + 1 + 3 + 1 + 43 + 1 + 16
}

#[test]
fn every_role_that_may_read_a_document_reads_it_and_no_other_does() {
    let (alice, bob, eve) = (role(), role(), role());
    for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7] {
        let plain = bytes(len);
        let cipher = sealed(&[&alice, &bob], &plain);
        assert_eq!(opened(&[&alice], &cipher).unwrap(), plain, "{len}");
        assert_eq!(opened(&[&eve, &bob], &cipher).unwrap(), plain, "{len}");
        assert!(opened(&[&eve], &cipher).unwrap_err().is_not_for_us());
        assert!(opened(&[], &cipher).unwrap_err().is_not_for_us());
    }
}

#[test]
fn a_document_may_be_pushed_and_pulled_in_pieces_of_any_length() {
    let alice = role();
    let plain = bytes(200_000);
    let mut sealing = Sealing::new(&recipients(&[&alice]), Vec::new()).unwrap();
    for piece in plain.chunks(777) {
        sealing.write_all(piece).unwrap();
    }
    assert_eq!(sealing.written(), 200_000);
    let cipher = sealing.finish().unwrap();
    let mut opening = Opening::new(&[&alice], &cipher[..]).unwrap();
    let (mut back, mut some) = (Vec::new(), [0; 333]);
    loop {
        let read = opening.read(&mut some).unwrap();
        if read == 0 {
            break;
        }
        back.extend_from_slice(&some[..read]);
    }
    assert_eq!((back, opening.read_bytes()), (plain, 200_000));
}

#[test]
fn a_document_needs_recipients_that_are_some() {
    let alice = role();
    let begin = |recipients: &[String]| Sealing::new(recipients, io::sink()).unwrap_err();
    assert!(matches!(begin(&[]), Error::NoRecipient));
    assert!(matches!(begin(&["age1nobody".to_owned()]), Error::Recipient(_)));
    let many = vec![alice.recipient(); RECIPIENTS_MAX + 1];
    assert!(matches!(begin(&many), Error::TooManyRecipients { got } if got == RECIPIENTS_MAX + 1));
    let mut cipher = Vec::new();
    document::encrypt(&many[1..], &b"for many"[..], &mut cipher).unwrap();
    assert_eq!(opened(&[&alice], &cipher).unwrap(), b"for many");
}

#[test]
fn what_is_cut_short_is_told_from_what_is_damaged() {
    let alice = role();
    let cipher = sealed(&[&alice], &bytes(2 * PIECE + 5));
    let body = body(&cipher);
    let cut = |len: usize| opened(&[&alice], &cipher[..len]).unwrap_err();
    for len in [0, 5, 22, 80, body - 17, body - 1, body, body + PIECE + 16, body + 2 * (PIECE + 16)] {
        assert!(matches!(cut(len), Error::CutShort), "{len}: {}", cut(len));
    }
    for len in [body + 1, body + PIECE, cipher.len() - 1] {
        assert!(matches!(cut(len), Error::Damaged(_)), "{len}: {}", cut(len));
    }
    assert!(matches!(opened(&[&alice], b"nothing of the kind"), Err(Error::Damaged(_))));
    let endless = [b"age-encryption.org/v1\n".as_slice(), &b"-> X25519 a\n".repeat(10_000)].concat();
    assert!(matches!(opened(&[&alice], &endless), Err(Error::Damaged(_))));
    let longer = [cipher.as_slice(), b"and more"].concat();
    assert!(matches!(opened(&[&alice], &longer), Err(Error::Damaged(_))));
}

#[test]
fn what_a_damaged_document_hands_out_is_a_sound_beginning() {
    let alice = role();
    let plain = bytes(3 * PIECE);
    let mut cipher = sealed(&[&alice], &plain);
    let at = body(&cipher) + PIECE + 16 + 9;
    cipher[at] ^= 1;
    let mut out = Vec::new();
    assert!(document::decrypt(&[&alice], &cipher[..], &mut out).unwrap_err().is_damaged());
    assert_eq!(out, plain[..PIECE]);
}

#[test]
fn whoever_fails_is_named() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is out"))
        }
    }
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let alice = role();
    let to = recipients(&[&alice]);
    let cipher = sealed(&[&alice], &bytes(2 * PIECE));
    let said = |error: Error| (matches!(error, Error::Read(_)), error.io().map(ToString::to_string));
    let cable = (true, Some("the cable is out".to_owned()));
    assert_eq!(said(document::encrypt(&to, Failing, io::sink()).unwrap_err()), cable);
    for good in [0, 30, cipher.len() - 3] {
        let source = cipher[..good].chain(Failing);
        assert_eq!(said(document::decrypt(&[&alice], source, io::sink()).unwrap_err()), cable, "{good}");
    }
    assert!(matches!(document::encrypt(&to, &b"x"[..], Full), Err(Error::Write(_))));
    assert!(matches!(document::decrypt(&[&alice], &cipher[..], Full), Err(Error::Write(_))));
}

#[test]
fn documents_may_be_made_and_opened_on_any_thread() {
    const fn on_any_thread<T: Send>() {}
    on_any_thread::<Sealing<Vec<u8>>>();
    on_any_thread::<Opening<fs::File>>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_sealed_opens_to_the_same(len in 0..5 * PIECE, others in 0_usize..5) {
        let roles: Vec<RoleSecret> = (0..=others).map(|_| role()).collect();
        let cipher = sealed(&roles.iter().collect::<Vec<_>>(), &bytes(len));
        prop_assert_eq!(opened(&[&roles[others]], &cipher).unwrap(), bytes(len));
    }

    #[test]
    fn a_bit_that_changed_anywhere_is_found(len in 0..3 * PIECE, place in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let alice = role();
        let mut cipher = sealed(&[&alice], &bytes(len));
        let at = place.index(cipher.len());
        cipher[at] ^= 1_u8 << bit;
        prop_assert!(opened(&[&alice], &cipher).is_err());
    }

    #[test]
    fn a_document_that_ends_early_is_found(len in 0..3 * PIECE, place in any::<prop::sample::Index>()) {
        let alice = role();
        let cipher = sealed(&[&alice], &bytes(len));
        prop_assert!(opened(&[&alice], &cipher[..place.index(cipher.len())]).is_err());
    }
}

/// Whether the age tool can be run here.
fn age_is_here() -> bool {
    let found = Command::new("age").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        eprintln!("skipped: the age tool is not installed here");
    }
    found.is_ok()
}

fn key_file(dir: &Path, name: &str, role: &RoleSecret) -> std::path::PathBuf {
    let path = dir.join(name);
    fs::write(&path, role.expose_age_identity().as_bytes()).unwrap();
    path
}

#[test]
fn the_age_tool_opens_what_we_make() {
    if !age_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (alice, bob, eve) = (role(), role(), role());
    for len in [0, 5, PIECE, 5 * PIECE + 3] {
        let plain = bytes(len);
        let cipher = dir.path().join("document.age");
        fs::write(&cipher, sealed(&[&alice, &bob], &plain)).unwrap();
        for (name, role, may) in [("alice", &alice, true), ("bob", &bob, true), ("eve", &eve, false)] {
            let key = key_file(dir.path(), name, role);
            let out = Command::new("age").args(["-d", "-i"]).arg(key).arg(&cipher).output().unwrap();
            assert_eq!(out.status.success(), may, "{}", String::from_utf8_lossy(&out.stderr));
            assert!(!may || out.stdout == plain, "{len}");
        }
    }
}

#[test]
fn we_open_what_the_age_tool_makes() {
    if !age_is_here() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (alice, bob, eve) = (role(), role(), role());
    for len in [0, 5, PIECE, 5 * PIECE + 3] {
        let (plain, cipher) = (dir.path().join("plain"), dir.path().join("document.age"));
        fs::write(&plain, bytes(len)).unwrap();
        let to = [&alice, &bob].map(RoleSecret::recipient);
        let made = Command::new("age").args(["-r", &to[0], "-r", &to[1], "-o"]).arg(&cipher).arg(&plain).status();
        assert!(made.unwrap().success());
        let cipher = fs::read(&cipher).unwrap();
        assert_eq!(opened(&[&alice], &cipher).unwrap(), bytes(len));
        assert_eq!(opened(&[&bob], &cipher).unwrap(), bytes(len));
        assert!(opened(&[&eve], &cipher).unwrap_err().is_not_for_us());
    }
}
