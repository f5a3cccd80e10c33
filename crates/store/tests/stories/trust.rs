//! What is kept of others for the sake of trust: backups, refusals, and bounds.

use antiphon_core::ids::{Hash, NodeId};
use antiphon_core::log::NodeClock;
use antiphon_core::time::UnixMillis;
use antiphon_store::{AUDIT_LINES_MAX, BACKUPS_MAX, BackupReason, Error, GeneBackup, PeerRow};

use crate::common::{Machine, NOW, alice, join};

fn backup(node: NodeId, at: u64, heads: NodeClock) -> GeneBackup {
    GeneBackup {
        node,
        genome_hash: Hash([9; 32]),
        facts: 2,
        heads,
        backed_up_at: UnixMillis(at),
        reason: BackupReason::Explicit,
    }
}

fn key(n: usize) -> NodeId {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_be_bytes());
    NodeId(key)
}

#[test]
fn alice_pins_what_bob_himself_shared_and_nothing_else() {
    let (mut alice, genome) = alice();
    alice.remember("of alice");
    let mut bob = join(2, "bob", &mut alice, &genome);
    let fact = bob.remember("of bob");
    bob.remember("of bob too");
    bob.edit(fact, antiphon_core::fact::Field::Domain, "web".into());
    alice.pull(&bob);
    let pinned = alice.db.reader().pinnable(&bob.node()).unwrap();
    assert_eq!(pinned.facts, 2);
    assert_eq!(pinned.heads.keys().copied().collect::<Vec<_>>(), [bob.shared()]);
    assert_eq!(pinned.heads, NodeClock::from([(bob.shared(), bob.db.reader().clock().unwrap()[&bob.shared()])]));
    assert_eq!(alice.db.reader().pinnable(&Machine::new(9).node()).unwrap(), antiphon_store::Pinned::default());

    let kept = backup(bob.node(), 7, pinned.heads);
    assert_eq!(alice.db.put_backup(&kept).unwrap(), []);
    alice.reopen();
    assert_eq!(alice.db.reader().backups().unwrap(), std::slice::from_ref(&kept));
    assert_eq!(alice.db.reader().backup(&bob.node()).unwrap(), Some(kept));
    assert!(alice.db.remove_backup(&bob.node()).unwrap());
    assert!(!alice.db.remove_backup(&bob.node()).unwrap());
}

#[test]
fn backups_are_bounded_and_the_oldest_make_room() {
    let (mut alice, _) = alice();
    for n in 0..BACKUPS_MAX {
        assert_eq!(alice.db.put_backup(&backup(key(n), 100 + n as u64, NodeClock::new())).unwrap(), []);
    }
    // Whoever has one already takes nobody's place.
    assert_eq!(alice.db.put_backup(&backup(key(3), 1, NodeClock::new())).unwrap(), []);
    // The newest stays, whatever the clock says.
    assert_eq!(alice.db.put_backup(&backup(key(BACKUPS_MAX), 0, NodeClock::new())).unwrap(), [key(3)]);
    assert_eq!(alice.db.reader().backups().unwrap().len(), BACKUPS_MAX);
}

#[test]
fn eve_cannot_fill_the_disk_by_being_refused() {
    let (mut alice, _) = alice();
    let eve = Machine::new(6).node();
    let long = "\u{e9}".repeat(2_000);
    alice.db.audit(NOW, "join", None, "ticket_unknown", &long).unwrap();
    let line = alice.db.reader().audit(9).unwrap().remove(0);
    assert_eq!((line.kind.as_str(), line.node, line.detail.len()), ("join", None, 1_024));
    for n in 0..AUDIT_LINES_MAX as u64 + 5 {
        alice.db.audit(UnixMillis(n), "handshake", Some(&eve), "not_a_member", "").unwrap();
    }
    let lines = alice.db.reader().audit(usize::MAX).unwrap();
    assert_eq!(lines.len(), AUDIT_LINES_MAX);
    assert!(lines.windows(2).all(|pair| pair[0].number > pair[1].number));
    assert_eq!((lines[0].node, lines[0].at), (Some(eve), UnixMillis(AUDIT_LINES_MAX as u64 + 4)));
}

#[test]
fn what_could_not_be_read_back_is_refused() {
    let (mut alice, _) = alice();
    let mut peer = PeerRow::new(key(1), "bob");
    peer.addresses = vec!["/a".into(); 65];
    assert!(matches!(alice.db.put_peer(&peer), Err(Error::PeerTooLarge { what: "addresses", .. })));
    peer.addresses = vec!["/a".repeat(600)];
    assert!(matches!(alice.db.put_peer(&peer), Err(Error::PeerTooLarge { what: "addresses", .. })));
    peer.addresses.clear();
    peer.name = "b".repeat(1_025);
    assert!(matches!(alice.db.put_peer(&peer), Err(Error::PeerTooLarge { what: "name", .. })));
    assert_eq!(alice.db.reader().peer(&key(1)).unwrap(), None);
}
