//! What members tell each other about themselves, between real nodes on loopback.

use crate::common::{Machine, agree, team_of_two, until};
use antiphon_core::announce::{FederationConfig, StorageConfig};
use antiphon_node::{Domains, NodeMode, PeerMode, STORAGE_QUOTA_BYTES, StorageSettings};

async fn storage(of: &Machine, at: &Machine) -> Option<StorageConfig> {
    at.sees(of.name).await.storage
}

async fn shares(of: &Machine, at: &Machine) -> Option<FederationConfig> {
    at.sees(of.name).await.federation
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_what_the_other_stores_and_keeps_it_over_a_restart() {
    let (mut alice, mut bob) = team_of_two().await;
    agree(&alice, &bob).await;
    until("both were told", async || storage(&bob, &alice).await.is_some() && storage(&alice, &bob).await.is_some())
        .await;
    let said = storage(&bob, &alice).await.unwrap();
    assert_eq!((said.offers, said.quota_bytes, said.used_bytes), (true, STORAGE_QUOTA_BYTES, 0));
    bob.handle.set_storage_offer(StorageSettings { offer: true, quota_bytes: 5_000 }).await.unwrap();
    until("alice knows what is free", async || storage(&bob, &alice).await.unwrap().free_bytes() == 5_000).await;
    bob.handle.set_storage_offer(StorageSettings { offer: false, quota_bytes: 5_000 }).await.unwrap();
    until("alice knows that it is over", async || !storage(&bob, &alice).await.unwrap().offers).await;
    let (offer, own) = (storage(&bob, &alice).await, bob.handle.federation().await.unwrap().storage);
    assert_eq!((own.offer, own.quota_bytes, own.used_bytes), (false, 5_000, 0));
    bob.stop().await;
    alice.stop().await;
    alice.start_again().await;
    assert_eq!(storage(&bob, &alice).await, offer, "bob is away, and what he said is known");
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_how_the_other_shares_and_whenever_that_changes() {
    let (mut alice, mut bob) = team_of_two().await;
    agree(&alice, &bob).await;
    until("alice was told", async || shares(&bob, &alice).await.is_some()).await;
    let said = shares(&bob, &alice).await.unwrap();
    assert!(said.sends && said.takes && !said.paused && said.all_domains && said.agent.starts_with("antiphon/"));
    bob.handle.set_node_mode(NodeMode::Publish).await.unwrap();
    until("alice knows that bob takes nothing", async || {
        shares(&bob, &alice).await.is_some_and(|said| said.sends && !said.takes)
    })
    .await;
    let pay = || Domains { except: vec!["pay".into()], ..Domains::default() };
    bob.handle.share_with("alice", pay()).await.unwrap();
    until("alice knows that she does not get all", async || !shares(&bob, &alice).await.unwrap().all_domains).await;
    bob.handle.set_peer_mode("alice", PeerMode::Paused).await.unwrap();
    until("alice knows that bob paused", async || shares(&bob, &alice).await.unwrap().paused).await;
    bob.stop().await;
    bob.start_again().await;
    bob.handle.set_peer_mode("alice", PeerMode::Sync).await.unwrap();
    until("alice knows how it is now", async || {
        shares(&bob, &alice).await.is_some_and(|said| !said.paused && !said.takes && !said.all_domains)
    })
    .await;
    bob.stop().await;
    alice.stop().await;
}
