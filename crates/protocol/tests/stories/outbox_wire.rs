//! Outbox messages as bytes: they read back the same, and what is too much or makes no sense is refused.

use antiphon_core::cbor;
use antiphon_core::ids::StoreId;
use antiphon_core::outbox::{BODY_BYTES_MAX, Place, Subject};
use antiphon_protocol::frame;
use antiphon_protocol::outbox::message::Items;
use antiphon_protocol::outbox::{
    ITEMS_PER_FRAME_MAX, Item, MESSAGE_BYTES_MAX, Message, N_MAX, Outcome, Refusal, Source,
};
use antiphon_protocol::reason::Reason;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

const ERA: u64 = 0xfeed_f00d_dead_beee;
const STORE: StoreId = StoreId([3; 16]);

fn item(n: u64, body: &[u8]) -> Item {
    let place = Place { era: ERA, n };
    Item { place, protocol: 3, schema: 1, subject: Subject([7; 16]), body: body.to_vec() }
}

fn items(numbers: impl IntoIterator<Item = u64>) -> Items {
    let items: Vec<_> = numbers.into_iter().map(|n| item(n, b"body")).collect();
    Items { era: ERA, floor: items.first().map_or(1, |item| item.place.n), after: None, items }
}

fn samples() -> Vec<Message> {
    let place = Place { era: u64::MAX, n: N_MAX };
    let results = vec![
        (1, Outcome::Taken),
        (4, Outcome::Had),
        (5, Outcome::Refused(Reason::Revoked.into())),
        (6, Outcome::Refused(Refusal::named("a_name_of_a_newer_version"))),
        (N_MAX, Outcome::Busy),
    ];
    vec![
        Message::Hello { store: STORE, delivered: None },
        Message::Hello { store: STORE, delivered: Some(place) },
        Message::Greeting { last: None, lost: true },
        Message::Greeting { last: Some(place), lost: false },
        Message::Items(items([1])),
        Message::Items(Items { floor: 3, ..items((5..).take(ITEMS_PER_FRAME_MAX)) }),
        Message::Items(Items { floor: 3, after: Some(8), ..items([9]) }),
        Message::Items(Items { items: vec![item(9, &vec![1; BODY_BYTES_MAX])], ..items([9]) }),
        Message::Items(Items { items: vec![Item { protocol: u64::MAX, ..item(9, b"") }], ..items([9]) }),
        Message::Taken { era: ERA, results },
        Message::Bye,
    ]
}

#[test]
fn messages_read_back_the_same() {
    for message in samples() {
        assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message));
        assert_eq!(Message::from_frame(&message.to_frame()).as_ref(), Ok(&message));
    }
}

/// What this version says must be understood by all that follow.
#[test]
fn the_bytes_of_this_version_stay_as_they_are() {
    let check = |message: &Message, bytes: &str| {
        assert_eq!(HEXLOWER.encode(&message.encode()), bytes, "{message:?}");
        assert_eq!(Message::decode(&HEXLOWER.decode(bytes.as_bytes()).unwrap()).as_ref(), Ok(message));
    };
    let place = Some(Place { era: ERA, n: 24 });
    check(
        &Message::Hello { store: STORE, delivered: place },
        "a3000001500303030303030303030303030303030302821bfeedf00ddeadbeee1818",
    );
    check(&Message::Hello { store: STORE, delivered: None }, "a20000015003030303030303030303030303030303");
    check(&Message::Greeting { last: place, lost: false }, "a3000101821bfeedf00ddeadbeee181802f4");
    check(&Message::Greeting { last: None, lost: true }, "a2000102f5");
    check(
        &Message::Items(Items { floor: 2, ..items([24, 300]) }),
        "a40002011bfeedf00ddeadbeee020203828518180301500707070707070707070707070707070744626f64798519012c0301500707070707070707070707070707070744626f6479",
    );
    let refused = Outcome::Refused(Reason::Revoked.into());
    let results = vec![(1, Outcome::Taken), (2, Outcome::Had), (3, refused), (4, Outcome::Busy)];
    check(
        &Message::Taken { era: ERA, results },
        "a30003011bfeedf00ddeadbeee0284820100820201830302677265766f6b6564820403",
    );
    check(&Message::Bye, "a10004");
}

#[test]
fn a_kind_of_a_newer_version_is_read_over_with_all_its_keys() {
    let bytes = cbor::encode(|out| {
        cbor::map(out, 2);
        cbor::uint(out, 0);
        cbor::uint(out, 77);
        cbor::uint(out, 1);
        cbor::text(out, "whatever");
    });
    assert_eq!(Message::decode(&bytes), Ok(Message::Unknown(77)));
}

#[test]
fn a_key_of_a_newer_version_is_read_over() {
    let bytes = cbor::encode(|out| {
        cbor::map(out, 3);
        cbor::uint(out, 0);
        cbor::uint(out, 1);
        cbor::uint(out, 2);
        cbor::bool(out, true);
        cbor::uint(out, 40);
        cbor::text(out, "whatever");
    });
    assert_eq!(Message::decode(&bytes), Ok(Message::Greeting { last: None, lost: true }));
}

#[test]
fn frames_that_make_no_sense_are_refused() {
    let check = |what: &str, items: Items| {
        assert!(items.validate().is_err(), "{what}");
        assert!(Message::decode(&Message::Items(items).encode()).is_err(), "{what}");
    };
    check("no items", items([]));
    check("too many items", items(1..=ITEMS_PER_FRAME_MAX as u64 + 1));
    check("doubled", items([1, 2, 2]));
    check("out of order", items([1, 3, 2]));
    check("no number", items([0, 1]));
    check("a number that no database holds", items([N_MAX, N_MAX + 1]));
    check("no floor", Items { floor: 0, ..items([1]) });
    check("a floor above the items", Items { floor: 6, ..items([5]) });
    check("behind itself", Items { after: Some(5), ..items([5]) });
    check("behind nothing", Items { after: Some(0), ..items([5]) });
    check("a body that is too long", Items { items: vec![item(1, &vec![0; BODY_BYTES_MAX + 1])], ..items([1]) });
    let stray = Item { place: Place { era: 1, n: 1 }, ..item(1, b"") };
    assert!(Items { items: vec![stray], ..items([1]) }.validate().is_err(), "of another era");
}

#[test]
fn a_message_is_bounded_before_it_is_unpacked() {
    let body = vec![0; BODY_BYTES_MAX];
    let many = Items { items: (1..4).map(|n| item(n, &body)).collect(), ..items([1]) };
    let long = Message::Items(many);
    assert!(long.encode().len() > MESSAGE_BYTES_MAX);
    assert!(Message::decode(&long.encode()).is_err());
    let frame = long.to_frame();
    assert!(frame.len() < 2_000, "it packs well: {} bytes", frame.len());
    assert!(matches!(Message::from_frame(&frame), Err(frame::Error::TooLarge { .. })));
    assert!(matches!(Message::from_frame(&vec![0; MESSAGE_BYTES_MAX + 1]), Err(frame::Error::TooLarge { .. })));
}

#[test]
fn answers_and_places_are_bounded() {
    let check = |what: &str, message: Message| assert!(Message::decode(&message.encode()).is_err(), "{what}");
    let taken = |results| Message::Taken { era: ERA, results };
    check("an empty answer", taken(Vec::new()));
    check("too long an answer", taken(vec![(1, Outcome::Had); ITEMS_PER_FRAME_MAX + 1]));
    check("no number", taken(vec![(0, Outcome::Had)]));
    check("a number that no database holds", taken(vec![(N_MAX + 1, Outcome::Had)]));
    let place = |n| Some(Place { era: ERA, n });
    check("a place without a number", Message::Hello { store: STORE, delivered: place(0) });
    check("a place that no database holds", Message::Greeting { last: place(N_MAX + 1), lost: false });
}

#[test]
fn results_of_unknown_shapes_are_refused() {
    let check = |what: &str, parts: &[u64], name: Option<&str>| {
        let bytes = cbor::encode(|out| {
            cbor::map(out, 3);
            for value in [0, 3, 1, ERA, 2] {
                cbor::uint(out, value);
            }
            cbor::array(out, 1);
            cbor::array(out, parts.len() + usize::from(name.is_some()));
            parts.iter().for_each(|part| cbor::uint(out, *part));
            name.iter().for_each(|name| cbor::text(out, name));
        });
        assert!(Message::decode(&bytes).is_err(), "{what}");
    };
    check("too short", &[1], None);
    check("an unknown outcome", &[1, 4], None);
    check("a refusal without a name", &[1, 2], None);
    check("taken with a name", &[1, 0], Some("other"));
    check("a name that is a sentence", &[1, 2], Some("Please run this:"));
    check("a name that is too long", &[1, 2], Some("a_name_that_goes_on_and_on_and_on"));
    check("an empty name", &[1, 2], Some(""));
}

#[test]
fn a_refusal_is_a_name_and_never_a_sentence() {
    let check = |name: &str, wanted: &str| assert_eq!(Refusal::named(name).name(), wanted);
    check("revoked", "revoked");
    check("no_such_role_2", "no_such_role_2");
    check("Please run this:", "other");
    check("a_name_that_goes_on_and_on_and_on", "other");
    check("", "other");
    assert!(Reason::ALL.iter().all(|reason| Refusal::from(*reason) == Refusal::named(reason.name())));
}

#[test]
fn an_era_says_where_its_items_are() {
    for random in [0, 1, 2, 3, u64::MAX, u64::MAX - 1] {
        for source in [Source::Disk, Source::Memory] {
            assert_eq!(Source::of(source.era(random)), source);
        }
    }
}

proptest! {
    #[test]
    fn whatever_comes_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _read = Message::from_frame(&bytes);
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert!(matches!(message, Message::Unknown(_)) || Message::decode(&message.encode()) == Ok(message));
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_reads_as_a_message(at: prop::sample::Index, sample: prop::sample::Index, to: u8) {
        let samples = samples();
        let mut bytes = sample.get(&samples).encode();
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(message) = Message::decode(&bytes)
            && let Message::Items(items) = &message
        {
            prop_assert!(items.validate().is_ok());
        }
    }

    #[test]
    fn items_read_back_the_same(
        bodies in prop::collection::vec((1..9_u64, prop::collection::vec(any::<u8>(), 0..400)), 1..40),
        schema: u16,
        protocol: u64,
    ) {
        let mut n = 0;
        let one = |(step, body): (u64, Vec<u8>)| {
            n += step;
            Item { protocol, schema, ..item(n, &body) }
        };
        let items: Vec<_> = bodies.into_iter().map(one).collect();
        let message = Message::Items(Items { era: ERA, floor: 1, after: None, items });
        prop_assert_eq!(Message::from_frame(&message.to_frame()), Ok(message));
    }
}
