//! Letters and read notices: what is read back, what is refused, and vectors with verdicts.
//!
//! `vectors/messages.json` is compared with what this code makes of the same inputs; `ANTIPHON_BLESS=1` writes it anew,
//! which only a new format version may need.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use antiphon_core::ids::{FactId, MessageId, NodeId, TeamId};
use antiphon_core::letter::{
    ADDRESS_BYTES_MAX, AGENT_BYTES_MAX, Error, Kept, Letter, NOTICE_IDS_MAX, REFS_MAX, ReadNotice, Reference,
    SIGNED_BYTES_MAX, Signed, TEXT_BYTES_MAX,
};
use antiphon_core::sign::{Signature, Signer};
use antiphon_core::time::UnixMillis;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Key(SigningKey);

impl Signer for Key {
    fn node_id(&self) -> NodeId {
        NodeId(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

const TEAM: TeamId = TeamId([9; 32]);
const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

fn key(seed: u8) -> Key {
    Key(SigningKey::from_bytes(&[seed; 32]))
}

fn alice() -> Key {
    key(1)
}

fn bob() -> Key {
    key(2)
}

fn eve() -> Key {
    key(6)
}

fn id(random: u8) -> MessageId {
    MessageId::of_author(&alice().node_id(), NOW, [random; 4])
}

fn letter() -> Letter {
    Letter {
        team: TEAM,
        id: id(1),
        thread: id(1),
        reply_to: None,
        from: alice().node_id(),
        to: bob().node_id(),
        role: Some("qa_engineer".to_owned()),
        at: NOW,
        agent: Some("claude".to_owned()),
        text: "Retries are done.\nPlease look at the limits.".to_owned(),
        refs: vec![
            Reference::Fact(FactId::new(NOW, [7; 10])),
            Reference::Address("ucxl://alice/qa_engineer/api/retry/decision".to_owned()),
        ],
    }
}

fn notice() -> ReadNotice {
    let (from, to) = (bob().node_id(), alice().node_id());
    ReadNotice { team: TEAM, from, to, at: NOW, ids: vec![id(1), id(2)] }
}

fn to_bob(signed: &Signed) -> Result<Letter, Error> {
    signed.letter(&TEAM, &alice().node_id(), &bob().node_id())
}

fn to_alice(signed: &Signed) -> Result<ReadNotice, Error> {
    signed.notice(&TEAM, &bob().node_id(), &alice().node_id())
}

#[test]
fn bob_reads_what_alice_wrote() {
    let signed = Signed::decode(&letter().sign(&alice()).unwrap().encode()).unwrap();
    assert_eq!(to_bob(&signed).unwrap(), letter());
    let signed = Signed::decode(&notice().sign(&bob()).unwrap().encode()).unwrap();
    assert_eq!(to_alice(&signed).unwrap(), notice());
}

#[test]
fn the_largest_letter_fits() {
    let mut large = letter();
    large.text = "x".repeat(TEXT_BYTES_MAX);
    large.agent = Some("a".repeat(AGENT_BYTES_MAX));
    large.role = Some("r".repeat(48));
    let address = format!("ucxl://{}", "a".repeat(ADDRESS_BYTES_MAX - 7));
    large.refs = vec![Reference::Address(address); REFS_MAX];
    large.thread = id(2);
    large.reply_to = Some(id(3));
    let signed = large.sign(&alice()).unwrap();
    assert!(signed.bytes.len() <= SIGNED_BYTES_MAX);
    assert_eq!(to_bob(&Signed::decode(&signed.encode()).unwrap()).unwrap(), large);
}

#[test]
fn eve_cannot_write_in_the_name_of_alice_or_hand_on_what_was_for_her() {
    let good = letter().sign(&alice()).unwrap();
    let (a, b, e) = (alice().node_id(), bob().node_id(), eve().node_id());
    assert_eq!(good.letter(&TEAM, &a, &e), Err(Error::NotForUs(b)));
    assert_eq!(good.letter(&TEAM, &e, &b), Err(Error::OtherWriter(a)));
    assert_eq!(good.letter(&TeamId([8; 32]), &a, &b), Err(Error::OtherTeam));
    assert_eq!(to_bob(&letter().sign(&eve()).unwrap()), Err(Error::NotSigned));
    let mut hers = letter();
    hers.from = e;
    assert!(hers.sign(&eve()).is_err(), "the id names alice");
    hers.id = MessageId::of_author(&e, NOW, [1; 4]);
    hers.thread = hers.id;
    assert_eq!(hers.sign(&eve()).unwrap().letter(&TEAM, &e, &b).unwrap(), hers);
}

#[test]
fn no_byte_can_be_changed() {
    let check = |good: &Signed, reads: &dyn Fn(&Signed) -> bool| {
        assert!(reads(good));
        for at in 0..good.bytes.len() {
            let mut bad = good.clone();
            bad.bytes[at] ^= 1;
            assert!(!reads(&bad), "byte {at}");
            bad.bytes.truncate(at);
            assert!(!reads(&bad), "cut at {at}");
        }
    };
    check(&letter().sign(&alice()).unwrap(), &|signed| to_bob(signed).is_ok());
    check(&notice().sign(&bob()).unwrap(), &|signed| to_alice(signed).is_ok());
}

#[test]
fn one_kind_does_not_pass_for_the_other() {
    let letter = letter().sign(&alice()).unwrap();
    assert!(letter.notice(&TEAM, &alice().node_id(), &bob().node_id()).is_err());
    let notice = notice().sign(&bob()).unwrap();
    assert!(notice.letter(&TEAM, &bob().node_id(), &alice().node_id()).is_err());
}

#[test]
fn an_unfit_letter_is_not_signed() {
    let check = |change: fn(&mut Letter)| {
        let mut bad = letter();
        change(&mut bad);
        assert!(bad.sign(&alice()).is_err(), "{bad:?}");
    };
    check(|bad| bad.text = " \n".to_owned());
    check(|bad| bad.text = "x".repeat(TEXT_BYTES_MAX + 1));
    check(|bad| bad.text = "\u{1b}[2J".to_owned());
    check(|bad| bad.text = "\u{202E}txt".to_owned());
    check(|bad| bad.agent = Some("two\nlines".to_owned()));
    check(|bad| bad.role = Some("Not A Role".to_owned()));
    check(|bad| bad.refs = vec![bad.refs[0].clone(); REFS_MAX + 1]);
    check(|bad| bad.refs = vec![Reference::Address("https://example.org".to_owned())]);
    check(|bad| bad.refs = vec![Reference::Address("ucxl://a b".to_owned())]);
    check(|bad| bad.thread = id(2));
    check(|bad| bad.reply_to = Some(id(2)));
    check(|bad| {
        bad.thread = id(2);
        bad.reply_to = Some(bad.id);
    });
    check(|bad| bad.to = bad.from);
    check(|bad| bad.id = MessageId([0; 16]));
}

#[test]
fn a_notice_names_each_message_once() {
    let check = |ids: Vec<MessageId>, good: bool| {
        assert_eq!(ReadNotice { ids, ..notice() }.sign(&bob()).is_ok(), good);
    };
    let many = |count: usize| {
        let mut ids: Vec<MessageId> = (0..count).map(|n| MessageId([u8::try_from(n).unwrap(); 16])).collect();
        ids.sort();
        ids
    };
    check(many(1), true);
    check(many(NOTICE_IDS_MAX), true);
    check(many(NOTICE_IDS_MAX + 1), false);
    check(Vec::new(), false);
    check(vec![id(1), id(1)], false);
    check(many(2).into_iter().rev().collect(), false);
}

#[test]
fn a_reference_has_one_text() {
    let check = |text: &str, good: bool| {
        let read = text.parse::<Reference>();
        assert_eq!(read.is_ok(), good, "{text}");
        assert!(read.is_err() || read.unwrap().to_string() == text);
    };
    check("ucxl://agent001/backend_developer/p/t/decision", true);
    check("01ARZ3NDEKTSV4RRFFQ69G5FAV", true);
    check("ucxl://", false);
    check("somewhere", false);
    check("ucxl://a\u{7}b", false);
    check(&format!("ucxl://{}", "a".repeat(ADDRESS_BYTES_MAX)), false);
}

proptest! {
    #[test]
    fn whatever_may_be_written_is_read_back(
        text in "[^\\p{C}]{1,200}",
        agent in proptest::option::of("[a-z]{1,40}"),
        reply in any::<bool>(),
        facts in proptest::collection::vec(any::<[u8; 16]>(), 0..=REFS_MAX),
    ) {
        prop_assume!(!text.trim().is_empty());
        let mut letter = Letter { text, agent, refs: facts.into_iter().map(|id| Reference::Fact(FactId(id))).collect(), ..letter() };
        if reply {
            (letter.reply_to, letter.thread) = (Some(id(4)), id(5));
        }
        prop_assert_eq!(Kept::decode(&letter.kept().encode()).unwrap(), letter.kept());
        let signed = Signed::decode(&letter.sign(&alice()).unwrap().encode()).unwrap();
        prop_assert_eq!(to_bob(&signed).unwrap(), letter);
    }

    #[test]
    fn junk_is_refused_and_breaks_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let signed = Signed { bytes: bytes.clone(), signature: Signature([0; 64]) };
        prop_assert!(to_bob(&signed).is_err() && to_alice(&signed).is_err());
        prop_assert!(Signed::decode(&bytes).is_err() || bytes.len() > 64);
        let _read_or_not = Kept::decode(&bytes);
    }
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// Every vector: what was signed, who asks, and what is to come of it.
fn made() -> Value {
    let (a, b, e) = (alice().node_id(), bob().node_id(), eve().node_id());
    let mut cases = Vec::new();
    let mut case = |name: &str, kind: &str, signed: &Signed, from: &NodeId, to: &NodeId| {
        let mut case = json!({
            "name": name, "kind": kind, "team": TEAM.to_string(), "from": from.to_string(), "to": to.to_string(),
            "signed": HEXLOWER.encode(&signed.encode()),
        });
        case["expect"] = json!(judge(&case));
        cases.push(case);
    };
    let good = letter().sign(&alice()).unwrap();
    case("a letter", "letter", &good, &a, &b);
    let mut answer = letter();
    (answer.id, answer.thread, answer.reply_to) = (id(2), id(1), Some(id(1)));
    (answer.role, answer.agent, answer.refs) = (None, None, Vec::new());
    case("an answer", "letter", &answer.sign(&alice()).unwrap(), &a, &b);
    case("asked by another receiver", "letter", &good, &a, &e);
    case("handed over by another", "letter", &good, &e, &b);
    case("signed by another", "letter", &letter().sign(&eve()).unwrap(), &a, &b);
    let mut changed = good.clone();
    changed.signature.0[0] ^= 1;
    case("a changed signature", "letter", &changed, &a, &b);
    let mut bytes = good.bytes.clone();
    bytes.push(0);
    case("a byte too many", "letter", &Signed { bytes, signature: good.signature }, &a, &b);
    case("a notice", "notice", &notice().sign(&bob()).unwrap(), &b, &a);
    case("a notice as a letter", "letter", &notice().sign(&bob()).unwrap(), &b, &a);
    json!(cases)
}

/// What this code says of a case, in the words of the vectors.
fn judge(case: &Value) -> String {
    let node = |name: &str| case[name].as_str().unwrap().parse::<NodeId>().unwrap();
    let (team, from, to) = (case["team"].as_str().unwrap().parse().unwrap(), node("from"), node("to"));
    let signed = Signed::decode(&hex(&case["signed"])).unwrap();
    let read = match case["kind"].as_str().unwrap() {
        "letter" => signed.letter(&team, &from, &to).map(|letter| {
            let refs: Vec<String> = letter.refs.iter().map(ToString::to_string).collect();
            format!("{} in {}: {:?} {}", letter.id, letter.thread, letter.text, refs.join(" "))
        }),
        _ => signed.notice(&team, &from, &to).map(|notice| format!("{} read", notice.ids.len())),
    };
    read.unwrap_or_else(|error| error.name().to_owned())
}

#[test]
fn messages_keep_their_verdicts() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/messages.json");
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
