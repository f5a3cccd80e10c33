//! Who holds what, between real nodes: texts that were kept back, and receipts.

use std::io::Cursor;

use crate::common::{Machine, agree, team_of_two, until};
use antiphon_core::address::{Address, Selector};
use antiphon_core::custody::Holding;
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::FactId;
use antiphon_node::{ContentForm, Domains, Draft, NewContent, Trust, WipeDocuments, WipeKind};

async fn remember_wages(machine: &Machine, text: &str) -> FactId {
    let edit = Edit::new().set(Field::Content, text.into()).set(Field::Domain, "wages".into());
    let draft = Draft::Remember { id: None, edit, provenance: Provenance::default(), idempotency_key: None };
    machine.handle.author(vec![draft]).await.unwrap().remove(0).unwrap().fact.unwrap()
}

fn no_wages() -> Domains {
    Domains { only: Vec::new(), except: vec!["wages".into()] }
}

/// What a member has signed about a fact, as `machine` knows.
async fn signed(machine: &Machine, fact: FactId, member: &str) -> Option<Holding> {
    let receipts = machine.handle.fact_receipts(fact).await.unwrap();
    receipts.members.into_iter().find(|holding| holding.name == member).and_then(|holding| holding.holding)
}

#[tokio::test(flavor = "multi_thread")]
async fn bob_holds_headers_of_what_is_not_for_him_and_gets_the_text_once_it_is() {
    let (mut alice, mut bob) = team_of_two().await;
    alice.handle.share_with("bob", no_wages()).await.unwrap();
    let fact = remember_wages(&alice, "carol earns seven").await;
    alice.remember("the staging port is 6543").await;
    until("bob has the rest", async || bob.recalls("staging port").await).await;
    agree(&alice, &bob).await;
    assert!(!bob.recalls("carol earns").await);
    until("bob signs for the header", async || signed(&alice, fact, "bob").await == Some(Holding::Header)).await;
    let receipts = alice.handle.receipts().await.unwrap();
    assert_eq!((receipts[0].behind, receipts[0].headers), (0, 1));
    let check = alice.handle.wipe_check().await.unwrap();
    assert_eq!((check.items[0].kind, check.items[0].count), (WipeKind::Unconfirmed, 1));
    // The exclusion is lifted. Passes are half a minute apart, and one begins with every session.
    alice.handle.share_with("bob", Domains::default()).await.unwrap();
    bob.stop().await;
    bob.start_again().await;
    until("bob has the text", async || bob.recalls("carol earns").await).await;
    agree(&alice, &bob).await;
    until("bob signs for all of it", async || signed(&alice, fact, "bob").await == Some(Holding::Whole)).await;
    let kinds = async || alice.handle.wipe_check().await.unwrap().items.into_iter().map(|item| item.kind);
    until("nothing is only here", async || kinds().await.all(|kind| kind != WipeKind::Unconfirmed)).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_alice_keeps_back_comes_from_carol() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    alice.handle.share_with("bob", no_wages()).await.unwrap();
    let at_carol = carol.handle.status().await.unwrap().listen[0].clone();
    bob.handle.handshake(&at_carol).await.unwrap();
    bob.trusts("carol", Trust::Verified).await;
    let fact = remember_wages(&alice, "dave earns nine").await;
    until("carol has it", async || carol.recalls("dave earns").await).await;
    until("bob has it too", async || bob.recalls("dave earns").await).await;
    until("alice knows it of both", async || {
        let (bob, carol) = (signed(&alice, fact, "bob").await, signed(&alice, fact, "carol").await);
        bob == Some(Holding::Whole) && carol == Some(Holding::Whole)
    })
    .await;
    for machine in [&mut carol, &mut bob, &mut alice] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alice_reads_what_carol_signed_while_she_was_away() {
    let (mut alice, mut bob) = team_of_two().await;
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    alice.remember("rollbacks are announced first").await;
    until("bob has it", async || bob.recalls("rollbacks").await).await;
    until("carol has it", async || carol.recalls("rollbacks").await).await;
    let at_carol = carol.handle.status().await.unwrap().listen[0].clone();
    bob.handle.handshake(&at_carol).await.unwrap();
    bob.trusts("carol", Trust::Verified).await;
    alice.stop().await;
    let late = bob.remember("written while alice was away").await;
    until("carol has signed for it", async || signed(&bob, late, "carol").await == Some(Holding::Whole)).await;
    carol.stop().await;
    alice.start_again().await;
    until("alice has what bob wrote", async || alice.recalls("while alice was away").await).await;
    until("alice has bob's receipt", async || signed(&alice, late, "bob").await == Some(Holding::Whole)).await;
    until("and carol's", async || signed(&alice, late, "carol").await == Some(Holding::Whole)).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_keeps_a_machine_from_being_wiped_until_another_proves_that_it_has_it() {
    let (mut alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    alice.joins_as(&bob, "backend_developer").await;
    alice.trusts("bob", Trust::Verified).await;
    let documents = async |machine: &Machine| {
        let check = machine.handle.wipe_check().await.unwrap();
        (check.items.into_iter().find(|item| item.kind == WipeKind::Documents), check.documents)
    };
    assert_eq!(documents(&alice).await.1.held, 0);
    let address = Address::new("alice", "backend_developer", "shop", "login", "decision").unwrap();
    let new = NewContent {
        address: address.clone(),
        role: "backend_developer".into(),
        content_type: "text/markdown".into(),
        provenance: Provenance::default(),
    };
    alice.handle.put_content(new, Cursor::new(b"We sign tokens with Ed25519.".to_vec())).await.unwrap();
    until("bob offers room", async || documents(&alice).await.1.target == 1).await;
    let (item, counts) = documents(&alice).await;
    let item = item.unwrap();
    assert!(item.loses && item.fix.contains("antiphon replication run"), "{item:?}");
    assert_eq!((item.count, item.examples), (1, vec![address.to_string()]));
    assert_eq!(counts, WipeDocuments { held: 1, only_here: 1, few: 0, target: 1 });
    until("bob knows of it", async || bob.handle.content(&address, Selector::Latest).await.is_ok()).await;
    let open = bob.handle.open_content(&address, Selector::Latest, ContentForm::Cipher).await.unwrap();
    open.collect(u64::MAX).await.unwrap();
    until("bob has proved it", async || documents(&alice).await.0.is_none()).await;
    let (_, counts) = documents(&alice).await;
    assert_eq!((counts.held, counts.only_here), (1, 0));
    until("what he proved is kept", async || {
        let receipts = alice.handle.receipts().await.unwrap();
        (receipts[0].documents, receipts[0].documents_here) == (1, 1)
    })
    .await;
    // It is remembered while he is away, also after a new start.
    bob.stop().await;
    alice.stop().await;
    alice.start_again().await;
    assert!(documents(&alice).await.0.is_none());
    alice.stop().await;
}
