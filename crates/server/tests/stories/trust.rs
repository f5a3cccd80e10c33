//! The routes about peers, their gene backups and what was refused.

use crate::common::Alice;
use antiphon_server::client::ClientError;
use antiphon_server::dto::AuditFilterDto;
use antiphon_server::error::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_has_an_empty_registry_and_says_so() {
    let alice = Alice::start().await;
    let stats = alice.client.peer_stats().await.unwrap();
    assert_eq!((stats.node_name.as_str(), stats.total_peers, stats.trusted, stats.total_backups), ("alice", 0, 0, 0));
    assert_eq!(stats.self_id, alice.client.status().await.unwrap().node_id);
    assert_eq!(stats.by_trust.len(), 5, "{stats:?}");
    assert_eq!(alice.client.backups().await.unwrap().backups, []);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_names_nobody_hears_so_from_every_route() {
    let alice = Alice::start().await;
    let not_found = |error: ClientError| match error {
        ClientError::Problem(problem) => assert_eq!(problem.code, Code::NotFound, "{problem}"),
        other => panic!("{other:?}"),
    };
    for name in ["eve", "../status", ""] {
        not_found(alice.client.peer(name).await.unwrap_err());
        not_found(alice.client.reset_peer(name).await.unwrap_err());
        not_found(alice.client.forget_peer(name).await.unwrap_err());
        not_found(alice.client.backup(name).await.unwrap_err());
        not_found(alice.client.create_backup(name).await.unwrap_err());
        not_found(alice.client.clear_backup(name).await.unwrap_err());
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_door_refused_is_in_the_audit_and_in_the_counters() {
    let alice = Alice::start().await;
    for detail in ["first", "second"] {
        alice.handle.refuse("bundle", None, "bad_signature", detail).await.unwrap();
    }
    let lines = alice.client.audit(&AuditFilterDto { limit: Some(1) }).await.unwrap().lines;
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].kind.as_str(), lines[0].detail.as_str()), ("bundle", "second"));
    assert_eq!((lines[0].reason.code.as_str(), lines[0].reason.text.as_str()), ("bad_signature", "bad signature"));
    assert_eq!(alice.client.audit(&AuditFilterDto::default()).await.unwrap().lines.len(), 2);
    let refusals = alice.client.counters().await.unwrap().refusals;
    assert_eq!((refusals.len(), refusals[0].count), (1, 2));
    alice.stop().await;
}
