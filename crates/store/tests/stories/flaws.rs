//! One event with which something is wrong, at any place of a log: it alone does not count, and everybody sees why.

use std::collections::BTreeMap;

use antiphon_core::cbor;
use antiphon_core::event::{Action, Event, Header, Payload, Subject};
use antiphon_core::fact::Field;
use antiphon_core::ids::{EventId, FactId, Hash, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::sign::Signer;
use antiphon_core::time::Hlc;
use antiphon_core::value::Value;
use antiphon_store::{Applied, Cause, Db, FactFilter, Options};

use crate::common::{Key, Machine, NOW, alice, join, no_provenance};

/// Events of the log.
const EVENTS: u64 = 1_000;
/// Edits of one fact that have not seen each other.
const EDITS: u64 = 401;

/// What can be wrong with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    UnknownAction,
    UnknownKind,
    SubjectId,
    Version,
    Payload,
    OtherPayload,
    Overflow,
    TooLarge,
    NoPayload,
    Future,
}

impl Wrong {
    pub const ALL: [Self; 10] = [
        Self::UnknownAction,
        Self::UnknownKind,
        Self::SubjectId,
        Self::Version,
        Self::Payload,
        Self::OtherPayload,
        Self::Overflow,
        Self::TooLarge,
        Self::NoPayload,
        Self::Future,
    ];

    pub const fn cause(self) -> Cause {
        match self {
            Self::UnknownAction => Cause::UnknownAction,
            Self::UnknownKind => Cause::UnknownType,
            Self::SubjectId => Cause::InvalidTraceId,
            Self::Version => Cause::Malformed,
            Self::Payload => Cause::MalformedPayload,
            Self::OtherPayload | Self::NoPayload => Cause::MissingPayload,
            Self::Overflow => Cause::ClockOverflow,
            Self::TooLarge => Cause::TooLarge,
            Self::Future => Cause::ClockSkew,
        }
    }

    /// The part of the header that is wrong, as it stands in it.
    fn part(self, header: &Header) -> Option<(u64, Vec<u8>)> {
        let number = |number: u64| cbor::encode(|out| cbor::uint(out, number));
        let subject = |kind: u64, len: usize| {
            cbor::encode(|out| {
                cbor::array(out, 2);
                cbor::uint(out, kind);
                cbor::bytes(out, &vec![5; len]);
            })
        };
        match self {
            Self::UnknownAction => Some((8, number(99))),
            Self::UnknownKind => Some((9, subject(77, 16))),
            Self::SubjectId => Some((9, subject(1, 15))),
            Self::Version => Some((10, number(1))),
            Self::Overflow => Some((
                10,
                cbor::encode(|out| {
                    cbor::map(out, 1);
                    cbor::bytes(out, &header.store.0);
                    cbor::uint(out, u64::MAX);
                }),
            )),
            Self::TooLarge => Some((13, number(64 * 1024 + 1))),
            Self::Future => Some((7, number(4_102_444_800_000 << 16))),
            Self::Payload | Self::OtherPayload | Self::NoPayload => None,
        }
    }
}

/// A header with another value under a key.
pub fn with_part(header: &[u8], key: u64, value: &[u8]) -> Vec<u8> {
    let mut input = minicbor::Decoder::new(header);
    let keys = input.map().unwrap().unwrap();
    let mut out = cbor::encode(|out| cbor::map(out, usize::try_from(keys).unwrap()));
    for _ in 0..keys {
        let found = input.u64().unwrap();
        let begin = input.position();
        input.skip().unwrap();
        out.extend(cbor::encode(|out| cbor::uint(out, found)));
        out.extend(if found == key { value } else { &header[begin..input.position()] });
    }
    out
}

/// Somebody who writes a log as she likes.
struct Author<'a> {
    key: &'a Key,
    team: TeamId,
    log: LogId,
}

impl Author<'_> {
    /// The next event: a fact, or one with which something is wrong.
    fn next(&self, head: Head, wrong: Option<Wrong>) -> Event {
        let seq = head.seq + 1;
        let number = u128::from(seq).to_be_bytes();
        let mut fields = BTreeMap::new();
        fields.insert(Field::Content.bit(), Value::from(format!("fact {seq}").as_str()));
        let bits = Field::Content.mask();
        let payload = Payload { salt: number, provenance: no_provenance(), fields };
        let mut payload = payload.encode(Stream::Shared).unwrap();
        if wrong == Some(Wrong::Payload) {
            payload = b"this is no payload".to_vec();
        }
        let header = Header {
            team: self.team,
            id: EventId(number),
            store: self.log.store,
            stream: self.log.stream,
            seq,
            prev: head.hash,
            hlc: Hlc::default().tick(NOW),
            action: Action::Set,
            subject: Subject::Fact(FactId(number)),
            version: [(self.log.store, 1)].into_iter().collect(),
            fields: bits,
            payload_hash: Hash::of(&payload),
            payload_len: payload.len() as u64,
            seal: None,
        };
        let part = wrong.and_then(|wrong| wrong.part(&header));
        let bytes = header.encode().unwrap();
        let bytes = part.map_or(bytes.clone(), |(key, value)| with_part(&bytes, key, &value));
        let payload = match wrong {
            Some(Wrong::NoPayload | Wrong::TooLarge) => None,
            Some(Wrong::OtherPayload) => Some(b"of another event".to_vec()),
            _ => Some(payload),
        };
        // As it comes out of a page: what is not its own payload is left out.
        let event = Event::parse_without_false_payload(bytes.clone(), payload, None).unwrap();
        Event::from_log(bytes, event.payload().map(<[u8]>::to_vec), None).unwrap()
    }

    /// Events after `head` up to the last of the log, the first of them with something wrong.
    fn rest(&self, head: Head, wrong: Option<Wrong>) -> Vec<Event> {
        let first = self.next(head, wrong);
        let mut events = vec![first];
        while events.last().unwrap().header().seq < EVENTS {
            let head = events.last().unwrap().head();
            events.push(self.next(head, None));
        }
        events
    }

    /// Gives events to a database in runs of at most `cut` events, each with its last one signed.
    fn give(&self, to: &mut Db, events: &[Event], cut: usize) -> Vec<Applied> {
        let runs = events.chunks(cut).map(|run| {
            let mut run = run.to_vec();
            run.last_mut().unwrap().sign(self.key);
            to.apply_run(self.log, self.key.node_id(), run, None, NOW).unwrap()
        });
        runs.collect()
    }
}

/// Eve, who is a member and has just opened her log, and a reader who holds that.
fn eve_and_bob() -> (Machine, Machine) {
    let (mut alice, genome) = alice();
    let eve = join(5, "eve", &mut alice, &genome);
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.pull(&alice);
    bob.pull(&eve);
    (eve, bob)
}

fn author(eve: &Machine) -> Author<'_> {
    Author { key: eve.key.as_ref(), team: eve.db.own().unwrap().team, log: eve.shared() }
}

/// A copy of a database as it is now.
fn copy(from: &Machine) -> (tempfile::TempDir, Db) {
    let home = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(from.home.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, home.path().join(path.file_name().unwrap())).unwrap();
    }
    let db = Db::open(home.path(), Options { durable: false }, Some(from.key.clone())).unwrap();
    (home, db)
}

/// All but one event count, nothing is stalled, and of that one everybody sees why.
fn check(db: &Db, log: LogId, seq: u64, wrong: Wrong, told: &[Applied]) {
    let reader = db.reader();
    let head = reader.clock().unwrap()[&log];
    assert_eq!(head.seq, EVENTS, "{wrong:?} at {seq}");
    let (aside, future) = (reader.quarantined(10).unwrap(), reader.skewed(10).unwrap());
    let missing = reader.missing_payloads(10).unwrap();
    let found: Vec<(u64, Cause)> = (aside.iter().map(|one| (one.seq, one.cause)))
        .chain(future.iter().map(|one| (one.seq, Cause::ClockSkew)))
        .chain(missing.iter().map(|one| (one.seq, Cause::MissingPayload)))
        .collect();
    assert_eq!(found, [(seq, wrong.cause())], "{wrong:?} at {seq}");
    let troubles: Vec<_> = told.iter().filter_map(|applied| applied.trouble.as_ref()).collect();
    let [trouble] = troubles.as_slice() else { panic!("{wrong:?} at {seq}: {troubles:?}") };
    assert_eq!((trouble.cause, trouble.event), (wrong.cause(), EventId(u128::from(seq).to_be_bytes())));
    // One of them opens the log, and of those whose header alone counts the fact is known and its text is not.
    let header_counts = matches!(wrong.cause(), Cause::MalformedPayload | Cause::TooLarge | Cause::MissingPayload);
    let whole = EVENTS - 2 + u64::from(wrong == Wrong::Future);
    assert_eq!(reader.counts().unwrap().facts, whole + u64::from(header_counts), "{wrong:?} at {seq}");
}

#[test]
fn a_bad_event_at_any_place_of_a_thousand_stalls_none_of_the_others() {
    std::thread::scope(|scope| {
        for parity in [0, 1] {
            scope.spawn(move || bad_at_every_other_place(parity));
        }
    });
}

fn bad_at_every_other_place(parity: u64) {
    let (eve, mut bob) = eve_and_bob();
    let author = author(&eve);
    let mut head = eve.db.reader().clock().unwrap()[&author.log];
    assert_eq!(head.seq, 1);
    let mut seed: u64 = 1;
    for seq in 2..=EVENTS {
        if seq % 2 == parity {
            let wrong = Wrong::ALL[usize::try_from(seq * 7 / 2).unwrap() % Wrong::ALL.len()];
            let (_home, mut db) = copy(&bob);
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let cut = 1 + usize::try_from(seed >> 33).unwrap() % 512;
            let told = author.give(&mut db, &author.rest(head, Some(wrong)), cut);
            check(&db, author.log, seq, wrong, &told);
        }
        // The next one has a good event here.
        let good = author.next(head, None);
        head = good.head();
        author.give(&mut bob.db, &[good], 1);
    }
    assert_eq!(bob.db.reader().facts(&FactFilter::default(), 2_000, None).unwrap().len(), 999);
}

#[test]
fn whatever_is_wrong_nodes_agree_however_the_log_was_cut() {
    let (eve, bob) = eve_and_bob();
    let author = author(&eve);
    let opened = eve.db.reader().clock().unwrap()[&author.log];
    for wrong in Wrong::ALL {
        for seq in [2, 500, EVENTS] {
            let mut events = Vec::new();
            let mut head = opened;
            while head.seq + 1 < seq {
                events.push(author.next(head, None));
                head = events.last().unwrap().head();
            }
            events.extend(author.rest(head, Some(wrong)));
            let hashes: Vec<Hash> = [97, 512]
                .map(|cut| {
                    let (_home, mut db) = copy(&bob);
                    let told = author.give(&mut db, &events, cut);
                    check(&db, author.log, seq, wrong, &told);
                    let before = db.reader().state_hash().unwrap();
                    db.rebuild().unwrap();
                    assert_eq!(db.reader().state_hash().unwrap(), before);
                    assert_eq!(db.reader().verify().unwrap().problems, Vec::<String>::new());
                    before
                })
                .into();
            assert_eq!(hashes[0], hashes[1], "{wrong:?} at {seq}");
        }
    }
}

#[test]
fn what_waits_for_an_upgrade_is_taken_in_when_it_comes() {
    let (mut alice, genome) = alice();
    let mut bob = join(2, "bob", &mut alice, &genome);
    let facts: Vec<FactId> = (0..1_500).map(|n| alice.remember(&format!("fact {n}"))).collect();
    alice.edit(facts[0], Field::Content, "edited".into());
    alice.forget(facts[1]);
    bob.pull(&alice);
    let before = bob.db.reader().state_hash().unwrap();
    for (actions, kinds) in [(vec![1], vec![]), (vec![2], vec![]), (vec![], vec![1])] {
        // More than one step of them.
        let aside = bob.db.leave_as_older_version(&actions, &kinds).unwrap();
        assert_eq!(bob.db.reader().quarantined(5_000).unwrap().len(), aside);
        assert_ne!(bob.db.reader().state_hash().unwrap(), before);
        if actions != [2] {
            assert_eq!(bob.db.reader().counts().unwrap().facts, 0);
        }
        bob.reopen();
        assert_eq!(bob.db.reader().quarantined(10).unwrap(), []);
        assert_eq!(bob.db.reader().state_hash().unwrap(), before);
        assert_eq!(bob.content(facts[0]).as_deref(), Some("edited"));
        assert!(bob.db.reader().fact(facts[1]).unwrap().unwrap().forgotten);
        assert_eq!(bob.db.reader().verify().unwrap().problems, Vec::<String>::new());
    }
}

#[test]
fn an_upgrade_leaves_alone_what_it_does_not_help() {
    let (eve, mut bob) = eve_and_bob();
    let author = author(&eve);
    let mut head = eve.db.reader().clock().unwrap()[&author.log];
    for wrong in Wrong::ALL {
        let events = [author.next(head, Some(wrong))];
        head = events[0].head();
        author.give(&mut bob.db, &events, 1);
    }
    let state = |bob: &Machine| {
        let reader = bob.db.reader();
        (reader.quarantined(100).unwrap(), reader.skewed(10).unwrap(), reader.state_hash().unwrap())
    };
    let before = state(&bob);
    assert_eq!((before.0.len(), before.1.len()), (Wrong::ALL.len() - 3, 1));
    bob.db.leave_as_older_version(&[], &[]).unwrap();
    bob.reopen();
    assert_eq!(state(&bob), before);
}

#[test]
fn a_text_that_comes_later_makes_the_fact_whole() {
    let (eve, mut bob) = eve_and_bob();
    let author = author(&eve);
    let head = eve.db.reader().clock().unwrap()[&author.log];
    let (bare, whole) = (author.next(head, Some(Wrong::NoPayload)), author.next(head, None));
    assert_eq!(bare.hash(), whole.hash());
    let told = author.give(&mut bob.db, &[bare], 1);
    assert_eq!(told[0].trouble.as_ref().unwrap().cause, Cause::MissingPayload);
    let told = author.give(&mut bob.db, &[whole], 1);
    assert_eq!((told[0].filled, told[0].trouble.clone()), (1, None));
    assert_eq!(bob.db.reader().missing_payloads(10).unwrap(), []);
    // What is too long is never asked for, nor taken from whoever brings it.
    let head = bob.db.reader().clock().unwrap()[&author.log];
    let long = author.next(head, Some(Wrong::TooLarge));
    author.give(&mut bob.db, std::slice::from_ref(&long), 1);
    assert_eq!(bob.db.reader().missing_payloads(10).unwrap(), []);
    let bytes = vec![0; 64 * 1024 + 1];
    assert_eq!(bob.db.fill_payloads(&[(author.log, long.header().seq, bytes)]).unwrap(), 0);
}

#[test]
fn whoever_claims_to_have_seen_too_much_makes_nobody_write_what_does_not_count() {
    let (mut alice, genome) = alice();
    let eve = join(5, "eve", &mut alice, &genome);
    let mut bob = join(2, "bob", &mut alice, &genome);
    bob.pull(&alice);
    bob.pull(&eve);
    let fact = bob.remember("bob's own");
    let author = author(&eve);
    let (log, mine) = (author.log, bob.db.own().unwrap().store);
    // Eve says that she has seen a thousand edits of bob's, who has made one.
    let head = eve.db.reader().clock().unwrap()[&log];
    let plain = author.next(head, None);
    let mut version: Vec<_> = [(log.store, 1), (mine, 1_000)].into();
    version.sort();
    let version = cbor::encode(|out| {
        cbor::map(out, 2);
        for (store, count) in &version {
            cbor::bytes(out, &store.0);
            cbor::uint(out, *count);
        }
    });
    let subject = cbor::encode(|out| {
        cbor::array(out, 2);
        cbor::uint(out, 1);
        cbor::bytes(out, &fact.0);
    });
    let bytes = with_part(&with_part(plain.header_bytes(), 10, &version), 9, &subject);
    let lie = Event::from_log(bytes, plain.payload().map(<[u8]>::to_vec), None).unwrap();
    author.give(&mut bob.db, &[lie], 1);
    // The fact is what she says now, and bob is told that he cannot edit it; nothing unfit is ever written by him.
    let draft = antiphon_store::Draft::Edit { fact, edit: crate::common::text("mine"), provenance: no_provenance() };
    assert!(bob.try_write(draft).is_err());
    let other = bob.remember("bob goes on");
    assert_eq!(bob.content(other).as_deref(), Some("bob goes on"));
    assert_eq!(bob.db.reader().quarantined(10).unwrap(), []);
}

#[test]
fn an_event_of_the_year_2100_moves_no_clock_and_stays_marked() {
    let (eve, mut bob) = eve_and_bob();
    let author = author(&eve);
    let head = eve.db.reader().clock().unwrap()[&author.log];
    author.give(&mut bob.db, &[author.next(head, Some(Wrong::Future))], 1);
    for _ in 0..2 {
        let skewed = bob.db.reader().skewed(10).unwrap();
        assert_eq!((skewed.len(), skewed[0].seq, bob.db.reader().counts().unwrap().skewed), (1, 2, 1));
        assert!(skewed[0].ahead_ms > 70 * 365 * 24 * 60 * 60 * 1_000);
        bob.reopen();
        bob.db.rebuild().unwrap();
    }
    let fact = bob.remember("now");
    let written = bob.db.reader().history(fact).unwrap();
    assert_eq!(written[0].hlc.time(), bob.now);
}

#[test]
fn a_clock_that_ran_ahead_and_was_set_right_is_right_again() {
    let (mut alice, _) = alice();
    let right = alice.now;
    alice.now = antiphon_core::time::UnixMillis(4_102_444_800_000);
    alice.remember("from the future");
    alice.now = right;
    alice.reopen();
    let fact = alice.remember("from now");
    assert_eq!(alice.db.reader().history(fact).unwrap()[0].hlc.time(), alice.now);
}

/// Eve edits one fact again and again as if she had never seen what she wrote before.
#[test]
fn edits_that_never_saw_each_other_all_stand_until_somebody_has_seen_them() {
    let (eve, mut bob) = eve_and_bob();
    let author = author(&eve);
    let mut head = eve.db.reader().clock().unwrap()[&author.log];
    let fact = FactId(u128::from(head.seq + 1).to_be_bytes());
    let subject = cbor::encode(|out| {
        cbor::array(out, 2);
        cbor::uint(out, 1);
        cbor::bytes(out, &fact.0);
    });
    while head.seq < EDITS {
        let mut run = Vec::new();
        while run.len() < 100 && head.seq < EDITS {
            let event = author.next(head, None);
            let bytes = with_part(event.header_bytes(), 9, &subject);
            let event = Event::from_log(bytes, event.payload().map(<[u8]>::to_vec), None).unwrap();
            head = event.head();
            run.push(event);
        }
        author.give(&mut bob.db, &run, run.len());
    }
    let edits = bob.db.reader().history(fact).unwrap();
    assert_eq!(edits.len(), usize::try_from(head.seq).unwrap() - 1);
    assert!(edits.iter().all(|edit| !edit.standing.is_empty()));
    let before = bob.db.reader().state_hash().unwrap();
    bob.db.rebuild().unwrap();
    assert_eq!(bob.db.reader().state_hash().unwrap(), before);
    // Whoever has seen them settles them all.
    bob.write(antiphon_store::Draft::Edit { fact, edit: crate::common::text("settled"), provenance: no_provenance() });
    assert_eq!(bob.content(fact).as_deref(), Some("settled"));
    assert!(bob.db.reader().divergences(10, None).unwrap().is_empty());
}
