//! Real nodes over loopback: who is trusted, what is kept for whoever fell silent, and what was refused.

use crate::common::{Machine, until};
use antiphon_core::ids::FactId;
use antiphon_node::{AuditLine, BackupReason, Error, Reason, Trust};

/// The line of the audit log that says so, once it is there.
async fn audited(machine: &Machine, kind: &str, reason: &str) -> AuditLine {
    let mut found = None;
    until(&format!("{kind} {reason} is written down"), async || {
        let lines = machine.handle.audit(100).await.unwrap();
        found = lines.into_iter().find(|line| line.kind == kind && line.reason == reason);
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// Alice, and bob whose facts she holds.
async fn alice_holds_what_bob_wrote(texts: &[&str]) -> (Machine, Machine, Vec<FactId>) {
    let (alice, bob) = (Machine::impatient("alice").await, Machine::impatient("bob").await);
    bob.joins(&alice).await;
    let mut facts = Vec::new();
    for text in texts {
        facts.push(bob.remember(text).await);
    }
    for fact in &facts {
        until("alice holds it", async || alice.handle.fact(*fact).await.is_ok()).await;
    }
    (alice, bob, facts)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_shows_what_the_handshake_and_the_sync_told() {
    let (mut alice, mut bob, _) = alice_holds_what_bob_wrote(&["one", "two"]).await;
    until("both hold the same", async || alice.sees("bob").await.last_success.is_some()).await;
    let (seen, own) = (alice.sees("bob").await, bob.handle.status().await.unwrap());
    assert_eq!((seen.trust, seen.store_id, seen.fact_count), (Trust::Verified, Some(own.store_id), 2));
    assert_eq!(seen.genome_hash, Some(alice.handle.genome().await.unwrap().hash()));
    assert!(seen.handshake_at.is_some() && seen.last_sync_at.is_some() && seen.last_event.is_some());
    assert!(seen.health.version.is_some() && seen.health.version_observed_at.is_some());
    assert_eq!((seen.roles, seen.health.consecutive_failures), (vec!["observer".to_owned()], 0));
    let stats = alice.handle.peer_stats().await.unwrap();
    assert_eq!((stats.node_name.as_str(), stats.total_peers, stats.trusted()), ("alice", 1, 1));
    assert_eq!((stats.by_trust[&Trust::Expired], stats.total_backups), (0, 0));
    assert!(alice.handle.is_trusted("bob").await.unwrap());
    let counters = alice.handle.counters().await.unwrap();
    assert!(counters.transitions.keys().any(|(_, to)| *to == Trust::Verified), "{counters:?}");
    // The same after a restart, while bob is away.
    bob.stop().await;
    alice.stop().await;
    alice.start_again_impatient().await;
    let again = alice.sees("bob").await;
    assert_eq!((again.fact_count, again.store_id), (2, Some(own.store_id)));
    assert_eq!((again.genome_hash, again.last_event), (seen.genome_hash, seen.last_event));
    assert!(again.handshake_at.is_some() && again.last_sync_at.is_some() && again.health.version.is_some());
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_member_is_backed_up_and_its_return_ends_the_backup() {
    let (mut alice, mut bob, _) = alice_holds_what_bob_wrote(&["one", "two"]).await;
    bob.stop().await;
    alice.trusts("bob", Trust::Expired).await;
    until("bob is backed up", async || alice.handle.backup("bob").await.is_ok()).await;
    let view = alice.handle.backup("bob").await.unwrap();
    assert_eq!((view.name.as_str(), view.backup.facts, view.backup.reason), ("bob", 2, BackupReason::Timeout));
    assert_eq!(view.backup.genome_hash, alice.handle.genome().await.unwrap().hash());
    alice.stop().await;
    alice.start_again_impatient().await;
    assert_eq!(alice.handle.backups().await.unwrap(), [view]);
    assert_eq!(alice.handle.peer_stats().await.unwrap().total_backups, 1);
    assert_eq!(alice.sees("bob").await.trust, Trust::Expired);
    bob.start_again_impatient().await;
    alice.trusts("bob", Trust::Verified).await;
    until("the backup is over", async || alice.handle.backups().await.unwrap().is_empty()).await;
    let counters = alice.handle.counters().await.unwrap();
    assert_eq!((counters.backups_covered, counters.events_restored), (1, 0), "he had it all");
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_loses_his_disk_and_gets_his_own_facts_back() {
    let (mut alice, mut bob, facts) = alice_holds_what_bob_wrote(&["one", "two", "three"]).await;
    let lost = bob.handle.status().await.unwrap().store_id;
    bob.stop().await;
    alice.trusts("bob", Trust::Expired).await;
    until("bob is backed up", async || alice.handle.backup("bob").await.is_ok()).await;
    bob.lose_disk();
    bob.start_again_impatient().await;
    assert!(bob.handle.fact(facts[0]).await.is_err());
    bob.joins(&alice).await;

    // His new store names no store before it, so alice waits for a person.
    alice.trusts("bob", Trust::Rejected).await;
    assert_eq!(alice.sees("bob").await.reason, Some(Reason::IdentityMismatch));
    let status = alice.handle.status().await.unwrap();
    assert!(status.problems.iter().any(|problem| problem.fix.starts_with("antiphon peers reset bob")), "{status:?}");
    let line = audited(&alice, "handshake", "identity_mismatch").await;
    assert_eq!(line.node, Some(bob.handle.status().await.unwrap().node_id));
    assert_eq!(alice.handle.backups().await.unwrap().len(), 1);

    alice.handle.reset_peer("bob").await.unwrap();
    for fact in facts {
        until("bob has his fact again", async || bob.handle.fact(fact).await.is_ok()).await;
    }
    until("the backup is over", async || alice.handle.backups().await.unwrap().is_empty()).await;
    let counters = alice.handle.counters().await.unwrap();
    assert_eq!(counters.backups_covered, 1);
    assert!(counters.events_restored >= 4, "three facts and the opening: {counters:?}");
    let seen = alice.sees("bob").await;
    assert!(seen.trust == Trust::Verified && seen.store_id.is_some_and(|store| store != lost));
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_on_demand_stays_until_it_is_cleared_or_bob_returns() {
    let (mut alice, mut bob, _) = alice_holds_what_bob_wrote(&["one"]).await;
    let made = alice.handle.create_backup("bob").await.unwrap();
    assert_eq!((made.backup.facts, made.backup.reason), (1, BackupReason::Explicit));
    bob.remember("two").await;
    until("alice got that too", async || alice.sees("bob").await.fact_count == 2).await;
    assert_eq!(alice.handle.backups().await.unwrap(), [made]);
    alice.handle.clear_backup("bob").await.unwrap();
    assert!(matches!(alice.handle.clear_backup("bob").await, Err(Error::NoBackup(name)) if name == "bob"));
    assert!(matches!(alice.handle.backup("bob").await, Err(Error::NoBackup(_))));
    assert_eq!(alice.handle.peer_stats().await.unwrap().total_backups, 0);
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_peer_that_is_reset_is_greeted_again_and_pinned_anew() {
    let (mut alice, mut bob, _) = alice_holds_what_bob_wrote(&["one"]).await;
    let pinned = alice.sees("bob").await.store_id;
    assert!(pinned.is_some());
    alice.handle.reset_peer("bob").await.unwrap();
    alice.handle.reset_peer("bob").await.unwrap();
    alice.trusts("bob", Trust::Verified).await;
    assert_eq!(alice.sees("bob").await.store_id, pinned);
    let fact = bob.remember("two").await;
    until("alice gets what bob writes", async || alice.handle.fact(fact).await.is_ok()).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_stay_and_strangers_are_forgotten() {
    let (mut alice, mut bob, _) = alice_holds_what_bob_wrote(&[]).await;
    let mut eve = Machine::impatient("eve").await;
    until("eve listens", async || !eve.handle.status().await.unwrap().listen.is_empty()).await;
    let address = alice.handle.status().await.unwrap().listen.remove(0);
    let refused = eve.handle.handshake(&address).await.unwrap();
    assert_eq!(refused.trust, Trust::Rejected);
    let eves = eve.handle.status().await.unwrap().node_id;
    audited(&alice, "handshake", refused.reason.unwrap().name()).await;
    assert!(matches!(alice.handle.forget_peer("bob").await, Err(Error::PeerIsMember(name)) if name == "bob"));
    eve.stop().await;
    until("eve is gone", async || !alice.sees(&eves.to_string()).await.connected).await;
    assert_eq!(alice.handle.forget_unseen_peers(60_000).await.unwrap(), 0);
    assert_eq!(alice.handle.forget_unseen_peers(0).await.unwrap(), 1);
    assert!(matches!(alice.handle.peer(&eves.to_string()).await, Err(Error::PeerNotFound(_))));
    assert_eq!(alice.handle.peers().await.unwrap().len(), 1);
    alice.stop().await;
    alice.start_again_impatient().await;
    assert_eq!(alice.handle.peers().await.unwrap().len(), 1);
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_counted_and_written_down() {
    let (mut alice, mut bob, _) = alice_holds_what_bob_wrote(&[]).await;
    let ticket = alice.handle.invite("observer", 60_000).await.unwrap().ticket;
    let (mut carol, mut eve) = (Machine::impatient("carol").await, Machine::impatient("eve").await);
    let _ = carol.handle.join(&ticket, None, None).await.unwrap();
    assert!(matches!(eve.handle.join(&ticket, None, None).await, Err(Error::JoinRefused { .. })));
    let eves = eve.handle.status().await.unwrap().node_id;
    let refusal = antiphon_node::Refusal::Used.name();
    assert_eq!(audited(&alice, "join", refusal).await.node, Some(eves));
    alice.trusts("bob", Trust::Verified).await;
    alice.handle.revoke("bob", "stolen", false).await.unwrap();
    audited(&alice, "put_out", "revoked").await;
    alice.handle.refuse("bundle", None, "bad_signature", "a file").await.unwrap();
    let line = alice.handle.audit(1).await.unwrap().remove(0);
    assert_eq!((line.kind.as_str(), line.reason.as_str(), line.detail.as_str()), ("bundle", "bad_signature", "a file"));
    let counted = alice.handle.counters().await.unwrap().refusals;
    assert_eq!((counted[&("join", refusal)], counted[&("bundle", "bad_signature")]), (1, 1));
    assert!(counted[&("put_out", "revoked")] >= 1);
    for machine in [&mut eve, &mut carol, &mut bob, &mut alice] {
        machine.stop().await;
    }
}
