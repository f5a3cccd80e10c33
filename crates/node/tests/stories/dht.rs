//! The hash table between real nodes: what is said on one is found on the others, and nothing is lost without a network.

use std::collections::BTreeSet;

use crate::common::{Machine, team_of_two, until};
use antiphon_core::dht::{Body, Topic};
use antiphon_core::ids::Hash;
use antiphon_core::resource::Kind;
use antiphon_node::{
    DhtBackend, DhtChoice, DhtError, DhtHealthStatus, DhtKnownBy, DhtRegistration, Error, ResourceDraft,
};

async fn team_of_three() -> (Machine, Machine, Machine) {
    let (alice, bob) = team_of_two().await;
    let carol = Machine::start("carol").await;
    carol.joins_as(&alice, "qa_engineer").await;
    (alice, bob, carol)
}

fn root(n: u64) -> Topic {
    Topic::Content(Hash::of(&n.to_be_bytes()))
}

async fn provides(machine: &Machine, topic: &Topic) {
    machine.handle.dht_provide(topic).await.unwrap();
}

/// Waits until all that a machine has to say was taken by members.
async fn is_published(machine: &Machine) {
    until(&format!("{} has told everything", machine.name), async || {
        let status = machine.handle.dht_status().await.unwrap();
        status.items > 0 && status.waiting == 0 && status.using == DhtBackend::Kad
    })
    .await;
}

async fn finds(machine: &Machine, topic: &Topic, wanted: &[&str]) {
    until(&format!("{} finds that {wanted:?} have {topic}", machine.name), async || {
        let found = machine.handle.dht_find_providers(topic, 20).await.unwrap();
        let names: BTreeSet<&str> = found.iter().map(|provider| provider.name.as_str()).collect();
        names == wanted.iter().copied().collect()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_says_all_three_find() {
    let (mut alice, mut bob, mut carol) = team_of_three().await;
    for machine in [&alice, &bob, &carol] {
        is_published(machine).await;
        let status = machine.handle.dht_status().await.unwrap();
        assert_eq!(status.kad.status, DhtHealthStatus::Healthy, "{}: {status:?}", machine.name);
        assert!(status.prefix.as_str().starts_with("/antiphon/"));
    }
    provides(&bob, &root(1)).await;
    provides(&carol, &root(1)).await;
    for machine in [&alice, &bob, &carol] {
        finds(machine, &root(1), &["bob", "carol"]).await;
    }
    // Bob's card is found by whoever asks, signed by him.
    until("carol finds bob's card", async || carol.handle.dht_get_value("bob").await.is_ok()).await;
    let card = carol.handle.dht_get_value("bob").await.unwrap();
    assert_eq!((card.author_name.as_str(), card.own), ("bob", false));
    assert!(matches!(card.body, Body::Card(card) if card.name == "bob"));
    assert!(matches!(carol.handle.dht_get_value("/elsewhere/x").await, Err(Error::Dht(DhtError::Key(_)))));

    bob.handle.dht_withdraw(&root(1)).await.unwrap();
    let own = bob.handle.dht_find_providers(&root(1), 20).await.unwrap();
    assert!(own.iter().all(|provider| !provider.own));
    for machine in [&mut alice, &mut bob, &mut carol] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_network_is_cut_off() {
    let (mut alice, mut bob) = team_of_two().await;
    is_published(&alice).await;
    bob.stop().await;
    until("alice notices that the network fails", async || {
        let status = alice.handle.dht_status().await.unwrap();
        status.using == DhtBackend::Local && status.kad.status == DhtHealthStatus::Failed
    })
    .await;
    for n in 0..500 {
        assert!(alice.handle.dht_provide(&root(n)).await.unwrap());
    }
    let status = alice.handle.dht_status().await.unwrap();
    assert!(status.waiting >= 500 && status.counts.provides >= 500, "{status:?}");
    for n in [0, 250, 499] {
        let found = alice.handle.dht_find_providers(&root(n), 20).await.unwrap();
        assert!(found.len() == 1 && found[0].own, "it is readable here: {found:?}");
    }
    // Not even the machine that stops loses any.
    alice.stop().await;
    alice.start_again().await;
    assert!(alice.handle.dht_status().await.unwrap().counts.provides >= 500);
    bob.start_again().await;
    is_published(&alice).await;
    for n in [0, 250, 499] {
        finds(&bob, &root(n), &["alice"]).await;
    }
    alice.stop().await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_found_by_what_they_do() {
    let (mut alice, mut bob, mut carol) = team_of_three().await;
    let testers = alice.handle.dht_find_peers_by_role("qa_engineer").await.unwrap();
    assert_eq!(testers.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>(), ["carol"]);
    assert!(testers[0].known_by.contains(&DhtKnownBy::Charter));
    assert!(matches!(alice.handle.dht_find_peers_by_role("wizard").await, Err(Error::UnknownRole { .. })));

    let said = DhtRegistration {
        agent: Some("claude".into()),
        roles: vec!["qa_engineer".into()],
        capabilities: vec!["fuzzing".into()],
    };
    let own = carol.handle.dht_register_peer(None, said.clone()).await.unwrap();
    assert!(own.own && own.agent.as_deref() == Some("claude") && own.capabilities.contains("fuzzing"));
    let (alice_node, other) = (alice.handle.status().await.unwrap().node_id, said);
    let refused = carol.handle.dht_register_peer(Some(alice_node), other).await;
    assert!(matches!(refused, Err(Error::Dht(DhtError::NotOwn(_)))));
    let refused = carol.handle.dht_provide(&Topic::Role("admin".into())).await;
    assert!(matches!(refused, Err(Error::Dht(DhtError::RoleNotHeld { .. }))));

    until("alice finds who can fuzz", async || {
        let found = alice.handle.dht_find_peers_by_capability("fuzzing").await.unwrap();
        found.len() == 1 && found[0].name == "carol" && found[0].known_by.contains(&DhtKnownBy::Announced)
    })
    .await;
    let offer = ResourceDraft {
        kind: Kind::Tool,
        name: "linter".into(),
        description: "It does what it says.".into(),
        address: None,
        capabilities: BTreeSet::from(["linting".to_owned()]),
        tags: BTreeSet::new(),
        key: None,
    };
    bob.handle.create_resource(offer).await.unwrap();
    until("alice finds who can lint, and by what", async || {
        let found = alice.handle.dht_find_peers_by_capability("linting").await.unwrap();
        let wanted = [DhtKnownBy::Catalogue, DhtKnownBy::Card, DhtKnownBy::Announced];
        found.len() == 1 && found[0].name == "bob" && wanted.iter().all(|by| found[0].known_by.contains(by))
    })
    .await;
    for machine in [&mut alice, &mut bob, &mut carol] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_leave_the_network_alone() {
    let (mut alice, mut bob) = team_of_two().await;
    is_published(&alice).await;
    let status = alice.handle.dht_backend(DhtChoice::Local).await.unwrap();
    assert_eq!((status.choice, status.using), (DhtChoice::Local, DhtBackend::Local));
    assert!(matches!(alice.handle.dht_bootstrap().await, Err(Error::Dht(DhtError::LeftAlone))));
    provides(&alice, &root(7)).await;
    assert_eq!(bob.handle.dht_find_providers(&root(7), 20).await.unwrap(), []);
    alice.stop().await;
    alice.start_again().await;
    assert_eq!(alice.handle.dht_status().await.unwrap().choice, DhtChoice::Local, "it outlives a restart");
    alice.handle.dht_backend(DhtChoice::Auto).await.unwrap();
    finds(&bob, &root(7), &["alice"]).await;
    until("alice is in", async || alice.handle.dht_is_bootstrapped().await.unwrap()).await;
    assert!(alice.handle.dht_bootstrap().await.unwrap() >= 1);
    let stats = alice.handle.dht_stats().await.unwrap();
    assert!(stats.routing_table_size == 1 && stats.connected_peers == 1 && stats.total_keys > 1, "{stats:?}");
    alice.stop().await;
    bob.stop().await;
}
