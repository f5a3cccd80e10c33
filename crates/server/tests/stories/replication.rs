//! Copies of documents at the doors: what a node alone says of them, and what agents are shown.

use crate::agent::{Agent, text};
use crate::common::Alice;
use antiphon_server::ToolProfile;
use antiphon_server::client::ClientError;
use antiphon_server::dto::{
    ContentAskDto, ContentFilterDto, ContentRemoveDto, NewContentDto, ReplicaHoldersAskDto, ReplicationAskDto,
    ReplicationPriorityDto, ReplicationRunDto, RotateDto,
};
use antiphon_server::error::Code;
use serde_json::json;

fn address(path: &str) -> String {
    format!("ucxl://alice/admin/shop/login/{path}")
}

/// Alice, alone in her team, with documents of these names.
async fn alice_with(paths: &[&str]) -> Alice {
    let alice = Alice::start().await;
    alice.client.rotate_role(&RotateDto { role: "admin".into(), fresh: false }).await.unwrap();
    for path in paths {
        let new = NewContentDto { address: address(path), role: "admin".into(), ..NewContentDto::default() };
        alice.client.put_content(&new, path.as_bytes(), |_| {}).await.unwrap();
    }
    until_healthy(&alice, paths.len() as u64).await;
    alice
}

/// The keeper of copies learns of a document a moment after it was stored.
async fn until_healthy(alice: &Alice, versions: u64) {
    loop {
        let page = alice.client.replication(&ReplicationAskDto::default()).await.unwrap();
        if page.health.healthy == versions && page.replicas.len() as u64 == versions {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn ask(path: &str) -> ContentAskDto {
    ContentAskDto { address: address(path), ciphertext: None }
}

fn code(error: &ClientError) -> Code {
    match error {
        ClientError::Problem(problem) => problem.code,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_alone_holds_the_one_copy_there_can_be() {
    let alice = alice_with(&["plan"]).await;
    let copies = alice.client.replication_of(&ask("plan")).await.unwrap();
    assert_eq!((copies.address, copies.version), (address("plan"), 1));
    assert_eq!((copies.target, copies.actual, copies.healthy), (1, 1, 1));
    assert_eq!((copies.health.as_str(), copies.priority.as_str(), copies.is_local), ("healthy", "normal", true));
    let holder = &copies.providers[0];
    assert!(holder.own && holder.counts && holder.connected && holder.member && holder.placed, "{holder:?}");
    assert_eq!((holder.peer.as_str(), holder.known_by.as_str(), holder.distance.len()), ("alice", "proved", 64));
    let found = ReplicaHoldersAskDto { address: address("plan"), limit: None };
    let found = alice.client.replica_holders(&found).await.unwrap();
    assert_eq!((found.manifest, found.providers.len()), (copies.manifest.clone(), 1));

    let status = alice.client.status().await.unwrap();
    assert_eq!((status.copies.healthy, status.copies.degraded + status.copies.critical), (1, 0));
    let shown = alice.client.content_status(&ask("plan")).await.unwrap();
    assert_eq!(shown.copies.map(|copies| copies.manifest), Some(copies.manifest));
    let listed = alice.client.contents(&ContentFilterDto::default()).await.unwrap();
    assert_eq!(listed.contents[0].health.as_deref(), Some("healthy"));

    let metrics = alice.client.replication_metrics().await.unwrap();
    assert_eq!((metrics.total_keys, metrics.health.healthy, metrics.held_for_others_bytes), (1, 1, 0));
    assert_eq!((metrics.settings.factor, metrics.settings.grace_ms, metrics.settings.automatic), (3, 600_000, true));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_listed_in_pages_and_by_how_they_stand() {
    let alice = alice_with(&["one", "two", "three"]).await;
    let page = |health: Option<&str>, limit, after| ReplicationAskDto {
        health: health.map(str::to_owned),
        limit: Some(limit),
        after,
    };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let found = alice.client.replication(&page(None, 2, after)).await.unwrap();
        assert_eq!((found.health.healthy, found.factor), (3, 3));
        seen.extend(found.replicas.into_iter().map(|replica| replica.address));
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, ["one", "three", "two"].map(address));
    let critical = alice.client.replication(&page(Some("critical"), 10, None)).await.unwrap();
    assert_eq!((critical.replicas.len(), critical.health.healthy), (0, 3));
    for wrong in [page(Some("fine"), 1, None), page(None, 1, Some("there".into()))] {
        assert_eq!(code(&alice.client.replication(&wrong).await.unwrap_err()), Code::Invalid);
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_priority_is_set_and_given_back_to_the_rule() {
    let alice = alice_with(&["plan"]).await;
    let set = |path: &str, priority: &str| ReplicationPriorityDto { address: address(path), priority: priority.into() };
    alice.client.set_replication_priority(&set("plan", "high")).await.unwrap();
    until_priority(&alice, "high").await;
    alice.client.set_replication_priority(&set("plan", "auto")).await.unwrap();
    until_priority(&alice, "normal").await;
    let refused = alice.client.set_replication_priority(&set("plan", "urgent")).await.unwrap_err();
    assert!(code(&refused) == Code::Invalid && refused.to_string().contains("low, normal"), "{refused}");
    let unknown = alice.client.set_replication_priority(&set("nothing", "low")).await.unwrap_err();
    assert_eq!(code(&unknown), Code::NotFound);
    alice.stop().await;
}

async fn until_priority(alice: &Alice, priority: &str) {
    while alice.client.replication_of(&ask("plan")).await.unwrap().priority != priority {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_is_freed() {
    let alice = alice_with(&["plan", "notes"]).await;
    let ran = alice.client.replicate(&ReplicationRunDto::default()).await.unwrap();
    assert_eq!((ran.asked, ran.health.healthy), (2, 2));
    let one = ReplicationRunDto { address: Some(address("plan")) };
    assert_eq!(alice.client.replicate(&one).await.unwrap().asked, 1);
    assert_eq!(alice.client.garbage().await.unwrap().items, []);
    let remove = ContentRemoveDto { address: address("plan"), ..ContentRemoveDto::default() };
    alice.client.remove_content(&remove).await.unwrap();
    until_healthy(&alice, 1).await;
    let freed = alice.client.collect_garbage().await.unwrap();
    assert!(!freed.dry_run && freed.items.iter().all(|item| item.reason == "removed"), "{freed:?}");
    let looked = alice.client.garbage().await.unwrap();
    assert_eq!((looked.dry_run, looked.bytes, looked.items), (true, 0, vec![]));
    assert_eq!(alice.client.content_metrics().await.unwrap().blobs, 1, "what is needed stays");
    let gone = alice.client.replication_of(&ask("plan")).await.unwrap_err();
    assert_eq!(code(&gone), Code::NotFound);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_the_full_profile_sees_copies_and_has_them_asked_after() {
    let alice = alice_with(&["plan"]).await;
    let mut agent = Agent::with(&alice, ToolProfile::Full).await;
    let all = agent.call("replication", json!({})).await;
    assert!(text(&all).contains("1 of 1 copy, healthy"), "{}", text(&all));
    assert_eq!(all["structuredContent"]["health"]["healthy"], 1);
    let one = agent.call("replication", json!({"address": address("plan")})).await;
    assert_eq!(one["structuredContent"]["providers"][0]["known_by"], "proved");
    assert!(text(&one).contains("\"alice\" (this node)"), "{}", text(&one));
    let ran = agent.call("replication_run", json!({})).await;
    assert_eq!(ran["structuredContent"]["asked"], 1);
    for (arguments, word) in [
        (json!({"address": address("plan"), "health": "healthy"}), "do not go together"),
        (json!({"health": "fine"}), "healthy, degraded or critical"),
        (json!({"address": address("nothing")}), "no document"),
    ] {
        let refused = agent.call("replication", arguments).await;
        assert!(refused["isError"] == true && text(&refused).contains(word), "{refused}");
    }
    let list = agent.ask("tools/list", json!({})).await["result"]["tools"].clone();
    let hints = |name: &str| {
        let tool = list.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        (tool["annotations"]["readOnlyHint"] == true, tool["annotations"]["destructiveHint"] == true)
    };
    assert_eq!((hints("replication"), hints("replication_run")), ((true, false), (false, false)));
    agent.leave().await;
    let mut reader = Agent::with(&alice, ToolProfile::ReadOnly).await;
    assert_ne!(reader.call("replication", json!({})).await["isError"], true);
    let refused = reader.ask("tools/call", json!({"name": "replication_run", "arguments": {}})).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    reader.leave().await;
    alice.stop().await;
}
