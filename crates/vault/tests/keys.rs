//! One phrase, one node: keys, phrases and sealed blobs as a user of the crate meets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use antiphon_core::sign::{Signer, verify};
use antiphon_vault::phrase::{self, Phrase};
use antiphon_vault::seal::{self, check_recipient, seal_to};
use antiphon_vault::{NodeKey, key};
use proptest::prelude::*;

// The vector of the root 0x11 × 32. It was computed by other programs from the standards alone (BIP-39, RFC 5869,
// RFC 8032, RFC 7748, BIP-173). If it ever fails, every node would lose its identity.
const VECTOR_ROOT: [u8; 32] = [0x11; 32];
const VECTOR_PHRASE: &str = "baby mass dust captain baby mass dust captain baby mass dust captain \
                             baby mass dust captain baby mass dust captain baby mass dust cake";
const VECTOR_SEED: &str = "8f0e25bd833647f9e02202517ad1a96a5b404a5e8dad7fa16d1ce93a8d1de9a7";
const VECTOR_NODE: &str = "12D3KooWRftYgYQ1qd25d9RmaoZBPXpzUDePmMXrFqqox2FxuX1n";
const VECTOR_RECIPIENT: &str = "age1gw6zyk66a37pgxauf6ye0838j3htlyxxf3fe36kq2a9wf68fggsquyppm9";
const VECTOR_IDENTITY: &str = "AGE-SECRET-KEY-152HTQT9Q7S3G9YWYFPYM9V6MR03WXTE9T0QWVTY4MZM66QX5XD5QEY9L8P";

fn key_of(byte: u8) -> NodeKey {
    NodeKey::from_phrase(&Phrase::from_entropy(&[byte; 32]).unwrap()).unwrap()
}

#[test]
fn the_vector_holds() {
    let phrase = Phrase::from_entropy(&VECTOR_ROOT).unwrap();
    assert_eq!(*phrase.expose(), VECTOR_PHRASE);
    let key = NodeKey::from_phrase(&VECTOR_PHRASE.parse().unwrap()).unwrap();
    assert_eq!(key.node_id().to_string(), VECTOR_NODE);
    assert_eq!(data_encoding::HEXLOWER.encode(key.libp2p_seed().as_slice()), VECTOR_SEED);
    assert_eq!(key.age_recipient(), VECTOR_RECIPIENT);
    assert_eq!(*key.expose_age_identity(), VECTOR_IDENTITY);
}

#[test]
fn alice_gets_her_node_back_from_her_phrase() {
    let (alice, phrase) = NodeKey::generate().unwrap();
    let sealed = seal_to(&alice.age_recipient(), b"her private facts").unwrap();
    let paper = phrase.expose().to_string();
    let restored = NodeKey::from_phrase(&paper.parse().unwrap()).unwrap();
    assert_eq!(restored.node_id(), alice.node_id());
    assert_eq!(restored.age_recipient(), alice.age_recipient());
    assert_eq!(*restored.phrase().expose(), paper);
    assert_eq!(restored.open_sealed(&sealed).unwrap().as_slice(), b"her private facts");
}

#[test]
fn no_two_nodes_are_alike() {
    let (alice, _) = NodeKey::generate().unwrap();
    let (bob, _) = NodeKey::generate().unwrap();
    assert_ne!(alice.node_id(), bob.node_id());
    assert_ne!(alice.age_recipient(), bob.age_recipient());
}

#[test]
fn a_phrase_may_be_typed_carelessly() {
    let typed = VECTOR_PHRASE.to_uppercase().replace(' ', " \n\t ");
    let key = NodeKey::from_phrase(&format!("  {typed}\r\n").parse().unwrap()).unwrap();
    assert_eq!(key.node_id().to_string(), VECTOR_NODE);
}

#[test]
fn a_wrong_phrase_says_what_is_wrong() {
    let check = |text: &str, expected: &str| {
        let error = text.parse::<Phrase>().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(&VECTOR_PHRASE.replacen("captain", "captein", 1), "word 4 is \"captein\"");
    check(&VECTOR_PHRASE.replacen("captain", "CAPTÄIN", 1), "word 4 is \"captÄin\"");
    check(&VECTOR_PHRASE.replacen("captain", &"x".repeat(99), 1), &format!("\"{}\"", "x".repeat(20)));
    check(&VECTOR_PHRASE.replacen("baby mass", "mass baby", 1), "the checksum");
    check(&VECTOR_PHRASE.replace("cake", "captain"), "the checksum");
    check("baby mass dust", "24 words, not 3");
    check(&format!("{VECTOR_PHRASE} cake"), "24 words, not 25");
    check("", "24 words, not 0");
    check(&"baby ".repeat(100_000), "the limit is 4096");
}

#[test]
fn bob_verifies_what_alice_signed_and_eve_cannot_pass_hers_off() {
    let (alice, eve) = (key_of(1), key_of(2));
    let signer: &dyn Signer = &alice;
    let signature = signer.sign(b"the build is green");
    assert!(verify(&signer.node_id(), b"the build is green", &signature));
    assert!(!verify(&signer.node_id(), b"the build is red", &signature));
    assert!(!verify(&eve.node_id(), b"the build is green", &signature));
    assert!(!verify(&alice.node_id(), b"the build is green", &eve.sign(b"the build is green")));
    // Ed25519 signs without randomness (RFC 8032), so the same message gets the same signature.
    assert_eq!(signature, alice.sign(b"the build is green"));
}

#[test]
fn only_bob_opens_what_was_sealed_to_bob() {
    let (bob, eve) = (key_of(1), key_of(2));
    for plaintext in [&b""[..], b"hello", &[7; 200_000]] {
        let sealed = seal_to(&bob.age_recipient(), plaintext).unwrap();
        assert!(sealed.starts_with(b"age-encryption.org/v1\n-> X25519 "));
        assert_eq!(bob.open_sealed(&sealed).unwrap().as_slice(), plaintext);
        assert!(eve.open_sealed(&sealed).unwrap_err().is_not_for_us());
    }
}

#[test]
fn the_age_library_reads_what_we_seal_and_we_read_what_it_seals() {
    let bob = key_of(1);
    let identity: age::x25519::Identity = bob.expose_age_identity().parse().unwrap();
    let sealed = seal_to(&bob.age_recipient(), b"out").unwrap();
    assert_eq!(age::decrypt(&identity, &sealed).unwrap(), b"out");
    let other = age::x25519::Identity::generate().to_public();
    let recipients = [&other as &dyn age::Recipient, &identity.to_public()];
    let mut sealed = Vec::new();
    let mut writer = age::Encryptor::with_recipients(recipients.into_iter()).unwrap().wrap_output(&mut sealed).unwrap();
    std::io::Write::write_all(&mut writer, b"in").unwrap();
    writer.finish().unwrap();
    assert_eq!(bob.open_sealed(&sealed).unwrap().as_slice(), b"in");
}

#[test]
fn eve_cannot_stop_a_node_with_a_bad_recipient() {
    // The points of order 1, 2, 4 and 8 that X25519 knows; sealing to one would end the process.
    for low in [
        "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
        "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya",
        "age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m",
        "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9",
    ] {
        assert!(seal_to(low, b"x").unwrap_err().to_string().contains("small order"), "{low}");
    }
    let damaged = VECTOR_RECIPIENT.replacen("gw6", "gw7", 1);
    for bad in ["", "age1", "bob", VECTOR_IDENTITY, VECTOR_NODE, &damaged, &"age1".repeat(100_000)] {
        let error = seal_to(bad, b"x").unwrap_err();
        assert!(matches!(error, seal::Error::Recipient { .. }), "{error}");
        assert!(error.to_string().len() < 300);
    }
    check_recipient(VECTOR_RECIPIENT).unwrap();
}

#[test]
fn too_much_is_neither_sealed_nor_opened() {
    let bob = key_of(1);
    let most = vec![1; seal::PLAINTEXT_BYTES_MAX];
    let sealed = seal_to(&bob.age_recipient(), &most).unwrap();
    assert!(sealed.len() <= seal::SEALED_BYTES_MAX);
    assert_eq!(bob.open_sealed(&sealed).unwrap().len(), most.len());
    let check = |result: Result<(), seal::Error>| {
        assert!(matches!(result.unwrap_err(), seal::Error::TooLarge { .. }));
    };
    check(seal_to(&bob.age_recipient(), &vec![1; seal::PLAINTEXT_BYTES_MAX + 1]).map(drop));
    check(bob.open_sealed(&vec![1; seal::SEALED_BYTES_MAX + 1]).map(drop));
    // A header of a hundred thousand lines would take the parser minutes.
    let lines = format!("age-encryption.org/v1\n{}", "-> X\n\n".repeat(100_000));
    check(bob.open_sealed(lines.as_bytes()).map(drop));
}

#[test]
fn a_damaged_blob_is_an_error() {
    let bob = key_of(1);
    let sealed = seal_to(&bob.age_recipient(), b"fact").unwrap();
    let last = sealed.len() - 1;
    for length in [0, 1, 20, 100, last - 40, last] {
        assert!(matches!(bob.open_sealed(&sealed[..length]), Err(seal::Error::Damaged(_))), "{length}");
    }
    let mut flipped = sealed.clone();
    flipped[last] ^= 1;
    assert!(matches!(bob.open_sealed(&flipped), Err(seal::Error::Damaged(_))));
}

#[test]
fn secrets_never_appear_in_debug_or_errors() {
    let key = NodeKey::from_phrase(&VECTOR_PHRASE.parse().unwrap()).unwrap();
    let wrong: Result<Phrase, phrase::Error> = VECTOR_PHRASE.replace("cake", "baby").parse();
    let wrong = wrong.map_err(key::Error::from).unwrap_err();
    let pasted = seal_to(VECTOR_IDENTITY, b"x").unwrap_err();
    let shown = format!("{key:?} {key:#?} {:?} {wrong} {wrong:?} {pasted} {pasted:?}", key.phrase());
    for secret in ["mass", "1111", "17, 17", VECTOR_SEED, "8f0e", "143, 14", "AGE-SECRET", "52HTQT"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains(VECTOR_NODE) && shown.contains("Phrase(redacted)"));
}

proptest! {
    #[test]
    fn every_root_survives_being_written_down(root in any::<[u8; 32]>()) {
        let phrase = Phrase::from_entropy(&root).unwrap();
        let words = phrase.expose();
        prop_assert_eq!(words.split(' ').count(), phrase::PHRASE_WORDS);
        let again: Phrase = words.parse().unwrap();
        prop_assert_eq!(&*again.expose(), &*words);
        prop_assert_eq!(
            NodeKey::from_phrase(&again).unwrap().node_id(),
            NodeKey::from_phrase(&phrase).unwrap().node_id()
        );
    }

    #[test]
    fn nothing_that_is_opened_or_typed_ends_the_process(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0usize..400) {
        let bob = key_of(1);
        prop_assert!(bob.open_sealed(&bytes).is_err());
        let mut sealed = seal_to(&bob.age_recipient(), b"fact").unwrap();
        let end = at.min(sealed.len());
        sealed.splice(end.., bytes.iter().copied());
        let _ = bob.open_sealed(&sealed);
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(text.parse::<Phrase>().is_err());
        prop_assert!(check_recipient(&text).is_err());
    }
}
