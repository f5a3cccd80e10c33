//! Two real nodes in one process, over loopback, on real databases.

use crate::common;

use crate::common::{Machine, agree, team_of_two, until};
use antiphon_core::charter::Grant;
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::time::UnixMillis;
use antiphon_core::value::Value;
use antiphon_node::home;
use antiphon_node::{Bring, Draft, Error, FactFilter, Home, Joined, Node, Trust};
use antiphon_protocol::ticket::Ticket;
use antiphon_vault::NodeKey;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_remembers_the_other_recalls() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.remember("the staging port is 6543").await;
    until("bob recalls it", async || bob.recalls("staging port").await).await;
    bob.remember("deploys go out on thursdays").await;
    until("alice recalls it", async || alice.recalls("thursdays").await).await;
    agree(&alice, &bob).await;
    let peers = alice.handle.peers().await.unwrap();
    assert_eq!((peers.len(), peers[0].trust, peers[0].name.as_str()), (1, Trust::Verified, "bob"));
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_find_each_other_again_after_restarts() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.remember("before").await;
    until("bob has it", async || bob.recalls("before").await).await;
    alice.stop().await;
    bob.remember("while alice was away").await;
    alice.start_again().await;
    until("alice has it", async || alice.recalls("away").await).await;
    bob.stop().await;
    alice.stop().await;
    bob.start_again().await;
    alice.start_again().await;
    alice.remember("after both slept").await;
    until("bob has that too", async || bob.recalls("slept").await).await;
    agree(&alice, &bob).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_member_is_put_out_at_once_and_gets_nothing_new() {
    let (mut alice, mut bob) = team_of_two().await;
    until("they are connected", async || alice.handle.peers().await.unwrap()[0].connected).await;
    alice.handle.revoke("bob", "stolen", false).await.unwrap();
    until("bob is put out", async || alice.handle.peers().await.unwrap()[0].trust == Trust::Rejected).await;
    alice.remember("not for bob").await;
    until("bob hears that he was revoked", async || {
        let peers = bob.handle.peers().await.unwrap();
        peers[0].trust == Trust::Rejected && peers[0].reason.is_some_and(|reason| reason.name() == "revoked")
    })
    .await;
    assert!(!bob.recalls("not for bob").await);
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_serves_one_machine_once() {
    let (mut alice, mut bob) = team_of_two().await;
    let ticket = alice.handle.invite("observer", 60_000).await.unwrap().ticket;
    let mut carol = Machine::start("carol").await;
    carol.remember("carol was here before").await;
    let undecided = carol.handle.join(&ticket, None, None).await;
    assert!(matches!(undecided, Err(Error::BringUndecided { shared: 1, local: 0, .. })), "{undecided:?}");
    let joined = carol.handle.join(&ticket, None, Some(Bring::Shared)).await.unwrap();
    assert!(matches!(joined, Joined::Member { brought: 1, kept_local: 0, .. }), "{joined:?}");
    until("alice has what carol brought", async || alice.recalls("carol").await).await;
    let mut eve = Machine::start("eve").await;
    let refused = eve.handle.join(&ticket, None, None).await;
    assert!(matches!(refused, Err(Error::JoinRefused { .. })), "{refused:?}");
    for machine in [&mut eve, &mut carol, &mut bob, &mut alice] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_right_after_the_start_says_where_to_go() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let node = Node::start(common::config(&dir, "alice")).await.unwrap();
        let ticket = node.handle().invite("observer", 60_000).await.unwrap().ticket;
        assert!(!Ticket::parse(&ticket).unwrap().addresses.is_empty());
        node.handle().shutdown().await;
        node.stopped().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_knows_where_bob_listens_as_soon_as_he_has_joined() {
    let (mut alice, mut bob) = team_of_two().await;
    let listens = bob.handle.status().await.unwrap().listen;
    assert!(!listens.is_empty());
    until("alice knows an address of bob", async || {
        let known = alice.handle.peers().await.unwrap().remove(0).addresses;
        listens.iter().any(|address| known.contains(address))
    })
    .await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_grant_runs_out_is_put_out_although_nobody_writes() {
    let (mut alice, mut bob) = team_of_two().await;
    until("they are connected", async || alice.handle.peers().await.unwrap()[0].trust == Trust::Verified).await;
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let not_after = UnixMillis(u64::try_from(clock.as_millis()).unwrap() + 2_000);
    let (key, _) = NodeKey::generate().unwrap();
    let node = bob.handle.status().await.unwrap().node_id;
    let grant = Grant {
        node,
        recipient: key.age_recipient(),
        roles: vec!["observer".into()],
        not_after,
        wraps: Vec::new(),
        name: "bob".into(),
    };
    for written in alice.handle.author(vec![Draft::Grant(grant)]).await.unwrap() {
        let _authored = written.unwrap();
    }
    until("bob is put out", async || {
        let bob = alice.handle.peers().await.unwrap().remove(0);
        bob.reason.is_some_and(|reason| reason.name() == "grant_expired") && !bob.connected
    })
    .await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_joins_at_once_one_moves_the_node() {
    let (mut alice, mut carol, mut bob) =
        (Machine::start("alice").await, Machine::start("carol").await, Machine::start("bob").await);
    let mut tickets = Vec::new();
    for steward in [&alice, &carol] {
        until("the steward listens", async || !steward.handle.status().await.unwrap().listen.is_empty()).await;
        tickets.push(steward.handle.invite("observer", 60_000).await.unwrap().ticket);
    }
    let (first, second) =
        tokio::join!(bob.handle.join(&tickets[0], None, None), bob.handle.join(&tickets[1], None, None));
    let moved = [&first, &second].iter().filter(|joined| matches!(joined, Ok(Joined::Member { .. }))).count();
    let refused = [&first, &second].iter().filter(|joined| matches!(joined, Err(Error::InAnotherTeam { .. }))).count();
    assert_eq!((moved, refused), (1, 1), "{first:?} {second:?}");
    for machine in [&mut bob, &mut carol, &mut alice] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_became_private_are_not_counted_as_brought() {
    let mut alice = Machine::start("alice").await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let ticket = alice.handle.invite("observer", 60_000).await.unwrap().ticket;
    let mut bob = Machine::start("bob").await;
    bob.remember("the salary of carol").await;
    let fact = bob.handle.facts(FactFilter::default(), 1, None).await.unwrap().remove(0).fact.id;
    let edit = Edit::new().set(Field::Private, Value::Bool(true));
    for written in bob.handle.author(vec![Draft::Edit { fact, edit, provenance: Provenance::default() }]).await.unwrap()
    {
        let _authored = written.unwrap();
    }
    let joined = bob.handle.join(&ticket, None, Some(Bring::Shared)).await.unwrap();
    assert!(matches!(joined, Joined::Member { brought: 0, kept_local: 1, .. }), "{joined:?}");
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_names_nobody_removes_nobody() {
    let (mut alice, mut bob) = team_of_two().await;
    let refused = alice.handle.revoke("", "a variable that was not set", false).await;
    assert!(matches!(refused, Err(Error::PeerNotFound(_))), "{refused:?}");
    let own = alice.handle.status().await.unwrap().listen.remove(0);
    let refused = alice.handle.handshake(&own).await;
    assert!(matches!(refused, Err(Error::OwnAddress)), "{refused:?}");
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_is_held_for_as_long_as_anybody_writes_into_it() {
    let mut alice = Machine::start("alice").await;
    let home = Home::new(alice.dir.path().join("home"));
    drop(alice.node.take());
    alice.remember("still here").await;
    assert!(matches!(home.lock(), Err(home::Error::Held { .. })));
    alice.handle.shutdown().await;
    until("the home is free", async || home.lock().is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_team_takes_along_what_it_wrote_and_nothing_of_others() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.remember("alice's plan").await;
    bob.remember("bob's own idea").await;
    until("bob has both", async || bob.recalls("alice's plan").await).await;
    let mut carol = Machine::start("carol").await;
    until("carol listens", async || !carol.handle.status().await.unwrap().listen.is_empty()).await;
    let ticket = carol.handle.invite("observer", 60_000).await.unwrap().ticket;
    let refused = bob.handle.join(&ticket, None, Some(Bring::Shared)).await;
    assert!(matches!(refused, Err(Error::InAnotherTeam { others: 1, .. })), "{refused:?}");
    let joined = bob.handle.leave_and_join(&ticket, None, Some(Bring::Shared)).await.unwrap();
    assert!(matches!(joined, Joined::Member { brought: 1, kept_local: 0, left_behind: 1, .. }), "{joined:?}");
    until("carol has bob's idea", async || carol.recalls("own idea").await).await;
    assert!(!carol.recalls("plan").await && !bob.recalls("plan").await);
    for machine in [&mut carol, &mut bob, &mut alice] {
        machine.stop().await;
    }
}
