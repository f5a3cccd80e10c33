//! What its author signs. The property signs for it: a fuzzer cannot, and would come no further than the signature.

use antiphon_core::custody::Receipt;
use antiphon_core::dht::{LIFE_MAX_MS, RECORD_BYTES_MAX, Realm, Record, validate};
use antiphon_core::ids::{NodeId, TeamId};
use antiphon_core::letter::Signed;
use antiphon_core::possession::PossessionReceipt;
use antiphon_core::sign::Signer;
use antiphon_core::time::UnixMillis;
use antiphon_vault::{NodeKey, Phrase};

use crate::laws::{choice, settles_canonically};

/// The team of everything that is signed here.
pub const TEAM: TeamId = TeamId([9; 32]);
/// Who receives it.
pub const BOB: NodeId = NodeId([2; 32]);

/// The key of alice, who signs.
pub fn alice() -> NodeKey {
    NodeKey::from_phrase(&Phrase::from_entropy(&[7; 32]).expect("32 bytes are a phrase")).expect("a phrase is a key")
}

/// A receipt for logs: what alice signed in her name is hers, in one form.
pub fn custody_receipt(bytes: &[u8]) {
    let alice = alice();
    let signature = alice.sign(&[b"antiphon/custody/1", bytes].concat());
    let receipt = Receipt { bytes: bytes.to_vec(), signature };
    let Ok(custody) = receipt.verify(&TEAM) else { return };
    assert_eq!(custody.node, alice.node_id(), "a receipt in another's name");
    assert_eq!(custody.sign(&alice), receipt);
    for (log, head) in custody.heads.iter().take(8) {
        for seq in [0, head.seq, head.seq.wrapping_add(1)] {
            let _ = custody.holding(log, seq);
        }
    }
}

/// A statement of what is held.
pub fn possession(bytes: &[u8]) {
    let alice = alice();
    let signature = alice.sign(&[b"antiphon/possession-receipt/1", bytes].concat());
    let receipt = PossessionReceipt { bytes: bytes.to_vec(), signature };
    let Ok(possession) = receipt.verify(&TEAM) else { return };
    assert_eq!(possession.holder, alice.node_id(), "a statement in another's name");
    assert_eq!(possession.sign(&alice), receipt);
    for (root, claim) in &possession.claims {
        assert_eq!(possession.claim(root), Some(*claim), "a claim that is not found");
    }
}

/// A record of the hash table, as it comes, and as alice would have signed it.
pub fn dht_record(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let signed = if which % 2 == 0 { rest.to_vec() } else { wrapped(rest) };
    let Ok(record) = Record::read(&signed) else { return };
    assert!(signed.len() <= RECORD_BYTES_MAX);
    let (alice, realm) = (alice(), Realm::of_team(TEAM));
    let key = record.key().path(&realm.prefix);
    // A moment in which it still lives.
    let now = UnixMillis(record.expires.0.saturating_sub(1));
    if let Ok(valid) = validate(&signed, key.as_bytes(), &realm, |_| true, now) {
        assert_eq!(valid, record);
        assert_eq!(valid.team, TEAM, "a record of another team");
        assert!(which % 2 == 0 || valid.author == alice.node_id(), "a record in another's name");
        let early = UnixMillis(now.0.saturating_sub(2 * LIFE_MAX_MS));
        assert!(early.0 == 0 || validate(&signed, key.as_bytes(), &realm, |_| true, early).is_err());
        assert!(validate(&signed, key.as_bytes(), &realm, |_| false, now).is_err(), "a record of no member");
    }
    if record.author == alice.node_id()
        && record.team == TEAM
        && let Ok(again) = record.sign(&alice)
    {
        assert_eq!(Record::read(&again).as_ref(), Ok(&record), "what was signed is read as something else");
        if which % 2 == 1 {
            assert_eq!(again, signed, "a record with two forms");
        }
    }
}

/// What alice stores in the table when she signs these bytes as a record of the team that they name.
fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let signature = alice().sign(&[b"antiphon/dht/1", &TEAM.0[..], bytes].concat());
    antiphon_core::cbor::encode(|out| {
        antiphon_core::cbor::array(out, 2);
        antiphon_core::cbor::bytes(out, bytes);
        antiphon_core::cbor::bytes(out, &signature.0);
    })
}

/// A letter or a notice: what is taken was signed by who it says, in one form.
pub fn letter(bytes: &[u8]) {
    settles_canonically(bytes, Signed::decode, Signed::encode);
    let Some((which, rest)) = choice(bytes) else { return };
    let alice = alice();
    let domain: &[u8] = if which % 2 == 0 { b"antiphon/message/1" } else { b"antiphon/message-read/1" };
    let signed = Signed { bytes: rest.to_vec(), signature: alice.sign(&[domain, rest].concat()) };
    let from = alice.node_id();
    if let Ok(letter) = signed.letter(&TEAM, &from, &BOB) {
        assert_eq!(letter.sign(&alice).as_ref(), Ok(&signed), "a letter with two forms");
        let _ = letter.kept();
    }
    if let Ok(notice) = signed.notice(&TEAM, &from, &BOB) {
        assert_eq!(notice.sign(&alice).as_ref(), Ok(&signed), "a notice with two forms");
    }
    assert!(signed.letter(&TEAM, &BOB, &from).is_err(), "a letter in another's name");
}
