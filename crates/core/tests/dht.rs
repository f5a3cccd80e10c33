//! Records of the hash table: what is taken, what is refused and why, which of two stands, and vectors with verdicts.
//!
//! `vectors/dht.json` is compared with what this code makes of the same inputs; `ANTIPHON_BLESS=1` writes it anew,
//! which only a new format version may need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use antiphon_core::dht::{
    Body, Card, Claim, Key, Knowledge, LIFE_MAX_MS, LIFE_MS, Pointer, RECORD_BYTES_MAX, Realm, Record, Refusal,
    Standing, Verdict, admit, supersedes, validate,
};
use antiphon_core::ids::{ContentId, EventId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

struct NodeKey(SigningKey);

impl Signer for NodeKey {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

const TEAM: TeamId = TeamId([9; 32]);
const NOW: UnixMillis = UnixMillis(1_790_000_000_000);
/// The event that the index knows, of version 3.
const KNOWN: EventId = EventId([3; 16]);

fn key(seed: u8) -> NodeKey {
    NodeKey(SigningKey::from_bytes(&[seed; 32]))
}

fn alice() -> NodeKey {
    key(1)
}

fn bob() -> NodeKey {
    key(2)
}

fn eve() -> NodeKey {
    key(6)
}

fn realm() -> Realm {
    Realm::of_team(TEAM)
}

/// Alice and bob are members; the index knows one event.
struct Team;

impl Knowledge for Team {
    fn is_member(&self, node: &NodeId) -> bool {
        [alice().node_id(), bob().node_id()].contains(node)
    }

    fn standing(&self, pointer: &Pointer, version: u64) -> Standing {
        match pointer.event == KNOWN {
            false => Standing::Unknown,
            true if (version, pointer.root) == (3, Hash([3; 32])) => Standing::Authorised,
            true => Standing::Refuted,
        }
    }
}

fn pointer(by: &NodeKey, version: u64, event: EventId) -> Record {
    let number = u8::try_from(version.min(255)).unwrap();
    let (store, root) = (StoreId([1; 16]), Hash([number; 32]));
    let body = Body::Pointer(Pointer { content: ContentId([5; 32]), event, store, root });
    Record { team: TEAM, author: by.node_id(), version, expires: NOW.after(LIFE_MS), body }
}

fn known(by: &NodeKey) -> Record {
    pointer(by, 3, KNOWN)
}

fn unknown(by: &NodeKey, version: u64) -> Record {
    pointer(by, version, EventId([200; 16]))
}

fn card(by: &NodeKey, version: u64) -> Record {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let body = Body::Card(Card {
        name: "laptop".into(),
        agent: Some("claude".into()),
        roles: texts(&["backend_developer", "qa_engineer"]),
        capabilities: texts(&["gpu"]),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
    });
    Record { team: TEAM, author: by.node_id(), version, expires: NOW.after(LIFE_MS), body }
}

fn path(record: &Record) -> Vec<u8> {
    record.key().path(&realm().prefix).into_bytes()
}

fn put(record: &Record, by: &NodeKey, held: Option<&[u8]>) -> Result<Vec<u8>, Refusal> {
    let signed = record.sign(by)?;
    admit(&signed, &path(record), held, &realm(), &Team, NOW).map(|_| signed)
}

/// The name of the reason for which a record is refused.
fn refused(record: &Record, by: &NodeKey, held: Option<&[u8]>) -> &'static str {
    put(record, by, held).unwrap_err().name()
}

#[test]
fn a_record_is_read_back_as_it_was_signed() {
    for record in [known(&alice()), unknown(&bob(), u64::MAX), card(&alice(), 1)] {
        let by = if record.author == alice().node_id() { alice() } else { bob() };
        let signed = record.sign(&by).unwrap();
        let valid = validate(&signed, &path(&record), &realm(), |node| Team.is_member(node), NOW).unwrap();
        assert_eq!(valid, record);
        assert_eq!(Record::read(&signed).unwrap(), record);
    }
}

#[test]
fn every_refusal_has_its_reason() {
    let check = |record: Record, by: &NodeKey, want: &str| assert_eq!(refused(&record, by, None), want, "{record:?}");
    check(Record { team: TeamId([8; 32]), ..known(&alice()) }, &alice(), "record_of_another_team");
    check(known(&alice()), &eve(), "record_not_signed");
    check(known(&eve()), &eve(), "record_not_by_a_member");
    check(Record { expires: NOW, ..known(&alice()) }, &alice(), "record_expired");
    let long = NOW.after(LIFE_MAX_MS + 1);
    check(Record { expires: long, ..known(&alice()) }, &alice(), "record_lives_too_long");
    check(Record { version: 4, ..known(&alice()) }, &alice(), "record_not_authorised");
    assert!(put(&Record { expires: NOW.after(LIFE_MAX_MS), ..known(&alice()) }, &alice(), None).is_ok());

    let signed = known(&alice()).sign(&alice()).unwrap();
    let other = path(&card(&alice(), 1));
    let refusal = |bytes: &[u8], key: &[u8]| admit(bytes, key, None, &realm(), &Team, NOW).unwrap_err().name();
    assert_eq!(refusal(&signed, &other), "record_under_wrong_key");
    assert_eq!(refusal(&signed, b"junk"), "record_under_wrong_key");
    assert_eq!(refusal(&signed[1..], &path(&known(&alice()))), "malformed_record");
    assert_eq!(refusal(&vec![0; RECORD_BYTES_MAX + 1], b""), "record_too_large");
}

#[test]
fn nobody_puts_a_card_for_another() {
    let record = card(&bob(), 1);
    let (signed, theirs) = (record.sign(&bob()).unwrap(), Key::Member(alice().node_id()).path(&realm().prefix));
    let refusal = admit(&signed, theirs.as_bytes(), None, &realm(), &Team, NOW).unwrap_err();
    assert_eq!(refusal, Refusal::WrongKey);
}

#[test]
fn a_card_that_says_too_much_is_not_signed() {
    let check = |change: fn(&mut Card)| {
        let mut record = card(&alice(), 1);
        let Body::Card(card) = &mut record.body else { panic!("a card") };
        change(card);
        assert_eq!(record.sign(&alice()).unwrap_err().name(), "malformed_record", "{record:?}");
    };
    check(|card| card.name.clear());
    check(|card| card.name = "a\u{202e}b".into());
    check(|card| card.agent = Some("x".repeat(129)));
    check(|card| assert!(card.roles.insert("No Role".into())));
    check(|card| card.capabilities = (0..33).map(|n| n.to_string()).collect());
    check(|card| card.addresses = vec!["/a".into(); 17]);
}

#[test]
fn a_lower_version_never_replaces_a_higher_one_and_an_equal_one_refreshes() {
    let held = card(&alice(), 5).sign(&alice()).unwrap();
    assert_eq!(refused(&card(&alice(), 4), &alice(), Some(&held)), "record_older");
    assert!(put(&card(&alice(), 6), &alice(), Some(&held)).is_ok());

    let again = |life| Record { expires: NOW.after(life), ..card(&alice(), 5) };
    let weigh = |record: &Record| {
        admit(&record.sign(&alice()).unwrap(), &path(record), Some(&held), &realm(), &Team, NOW).unwrap()
    };
    let longer = weigh(&again(LIFE_MS + 1));
    assert!(longer.is_new && longer.expires == NOW.after(LIFE_MS + 1));
    let shorter = weigh(&again(LIFE_MS - 1));
    assert!(!shorter.is_new && shorter.expires == NOW.after(LIFE_MS), "what lives longer is kept");

    let mut other = card(&alice(), 5);
    other.body = Body::Card(Card { name: "another".into(), ..Card::default() });
    assert_eq!(refused(&other, &alice(), Some(&held)), "record_contradicts");
}

#[test]
fn nobody_blocks_an_address_with_the_highest_version() {
    let high = unknown(&bob(), u64::MAX).sign(&bob()).unwrap();
    assert!(put(&known(&alice()), &alice(), Some(&high)).is_ok(), "the index knows the event");
    let held = known(&alice()).sign(&alice()).unwrap();
    assert_eq!(refused(&unknown(&bob(), u64::MAX), &bob(), Some(&held)), "record_older");
}

#[test]
fn what_ended_or_was_written_by_somebody_put_out_stands_in_nobodys_way() {
    let ended = Record { expires: NOW, ..unknown(&bob(), 9) }.sign(&bob()).unwrap();
    let stranger = unknown(&eve(), 9).sign(&eve()).unwrap();
    let refuted = Record { version: 9, ..known(&bob()) }.sign(&bob()).unwrap();
    for held in [ended, stranger, refuted, b"junk".to_vec()] {
        assert!(put(&unknown(&alice(), 1), &alice(), Some(&held)).is_ok());
    }
}

fn records() -> impl Strategy<Value = Record> {
    (any::<bool>(), 0..4_u64, 1..LIFE_MAX_MS, any::<bool>()).prop_map(|(by_alice, version, life, is_known)| {
        let by = if by_alice { alice() } else { bob() };
        let record = if is_known { known(&by) } else { unknown(&by, version) };
        Record { expires: NOW.after(life), ..record }
    })
}

proptest! {
    #[test]
    fn what_stands_in_the_end_does_not_depend_on_the_order(list in proptest::collection::vec(records(), 1..6)) {
        let settle = |list: &mut dyn Iterator<Item = &Record>| {
            let mut held: Option<Vec<u8>> = None;
            for record in list {
                let by = if record.author == alice().node_id() { alice() } else { bob() };
                let signed = record.sign(&by).unwrap();
                let admitted = admit(&signed, &path(record), held.as_deref(), &realm(), &Team, NOW);
                if admitted.is_ok_and(|admitted| admitted.is_new) {
                    held = Some(signed);
                }
            }
            Record::read(&held.unwrap()).map(|record| (record.version, record.expires, record.body)).unwrap()
        };
        prop_assert_eq!(settle(&mut list.iter()), settle(&mut list.iter().rev()));
    }

    #[test]
    fn nothing_is_replaced_by_what_it_replaces(a in records(), b in records()) {
        let (one, two) = (Claim::new(&a, &Team), Claim::new(&b, &Team));
        match supersedes(one, two) {
            Verdict::Replace => prop_assert_eq!(supersedes(two, one), Verdict::Keep),
            Verdict::Refresh => prop_assert_eq!(supersedes(two, one), Verdict::Refresh),
            Verdict::Keep => prop_assert_ne!(supersedes(two, one), Verdict::Refresh),
        }
    }

    #[test]
    fn a_changed_byte_is_never_taken(at in any::<proptest::sample::Index>(), bit in 0..8_u8) {
        let record = card(&alice(), 1);
        let mut signed = record.sign(&alice()).unwrap();
        let at = at.index(signed.len());
        signed[at] ^= 1 << bit;
        prop_assert!(admit(&signed, &path(&record), None, &realm(), &Team, NOW).is_err());
    }

    #[test]
    fn junk_is_refused_and_breaks_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(validate(&bytes, b"", &realm(), |_| true, NOW).is_err());
    }
}

/// Every vector: what is put where, over what, and what is to come of it.
fn made() -> Value {
    let mut cases = Vec::new();
    let mut case = |name: &str, signed: Vec<u8>, key: &[u8], held: Option<Vec<u8>>| {
        let mut case = json!({
            "name": name, "team": TEAM.to_string(), "now": NOW.0,
            "members": [alice().node_id().to_string(), bob().node_id().to_string()],
            "key": std::str::from_utf8(key).unwrap(), "record": HEXLOWER.encode(&signed),
            "held": held.map(|held| HEXLOWER.encode(&held)),
        });
        case["expect"] = json!(judge(&case));
        cases.push(case);
    };
    let signed = |record: &Record, by: &NodeKey| record.sign(by).unwrap();
    let (good, place) = (known(&alice()), path(&known(&alice())));
    let mine = path(&card(&alice(), 1));
    case("a pointer", signed(&good, &alice()), &place, None);
    case("a card", signed(&card(&alice(), 1), &alice()), &mine, None);
    case("under the key of another member", signed(&card(&bob(), 1), &bob()), &mine, None);
    let foreign = Record { team: TeamId([8; 32]), ..good.clone() };
    case("of another team", signed(&foreign, &alice()), &place, None);
    case("signed by another", signed(&good, &eve()), &place, None);
    case("by a stranger", signed(&known(&eve()), &eve()), &place, None);
    case("at its end", signed(&Record { expires: NOW, ..good.clone() }, &alice()), &place, None);
    let last = Record { expires: NOW.after(LIFE_MAX_MS), ..good.clone() };
    case("for 48 hours", signed(&last, &alice()), &place, None);
    let long = Record { expires: NOW.after(LIFE_MAX_MS + 1), ..good.clone() };
    case("for longer", signed(&long, &alice()), &place, None);
    let mut bytes = signed(&good, &alice());
    bytes.push(0);
    case("a byte too many", bytes, &place, None);
    case("more than 8 KiB", vec![0; RECORD_BYTES_MAX + 1], &place, None);
    case(
        "a version that its event does not have",
        signed(&Record { version: 4, ..good.clone() }, &alice()),
        &place,
        None,
    );
    let high = Some(signed(&unknown(&bob(), u64::MAX), &bob()));
    case("over the highest version of an unknown event", signed(&good, &alice()), &place, high);
    let held = Some(signed(&good, &alice()));
    case("the highest version of an unknown event", signed(&unknown(&bob(), u64::MAX), &bob()), &place, held);
    let held = Some(signed(&card(&alice(), 2), &alice()));
    case("an older version", signed(&card(&alice(), 1), &alice()), &mine, held.clone());
    let longer = Record { expires: NOW.after(LIFE_MS + 1), ..card(&alice(), 2) };
    case("the same version for longer", signed(&longer, &alice()), &mine, held.clone());
    case("the same again", signed(&card(&alice(), 2), &alice()), &mine, held.clone());
    let mut other = card(&alice(), 2);
    other.body = Body::Card(Card { name: "another".into(), ..Card::default() });
    case("the same version with another content", signed(&other, &alice()), &mine, held);
    json!(cases)
}

/// What this code says of a case, in the words of the vectors. The index knows the event `3…3`, of version 3.
fn judge(case: &Value) -> String {
    let hex = |value: &Value| HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
    let realm = Realm::of_team(case["team"].as_str().unwrap().parse().unwrap());
    let held = case["held"].is_string().then(|| hex(&case["held"]));
    let now = UnixMillis(case["now"].as_u64().unwrap());
    let place = case["key"].as_str().unwrap().as_bytes();
    match admit(&hex(&case["record"]), place, held.as_deref(), &realm, &Team, now) {
        Ok(admitted) if admitted.is_new => format!("taken until {}", admitted.expires.0),
        Ok(admitted) => format!("held until {}", admitted.expires.0),
        Err(refusal) => refusal.name().to_owned(),
    }
}

#[test]
fn records_keep_their_verdicts() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/dht.json");
    let text = serde_json::to_string_pretty(&made()).unwrap() + "\n";
    if std::env::var("ANTIPHON_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap();
    assert_eq!(held, text, "a released format never changes");
    let cases: Value = serde_json::from_str(&held).unwrap();
    for case in cases.as_array().unwrap() {
        assert_eq!(judge(case), case["expect"].as_str().unwrap(), "{}", case["name"]);
    }
}
