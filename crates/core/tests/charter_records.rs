//! Charter records in events: each is read as it was written, and what is longer than it may be is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the signed records are shared with the stories of paths")]

#[path = "charter/signed.rs"]
mod signed;

use antiphon_core::charter::{
    Cut, Entry, GeneAdd, Grant, GrantWrap, Previous, REVOKE_REASON_BYTES_MAX, ROLE_KEYS_MAX, Record, RecordError,
    Revoke, RoleKey, WRAP_BYTES_MAX, Wrap,
};
use antiphon_core::ids::{Hash, StoreId, TeamId};
use antiphon_core::log::{Head, LogId, Stream};
use antiphon_core::time::UnixMillis;
use antiphon_core::vclock::VClock;
use signed::{Key, change, event, node};

const TEAM: TeamId = TeamId([7; 32]);
const STORE: StoreId = StoreId([9; 16]);

/// The record as somebody reads it out of a signed event.
fn read(record: &Record) -> Result<Record, RecordError> {
    let before = Head { seq: 1, hash: Hash([1; 32]) };
    let event = event(TEAM, STORE, before, &VClock::new(), record, &Key::new(1));
    Entry::read(&event, node(1)).map(|entry| entry.record)
}

fn grant(sealed_bytes: usize) -> Record {
    let wrap = GrantWrap { role: "backend_developer".into(), epoch: Hash([3; 32]), sealed: vec![5; sealed_bytes] };
    Record::Grant(Grant {
        node: node(2),
        recipient: "age1example".into(),
        roles: vec!["backend_developer".into(), "observer".into()],
        not_after: UnixMillis(4_000_000_000_000),
        wraps: vec![wrap],
        name: "laptop".into(),
    })
}

/// A key of a role with one wrap, and its predecessor sealed to it.
fn role_key(wrap_bytes: usize, previous_bytes: usize) -> RoleKey {
    RoleKey {
        role: "backend_developer".into(),
        recipient: "age1role".into(),
        wraps: vec![Wrap { node: node(2), sealed: vec![6; wrap_bytes] }],
        previous: Some(Previous { epoch: Hash([3; 32]), sealed: vec![7; previous_bytes] }),
    }
}

fn revoke(reason_bytes: usize, keys: usize) -> Record {
    let log = LogId::new(StoreId([4; 16]), Stream::Charter);
    Record::Revoke(Revoke {
        node: node(2),
        reason: "x".repeat(reason_bytes),
        compromised: true,
        cuts: vec![Cut { log, head: Head { seq: 3, hash: Hash([8; 32]) } }],
        role_keys: vec![role_key(1, 1); keys],
    })
}

#[test]
fn every_record_is_read_as_it_was_written() {
    let first = RoleKey { previous: None, ..role_key(3, 0) };
    let gene = GeneAdd { id: "rust-unwrap".into(), text: "Never unwrap.".into() };
    for record in [
        grant(80),
        revoke(4, 2),
        Record::RoleKey(role_key(80, 90)),
        Record::RoleKey(first),
        change(3, true),
        change(3, false),
        Record::GeneAdd(gene),
    ] {
        assert_eq!(read(&record), Ok(record));
    }
}

#[test]
fn what_is_as_long_as_it_may_be_is_read_and_one_more_is_refused() {
    type Make = fn(usize) -> Record;
    let bounds: [(Make, usize, &str); 5] = [
        (grant, WRAP_BYTES_MAX, "wraps"),
        (|bytes| Record::RoleKey(role_key(bytes, 1)), WRAP_BYTES_MAX, "wraps"),
        (|bytes| Record::RoleKey(role_key(1, bytes)), WRAP_BYTES_MAX, "previous"),
        (|bytes| revoke(bytes, 0), REVOKE_REASON_BYTES_MAX, "reason"),
        (|keys| revoke(1, keys), ROLE_KEYS_MAX, "role keys"),
    ];
    for (make, most, field) in bounds {
        assert_eq!(read(&make(most)), Ok(make(most)), "{field}");
        assert_eq!(read(&make(most + 1)), Err(RecordError::Field(field)));
    }
}
