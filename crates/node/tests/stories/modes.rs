//! What persons set about sharing, on live nodes.

use std::time::Duration;

use crate::common::{Machine, agree, team_of_two, until};
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::FactId;
use antiphon_core::value::Value;
use antiphon_node::{Domains, Draft, NodeMode, PeerMode, Trust, WhyView};

/// Both have greeted each other and hold the same.
async fn connected() -> (Machine, Machine) {
    let (alice, bob) = team_of_two().await;
    alice.trusts("bob", Trust::Verified).await;
    bob.trusts("alice", Trust::Verified).await;
    for (one, other) in [(&alice, "bob"), (&bob, "alice")] {
        until("both know that they hold the same", async || one.handle.why(None, other).await.unwrap().held).await;
    }
    (alice, bob)
}

async fn write(machine: &Machine, edit: Edit) -> FactId {
    let draft = Draft::Remember { id: None, edit, provenance: Provenance::default(), idempotency_key: None };
    machine.handle.author(vec![draft]).await.unwrap().remove(0).unwrap().fact.unwrap()
}

fn about(domain: &str, text: &str) -> Edit {
    Edit::new().set(Field::Content, Value::from(text)).set(Field::Domain, Value::from(domain))
}

fn codes(why: &WhyView) -> Vec<&'static str> {
    why.findings.iter().map(|finding| finding.code).collect()
}

async fn why(machine: &Machine, fact: FactId, peer: &str) -> WhyView {
    machine.handle.why(Some(&fact.to_string()), peer).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_peer_stays_connected_gets_the_charter_and_nothing_else() {
    let (mut alice, mut bob) = connected().await;
    alice.handle.set_peer_mode("bob", PeerMode::Paused).await.unwrap();
    until("bob hears of it", async || bob.sees("alice").await.takes == Some(false)).await;
    let held_back = alice.remember("written during the pause").await;
    let his = bob.remember("bob's own").await;
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    until("bob learns of carol", async || bob.handle.peer("carol").await.is_ok()).await;
    assert!(!bob.recalls("pause").await && !alice.recalls("bob's own").await);
    assert!(alice.sees("bob").await.connected && bob.sees("alice").await.connected);
    let answer = why(&alice, held_back, "bob").await;
    assert_eq!((answer.held, codes(&answer)[0]), (false, "paused"), "{answer:?}");
    assert_eq!(answer.findings[0].fix.as_deref(), Some("antiphon peers resume bob"));
    let answer = why(&bob, his, "alice").await;
    assert_eq!(codes(&answer)[0], "peer_takes_nothing", "{answer:?}");
    let answer = why(&alice, his, "bob").await;
    assert_eq!(codes(&answer)[..2], ["unknown_here", "paused"], "{answer:?}");
    carol.stop().await;
    alice.handle.set_peer_mode("bob", PeerMode::Sync).await.unwrap();
    until("bob has it", async || bob.recalls("pause").await).await;
    agree(&alice, &bob).await;
    assert!(alice.sees("bob").await.health.consecutive_failures == 0, "a pause is no failure");
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_outlive_a_restart() {
    let (mut alice, mut bob) = connected().await;
    alice.handle.set_peer_mode("bob", PeerMode::Paused).await.unwrap();
    alice.handle.set_node_mode(NodeMode::Publish).await.unwrap();
    alice.handle.share_with("bob", Domains { except: vec!["pay".into()], ..Domains::default() }).await.unwrap();
    alice.stop().await;
    alice.start_again().await;
    alice.trusts("bob", Trust::Verified).await;
    let view = alice.handle.federation().await.unwrap();
    assert_eq!((view.mode, view.peers[0].peer.mode), (NodeMode::Publish, PeerMode::Paused));
    assert_eq!(view.peers[0].domains.except, ["pay"]);
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_sends_and_takes_nothing_until_it_does_again() {
    let (mut alice, mut bob) = connected().await;
    alice.handle.set_node_mode(NodeMode::Publish).await.unwrap();
    until("bob hears of it", async || bob.sees("alice").await.takes == Some(false)).await;
    let his = bob.remember("bluebells").await;
    alice.remember("daisies").await;
    until("bob has hers", async || bob.recalls("daisies").await).await;
    assert!(!alice.recalls("bluebells").await);
    assert_eq!(codes(&why(&bob, his, "alice").await)[0], "peer_takes_nothing");
    assert_eq!(codes(&why(&alice, his, "bob").await)[..2], ["unknown_here", "node_mode"]);
    alice.handle.set_node_mode(NodeMode::Subscribe).await.unwrap();
    until("alice has his", async || alice.recalls("bluebells").await).await;
    let hers = alice.remember("poppies").await;
    bob.remember("thistles").await;
    until("alice has that too", async || alice.recalls("thistles").await).await;
    assert!(!bob.recalls("poppies").await);
    assert_eq!(codes(&why(&alice, hers, "bob").await)[0], "node_mode");
    alice.handle.set_node_mode(NodeMode::Sync).await.unwrap();
    until("bob has all", async || bob.recalls("poppies").await).await;
    agree(&alice, &bob).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_is_kept_from_one_peer_at_once_and_comes_when_it_is_shared_again() {
    let (mut alice, mut bob) = connected().await;
    let except = Domains { except: vec!["pay".into()], ..Domains::default() };
    alice.handle.share_with("bob", except).await.unwrap();
    let kept = write(&alice, about("pay", "the salary of carol")).await;
    write(&alice, about("web", "the page is green")).await;
    until("bob has the other", async || bob.recalls("green").await).await;
    agree(&alice, &bob).await;
    assert!(!bob.recalls("salary").await);
    let answer = why(&alice, kept, "bob").await;
    assert_eq!((answer.held, codes(&answer)[0]), (false, "domain"), "{answer:?}");
    let answer = why(&bob, kept, "alice").await;
    assert_eq!(codes(&answer)[0], "missing_payload", "{answer:?}");
    let there = bob.handle.federation().await.unwrap();
    let cursors = &there.peers[0].cursors;
    assert_eq!((cursors.missing, cursors.received), (1, cursors.applied));
    alice.handle.share_with("bob", Domains::default()).await.unwrap();
    bob.stop().await;
    bob.start_again().await;
    until("bob has that too", async || bob.recalls("salary").await).await;
    until("bob has signed for it", async || codes(&why(&alice, kept, "bob").await) == ["receipt"]).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_here_says_why_and_never_leaves() {
    let (mut alice, mut bob) = connected().await;
    let private = write(&alice, about("web", "mine alone").set(Field::Private, Value::Bool(true))).await;
    let module = write(&alice, about("web", "a scrap").set(Field::Level, Value::Uint(2))).await;
    let fence = alice.remember("for everybody").await;
    until("bob has what came after", async || bob.recalls("everybody").await).await;
    agree(&alice, &bob).await;
    assert!(!bob.recalls("alone").await && !bob.recalls("scrap").await);
    assert_eq!(codes(&why(&alice, private, "bob").await), ["private"]);
    assert_eq!(codes(&why(&alice, module, "bob").await), ["level"]);
    until("bob's word for it came", async || why(&alice, fence, "bob").await.held).await;
    let answer = why(&bob, private, "alice").await;
    assert_eq!(codes(&answer), ["unknown_here", "kept_back"], "{answer:?}");
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_away_is_said_to_be_and_what_it_lacks() {
    let (mut alice, mut bob) = connected().await;
    bob.stop().await;
    until("bob is away", async || !alice.sees("bob").await.connected).await;
    let fact = alice.remember("while bob sleeps").await;
    let answer = why(&alice, fact, "bob").await;
    assert_eq!((answer.held, codes(&answer)), (false, vec!["no_route", "behind"]), "{answer:?}");
    until("alice counts it", async || alice.sees("bob").await.lag_events == Some(1)).await;
    let seen = alice.sees("bob").await;
    assert_eq!(seen.behind_events, Some(0));
    assert!(seen.equal_at.is_some());
    bob.start_again().await;
    until("bob has it", async || why(&alice, fact, "bob").await.held).await;
    agree(&alice, &bob).await;
    until("nothing stands between them", async || alice.handle.why(None, "bob").await.unwrap().held).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_want_to_wait_compares_with_all_at_once() {
    const LONG: Duration = Duration::from_secs(600);
    let (mut alice, mut bob) = connected().await;
    // Each answer follows from what bob said after he was asked, so it knows what both wrote before.
    for n in 0..3 {
        alice.remember(&format!("hers {n}")).await;
        bob.remember(&format!("his {n}")).await;
        let members = alice.handle.sync_now(LONG).await.unwrap();
        let [seen] = &members[..] else { panic!("{members:?}") };
        assert_eq!((seen.name.as_str(), seen.lag_events, seen.behind_events), ("bob", Some(0), Some(0)));
    }
    bob.stop().await;
    until("bob is away", async || !alice.sees("bob").await.connected).await;
    let members = alice.handle.sync_now(LONG).await.unwrap();
    assert!(!members[0].connected, "an attempt to reach him has failed, and nothing more is waited for");
    bob.start_again().await;
    until("he is there again", async || alice.handle.sync_now(LONG).await.unwrap()[0].connected).await;
    agree(&alice, &bob).await;
    bob.stop().await;
    alice.stop().await;
}
