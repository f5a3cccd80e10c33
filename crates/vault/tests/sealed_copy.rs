//! A lost laptop's private facts come back, and nobody who kept them could read or blow them up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use antiphon_core::cbor;
use antiphon_core::ids::StoreId;
use antiphon_core::sign::Signature;
use antiphon_vault::phrase::Phrase;
use antiphon_vault::sealed_copy::{
    self, ENCODED_BYTES_MAX, Error, PART_BYTES_MAX, PART_EVENTS_MAX, Part, Push, RawEvent, SEALED_PART_BYTES_MAX,
    decode, encode,
};
use antiphon_vault::{NodeKey, random, seal, seal_to};
use proptest::prelude::*;

const STORE: StoreId = StoreId([7; 16]);
const NAME: &[u8] = b"antiphon/sealed-copy/1\n";

fn key_of(byte: u8) -> NodeKey {
    NodeKey::from_phrase(&Phrase::from_entropy(&[byte; 32]).unwrap()).unwrap()
}

fn event(header: usize, payload: Option<usize>, signed: bool) -> RawEvent {
    let signature = signed.then_some(Signature([3; 64]));
    RawEvent { header: vec![1; header], payload: payload.map(|length| vec![2; length]), signature }
}

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random::fill(&mut bytes).unwrap();
    bytes
}

/// All parts of a log, in order.
fn parts_of(events: Vec<RawEvent>) -> Vec<Part> {
    let mut parts = vec![Part::new(STORE, 1)];
    for event in events {
        let last = parts.last_mut().unwrap();
        if let Push::Full(event) = last.push(event).unwrap() {
            let mut next = Part::new(STORE, last.next_seq());
            assert_eq!(next.push(event).unwrap(), Push::Taken);
            parts.push(next);
        }
    }
    parts
}

fn packed(plain: &[u8]) -> Vec<u8> {
    [NAME, &zstd::bulk::compress(plain, 3).unwrap()].concat()
}

#[test]
fn alice_gets_her_private_facts_back_from_bob() {
    let (alice, phrase) = NodeKey::generate().unwrap();
    let events: Vec<RawEvent> =
        (0..1_000).map(|at| event(200 + at % 100, (at % 7 != 0).then_some(at * 10), at % 50 == 0)).collect();
    let parts = parts_of(events.clone());
    assert!(parts.len() > 1);
    let held_by_bob: Vec<Vec<u8>> =
        parts.iter().map(|part| sealed_copy::seal(part, &alice.age_recipient()).unwrap()).collect();
    drop(alice);
    let alice = NodeKey::from_phrase(&phrase).unwrap();
    let mut restored = Vec::new();
    for sealed in held_by_bob {
        let part = sealed_copy::open(&alice, &sealed).unwrap();
        assert_eq!((part.store(), part.first_seq()), (STORE, restored.len() as u64 + 1));
        restored.extend(part.into_events());
    }
    assert_eq!(restored, events);
}

#[test]
fn eve_who_keeps_a_copy_cannot_read_it() {
    let (alice, eve) = (key_of(1), key_of(2));
    let mut part = Part::new(STORE, 1);
    assert_eq!(part.push(event(200, Some(100), true)).unwrap(), Push::Taken);
    let sealed = sealed_copy::seal(&part, &alice.age_recipient()).unwrap();
    let error = sealed_copy::open(&eve, &sealed).unwrap_err();
    assert!(matches!(&error, Error::Seal(error) if error.is_not_for_us()), "{error}");
}

#[test]
fn something_else_that_was_sealed_to_alice_is_no_part() {
    let alice = key_of(1);
    for other in [&b""[..], b"a letter", b"antiphon/wrap/1\n", &NAME[..10]] {
        let sealed = seal_to(&alice.age_recipient(), other).unwrap();
        assert!(matches!(sealed_copy::open(&alice, &sealed), Err(Error::NotAPart)));
    }
}

#[test]
fn a_full_part_fits_its_bounds_whatever_is_in_it() {
    let alice = key_of(1);
    let mut part = Part::new(STORE, 1);
    loop {
        let noise = RawEvent { header: noise(8_192), payload: Some(noise(65_536)), signature: None };
        if let Push::Full(event) = part.push(noise).unwrap() {
            let rest = RawEvent { header: event.header, payload: Some(self::noise(30_000)), signature: None };
            let _ = part.push(rest).unwrap();
            break;
        }
    }
    let bytes = encode(&part).unwrap();
    assert!(bytes.len() > PART_BYTES_MAX / 2 && bytes.len() <= ENCODED_BYTES_MAX, "{}", bytes.len());
    let sealed = sealed_copy::seal(&part, &alice.age_recipient()).unwrap();
    assert!(sealed.len() <= SEALED_PART_BYTES_MAX);
    assert_eq!(sealed_copy::open(&alice, &sealed).unwrap(), part);
}

#[test]
fn a_part_never_holds_more_than_it_may() {
    let mut part = Part::new(STORE, 1);
    for _ in 0..PART_EVENTS_MAX {
        assert_eq!(part.push(event(1, None, false)).unwrap(), Push::Taken);
    }
    assert_eq!(part.push(event(1, None, false)).unwrap(), Push::Full(event(1, None, false)));
    assert_eq!(decode(&encode(&part).unwrap()).unwrap(), part);
    for (too_large, what) in [(event(8_193, None, false), "header"), (event(1, Some(65_537), false), "payload")] {
        let error = Part::new(STORE, 1).push(too_large).unwrap_err();
        assert!(error.to_string().starts_with(&format!("the {what} of an event has")), "{error}");
    }
}

#[test]
fn eve_cannot_make_alice_unpack_a_bomb_or_read_a_hundred_megabytes() {
    let alice = key_of(1);
    let check = |result: Result<Part, Error>, expected: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Seal(seal::Error::TooLarge { .. })), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let bomb = packed(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 10_000);
    check(decode(&bomb), "the unpacked part of a copy has 67108864 bytes, the limit is 524288");
    let sealed = seal_to(&alice.age_recipient(), &bomb).unwrap();
    check(sealed_copy::open(&alice, &sealed), "the unpacked part");
    check(sealed_copy::open(&alice, &vec![b'a'; 100 * 1024 * 1024]), "the sealed part of a copy has 104857600 bytes");
    check(decode(&vec![b'a'; ENCODED_BYTES_MAX + 1]), "the part of a copy");
}

#[test]
fn a_bomb_that_lies_about_its_length_is_damaged() {
    // A frame that says 1 byte (single segment, content size in one byte) and holds a run of 100,000 zeros.
    let run = |says: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, says][..], &[0x03, 0x35, 0x0c, 0x00]].concat();
    let two = [zstd::bulk::compress(&[0; 10], 3).unwrap(), zstd::bulk::compress(&[0; 10], 3).unwrap()].concat();
    for lie in [run(1), run(255), two] {
        let error = decode(&[NAME, &lie].concat()).unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error}");
    }
    // Without a length nothing is unpacked at all.
    let mut stream = Vec::new();
    zstd::stream::copy_encode(&[0_u8; 1_000][..], &mut stream, 3).unwrap();
    let error = decode(&[NAME, &stream].concat()).unwrap_err();
    assert!(error.to_string().contains("does not say its length"), "{error}");
}

#[test]
fn what_is_not_made_as_a_part_is_refused_with_the_reason() {
    let check = |plain: Vec<u8>, expected: &str| {
        let error = decode(&packed(&plain)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}, not {expected}");
    };
    let list = |version: u64, first: u64, events: u64| {
        cbor::encode(|out| {
            cbor::array(out, 4);
            cbor::uint(out, version);
            cbor::bytes(out, &STORE.0);
            cbor::uint(out, first);
            cbor::array(out, usize::try_from(events).unwrap());
            for _ in 0..events {
                cbor::array(out, 3);
                cbor::bytes(out, &[1]);
                cbor::null(out);
                cbor::null(out);
            }
        })
    };
    assert!(decode(&packed(&list(1, 1, 2))).is_ok());
    check(list(2, 1, 0), "a sealed copy of version 2, this version reads 1");
    check(cbor::encode(|out| cbor::uint(out, 1)), "malformed");
    check(cbor::encode(|out| cbor::array(out, 0)), "a list without a version");
    check(list(1, 0, 1), "a range that no log has");
    check(list(1, u64::MAX, 1), "a range that no log has");
    check(list(1, 1, PART_EVENTS_MAX as u64 + 1), "has 4097 entries or bytes, the limit is 4096");
    check([list(1, 1, 1), vec![0]].concat(), "not canonical");
    check(vec![0x9f, 0x01, 0xff], "not canonical");
    check(Vec::new(), "not canonical");
    let long = |header: usize, payload: usize, signature: usize| {
        cbor::encode(|out| {
            cbor::array(out, 4);
            cbor::uint(out, 1);
            cbor::bytes(out, &STORE.0);
            cbor::uint(out, 1);
            cbor::array(out, 1);
            cbor::array(out, 3);
            cbor::bytes(out, &vec![0; header]);
            cbor::bytes(out, &vec![0; payload]);
            cbor::bytes(out, &vec![0; signature]);
        })
    };
    assert!(decode(&packed(&long(8_192, 65_536, 64))).is_ok());
    check(long(8_193, 1, 64), "the limit is 8192");
    check(long(1, 65_537, 64), "the limit is 65536");
    check(long(1, 1, 63), "wrong length");
}

fn any_event() -> impl Strategy<Value = RawEvent> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let signature = prop::option::of(any::<[u8; 32]>().prop_map(|half| {
        let mut whole = [0; 64];
        whole[..32].copy_from_slice(&half);
        Signature(whole)
    }));
    (bytes(300), prop::option::of(bytes(2_000)), signature).prop_map(|(header, payload, signature)| RawEvent {
        header,
        payload,
        signature,
    })
}

proptest! {
    #[test]
    fn every_part_reads_back_as_it_was(events in prop::collection::vec(any_event(), 0..40), first in 1_u64..1 << 60) {
        let mut part = Part::new(STORE, first);
        for event in events {
            prop_assert_eq!(part.push(event).unwrap(), Push::Taken);
        }
        let bytes = encode(&part).unwrap();
        prop_assert_eq!(decode(&bytes).unwrap(), part);
    }

    #[test]
    fn no_bytes_end_the_process(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
        prop_assert!(decode(&bytes).is_err());
        prop_assert!(decode(&[NAME, &bytes].concat()).is_err());
        let _ = decode(&packed(&bytes));
        let mut part = Part::new(STORE, 1);
        prop_assert_eq!(part.push(event(100, Some(200), true)).unwrap(), Push::Taken);
        let mut whole = encode(&part).unwrap().to_vec();
        let at = at % whole.len();
        whole[at] ^= 1;
        let _ = decode(&whole);
    }
}
