//! Divergences between nodes that could not hear each other.

use crate::common::{Machine, agree, until};
use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::ids::FactId;
use antiphon_core::incident::{self, IncidentEdit};
use antiphon_node::{Choice, Diverged, Draft, Error, Settled, SubjectId, Unsettled};

async fn edits(machine: &Machine, fact: FactId, text: &str) {
    let edit = Edit::new().set(Field::Content, text.into());
    let draft = Draft::Edit { fact, edit, provenance: Provenance::default() };
    machine.handle.author(vec![draft]).await.unwrap().remove(0).unwrap();
}

async fn sides(machine: &Machine, id: SubjectId) -> usize {
    match machine.handle.divergence(id).await.unwrap() {
        Diverged::Fact(_, fields) => fields.iter().map(|field| field.sides.len()).sum(),
        Diverged::Incident(..) => 0,
    }
}

fn accept(origin: &str) -> Choice {
    Choice { accept: Some(origin.into()), ..Choice::default() }
}

async fn settles(machine: &Machine, id: SubjectId, choice: Choice) -> Result<Settled, Error> {
    machine.handle.settle(id, choice, Provenance::default()).await
}

/// Alice, bob and carol, who each changed one fact while they were alone, and meet again.
async fn three_who_were_alone() -> (Vec<Machine>, SubjectId) {
    let alice = Machine::start("alice").await;
    let mut all = vec![alice, Machine::start("bob").await, Machine::start("carol").await];
    all[1].joins(&all[0]).await;
    all[2].joins(&all[0]).await;
    let fact = all[0].remember("port 1").await;
    for machine in &all {
        until("all know the fact", async || machine.handle.fact(fact).await.is_ok()).await;
    }
    for machine in &mut all {
        machine.stop().await;
    }
    for (machine, text) in all.iter_mut().zip(["port 2", "port 3", "port 4"]) {
        machine.start_again().await;
        edits(machine, fact, text).await;
        machine.stop().await;
    }
    for machine in &mut all {
        machine.start_again().await;
    }
    let id = SubjectId::Fact(fact);
    for machine in &all {
        until("all see three sides", async || sides(machine, id).await == 3).await;
    }
    (all, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolution_made_on_one_node_closes_it_on_all_three() {
    let (mut all, id) = three_who_were_alone().await;
    for machine in &all {
        let problems = machine.handle.status().await.unwrap().problems;
        assert!(problems.iter().any(|problem| problem.fix == "antiphon divergences list"), "{problems:?}");
        assert_eq!(machine.handle.divergences(10, None).await.unwrap().len(), 1);
        let SubjectId::Fact(fact) = id else { panic!() };
        let shown = machine.handle.sides_of(vec![fact], 8).await.unwrap();
        assert_eq!(shown.iter().map(|(id, sides)| (*id, sides.len())).collect::<Vec<_>>(), [(fact, 3)]);
    }
    let nobody = settles(&all[2], id, accept("dave")).await;
    assert!(matches!(nobody, Err(Error::Unsettled(Unsettled::NoSuchSide { .. }))), "{nobody:?}");
    let done = settles(&all[2], id, accept("bob")).await.unwrap();
    assert!(matches!(done, Settled::Done { .. }), "{done:?}");
    let SubjectId::Fact(fact) = id else { panic!() };
    for machine in &all {
        until("it is closed", async || machine.handle.divergences(10, None).await.unwrap().is_empty()).await;
        assert_eq!(machine.handle.fact(fact).await.unwrap().fact.content.as_deref(), Some("port 3"));
        let again = settles(machine, id, accept("alice")).await.unwrap();
        assert!(matches!(&again, Settled::NotDiverged { by, .. } if by.name == "carol"), "{again:?}");
        agree(&all[0], machine).await;
        let problems = machine.handle.status().await.unwrap().problems;
        assert!(problems.iter().all(|problem| problem.fix != "antiphon divergences list"), "{problems:?}");
    }
    for machine in &mut all {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_settle_it_differently_at_once_diverge_again() {
    let (mut all, id) = three_who_were_alone().await;
    for machine in &mut all {
        machine.stop().await;
    }
    for (machine, origin) in all.iter_mut().zip(["alice", "bob", "bob"]) {
        machine.start_again().await;
        let done = settles(machine, id, accept(origin)).await.unwrap();
        assert!(matches!(done, Settled::Done { .. }), "{done:?}");
        machine.stop().await;
    }
    for machine in &mut all {
        machine.start_again().await;
    }
    for machine in &all {
        // Three resolutions, two of which say the same.
        until("they diverge again", async || sides(machine, id).await == 3).await;
    }
    settles(&all[1], id, accept("carol")).await.unwrap();
    for machine in &all {
        until("it is closed", async || machine.handle.divergences(10, None).await.unwrap().is_empty()).await;
        agree(&all[0], machine).await;
    }
    for machine in &mut all {
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_one_side_is_not_settled_and_a_beginning_of_several_ids_is_none() {
    let mut alice = Machine::start("alice").await;
    let fact = alice.remember("port 1").await;
    let edit = IncidentEdit::new().set(incident::Field::Title, "a shell".into());
    let draft = Draft::ReportIncident { id: None, edit, provenance: Provenance::default() };
    let report = alice.handle.author(vec![draft]).await.unwrap().remove(0).unwrap().incident.unwrap();
    for id in [SubjectId::Fact(fact), SubjectId::Incident(report)] {
        let left = settles(&alice, id, accept("alice")).await.unwrap();
        assert!(matches!(&left, Settled::NotDiverged { by, .. } if by.name == "alice"), "{left:?}");
        assert_eq!(alice.handle.resolve_subject(&id.to_string()).await.unwrap(), id);
    }
    // Ids of this century begin with a nought.
    alice.remember("port 2").await;
    let several = alice.handle.resolve_subject("0").await;
    assert!(matches!(several, Err(Error::SubjectAmbiguous { count: 3, .. })), "{several:?}");
    alice.stop().await;
}
