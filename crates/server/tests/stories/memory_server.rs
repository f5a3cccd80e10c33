//! The profile `memory-server` beside the official server: the same session, the same answers.
//!
//! `tests/data/memory_session.json` holds a session with the official server and what it answered. The tests of the
//! command line play it again with the official client, and with the official server where it is installed.

use std::collections::BTreeSet;
use std::time::Duration;

use antiphon_core::event::Provenance;
use antiphon_core::fact::{Edit, Field};
use antiphon_core::value::Value;
use antiphon_node::{DomainNews, Draft};
use antiphon_server::ToolProfile;
use antiphon_server::dto::{BatchDto, BatchItemDto, Change, EditDto, NewFactDto, RecallRequestDto};
use antiphon_server::import::memory_server;
use serde_json::{Map, Value as Json, json};

use crate::agent::{Agent, text};
use crate::common::Alice;
use crate::two::{Two, until};

const SESSION: &str = include_str!("../data/memory_session.json");

fn session() -> Json {
    serde_json::from_str(SESSION).unwrap()
}

/// A schema without descriptions, and with what is required in the order of the alphabet.
fn plain(schema: &Json) -> Json {
    match schema {
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(object) => {
            let kept = object.iter().filter(|(key, value)| *key != "description" || value.is_object());
            let mut kept: Map<String, Json> = kept.map(|(key, value)| (key.clone(), plain(value))).collect();
            if let Some(Json::Array(required)) = kept.get_mut("required") {
                required.sort_by_key(Json::to_string);
            }
            Json::Object(kept)
        }
        other => other.clone(),
    }
}

fn answer(result: &Json) -> Json {
    let mut answer = json!({"content": result["content"], "isError": result["isError"] == true});
    if !result["structuredContent"].is_null() {
        answer["structuredContent"] = result["structuredContent"].clone();
    }
    answer
}

async fn graph(agent: &mut Agent) -> Json {
    agent.call("read_graph", json!({})).await["structuredContent"].clone()
}

async fn import(alice: &Alice, file: &str) -> Vec<String> {
    let facts = memory_server(file).facts;
    let results = alice.client.remember_all(&BatchDto { facts }).await.unwrap().results;
    let outcome = |result: BatchItemDto| match result {
        BatchItemDto::Ok(written) => written.outcome,
        BatchItemDto::Error(problem) => panic!("{problem}"),
    };
    results.into_iter().map(outcome).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_are_those_of_the_official_server() {
    let alice = Alice::start().await;
    let mut agent = Agent::with(&alice, ToolProfile::MemoryServer).await;
    let listed = agent.ask("tools/list", json!({})).await["result"]["tools"].clone();
    let keys = ["name", "title", "inputSchema", "outputSchema", "annotations"];
    let tool = |tool: &Json| -> Json { keys.iter().map(|key| ((*key).to_owned(), plain(&tool[*key]))).collect() };
    let ours: Vec<Json> = listed.as_array().unwrap().iter().map(tool).collect();
    assert_eq!(json!(ours), session()["tools"]);
    for tool in listed.as_array().unwrap() {
        assert!(tool["description"].as_str().is_some_and(|text| !text.is_empty()), "{tool}");
    }
    agent.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_session_gets_the_same_answers() {
    let alice = Alice::start().await;
    let mut agent = Agent::with(&alice, ToolProfile::MemoryServer).await;
    let session = session();
    let calls = session["calls"].as_array().unwrap();
    assert!(calls.len() >= 60);
    for (number, call) in calls.iter().enumerate() {
        let result = agent.call(call["tool"].as_str().unwrap(), call["arguments"].clone()).await;
        assert_eq!(answer(&result), call["answer"], "call {number}: {} {}", call["tool"], call["arguments"]);
    }
    agent.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_other_profiles_recall_what_it_keeps() {
    let alice = Alice::start().await;
    let mut agent = Agent::with(&alice, ToolProfile::MemoryServer).await;
    let ada = json!({"name": "Ada", "entityType": "person", "observations": ["keeps the notebook"]});
    agent.call("create_entities", json!({"entities": [ada]})).await;
    agent
        .call("create_relations", json!({"relations": [{"from": "Ada", "to": "billing", "relationType": "owns"}]}))
        .await;
    let mut other = Agent::connect(&alice).await;
    let found = other.call("recall", json!({"query": "notebook"})).await;
    let fact = &found["structuredContent"]["facts"][0];
    assert_eq!(fact["content"], "Ada (person): keeps the notebook", "{found}");
    assert_eq!((&fact["domain"], &fact["tags"]), (&json!("memory-server"), &json!(["Ada", "person"])));
    let by = &fact["provenance"];
    assert_eq!((&by["source_kind"], &by["agent"]), (&json!("agent"), &json!("claude-code/2.1")), "{fact}");
    // What the other agent changes is changed here too.
    let edit = json!({"id": fact["id"], "content": "Ada (person): keeps the ledger"});
    other.call("update", edit).await;
    let relation = json!({"from": "Ada", "to": "billing", "relationType": "owns"});
    let want = json!({"entities": [{"name": "Ada", "entityType": "person", "observations": ["keeps the ledger"]}],
        "relations": [relation]});
    assert_eq!(graph(&mut agent).await, want);
    other.call("update", json!({"id": fact["id"], "archived": true})).await;
    assert_eq!(graph(&mut agent).await["entities"][0]["observations"], json!([]));
    agent.call("delete_entities", json!({"entityNames": ["Ada"]})).await;
    let found = other.call("recall", json!({"query": "Ada billing"})).await;
    assert_eq!(found["structuredContent"]["facts"], json!([]), "{found}");
    agent.leave().await;
    other.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_leaves_the_graph_although_nothing_is_written() {
    let alice = Alice::start().await;
    let mut agent = Agent::with(&alice, ToolProfile::MemoryServer).await;
    let ada = json!({"name": "Ada", "entityType": "person", "observations": ["is at lunch"]});
    agent.call("create_entities", json!({"entities": [ada]})).await;
    let found = alice.client.recall(&RecallRequestDto { query: "lunch".into(), ..Default::default() }).await.unwrap();
    let brief =
        EditDto { ttl: Change::Set("1s".into()), on_expire: Change::Set("archive".into()), ..EditDto::default() };
    alice.client.edit(&found.hits[0].fact.id, &brief).await.unwrap();
    // Asked over and over, so that it is kept and read while nobody writes.
    loop {
        let observations = graph(&mut agent).await["entities"][0]["observations"].clone();
        if observations == json!([]) {
            break;
        }
        assert_eq!(observations, json!(["is at lunch"]));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    agent.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_file_is_the_graph_it_was() {
    let alice = Alice::start().await;
    let entity = json!({"type": "entity", "name": "a (b): c/d", "entityType": "x: y", "observations": ["o", "", "o"]});
    let relation = json!({"type": "relation", "from": "a (b): c/d", "to": "nobody", "relationType": "is / was"});
    let file = format!("{entity}\n{entity}\n{relation}\n");
    assert!(import(&alice, &file).await.iter().all(|outcome| outcome == "written"));
    let mut agent = Agent::with(&alice, ToolProfile::MemoryServer).await;
    let shown = json!({"name": "a (b): c/d", "entityType": "x: y", "observations": ["o", "", "o"]});
    let related = json!({"from": "a (b): c/d", "to": "nobody", "relationType": "is / was"});
    let want = json!({"entities": [shown, shown], "relations": [related]});
    assert_eq!(graph(&mut agent).await, want);
    // Again, and once more after an agent wrote the same by itself.
    assert!(import(&alice, &file).await.iter().all(|outcome| outcome == "existed"));
    assert_eq!(graph(&mut agent).await, want);
    agent.call("delete_entities", json!({"entityNames": ["a (b): c/d"]})).await;
    assert_eq!(graph(&mut agent).await, json!({"entities": [], "relations": []}));
    agent.call("create_entities", json!({"entities": [shown]})).await;
    import(&alice, &file).await;
    assert_eq!(graph(&mut agent).await, json!({"entities": [shown], "relations": []}), "what was deleted stays so");
    agent.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_deceives_comes_back_visible_and_what_is_too_long_is_refused() {
    let alice = Alice::start().await;
    let mut agent = Agent::with(&alice, ToolProfile::MemoryServer).await;
    let eve = json!({"name": "eve\u{202E}", "entityType": "\u{1b}[31m", "observations": ["a\0b"]});
    let made = agent.call("create_entities", json!({"entities": [eve]})).await;
    let shown = json!({"name": "eve\\u{202E}", "entityType": "\\u{001B}[31m", "observations": ["a\\u{0000}b"]});
    assert_eq!(made["structuredContent"]["entities"], json!([shown]), "{made}");
    for name in ["eve\u{202E}", "eve\\u{202E}"] {
        let found = agent.call("open_nodes", json!({"names": [name]})).await;
        assert_eq!(found["structuredContent"]["entities"], json!([shown]), "{found}");
    }
    let long =
        |name: String, text: String| json!({"entities": [{"name": name, "entityType": "t", "observations": [text]}]});
    for refused in [long("n".repeat(2_000), "x".into()), long("long".into(), "x".repeat(70_000))] {
        let refused = agent.call("create_entities", refused).await;
        assert_eq!(refused["isError"], true, "{refused}");
        assert!(text(&refused).contains("long") || text(&refused).contains("limit"), "{refused}");
    }
    assert_eq!(graph(&mut agent).await["entities"].as_array().unwrap().len(), 1, "of a refused call nothing is kept");
    agent.leave().await;
    alice.stop().await;
}

/// Bob's machine writes what a file of the memory server says, with ids of its own, as his agent would.
async fn bob_writes(two: &Two, file: &str) {
    let draft = |fact: NewFactDto| {
        let text = |text: Option<String>| Value::Text(text.unwrap());
        let edit = Edit::new().set(Field::Content, Value::Text(fact.content)).set(Field::Level, Value::Uint(1));
        let edit = edit.set(Field::Domain, text(fact.domain)).set(Field::Source, text(fact.source));
        Draft::Remember { id: None, edit, provenance: Provenance::default(), idempotency_key: None }
    };
    let drafts = memory_server(file).facts.into_iter().map(draft).collect();
    for written in two.bob.author(drafts).await.unwrap() {
        written.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_that_write_alike_have_one_graph() {
    let two = Two::start("backend_developer").await;
    let mut agent = Agent::with(&two.alice, ToolProfile::MemoryServer).await;
    let of_bob =
        json!({"type": "entity", "name": "gateway", "entityType": "service", "observations": ["is old", "bob"]});
    bob_writes(&two, &of_bob.to_string()).await;
    let of_alice = json!({"name": "gateway", "entityType": "service", "observations": ["is old", "alice"]});
    // Whether bob's came before this or not.
    agent.call("create_entities", json!({"entities": [of_alice]})).await;
    let add = json!({"observations": [{"entityName": "gateway", "contents": ["is old", "alice"]}]});
    agent.call("add_observations", add).await;
    until("alice's graph has what both wrote, once", async || {
        let entities = graph(&mut agent).await["entities"].clone();
        let observed = |entity: &Json| -> BTreeSet<String> {
            entity["observations"].as_array().unwrap().iter().map(Json::to_string).collect()
        };
        let all = entities.as_array().unwrap();
        all.len() == 1 && observed(&all[0]).len() == 3 && all[0]["observations"].as_array().unwrap().len() == 3
    })
    .await;
    agent.call("delete_entities", json!({"entityNames": ["gateway"]})).await;
    until("it is gone on bob's machine too", async || {
        let (news, _) = two.bob.domain_since("memory-server", None, 10).await.unwrap();
        matches!(news, DomainNews::Whole(facts) if facts.is_empty())
    })
    .await;
    assert_eq!(graph(&mut agent).await, json!({"entities": [], "relations": []}));
    agent.leave().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_graph_is_a_resource_that_can_be_watched() {
    let alice = Alice::start().await;
    let mut agent = Agent::with(&alice, ToolProfile::MemoryServer).await;
    let listed = agent.ask("resources/list", json!({})).await["result"]["resources"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let resource = &listed[0];
    assert_eq!((&resource["uri"], &resource["name"]), (&json!("memory://knowledge-graph"), &json!("knowledge-graph")));
    let uri = json!({"uri": "memory://knowledge-graph"});
    let read = agent.ask("resources/read", uri.clone()).await["result"]["contents"][0].clone();
    assert_eq!(read["mimeType"], "application/json");
    assert_eq!(read["text"], "{\n  \"entities\": [],\n  \"relations\": []\n}");
    agent.ask("resources/subscribe", uri.clone()).await;
    let ada = json!({"name": "Ada", "entityType": "person", "observations": []});
    let call = json!({"name": "create_entities", "arguments": {"entities": [ada]}});
    agent.send(&json!({"jsonrpc": "2.0", "id": "made", "method": "tools/call", "params": call})).await;
    // The answer and the news may come in either order.
    let (mut made, mut told) = (false, false);
    while !(made && told) {
        let line = agent.from.next_line().await.unwrap().expect("the node closed");
        let message: Json = serde_json::from_str(&line).unwrap();
        made |= message["id"] == "made";
        told |= message["method"] == "notifications/resources/updated" && message["params"]["uri"] == uri["uri"];
    }
    let read = agent.ask("resources/read", uri).await["result"]["contents"][0].clone();
    let graph: Json = serde_json::from_str(read["text"].as_str().unwrap()).unwrap();
    assert_eq!(graph["entities"], json!([ada]));
    agent.leave().await;
    alice.stop().await;
}
