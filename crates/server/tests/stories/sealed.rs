//! Facts for one role at the doors.

use crate::agent::{Agent, text};
use crate::common::{Alice, fact};
use antiphon_server::dto::{NewFactDto, RotateDto};
use serde_json::json;

const ROLE: &str = "backend_developer";

fn sealed(content: &str, role: &str) -> NewFactDto {
    NewFactDto { role: Some(role.to_owned()), ..fact(content) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_a_key_is_refused_with_the_command_that_makes_one() {
    let alice = Alice::start().await;
    let refused = alice.client.remember(&sealed("for one role", ROLE)).await.unwrap_err().to_string();
    assert!(refused.contains("role backend_developer has no key"), "{refused}");
    let mut agent = Agent::connect(&alice).await;
    let refused = agent.call("remember", json!({"content": "for one role", "role": ROLE})).await;
    assert_eq!(refused["isError"], true);
    assert!(text(&refused).contains("antiphon team rotate-role backend_developer"), "{}", text(&refused));
    let unknown = agent.call("remember", json!({"content": "for a king", "role": "king"})).await;
    assert!(text(&unknown).contains("king"), "{}", text(&unknown));
    agent.leave().await;
    assert_eq!(alice.client.status().await.unwrap().facts, 0);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_remembers_for_a_role_and_everything_names_it() {
    let alice = Alice::start().await;
    alice.client.rotate_role(&RotateDto { role: ROLE.into(), fresh: false }).await.unwrap();
    let mut agent = Agent::connect(&alice).await;
    let written = agent.call("remember", json!({"content": "the thrush queue runs at dawn", "role": ROLE})).await;
    let id = written["structuredContent"]["id"].as_str().unwrap().to_owned();
    let found = agent.call("recall", json!({"query": "thrush"})).await;
    assert_eq!(found["structuredContent"]["facts"][0]["role"], ROLE, "{found}");
    let changed = agent.call("update", json!({"id": id, "append": "and at noon"})).await;
    assert_ne!(changed["isError"], true, "{changed}");
    agent.leave().await;
    let shown = alice.client.fact(&id).await.unwrap();
    assert_eq!(shown.role.as_deref(), Some(ROLE));
    assert_eq!(shown.content.as_deref(), Some("the thrush queue runs at dawn\nand at noon"));
    let status = alice.client.status().await.unwrap();
    assert_eq!((status.facts, status.closed), (1, 0));
    alice.stop().await;
}
