//! Incidents of a node that moves into another team.

use std::time::Duration;

use antiphon_core::event::Provenance;
use antiphon_core::incident::{Field, IncidentEdit};
use antiphon_node::{Bring, Config, Draft, Error, Home, IncidentFilter, Joined, Node};
use tempfile::TempDir;

async fn start(dir: &TempDir, name: &str) -> Node {
    let mut config = Config::new(Home::new(dir.path().join(name)));
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    config.mdns = false;
    config.name = Some(name.into());
    Node::start(config).await.unwrap()
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("still waiting: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_loses_sight_of_incidents_by_joining() {
    let dir = tempfile::tempdir().unwrap();
    let (alice_node, bob_node) = (start(&dir, "alice").await, start(&dir, "bob").await);
    let (alice, bob) = (alice_node.handle(), bob_node.handle());
    until("alice listens", async || !alice.status().await.unwrap().listen.is_empty()).await;
    let edit = IncidentEdit::new().set(Field::Title, "a shell where none should be".into());
    let draft = Draft::ReportIncident { id: None, edit, provenance: Provenance::default() };
    let id = bob.author(vec![draft]).await.unwrap().remove(0).unwrap().incident.unwrap();
    let ticket = alice.invite("observer", 60_000).await.unwrap().ticket;
    let undecided = bob.join(&ticket, None, None).await;
    assert!(matches!(undecided, Err(Error::BringUndecided { shared: 0, incidents: 1, .. })), "{undecided:?}");
    let joined = bob.join(&ticket, None, Some(Bring::Shared)).await.unwrap();
    assert!(matches!(joined, Joined::Member { .. }), "{joined:?}");
    until("alice sees the incident", async || alice.incident(id).await.is_ok()).await;
    assert_eq!(bob.incidents(IncidentFilter::default(), 10, None).await.unwrap().len(), 1);
    let begins = id.to_string();
    assert_eq!(alice.resolve_incident(&begins[..12]).await.unwrap(), id);
    assert!(matches!(alice.resolve_incident("7ZZZ").await, Err(Error::IncidentNotFound(_))));
    for (handle, node) in [(alice, alice_node), (bob, bob_node)] {
        handle.shutdown().await;
        node.stopped().await;
    }
}
