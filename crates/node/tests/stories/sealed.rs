//! Facts for one role, on real nodes over loopback: who recalls them, what the others hold, and what changes with the
//! charter.

use std::path::Path;

use crate::common::{Machine, agree, until};
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field, Level};
use antiphon_core::ids::FactId;
use antiphon_core::log::NodeClock;
use antiphon_core::value::Value;
use antiphon_node::bundles::Take;
use antiphon_node::{AuthorError, Draft, Error};

const ROLE: &str = "backend_developer";
const CANARY: &str = "heliotropecanary";

fn sealed(text: &str, level: Level) -> Draft {
    let edit = Edit::new().set(Field::Content, Value::from(text)).set(Field::Level, Value::Uint(level.number()));
    let provenance = Provenance::default();
    Draft::RememberSealed { role: ROLE.into(), id: None, edit, provenance, idempotency_key: None }
}

async fn remember_sealed(machine: &Machine, text: &str) -> FactId {
    write(machine, sealed(text, Level::Domain)).await
}

async fn write(machine: &Machine, draft: Draft) -> FactId {
    machine.handle.author(vec![draft]).await.unwrap().remove(0).unwrap().fact.unwrap()
}

async fn content(machine: &Machine, fact: FactId) -> Option<String> {
    machine.handle.fact(fact).await.ok()?.fact.content
}

async fn closed(machine: &Machine) -> u64 {
    machine.handle.status().await.unwrap().closed
}

fn has_canary(path: &Path) -> bool {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().any(|entry| has_canary(&entry.unwrap().path()));
    }
    let bytes = std::fs::read(path).unwrap();
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

fn home(machine: &Machine) -> std::path::PathBuf {
    machine.dir.path().join("home")
}

/// Alice founds a team, bob develops its backend, eve writes its texts.
async fn team() -> (Machine, Machine, Machine) {
    let (alice, bob, eve) = (Machine::start("alice").await, Machine::start("bob").await, Machine::start("eve").await);
    bob.joins_as(&alice, ROLE).await;
    eve.joins_as(&alice, "technical_writer").await;
    until("bob has the key", async || bob.handle.keyring().holds(ROLE)).await;
    (alice, bob, eve)
}

async fn stop(machines: &mut [&mut Machine]) {
    for machine in machines {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_for_backend_developers_is_recalled_by_them_and_by_nobody_else() {
    let (mut alice, mut bob, mut eve) = team().await;
    let fact = remember_sealed(&bob, &format!("{CANARY} the queue drops at midnight")).await;
    let open = eve.remember("for all").await;
    for machine in [&alice, &bob] {
        until("who may read it recalls it", async || machine.recalls(CANARY).await).await;
        assert_eq!(machine.handle.fact(fact).await.unwrap().fact.role.as_deref(), Some(ROLE));
        until("and what is for all", async || content(machine, open).await.is_some()).await;
    }
    agree(&alice, &eve).await;
    agree(&bob, &eve).await;
    eve.handle.flush_index().await.unwrap();
    assert_eq!((closed(&eve).await, closed(&alice).await, closed(&bob).await), (1, 0, 0));
    assert!(!eve.recalls(CANARY).await);
    let why = alice.handle.why(Some(&fact.to_string()), "eve").await.unwrap();
    let closed: Vec<_> = why.findings.iter().filter(|finding| finding.blocks).map(|finding| finding.code).collect();
    assert_eq!((why.held, closed), (true, vec!["wrong_role"]), "{:?}", why.findings);
    assert!(!alice.handle.why(Some(&fact.to_string()), "bob").await.unwrap().findings.iter().any(|found| found.blocks));
    let refused = eve.handle.fact(fact).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(AuthorError::Closed { role, .. }) if role == ROLE), "{refused}");
    let edit = Edit::new().set(Field::Content, Value::from("hers"));
    let edited = eve.handle.author(vec![Draft::Edit { fact, edit, provenance: Provenance::default() }]).await.unwrap();
    assert!(matches!(edited[0], Err(Error::Refused(AuthorError::Closed { .. }))), "{edited:?}");
    assert!(matches!(
        &eve.handle.author(vec![sealed("hers", Level::Domain)]).await.unwrap()[0],
        Err(Error::Refused(AuthorError::RoleNotHeld { .. }))
    ));
    // What is carried by hand holds it sealed as well.
    let export = bob.handle.export_carried(Take::Everything, NodeClock::new(), None).await.unwrap();
    assert!(export.facts.iter().all(|view| view.fact.id != fact), "no plain text stands beside the events");
    let payloads = export.logs.iter().flat_map(|run| &run.events).filter_map(|event| event.payload());
    let mut plain = payloads.filter(|payload| payload.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
    assert!(plain.next().is_none());
    stop(&mut [&mut alice, &mut bob, &mut eve]).await;
    assert!(has_canary(&home(&bob)) && !has_canary(&home(&eve)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_granted_later_opens_the_history_and_one_that_is_lost_closes_what_is_new() {
    let (mut alice, mut bob, mut eve) = team().await;
    let old = remember_sealed(&bob, "from the beginning").await;
    until("eve carries it", async || closed(&eve).await == 1).await;
    alice.handle.set_roles("eve", vec![ROLE.into()]).await.unwrap();
    until("eve reads what was before her", async || content(&eve, old).await.is_some()).await;
    until("and recalls it", async || eve.recalls("beginning").await).await;
    assert_eq!(closed(&eve).await, 0);
    until("bob is known to alice", async || alice.handle.peer("bob").await.is_ok()).await;
    alice.handle.set_roles("bob", vec!["technical_writer".into()]).await.unwrap();
    let new = remember_sealed(&alice, CANARY).await;
    until("eve reads it", async || content(&eve, new).await.is_some()).await;
    until("bob carries it", async || closed(&bob).await == 1).await;
    assert_eq!(content(&bob, old).await.as_deref(), Some("from the beginning"), "what he read he keeps");
    assert_eq!(content(&bob, new).await, None);
    bob.stop().await;
    bob.start_again().await;
    assert_eq!(content(&bob, old).await.as_deref(), Some("from the beginning"));
    stop(&mut [&mut alice, &mut bob, &mut eve]).await;
    assert!(!has_canary(&home(&bob)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_makes_a_key_that_the_removed_member_has_not() {
    let (mut alice, mut bob, mut eve) = team().await;
    let old = remember_sealed(&alice, "while bob was there").await;
    until("bob reads it", async || content(&bob, old).await.is_some()).await;
    // Also of the role that he did not have.
    alice.handle.check_role("technical_writer").await.unwrap();
    let revoked = alice.handle.revoke("bob", "left", false).await.unwrap();
    assert_eq!(revoked.roles, [ROLE, "technical_writer"]);
    let newest = alice.handle.roles().await.unwrap().into_iter().find(|role| role.name == ROLE).unwrap();
    let epoch = newest.epoch.unwrap();
    remember_sealed(&alice, CANARY).await;
    assert!(alice.handle.keyring().secret(ROLE, &epoch).is_some());
    agree(&alice, &eve).await;
    assert!(bob.handle.keyring().secret(ROLE, &epoch).is_none());
    assert_eq!(content(&bob, old).await.as_deref(), Some("while bob was there"));
    stop(&mut [&mut alice, &mut bob, &mut eve]).await;
    assert!(!has_canary(&home(&bob)));
}

/// Two stewards remove somebody each while neither hears of the other, so neither's new key may be used by those who know
/// of both.
#[tokio::test(flavor = "multi_thread")]
async fn two_removals_at_once_leave_no_role_without_a_key() {
    let (mut alice, mut bob, mut eve) = team().await;
    let mut carol = Machine::start("carol").await;
    carol.joins_as(&alice, ROLE).await;
    alice.handle.change_steward("bob", true).await.unwrap();
    remember_sealed(&alice, "before").await;
    agree(&alice, &bob).await;
    bob.stop().await;
    alice.handle.revoke("carol", "left", false).await.unwrap();
    alice.stop().await;
    bob.start_again().await;
    bob.handle.revoke("eve", "left", false).await.unwrap();
    alice.start_again().await;
    for steward in [&alice, &bob] {
        until("each hears of both", async || steward.handle.members().await.unwrap().former.len() == 2).await;
    }
    let view = async |machine: &Machine| {
        machine.handle.roles().await.unwrap().into_iter().find(|role| role.name == ROLE).unwrap()
    };
    until("a steward makes a key for both", async || {
        let (hers, his) = (view(&alice).await, view(&bob).await);
        hers.epoch.is_some() && hers.epoch == his.epoch && hers.holders == 2
    })
    .await;
    let after = remember_sealed(&bob, "after").await;
    until("alice reads it", async || content(&alice, after).await.as_deref() == Some("after")).await;
    stop(&mut [&mut alice, &mut bob, &mut eve, &mut carol]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_rotation_leaves_the_history_closed_to_later_members() {
    let (mut alice, mut bob, mut eve) = team().await;
    let old = remember_sealed(&bob, CANARY).await;
    until("alice reads it", async || content(&alice, old).await.is_some()).await;
    alice.handle.rotate_role(ROLE, true).await.unwrap();
    let new = remember_sealed(&alice, "after the rotation").await;
    alice.handle.set_roles("eve", vec![ROLE.into()]).await.unwrap();
    until("eve reads what is new", async || content(&eve, new).await.is_some()).await;
    agree(&alice, &eve).await;
    assert_eq!((content(&eve, old).await, closed(&eve).await), (None, 1));
    until("bob reads both", async || content(&bob, new).await.is_some() && content(&bob, old).await.is_some()).await;
    stop(&mut [&mut alice, &mut bob, &mut eve]).await;
    assert!(!has_canary(&home(&eve)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_fact_for_a_role_is_sealed_when_it_is_published() {
    let (mut alice, mut bob, mut eve) = team().await;
    let fact = write(&bob, sealed(CANARY, Level::Snippet)).await;
    let edit = Edit::new().set(Field::Level, Value::Uint(Level::Project.number()));
    bob.handle.author(vec![Draft::Edit { fact, edit, provenance: Provenance::default() }]).await.unwrap();
    until("alice reads it", async || content(&alice, fact).await.as_deref() == Some(CANARY)).await;
    until("eve carries it", async || closed(&eve).await == 1).await;
    agree(&alice, &eve).await;
    stop(&mut [&mut alice, &mut bob, &mut eve]).await;
    assert!(!has_canary(&home(&eve)));
}
