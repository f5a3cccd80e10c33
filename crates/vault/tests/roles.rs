//! A role's key from the steward's hand to every member, and through the rotations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use antiphon_core::ids::{Hash, TeamId};
use antiphon_vault::phrase::Phrase;
use antiphon_vault::role::{Error, ROLE_BYTES_MAX, RoleSecret, WRAP_BYTES_MAX};
use antiphon_vault::{NodeKey, seal, seal_to};
use data_encoding::HEXLOWER;
use proptest::prelude::*;

const TEAM: TeamId = TeamId([1; 32]);
const EPOCH: Hash = Hash([2; 32]);

// A wrap of the secret 0x48 × 32 for the node with the root 0x11 × 32, and its data key. Another program computed both
// from the standards alone (age-encryption.org/v1, RFC 5869). If this ever fails, every role would lose its history.
const FIXED_RECIPIENT: &str = include_str!("vectors/role.recipient");
const FIXED_WRAP: &[u8] = include_bytes!("vectors/role.wrap.age");

fn key_of(byte: u8) -> NodeKey {
    NodeKey::from_phrase(&Phrase::from_entropy(&[byte; 32]).unwrap()).unwrap()
}

fn data_key(role: &RoleSecret) -> [u8; 32] {
    *role.data_key(&TEAM, "backend_developer", &EPOCH).unwrap()
}

#[test]
fn alice_makes_a_role_key_and_only_bob_gets_it() {
    let (bob, eve) = (key_of(1), key_of(2));
    let role = RoleSecret::generate().unwrap();
    let wrap = role.wrap_for(&bob.age_recipient()).unwrap();
    let opened = RoleSecret::unwrap(&bob, &wrap, &role.recipient()).unwrap();
    assert_eq!(opened.recipient(), role.recipient());
    assert_eq!(data_key(&opened), data_key(&role));
    let document = seal_to(&role.recipient(), b"for backend developers").unwrap();
    assert_eq!(opened.open_sealed(&document).unwrap().as_slice(), b"for backend developers");
    assert!(RoleSecret::unwrap(&eve, &wrap, &role.recipient()).unwrap_err().is_not_for_us());
    assert!(eve.open_sealed(&document).unwrap_err().is_not_for_us());
}

#[test]
fn every_wrap_is_248_bytes() {
    let bob = key_of(1);
    assert_eq!(WRAP_BYTES_MAX, 248);
    for _ in 0..50 {
        let role = RoleSecret::generate().unwrap();
        assert_eq!(role.wrap_for(&bob.age_recipient()).unwrap().len(), WRAP_BYTES_MAX);
        assert_eq!(role.wrap_previous(&bob.age_recipient()).unwrap().len(), WRAP_BYTES_MAX);
    }
}

#[test]
fn carol_joins_late_and_walks_back_through_the_epochs() {
    let carol = key_of(3);
    let epochs: Vec<RoleSecret> = (0..4).map(|_| RoleSecret::generate().unwrap()).collect();
    let old = seal_to(&epochs[0].recipient(), b"the first decision").unwrap();
    let links: Vec<Vec<u8>> =
        epochs.windows(2).map(|pair| pair[0].wrap_previous(&pair[1].recipient()).unwrap()).collect();
    let wrap = epochs[3].wrap_for(&carol.age_recipient()).unwrap();
    let mut held = RoleSecret::unwrap(&carol, &wrap, &epochs[3].recipient()).unwrap();
    for at in (0..3).rev() {
        held = held.open_previous(&links[at], &epochs[at].recipient()).unwrap();
    }
    assert_eq!(held.open_sealed(&old).unwrap().as_slice(), b"the first decision");
    assert!(held.open_previous(&links[2], &epochs[2].recipient()).unwrap_err().is_not_for_us());
}

#[test]
fn a_wrap_moved_from_another_role_is_found() {
    let bob = key_of(1);
    let (backend, security) = (RoleSecret::generate().unwrap(), RoleSecret::generate().unwrap());
    let moved = security.wrap_for(&bob.age_recipient()).unwrap();
    let error = RoleSecret::unwrap(&bob, &moved, &backend.recipient()).unwrap_err();
    assert!(matches!(&error, Error::OtherKey { expected, got }
        if *expected == backend.recipient() && *got == security.recipient()));
    let newer = RoleSecret::generate().unwrap();
    let moved = security.wrap_previous(&newer.recipient()).unwrap();
    assert!(matches!(newer.open_previous(&moved, &backend.recipient()), Err(Error::OtherKey { .. })));
}

#[test]
fn one_kind_of_sealed_key_cannot_stand_in_for_the_other() {
    let (bob, role, newer) = (key_of(1), RoleSecret::generate().unwrap(), RoleSecret::generate().unwrap());
    let check = |result: Result<RoleSecret, Error>, reason: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Kind { .. }) && error.to_string().contains(reason), "{error}");
    };
    let previous = role.wrap_previous(&bob.age_recipient()).unwrap();
    check(RoleSecret::unwrap(&bob, &previous, &role.recipient()), "another name");
    let wrap = role.wrap_for(&newer.recipient()).unwrap();
    check(newer.open_previous(&wrap, &role.recipient()), "another name");
}

#[test]
fn the_fixed_wrap_opens_for_ever() {
    let bob = key_of(0x11);
    let role = RoleSecret::unwrap(&bob, FIXED_WRAP, FIXED_RECIPIENT.trim()).unwrap();
    assert_eq!(role.recipient(), FIXED_RECIPIENT.trim());
    let expected = "b99f2d2d709325062a91e6a79667e4fb9532b81057da81e8cb6bdefa4df409bb";
    assert_eq!(HEXLOWER.encode(&data_key(&role)), expected);
}

#[test]
fn the_data_key_depends_on_team_role_epoch_and_secret() {
    let (role, other) = (RoleSecret::generate().unwrap(), RoleSecret::generate().unwrap());
    let keys = [
        role.data_key(&TEAM, "backend_developer", &EPOCH).unwrap(),
        role.data_key(&TEAM, "frontend_developer", &EPOCH).unwrap(),
        role.data_key(&TEAM, "", &EPOCH).unwrap(),
        role.data_key(&TeamId([9; 32]), "backend_developer", &EPOCH).unwrap(),
        role.data_key(&TEAM, "backend_developer", &Hash([9; 32])).unwrap(),
        other.data_key(&TEAM, "backend_developer", &EPOCH).unwrap(),
    ];
    for (at, key) in keys.iter().enumerate() {
        assert!(keys[..at].iter().all(|earlier| **earlier != **key), "{at}");
    }
    let error = role.data_key(&TEAM, &"r".repeat(ROLE_BYTES_MAX + 1), &EPOCH).unwrap_err();
    assert_eq!(error.to_string(), "a role name of 65 bytes, the limit is 64");
}

#[test]
fn a_wrap_of_another_length_or_content_is_refused() {
    let (bob, role) = (key_of(1), RoleSecret::generate().unwrap());
    let wrap = role.wrap_for(&bob.age_recipient()).unwrap();
    let long = [&wrap[..], b"x"].concat();
    for big in [&long[..], &vec![b'a'; 100 * 1024 * 1024]] {
        let error = RoleSecret::unwrap(&bob, big, &role.recipient()).unwrap_err();
        assert!(matches!(error, Error::Seal(seal::Error::TooLarge { limit: WRAP_BYTES_MAX, .. })), "{error}");
        assert!(error.to_string().starts_with("the wrapped role key has"), "{error}");
    }
    let error = role.open_previous(&long, &role.recipient()).unwrap_err();
    assert!(error.to_string().starts_with("the previous role key has"), "{error}");
    for length in [0, 1, 100, 247] {
        let error = RoleSecret::unwrap(&bob, &wrap[..length], &role.recipient()).unwrap_err();
        assert!(matches!(error, Error::Seal(seal::Error::Damaged(_))), "{length}: {error}");
    }
    for recipient in ["", "age1", "bob", &role.expose_age_identity()] {
        let error = RoleSecret::unwrap(&bob, &wrap, recipient).unwrap_err();
        assert!(matches!(error, Error::Seal(seal::Error::Recipient { .. })), "{error}");
    }
}

#[test]
fn eve_cannot_stop_a_steward_with_a_bad_recipient() {
    let role = RoleSecret::generate().unwrap();
    // The point of order 1: sealing to it would end the process.
    let low = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z";
    for bad in [low, "", "age1", &role.expose_age_identity()] {
        assert!(matches!(role.wrap_for(bad), Err(seal::Error::Recipient { .. })), "{bad}");
        assert!(matches!(role.wrap_previous(bad), Err(seal::Error::Recipient { .. })), "{bad}");
    }
}

#[test]
fn the_age_library_opens_documents_of_a_role_with_its_exported_key() {
    let role = RoleSecret::generate().unwrap();
    let identity: age::x25519::Identity = role.expose_age_identity().parse().unwrap();
    assert_eq!(identity.to_public().to_string(), role.recipient());
    let document = seal_to(&role.recipient(), b"plain age").unwrap();
    assert_eq!(age::decrypt(&identity, &document).unwrap(), b"plain age");
}

#[test]
fn the_secret_never_appears_in_debug_or_errors() {
    let (bob, role) = (key_of(0x11), RoleSecret::generate().unwrap());
    let identity = role.expose_age_identity();
    let moved = role.wrap_for(&bob.age_recipient()).unwrap();
    let error = RoleSecret::unwrap(&bob, &moved, FIXED_RECIPIENT.trim()).unwrap_err();
    let pasted = role.wrap_for(&identity).unwrap_err();
    let shown = format!("{role:?} {role:#?} {error} {error:?} {pasted} {pasted:?}");
    assert!(!shown.contains("AGE-SECRET") && !shown.contains(&identity[16..]), "{shown}");
    assert!(shown.contains(&role.recipient()));
}

proptest! {
    #[test]
    fn no_bytes_end_the_process(bytes in prop::collection::vec(any::<u8>(), 0..260), at in 0_usize..248) {
        let (bob, role) = (key_of(1), RoleSecret::generate().unwrap());
        prop_assert!(RoleSecret::unwrap(&bob, &bytes, &role.recipient()).is_err());
        prop_assert!(role.open_previous(&bytes, &role.recipient()).is_err());
        let mut wrap = role.wrap_for(&bob.age_recipient()).unwrap();
        wrap[at] ^= 1;
        prop_assert!(RoleSecret::unwrap(&bob, &wrap, &role.recipient()).is_err());
    }
}
