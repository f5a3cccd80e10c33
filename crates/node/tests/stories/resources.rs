//! Catalogues between real nodes: told, changed, found, asked about.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::{Machine, config, team_of_two, until};
use antiphon_core::ids::ResourceId;
use antiphon_core::resource::notice::Window;
use antiphon_core::resource::question::Question;
use antiphon_core::resource::{Edit, Kind};
use antiphon_core::time::UnixMillis;
use antiphon_node::{
    Bring, Error, Node, Ownership, PlannedUse, ResourceDraft, ResourceError, ResourceFilter, ResourceView, Trust,
    Verdict,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn draft(name: &str) -> ResourceDraft {
    ResourceDraft {
        kind: Kind::Tool,
        name: name.into(),
        description: "It does what it says.".into(),
        address: None,
        capabilities: BTreeSet::from(["linting".to_owned()]),
        tags: BTreeSet::new(),
        key: None,
    }
}

async fn offers(machine: &Machine, name: &str) -> ResourceId {
    machine.handle.create_resource(draft(name)).await.unwrap().id
}

async fn renames(machine: &Machine, id: ResourceId, name: &str) {
    let edit = Edit { name: Some(name.into()), ..Edit::default() };
    machine.handle.update_resource(id, edit).await.unwrap();
}

async fn known(machine: &Machine) -> Vec<ResourceView> {
    machine.handle.resources(ResourceFilter::default(), 100).await.unwrap()
}

async fn names(machine: &Machine) -> Vec<String> {
    known(machine).await.into_iter().map(|view| view.resource.name).collect()
}

async fn knows(machine: &Machine, wanted: &[&str]) {
    until(&format!("{} knows {wanted:?}", machine.name), async || {
        let mut names = names(machine).await;
        names.sort();
        names == wanted
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_alice_offers_while_bob_is_away_is_there_when_he_is_back() {
    let (mut alice, mut bob) = team_of_two().await;
    let linter = offers(&alice, "linter").await;
    knows(&bob, &["linter"]).await;
    bob.stop().await;
    let (gone, kept) = (offers(&alice, "short lived").await, offers(&alice, "gpu").await);
    renames(&alice, linter, "formatter").await;
    renames(&alice, linter, "prettier").await;
    alice.handle.delete_resource(gone).await.unwrap();
    bob.start_again().await;
    knows(&bob, &["gpu", "prettier"]).await;
    let detail = bob.handle.resource(linter).await.unwrap();
    assert_eq!((detail.view.ownership, detail.view.owner_name.as_str()), (Ownership::Member, "alice"));
    assert_eq!(detail.view.resource.stamp.version, 3);
    assert_eq!(bob.handle.resolve_resource("gpu").await.unwrap(), kept);
    alice.handle.delete_resource(kept).await.unwrap();
    knows(&bob, &["prettier"]).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_later_is_told_the_whole_catalogue() {
    let (mut alice, mut bob) = team_of_two().await;
    let gone = offers(&alice, "given up").await;
    offers(&alice, "linter").await;
    offers(&bob, "gpu").await;
    alice.handle.delete_resource(gone).await.unwrap();
    let mut carol = Machine::start("carol").await;
    carol.joins(&alice).await;
    // Each of them tells its own, and bob may be as quick as alice: he hears of carol from the charter.
    let at_carol = carol.handle.status().await.unwrap().listen[0].clone();
    bob.handle.handshake(&at_carol).await.unwrap();
    knows(&carol, &["gpu", "linter"]).await;
    let offered = carol.handle.offers().await.unwrap();
    let offered: Vec<_> = offered.iter().map(|offer| (offer.name.as_str(), offer.summary.total())).collect();
    assert_eq!(offered, [("alice", 1), ("bob", 1)]);
    for machine in [&mut carol, &mut bob, &mut alice] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bob_offered_alone_comes_along_only_if_he_says_so() {
    let (mut alice, mut bob) = (Machine::start("alice").await, Machine::start("bob").await);
    let gpu = offers(&bob, "gpu").await;
    until("alice listens", async || !alice.handle.status().await.unwrap().listen.is_empty()).await;
    let ticket = alice.handle.invite("observer", 60_000).await.unwrap().ticket;
    let undecided = bob.handle.join(&ticket, None, None).await;
    assert!(matches!(undecided, Err(Error::BringUndecided { resources: 1, .. })), "{undecided:?}");
    bob.handle.join(&ticket, None, Some(Bring::Shared)).await.unwrap();
    knows(&alice, &["gpu"]).await;
    assert_eq!(bob.handle.resource(gpu).await.unwrap().view.ownership, Ownership::Own);
    let mut carol = Machine::start("carol").await;
    offers(&carol, "linter").await;
    let ticket = alice.handle.invite("observer", 60_000).await.unwrap().ticket;
    carol.handle.join(&ticket, None, Some(Bring::None)).await.unwrap();
    // Her own stayed behind, and bob tells her of his.
    knows(&carol, &["gpu"]).await;
    for machine in [&mut carol, &mut bob, &mut alice] {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bob_no_longer_knows_of_after_he_lost_his_disk_is_offered_no_longer() {
    let (mut alice, mut bob) = team_of_two().await;
    offers(&alice, "linter").await;
    offers(&bob, "gpu").await;
    knows(&alice, &["gpu", "linter"]).await;
    knows(&bob, &["gpu", "linter"]).await;
    bob.stop().await;
    bob.lose_disk();
    bob.start_again().await;
    let status = alice.handle.status().await.unwrap();
    bob.handle.recover(&status.listen[0], status.team.id, None).await.unwrap();
    knows(&bob, &["linter"]).await;
    knows(&alice, &["linter"]).await;
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_asks_connected_members() {
    let (mut alice, mut bob) = team_of_two().await;
    offers(&alice, "linter").await;
    offers(&alice, "gpu").await;
    bob.trusts("alice", Trust::Verified).await;
    let question = Question { text: "linter".into(), limit: 10, ..Question::default() };
    let mut search = None;
    until("alice answers", async || {
        search = Some(bob.handle.search_resources(question.clone(), true).await.unwrap());
        search.as_ref().unwrap().asked.iter().any(|peer| peer.answer.is_ok())
    })
    .await;
    let search = search.unwrap();
    assert_eq!(search.found.iter().map(|view| view.resource.name.as_str()).collect::<Vec<_>>(), ["linter"]);
    let (summary, found) = search.asked[0].answer.clone().unwrap();
    assert_eq!((search.asked[0].name.as_str(), summary.total(), found), ("alice", 2, 1));
    assert_eq!(summary.capabilities, BTreeSet::from(["linting".to_owned()]));
    alice.stop().await;
    let alone = bob.handle.search_resources(question, true).await.unwrap();
    assert_eq!(alone.found.len(), 1, "what is known stays known");
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_stands_by_what_it_offers_and_by_nothing_else() {
    let (mut alice, mut bob) = team_of_two().await;
    let (linter, gpu) = (offers(&alice, "linter").await, offers(&alice, "gpu").await);
    knows(&bob, &["gpu", "linter"]).await;
    bob.trusts("alice", Trust::Verified).await;
    assert_eq!(bob.handle.verify_resource(linter, PATIENCE).await.unwrap().verdict, Verdict::Stands);
    bob.stop().await;
    alice.stop().await;
    // Alice's deletions are not kept on disk, so bob, who is away, never hears of this one.
    let mut forgetful = config(&alice.dir, "alice");
    forgetful.outbox.levels.set("resource_delete", "none").unwrap();
    let node = Node::start(forgetful).await.unwrap();
    alice.handle = node.handle();
    alice.node = Some(node);
    alice.handle.delete_resource(gpu).await.unwrap();
    alice.stop().await;
    alice.start_again().await;
    bob.start_again().await;
    until("bob has met alice", async || bob.sees("alice").await.connected).await;
    bob.trusts("alice", Trust::Verified).await;
    let verification = bob.handle.verify_resource(gpu, PATIENCE).await.unwrap();
    assert_eq!((verification.verdict, verification.connected), (Verdict::Gone, true));
    assert_eq!(bob.handle.resource(gpu).await.unwrap().view.checked.unwrap().held, None);
    let own = alice.handle.verify_resource(linter, PATIENCE).await;
    assert!(matches!(own, Err(Error::Resource(ResourceError::Own(_)))), "{own:?}");
    alice.stop().await;
    let later = bob.handle.verify_resource(linter, PATIENCE).await.unwrap();
    assert_eq!(later.verdict, Verdict::Unanswered);
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_planned_uses_are_told() {
    let (mut alice, mut bob) = team_of_two().await;
    let gpu = offers(&alice, "gpu").await;
    knows(&bob, &["gpu"]).await;
    let window = |from: u64| Window { from: UnixMillis(from), until: UnixMillis(from + 9), note: Some("half".into()) };
    alice.handle.plan_resource(gpu, vec![window(20), window(10)]).await.unwrap();
    until("bob has the plan", async || bob.handle.resource(gpu).await.unwrap().plan.is_some()).await;
    let plan = bob.handle.resource(gpu).await.unwrap().plan.unwrap();
    assert_eq!(plan.windows, [window(10), window(20)]);
    let planned = |yes| PlannedUse { from: UnixMillis(10), until: UnixMillis(19), yes, note: None };
    bob.handle.consider_resource(gpu, planned(true), None).await.unwrap();
    until("alice hears of it", async || !alice.handle.resource(gpu).await.unwrap().considers.is_empty()).await;
    let nobody = alice.handle.consider_resource(gpu, planned(false), None).await;
    assert!(matches!(nobody, Err(Error::Resource(ResourceError::NobodyToTell(_)))), "{nobody:?}");
    let node = bob.handle.status().await.unwrap().node_id;
    alice.handle.consider_resource(gpu, planned(false), Some(node)).await.unwrap();
    until("bob has the answer", async || bob.handle.resource(gpu).await.unwrap().considers.len() == 2).await;
    let said = bob.handle.resource(gpu).await.unwrap().considers;
    let said: BTreeSet<_> = said.iter().map(|said| (said.name.as_str(), said.consider.yes)).collect();
    assert_eq!(said, BTreeSet::from([("alice", false), ("bob", true)]));
    bob.stop().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_what_is_anothers_and_a_removed_members_is_marked() {
    let (mut alice, mut bob) = team_of_two().await;
    let (hers, his) = (offers(&alice, "linter").await, offers(&bob, "gpu").await);
    knows(&bob, &["gpu", "linter"]).await;
    knows(&alice, &["gpu", "linter"]).await;
    let refused = bob.handle.delete_resource(hers).await;
    assert!(matches!(refused, Err(Error::Resource(ResourceError::NotOwn { .. }))), "{refused:?}");
    alice.handle.revoke("bob", "left", false).await.unwrap();
    let view = async || alice.handle.resource(his).await.unwrap().view;
    until("what he offered is a former member's", async || view().await.ownership == Ownership::Former).await;
    assert_eq!(view().await.owner_name, "bob");
    let asked = alice.handle.verify_resource(his, PATIENCE).await;
    assert!(matches!(asked, Err(Error::Resource(ResourceError::OfFormer(_)))), "{asked:?}");
    assert_eq!(alice.handle.create_resource(draft("later")).await.unwrap().members, 0, "he is not told");
    bob.stop().await;
    alice.stop().await;
}
