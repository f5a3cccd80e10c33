//! What is sealed: to a node, to a role, to a row. A fuzzer finds no key, so beside strange bytes it changes sound ones.

use std::path::Path;
use std::sync::LazyLock;

use antiphon_core::event::{Action, Header, Seal, Subject};
use antiphon_core::ids::{EventId, FactId, Hash, NodeId, StoreId, TeamId};
use antiphon_core::log::Stream;
use antiphon_core::outbox::{BODY_BYTES_MAX, Binding, Level, Place, Protocol, Sealer};
use antiphon_core::time::Hlc;
use antiphon_core::vclock::VClock;
use antiphon_vault::document::{Opening, Sealing};
use antiphon_vault::sealed_copy::{self, PART_EVENTS_MAX};
use antiphon_vault::sealed_fact::{NONCE_BYTES, open_with, seal_with};
use antiphon_vault::sealed_file::{is_sealed, seal_file};
use antiphon_vault::{NodeKey, OutboxKey, RoleSecret, file, seal_to};

use crate::laws::{choice, settles};
use crate::signed::alice;

/// The key of a role. It is drawn anew in each process: nothing that is asserted depends on which it is.
static ROLE: LazyLock<RoleSecret> = LazyLock::new(|| RoleSecret::generate().expect("there is randomness"));
/// The key of alice.
static ALICE: LazyLock<NodeKey> = LazyLock::new(alice);

/// A blob that was sealed to a node: opens, or says why not.
pub fn age_blob(bytes: &[u8]) {
    let opened = ALICE.open_sealed(bytes);
    assert!(opened.is_err() || is_sealed(bytes), "something that is no age file was opened");
    assert!(opened.is_ok_and(|plain| plain.len() < bytes.len()) || ALICE.open_sealed(bytes).is_err());
    let file = ALICE.open_file(bytes);
    assert!(file.is_err() || is_sealed(bytes));
    assert!(ROLE.open_sealed(bytes).is_err(), "a role that nobody knows opens what was made before it");
}

/// A document that was sealed to a role, read in small steps.
pub fn document(bytes: &[u8]) {
    let Ok(mut opening) = Opening::new(&[&ROLE], bytes) else { return };
    let mut out = [0; 100];
    let mut got = 0;
    while let Ok(read) = opening.pull(&mut out) {
        if read == 0 {
            break;
        }
        got += read;
        assert!(got < bytes.len(), "more came out than went in");
    }
    assert_eq!(opening.read_bytes(), got as u64);
}

/// The key of a role, wrapped for a member or for the key that follows it.
pub fn role_key(bytes: &[u8]) {
    let recipient = ROLE.recipient();
    // The recipient is that of a key that was drawn in this process, so nothing that was stored before names it.
    assert!(RoleSecret::unwrap(&ALICE, bytes, &recipient).is_err());
    assert!(ROLE.open_previous(bytes, &recipient).is_err());
    let Some((which, rest)) = choice(bytes) else { return };
    let wrapped = match which % 2 {
        0 => ROLE.wrap_for(&ALICE.age_recipient()).expect("a sound recipient"),
        _ => ROLE.wrap_previous(&recipient).expect("a sound recipient"),
    };
    let (bent, same) = changed(&wrapped, rest);
    let opened = match which % 2 {
        0 => RoleSecret::unwrap(&ALICE, &bent, &recipient),
        _ => ROLE.open_previous(&bent, &recipient),
    };
    assert_eq!(opened.is_ok(), same, "a wrapped key that was changed opens, or a sound one does not");
}

/// A part of a copy of a node's own events, before it is sealed.
pub fn sealed_copy(bytes: &[u8]) {
    let encode = |part: &sealed_copy::Part| sealed_copy::encode(part).expect("it is compressed").to_vec();
    if let Some(part) = settles(bytes, sealed_copy::decode, encode) {
        assert!(part.events().len() <= PART_EVENTS_MAX && part.first_seq() > 0);
        assert_eq!(part.next_seq() - part.first_seq(), part.events().len() as u64);
    }
    assert!(sealed_copy::open(&ALICE, bytes).is_err() || is_sealed(bytes));
}

/// A fact that is sealed to a role: the header is bound to it.
pub fn sealed_fact(bytes: &[u8]) {
    let Some((flips, payload)) = crate::laws::two_parts(bytes) else { return };
    // As with rows of the outbox, a fuzzer may come by the right tag.
    assert!(open_with(&ROLE, flips, payload).is_none_or(|opened| opened.len() < payload.len()));
    let header = sealed_header(payload);
    let sealed = seal_with(&ROLE, &[1; NONCE_BYTES], &header, payload).expect("a header with a seal");
    let (bent, same) = changed(&sealed, flips);
    let opened = open_with(&ROLE, &header, &bent);
    assert_eq!(opened.as_deref(), same.then_some(payload), "a fact that was changed opens, or a sound one does not");
    let (bent, _) = changed(&header, flips);
    if let Some(opened) = open_with(&ROLE, &bent, &sealed) {
        // Hash and length of the payload are not bound: they are not known before it is sealed.
        assert_eq!(opened, payload);
        assert_eq!(bound(&bent), bound(&header), "a fact opens under another header");
    }
}

fn bound(header: &[u8]) -> Header {
    let header = Header::decode(header).expect("it was opened with it");
    Header { payload_hash: Hash([0; 32]), payload_len: 0, ..header }
}

fn sealed_header(payload: &[u8]) -> Vec<u8> {
    let store = StoreId([3; 16]);
    let header = Header {
        team: TeamId([9; 32]),
        id: EventId([1; 16]),
        store,
        stream: Stream::Shared,
        seq: 2,
        prev: Hash([4; 32]),
        hlc: Hlc(1 << 40),
        action: Action::Set,
        subject: Subject::Fact(FactId([6; 16])),
        version: VClock::from_iter([(store, 1)]),
        fields: 1,
        payload_hash: Hash::of(payload),
        payload_len: payload.len() as u64 + 28,
        seal: Some(Seal { role: "backend_developer".to_owned(), epoch: Hash([8; 32]) }),
    };
    header.encode().expect("a sound header")
}

/// A row of the outbox: opens for its own place alone.
pub fn outbox_row(bytes: &[u8]) {
    let key = OutboxKey::derive(&ALICE).expect("there is a key");
    let binding = |n| Binding {
        row: 7,
        peer: NodeId([2; 32]),
        place: Place { era: 7, n },
        protocol: Protocol::MESSAGE,
        level: Level::Critical,
        schema: 1,
        subject: antiphon_core::outbox::Subject([5; 16]),
    };
    // A fuzzer sees what is compared, and so the tag that would be right: it can make a row that opens.
    let opened = key.open(&binding(1), bytes);
    assert!(opened.is_err() || key.open(&binding(2), bytes).is_err(), "one row for two places");
    assert!(opened.is_ok_and(|body| body.len() < bytes.len()) || key.open(&binding(1), bytes).is_err());
    let Some((flips, body)) = crate::laws::two_parts(bytes) else { return };
    let body = &body[..body.len().min(BODY_BYTES_MAX)];
    let sealed = key.seal(&binding(1), body).expect("there is randomness");
    let (bent, same) = changed(&sealed, flips);
    assert_eq!(key.open(&binding(1), &bent).ok().as_deref(), same.then_some(body), "a changed row opens");
    assert!(key.open(&binding(2), &sealed).is_err(), "a row opens in another place");
}

/// A sound age file and a sound document with changed bytes: the plaintext, or nothing of it at the end.
pub fn sealed_changed(bytes: &[u8]) {
    let Some((which, rest)) = choice(bytes) else { return };
    let Some((flips, plain)) = crate::laws::two_parts(rest) else { return };
    let sealed = match which % 3 {
        0 => seal_to(&ALICE.age_recipient(), plain).expect("a sound recipient"),
        1 => seal_file(&ALICE.age_recipient(), plain).expect("a sound recipient"),
        _ => {
            let mut sealing = Sealing::new(&[ROLE.recipient()], Vec::new()).expect("a sound recipient");
            sealing.push(plain).expect("memory takes everything");
            sealing.finish().expect("memory takes everything")
        }
    };
    let (bent, same) = changed(&sealed, flips);
    let opened = match which % 3 {
        0 => ALICE.open_sealed(&bent).ok().map(|plain| plain.to_vec()),
        1 => ALICE.open_file(&bent).ok().map(|plain| plain.to_vec()),
        _ => {
            let mut out = Vec::new();
            antiphon_vault::document::decrypt(&[&ROLE], bent.as_slice(), &mut out).ok().map(|_| out)
        }
    };
    if same {
        assert_eq!(opened.as_deref(), Some(plain), "what is sound does not open");
    } else {
        assert!(opened.is_none_or(|opened| opened == plain), "what was changed opens as something else");
    }
}

/// The file of a node's key.
pub fn key_file(bytes: &[u8]) {
    let Ok(key) = file::from_bytes(Path::new("node.key"), bytes) else { return };
    let text = std::str::from_utf8(bytes).expect("a key file is text");
    assert!(text.contains(&key.node_id().to_string()), "a key file of another key");
}

/// `sound` with what `flips` say: pairs of a place, in three bytes, and what is to be changed there. Says whether it is
/// still the same.
fn changed(sound: &[u8], flips: &[u8]) -> (Vec<u8>, bool) {
    let mut bent = sound.to_vec();
    for flip in flips.chunks_exact(4).take(16) {
        let at = usize::from(flip[0]) << 16 | usize::from(flip[1]) << 8 | usize::from(flip[2]);
        // A place far outside cuts or lengthens it.
        if at == 0xFF_FFFF {
            bent.pop();
        } else if at == 0xFF_FFFE {
            bent.push(flip[3]);
        } else if !bent.is_empty() {
            let at = at % bent.len();
            bent[at] ^= flip[3];
        }
    }
    let same = bent == sound;
    (bent, same)
}
