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
async fn a_stewards_node_makes_the_key_that_a_role_lacks() {
    let alice = Alice::start().await;
    alice.client.remember(&sealed("for one role", ROLE)).await.unwrap();
    let mut agent = Agent::connect(&alice).await;
    let written = agent.call("remember", json!({"content": "for another", "role": "qa_engineer"})).await;
    assert_ne!(written["isError"], true, "{written}");
    let unknown = agent.call("remember", json!({"content": "for a king", "role": "king"})).await;
    assert!(text(&unknown).contains("king"), "{}", text(&unknown));
    agent.leave().await;
    // What can never be written brings no key into being.
    let refused = alice.client.remember(&NewFactDto { content: String::new(), ..sealed("", "observer") }).await;
    assert!(refused.is_err());
    assert_eq!(alice.client.status().await.unwrap().facts, 2);
    let keys = alice.client.roles().await.unwrap().roles.into_iter().filter(|role| role.epoch.is_some());
    let mut names: Vec<String> = keys.map(|role| role.name).collect();
    names.sort_unstable();
    assert_eq!(names, [ROLE, "qa_engineer"]);
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
