//! Real nodes over loopback: stewards, role keys, genes, removals.

use crate::common;

use crate::common::{Machine, agree, team_of_two, until};
use antiphon_core::charter::Change;
use antiphon_node::{Config, Error, Home, Node, Trust};

async fn stop(machines: &mut [&mut Machine]) {
    for machine in machines {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gene_that_was_added_while_bob_was_away_keeps_nobody_apart() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.stop().await;
    let genome = alice.handle.add_gene("law.one", "no secrets in facts").await.unwrap();
    alice.remember("after the gene").await;
    bob.start_again().await;
    until("bob has the fact", async || bob.recalls("after the gene").await).await;
    assert_eq!(bob.handle.genome().await.unwrap().hash(), genome);
    bob.trusts("alice", Trust::Verified).await;
    agree(&alice, &bob).await;
    let twice = alice.handle.add_gene("law.one", "something else").await;
    assert!(matches!(twice, Err(Error::Refused(_))), "{twice:?}");
    let reserved = alice.handle.add_gene("steward.second", "me").await;
    assert!(matches!(reserved, Err(Error::Refused(_))), "{reserved:?}");
    stop(&mut [&mut alice, &mut bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gene_added_by_each_of_two_stewards_apart_reaches_both() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.handle.change_steward("bob", true).await.unwrap();
    until("bob is a steward", async || bob.handle.status().await.unwrap().steward).await;
    bob.stop().await;
    alice.handle.add_gene("law.a", "from alice").await.unwrap();
    alice.stop().await;
    bob.start_again().await;
    bob.handle.add_gene("law.b", "from bob").await.unwrap();
    alice.start_again().await;
    for machine in [&alice, &bob] {
        until("both genes are there", async || {
            let genome = machine.handle.genome().await.unwrap();
            genome.get("law.a").is_some() && genome.get("law.b").is_some()
        })
        .await;
    }
    alice.trusts("bob", Trust::Verified).await;
    agree(&alice, &bob).await;
    stop(&mut [&mut alice, &mut bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_brings_keys_that_the_removed_cannot_open() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins_as(&alice, "observer").await;
    let holders = |machine: &Machine| {
        let handle = machine.handle.clone();
        async move { handle.roles().await.unwrap().into_iter().find(|role| role.name == "observer").unwrap() }
    };
    let before = holders(&alice).await;
    assert_eq!((before.holders, before.epochs), (3, 1), "{before:?}");
    let revoked = alice.handle.revoke("bob", "left", false).await.unwrap();
    assert!(revoked.change.effective && revoked.roles == ["observer"], "{revoked:?}");
    let after = holders(&alice).await;
    assert_eq!((after.holders, after.epochs), (2, 2), "{after:?}");
    assert_ne!(after.epoch, before.epoch);
    until("carol has the new key", async || holders(&carol).await == after).await;
    until("bob learns who removed him", async || bob.sees("alice").await.trust == Trust::Rejected).await;
    let team = alice.handle.members().await.unwrap();
    assert_eq!((team.members.len(), team.former.len()), (2, 1));
    assert_eq!((team.former[0].name.as_str(), team.former[0].reason.as_str()), ("bob", "left"));
    stop(&mut [&mut alice, &mut bob, &mut carol]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_steward_is_removed_by_two_and_not_by_one() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins_as(&alice, "observer").await;
    for name in ["bob", "carol"] {
        let (_, change) = alice.handle.change_steward(name, true).await.unwrap();
        assert!(change.effective, "{change:?}");
    }
    until("bob is a steward", async || bob.handle.status().await.unwrap().steward).await;
    let revoked = alice.handle.revoke("carol", "her laptop was stolen", false).await.unwrap();
    assert!(!revoked.change.effective && revoked.change.needed == 2, "{revoked:?}");
    assert!(alice.handle.members().await.unwrap().stewards.contains(&"carol".to_owned()));
    until("bob sees what waits", async || bob.handle.members().await.unwrap().waiting.len() == 1).await;
    let waiting = bob.handle.members().await.unwrap().waiting.remove(0);
    assert_eq!((waiting.change, waiting.name.as_str()), (Change::Revoke, "carol"));
    let nothing = bob.handle.approve("0000").await;
    assert!(matches!(nothing, Err(Error::NothingToApprove(_))), "{nothing:?}");
    let (_, change) = bob.handle.approve(&waiting.record.to_string()[..8]).await.unwrap();
    assert!(change.effective, "{change:?}");
    until("alice puts carol out", async || alice.sees("carol").await.trust == Trust::Rejected).await;
    agree(&alice, &bob).await;
    stop(&mut [&mut alice, &mut bob, &mut carol]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steward_who_came_later_says_anew_what_waits_for_others() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    let mut dave = Machine::start("dave").await;
    carol.joins_as(&alice, "observer").await;
    dave.joins_as(&alice, "observer").await;
    for name in ["bob", "carol"] {
        assert!(alice.handle.change_steward(name, true).await.unwrap().1.effective);
    }
    let (_, removal) = alice.handle.change_steward("carol", false).await.unwrap();
    let (_, appointment) = alice.handle.change_steward("dave", true).await.unwrap();
    assert!(!removal.effective && !appointment.effective, "{removal:?} {appointment:?}");
    until("bob sees what waits", async || bob.handle.members().await.unwrap().waiting.len() == 2).await;
    assert!(bob.handle.approve(&appointment.record.to_string()).await.unwrap().1.effective);
    until("dave is a steward", async || dave.handle.status().await.unwrap().steward).await;
    let waiting = dave.handle.members().await.unwrap().waiting;
    assert!(matches!(&waiting[..], [waits] if !waits.asked && !waits.own), "{waiting:?}");
    let vain = dave.handle.approve(&removal.record.to_string()).await;
    assert!(matches!(vain, Err(Error::NotAsked(record)) if record == removal.record), "{vain:?}");
    let (_, anew) = dave.handle.change_steward("carol", false).await.unwrap();
    assert!(!anew.effective && anew.record != removal.record && anew.needed == 2, "{anew:?}");
    until("alice is asked", async || alice.handle.members().await.unwrap().waiting.iter().any(|waits| waits.asked))
        .await;
    // Her own waits as well; she agrees to the one that waits for her.
    let (_, agreed) = alice.handle.change_steward("carol", false).await.unwrap();
    assert!(agreed.effective && agreed.record == anew.record, "{agreed:?}");
    agree(&alice, &dave).await;
    stop(&mut [&mut alice, &mut bob, &mut carol, &mut dave]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_change_with_their_keys_and_grants_are_renewed() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.handle.set_roles("bob", vec!["backend_developer".into()]).await.unwrap();
    until("bob has the role", async || bob.handle.status().await.unwrap().roles == ["backend_developer"]).await;
    let roles = alice.handle.roles().await.unwrap();
    let role = |name: &str| roles.iter().find(|role| role.name == name).unwrap().clone();
    assert_eq!((role("observer").holders, role("observer").epochs), (1, 2));
    assert_eq!((role("backend_developer").holders, role("backend_developer").epochs), (2, 1));
    alice.handle.rotate_role("backend_developer", true).await.unwrap();
    let until_then = alice.handle.members().await.unwrap().members.into_iter().find(|member| member.name == "bob");
    alice.handle.renew("bob", 730 * 24 * 60 * 60 * 1_000).await.unwrap();
    let renewed = alice.handle.members().await.unwrap().members.into_iter().find(|member| member.name == "bob");
    assert!(renewed.unwrap().not_after > until_then.unwrap().not_after);
    let unknown = alice.handle.set_roles("bob", vec!["king".into()]).await;
    assert!(matches!(unknown, Err(Error::UnknownRole { .. })), "{unknown:?}");
    let usurper = bob.handle.renew("bob", 1).await;
    assert!(matches!(usurper, Err(Error::NotASteward { .. })), "{usurper:?}");
    stop(&mut [&mut alice, &mut bob]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_member_wrote_beyond_the_cut_is_adopted() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    let bob_listens = bob.handle.status().await.unwrap().listen.remove(0);
    until("carol meets bob", async || carol.handle.handshake(&bob_listens).await.unwrap().trust == Trust::Verified)
        .await;
    alice.stop().await;
    bob.remember("written while alice was away").await;
    until("carol has it", async || carol.recalls("alice was away").await).await;
    // Neither may tell alice before she has removed bob.
    bob.stop().await;
    carol.stop().await;
    alice.start_again().await;
    alice.handle.revoke("bob", "left", false).await.unwrap();
    carol.start_again().await;
    until("alice holds it beyond the cut", async || {
        alice.handle.members().await.unwrap().former[0].beyond > 0 && !carol.recalls("alice was away").await
    })
    .await;
    assert!(!alice.recalls("alice was away").await);
    alice.handle.adopt("bob").await.unwrap();
    until("both recall it again", async || {
        alice.recalls("alice was away").await && carol.recalls("alice was away").await
    })
    .await;
    agree(&alice, &carol).await;
    stop(&mut [&mut alice, &mut carol]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_a_second_home_of_the_same_key_is_no_way_around_the_pin() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.stop().await;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::copy(bob.dir.path().join("home/node.key"), home.join("node.key")).unwrap();
    let config = Config { name: Some("bob".into()), ..common::config(&dir, "bob") };
    let node = Node::start(Config { home: Home::new(home), ..config }).await.unwrap();
    let ticket = alice.handle.invite("observer", 60_000).await.unwrap().ticket;
    node.handle().join(&ticket, None, None).await.unwrap();
    until("alice sees that it is another store", async || {
        alice.sees("bob").await.reason.is_some_and(|reason| reason.name() == "identity_mismatch")
    })
    .await;
    node.handle().shutdown().await;
    node.stopped().await;
    stop(&mut [&mut alice]).await;
}
