//! What waits for a member that is away, through the routes and the tools.

use crate::agent::{Agent, text};
use crate::common::Alice;
use crate::two::Two;
use antiphon_server::ToolProfile;
use antiphon_server::client::ClientError;
use antiphon_server::dto::{NewMessageDto, OutboxFilterDto};
use antiphon_server::error::{Code, Problem};
use serde_json::json;

/// Alice, with two messages for bob, who joined and has gone.
async fn alice_wrote_to_bob() -> Alice {
    let two = Two::start("qa_engineer").await;
    two.bob.shutdown().await;
    two.node.stopped().await;
    for words in ["one", "two"] {
        let message = NewMessageDto { to: Some("bob".into()), text: words.into(), ..NewMessageDto::default() };
        two.alice.client.send_message(&message).await.unwrap();
    }
    two.alice
}

fn refused(problem: ClientError) -> Problem {
    match problem {
        ClientError::Problem(problem) => problem,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_read_page_by_page_and_an_item_is_dropped_once() {
    let alice = alice_wrote_to_bob().await;
    let filter = OutboxFilterDto { peer: Some("bob".into()), limit: Some(1), ..OutboxFilterDto::default() };
    let first = alice.client.outbox(&filter).await.unwrap();
    assert_eq!((first.items.len(), first.items[0].position), (1, Some(1)));
    let second = alice.client.outbox(&OutboxFilterDto { after: first.next, ..filter.clone() }).await.unwrap();
    assert_eq!((second.items[0].position, second.next), (Some(2), None));
    assert_eq!(alice.client.outbox_item(&second.items[0].id).await.unwrap().protocol, "message");

    let dropped = alice.client.drop_outbox(&first.items[0].id).await.unwrap();
    assert_eq!(dropped.name, "bob");
    let again = refused(alice.client.drop_outbox(&first.items[0].id).await.unwrap_err());
    assert_eq!(again.code, Code::NotFound, "{again}");
    let wrong = OutboxFilterDto { level: Some("high".into()), ..OutboxFilterDto::default() };
    assert_eq!(refused(alice.client.outbox(&wrong).await.unwrap_err()).code, Code::Invalid);
    let unknown = OutboxFilterDto { peer: Some("eve".into()), ..OutboxFilterDto::default() };
    assert_eq!(refused(alice.client.outbox(&unknown).await.unwrap_err()).code, Code::NotFound);
    assert_eq!(refused(alice.client.retry_outbox(Some("m9")).await.unwrap_err()).code, Code::NotFound);

    let stats = alice.client.outbox_stats().await.unwrap();
    assert_eq!((stats.pending, stats.counters.dropped), (1, 1));
    assert!(stats.counters.enqueued >= 4, "both messages, and what alice told of herself: {stats:?}");
    assert_eq!(alice.client.status().await.unwrap().outbox.pending, 1);
    let levels = alice.client.outbox_levels().await.unwrap().levels;
    assert!(levels.iter().any(|level| level.protocol == "sync" && level.level == "none" && level.retries == Some(0)));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_looks_at_the_outbox_and_tries_again_but_drops_nothing() {
    let alice = alice_wrote_to_bob().await;
    let mut agent = Agent::with(&alice, ToolProfile::Full).await;
    let list = agent.call("outbox", json!({"peer": "bob"})).await;
    assert!(text(&list).contains("- 1 message for \"bob\": waiting") && text(&list).contains("position 2"), "{list}");
    assert_eq!(list["structuredContent"]["items"][1]["position"], 2);
    let stats = agent.call("outbox", json!({"stats": true})).await;
    assert!(text(&stats).starts_with("2 wait, 0 refused"), "{stats}");
    let wrong = agent.call("outbox", json!({"stats": true, "peer": "bob"})).await;
    assert_eq!(wrong["structuredContent"]["error"]["code"], "invalid", "{wrong}");
    let retried = agent.call("outbox_retry", json!({})).await;
    assert_eq!(retried["structuredContent"], json!({"put_back": 0, "peers": 1}), "{retried}");
    let missing = agent.call("outbox_retry", json!({"id": "99"})).await;
    assert_eq!(missing["structuredContent"]["error"]["code"], "not_found", "{missing}");
    let none = agent.ask("tools/call", json!({"name": "outbox_drop", "arguments": {"id": "1"}})).await;
    assert_eq!(none["error"]["code"], -32602, "{none}");
    agent.leave().await;
    let mut reader = Agent::with(&alice, ToolProfile::ReadOnly).await;
    assert_eq!(reader.call("outbox", json!({})).await["structuredContent"]["items"][0]["id"], "1");
    let refused = reader.ask("tools/call", json!({"name": "outbox_retry", "arguments": {}})).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    reader.leave().await;
    alice.stop().await;
}
