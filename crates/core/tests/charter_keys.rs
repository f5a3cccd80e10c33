//! Stories of genes, role keys and cuts: what counts when several stewards speak of one thing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the world is shared with the law")]

#[path = "charter/world.rs"]
mod world;

use antiphon_core::charter::{Choice, Cut, Entry, Record, RecordError};
use antiphon_core::event::{Event, Header, Payload, Provenance};
use antiphon_core::ids::{EventId, Hash, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::time::{Hlc, UnixMillis};
use antiphon_core::vclock::VClock;
use world::*;

const ROLE: &str = "observer";

#[test]
fn of_two_genes_the_causally_first_counts() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(BOB, gene("law.a", "first"));
    story.all_meet();
    story.says(ALICE, gene("law.a", "second"));
    story.says(ALICE, gene("law.b", "other"));
    assert_eq!(story.membership().genes()["law.a"], "first");
    assert_eq!(story.membership().genes()["law.b"], "other");
    // Once the author of the first was removed without it, the second stands.
    let mut other = Story::of(&[ALICE, BOB]);
    other.says(BOB, gene("law.a", "bobs"));
    other.says(ALICE, remove(BOB));
    other.says(ALICE, gene("law.a", "alices"));
    assert_eq!(other.membership().genes()["law.a"], "alices");
}

/// Reads a record from an event as it would come from the wire.
fn from_the_wire(record: &Record) -> Result<Entry, RecordError> {
    let store = StoreId([1; 16]);
    let fields = record.to_fields();
    let bits = fields.keys().fold(0, |bits, bit| bits | 1 << bit);
    let payload = Payload { salt: [1; 16], provenance: Provenance::default(), fields }.encode(Stream::Charter).unwrap();
    let header = Header {
        team: TeamId([1; 32]),
        id: EventId::next(None, UnixMillis(1), [1; 10]),
        store,
        stream: Stream::Charter,
        seq: 2,
        prev: Hash([1; 32]),
        hlc: Hlc::default().tick(UnixMillis(1)),
        action: record.action(),
        subject: record.subject().unwrap(),
        version: VClock::from_iter([(store, 2)]),
        fields: bits,
        payload_hash: Hash::of(&payload),
        payload_len: payload.len() as u64,
        seal: None,
    };
    Entry::read(&Event::author(header, payload).unwrap(), ALICE)
}

#[test]
fn a_gene_with_a_meaning_of_its_own_is_no_record() {
    assert_eq!(from_the_wire(&gene("law.a", "be kind")).unwrap().record, gene("law.a", "be kind"));
    let rule = "authority: read_only; decrypts: guest";
    assert!(from_the_wire(&gene("role.guest", rule)).is_ok());
    for id in ["team.name", "steward.second", "policy.steward_threshold", "limit.members"] {
        assert_eq!(from_the_wire(&gene(id, "1")).unwrap_err(), RecordError::Field("gene"), "{id}");
    }
    assert_eq!(from_the_wire(&gene("role.guest", "king")).unwrap_err(), RecordError::Field("gene"));
}

#[test]
fn the_newest_key_without_a_removed_holder_is_used() {
    let mut story = Story::of(&[ALICE, BOB]);
    assert_eq!(story.membership().role_key(ROLE), None);
    for member in [CAROL, DAVE] {
        story.says(ALICE, granted(member, ROLE, &[]));
    }
    let old = story.says(ALICE, key(ROLE, &[ALICE, CAROL]));
    story.all_meet();
    let new = story.says(BOB, key(ROLE, &[ALICE, CAROL, DAVE]));
    let used = |story: &Story| story.membership().role_key(ROLE).map(|key| key.epoch);
    assert_eq!(used(&story), Some(new.hash));
    // Dave goes, and nobody made a new key: whoever holds the newer one opens the older one too.
    story.says(ALICE, revoke(DAVE));
    assert_ne!(old.hash, new.hash);
    assert_eq!(used(&story), None);
    // A removal that brings keys leaves no moment without one.
    let removal = story.says(ALICE, revoke_with(EVE, false, Vec::new(), vec![role_key(ROLE, &[ALICE])]));
    assert_eq!(used(&story), Some(removal.hash));
    assert_eq!(story.membership().role_key("admin"), None);
}

#[test]
fn of_two_keys_at_once_the_older_right_counts() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(BOB, key(ROLE, &[ALICE]));
    let alices = story.says(ALICE, key(ROLE, &[ALICE]));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, alices.hash);
}

#[test]
fn of_two_keys_at_once_the_one_without_a_removed_holder_counts() {
    let mut story = Story::of(&[ALICE, BOB]);
    let removal = story.says(ALICE, revoke(DAVE));
    story.says(BOB, key(ROLE, &[ALICE, DAVE]));
    assert_eq!(story.membership().role_key(ROLE), None);
    let alices = story.says(ALICE, key(ROLE, &[ALICE]));
    assert!(alices.has_seen(&removal));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, alices.hash);
}

#[test]
fn a_key_whose_maker_had_not_heard_of_a_removal_is_not_used() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(ALICE, granted(CAROL, ROLE, &[]));
    // Bob knows neither of eve's grant nor of her removal, and may yet hear of the one before the other.
    let removal = story.says(ALICE, revoke_with(EVE, false, Vec::new(), vec![role_key(ROLE, &[ALICE, BOB])]));
    let bobs = story.says(BOB, key(ROLE, &[ALICE, BOB]));
    let used = |story: &Story| story.membership().role_key(ROLE).map(|key| key.epoch);
    assert_eq!(used(&story), Some(removal.hash));
    // Two removals at once, each with keys: neither maker knew of both.
    story.says(BOB, revoke_with(DAVE, false, Vec::new(), vec![role_key(ROLE, &[ALICE, BOB])]));
    assert_eq!(used(&story), None);
    story.all_meet();
    let both = story.says(BOB, key(ROLE, &[ALICE, BOB]));
    assert!(both.has_seen(&bobs));
    assert_eq!(used(&story), Some(both.hash));
}

#[test]
fn several_removals_of_one_member_at_once_leave_each_key_usable() {
    let mut story = Story::of(&[ALICE, BOB]);
    let alices = story.says(ALICE, revoke_with(EVE, false, Vec::new(), vec![role_key(ROLE, &[ALICE, BOB])]));
    let bobs = story.says(BOB, revoke_with(EVE, false, Vec::new(), vec![role_key(ROLE, &[BOB])]));
    let used = |story: &Story| story.membership().role_key(ROLE).map(|key| key.epoch);
    assert_eq!(used(&story), Some(alices.hash), "the older right");
    // What was beyond a cut is taken in by one more removal, which brings no keys.
    story.all_meet();
    story.says(ALICE, revoke(EVE));
    assert!([alices.hash, bobs.hash].contains(&used(&story).unwrap()));
}

#[test]
fn a_key_that_was_made_before_a_removal_was_agreed_to_is_not_used() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let used = |story: &Story| story.membership().role_key(ROLE).map(|key| key.epoch);
    let removal = story.says(ALICE, revoke_with(CAROL, false, Vec::new(), vec![role_key(ROLE, &[ALICE, BOB])]));
    assert_eq!(used(&story), None, "it waits for consent");
    story.all_meet();
    let early = story.says(BOB, key(ROLE, &[ALICE, BOB]));
    assert_eq!(used(&story), Some(early.hash));
    story.says(BOB, approve(&removal));
    assert!(story.is_revoked(CAROL));
    assert_eq!(used(&story), None, "carol was a steward when it was made, and could have been given it");
    let late = story.says(BOB, key(ROLE, &[ALICE, BOB]));
    assert_eq!(used(&story), Some(late.hash));
}

#[test]
fn the_key_of_a_removal_is_used_once_it_is_agreed_to() {
    let mut story = Story::of(&[ALICE, BOB, CAROL]);
    let removal = story.says(ALICE, revoke_with(CAROL, false, Vec::new(), vec![role_key(ROLE, &[ALICE, BOB])]));
    story.all_meet();
    story.says(BOB, approve(&removal));
    assert_eq!(story.membership().role_key(ROLE).unwrap().epoch, removal.hash);
}

#[test]
fn keys_of_the_removed_are_not_used() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(BOB, key(ROLE, &[ALICE]));
    story.says(ALICE, remove(BOB));
    assert_eq!(story.membership().role_key(ROLE), None);
}

#[test]
fn whoever_is_granted_later_holds_the_key_by_the_grant() {
    let mut story = Story::of(&[ALICE]);
    let made = story.says(ALICE, key(ROLE, &[ALICE]));
    let holds = |story: &Story| story.membership().role_key(ROLE).unwrap().wraps.contains_key(&BOB);
    assert!(!holds(&story));
    story.says(ALICE, granted(BOB, ROLE, &[made.hash]));
    assert!(holds(&story));
    let membership = story.membership();
    assert_eq!(membership.role_keys().get(ROLE, &made.hash), membership.role_key(ROLE));
    assert_eq!(membership.role_keys().epochs().map(|key| key.epoch).collect::<Vec<_>>(), [made.hash]);
    // So the key is no longer one to use once he is gone.
    story.says(ALICE, revoke(BOB));
    assert_eq!(story.membership().role_key(ROLE), None);
}

fn cut(seq: u64) -> Cut {
    Cut { log: LogId::new(StoreId([4; 16]), Stream::Shared), head: Head { seq, hash: Hash([4; 32]) } }
}

/// What counts of dave's log after revocations of him with one cut each.
fn cuts(revocations: &[(bool, u64)]) -> Choice {
    let mut story = Story::of(&[ALICE, BOB]);
    for (at, (compromised, seq)) in revocations.iter().enumerate() {
        let author = [ALICE, BOB][at % 2];
        story.says(author, revoke_with(DAVE, *compromised, vec![cut(*seq)], Vec::new()));
    }
    story.membership().removal(&DAVE).unwrap().cuts(&cut(1).log)
}

#[test]
fn of_several_cuts_marked_ones_count_first() {
    let heads = |seqs: &[u64]| seqs.iter().map(|seq| cut(*seq).head).collect::<Vec<_>>();
    assert_eq!(cuts(&[(false, 5), (false, 9)]), Choice::Highest(heads(&[5, 9])));
    assert_eq!(cuts(&[(false, 9), (true, 5)]), Choice::Lowest(heads(&[5])));
    assert_eq!(cuts(&[(true, 7), (true, 5), (false, 2)]), Choice::Lowest(heads(&[5, 7])));
    assert_eq!(cuts(&[(false, 5), (false, 5)]), Choice::Highest(heads(&[5])));
    let mut story = Story::of(&[ALICE]);
    story.says(ALICE, revoke_with(DAVE, true, vec![cut(3)], Vec::new()));
    let other = LogId::new(StoreId([5; 16]), Stream::Shared);
    let membership = story.membership();
    assert_eq!(membership.removal(&DAVE).unwrap().cuts(&other), Choice::Unnamed);
    assert!(membership.removal(&DAVE).unwrap().compromised);
}

#[test]
fn of_several_removals_the_one_of_the_oldest_right_is_shown() {
    for round in 0..8 {
        let mut story = Story::of(&[ALICE, BOB]);
        let bobs = story.says(BOB, revoke_with(DAVE, false, vec![cut(round)], Vec::new()));
        let alices = [1, 2].map(|_| story.says(ALICE, revoke_with(DAVE, false, vec![cut(round)], Vec::new())));
        let membership = story.membership();
        let shown = membership.removal(&DAVE).unwrap().record.as_ref().unwrap();
        assert_ne!(shown.hash, bobs.hash);
        assert_eq!((shown.by, Some(shown.hash)), (ALICE, alices.iter().map(|entry| entry.hash).min()));
    }
}

#[test]
fn a_removed_steward_cuts_nobody() {
    let mut story = Story::of(&[ALICE, BOB]);
    story.says(ALICE, revoke_with(DAVE, false, vec![cut(9)], Vec::new()));
    story.says(BOB, revoke_with(DAVE, true, vec![cut(1)], Vec::new()));
    story.says(ALICE, remove(BOB));
    let membership = story.membership();
    let removal = membership.removal(&DAVE).unwrap();
    assert_eq!(removal.cuts(&cut(1).log), Choice::Highest(vec![cut(9).head]));
    assert!(!removal.compromised);
}
