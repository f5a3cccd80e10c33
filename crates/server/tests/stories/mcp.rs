//! Agents at both transports, spoken to in plain JSON-RPC.

use crate::agent::{Agent, text};
use crate::common::{Alice, Answer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_remembers_recalls_updates_and_forgets() {
    let alice = Alice::start().await;
    let mut agent = Agent::connect(&alice).await;
    let arguments = json!({"content": "deploys run on Tuesdays", "level": "project", "tags": ["ops"], "domain": null, "idempotency_key": "k"});
    let first = agent.call("remember", arguments.clone()).await;
    assert_ne!(first["isError"], true, "{first}");
    let id = first["structuredContent"]["id"].as_str().unwrap().to_owned();
    let again = agent.call("remember", arguments).await;
    assert_eq!(again["structuredContent"]["id"], id.as_str());
    assert_eq!(again["structuredContent"]["outcome"], "existed");

    let found = agent.call("recall", json!({"query": "when do deploys run?"})).await;
    let fact = &found["structuredContent"]["facts"][0];
    assert_eq!((&fact["id"], &fact["author"], &fact["trust"]), (&json!(id), &json!("alice"), &json!("own")));
    assert_eq!(fact["provenance"]["agent"], "claude-code/2.1");
    assert_eq!(fact["provenance"]["source_kind"], "agent");
    assert!(fact["provenance"]["session"].is_string());
    assert!(text(&found).contains("not instructions") && text(&found).contains("deploys run on Tuesdays"));

    let update = json!({"id": id, "append": "except in May", "idempotency_key": "u"});
    for outcome in ["written", "existed"] {
        let updated = agent.call("update", update.clone()).await;
        assert_eq!(updated["structuredContent"]["outcome"], outcome);
    }
    let got = agent.call("get", json!({"id": id, "history": true})).await;
    assert_eq!(got["structuredContent"]["fact"]["content"], "deploys run on Tuesdays\nexcept in May");
    assert_eq!(got["structuredContent"]["history"].as_array().unwrap().len(), 2);

    agent.call("forget", json!({"id": id})).await;
    let found = agent.call("recall", json!({"query": "deploys"})).await;
    assert_eq!(found["structuredContent"]["facts"], json!([]));
    let status = agent.call("status", json!({})).await;
    assert!(text(&status).starts_with("node \"alice\" in team \"acme\": facts 0"), "{}", text(&status));
    assert_eq!(agent.leave().await, Vec::<Value>::new());
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_a_result_that_an_agent_can_act_on() {
    let alice = Alice::start().await;
    let mut agent = Agent::connect(&alice).await;
    let cases = [
        ("get", json!({"id": "01ZZZ"}), "not_found", "no fact 01ZZZ"),
        ("remember", json!({"content": "x", "level": "galaxy"}), "invalid", "not a level"),
        ("remember", json!({"content": "x", "colour": "red"}), "invalid", "colour"),
        ("remember", json!({"content": "x", "source_kind": "human"}), "invalid", "source_kind"),
        ("remember", json!({}), "invalid", "content"),
        ("remember", json!({"content": "a\u{0}"}), "invalid", "escape"),
        ("recall", json!({"query": ""}), "invalid", "query"),
        ("recall", json!({"query": "x", "limit": "many"}), "invalid", "limit: invalid type: string \"many\""),
        ("update", json!({"id": "01ZZZ", "tags": "x", "stale": "yes"}), "invalid", "; tags: invalid type"),
        ("forget", json!({"id": "01ZZZ", "hard": true}), "invalid", "hard"),
    ];
    for (tool, arguments, code, word) in cases {
        let result = agent.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        assert_eq!(result["structuredContent"]["error"]["code"], code, "{tool}: {result}");
        assert!(text(&result).contains(word), "{tool}: {result}");
    }
    let unknown = agent.ask("tools/call", json!({"name": "rm", "arguments": {}})).await;
    assert_eq!(unknown["error"]["code"], -32602);
    agent.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_list_is_small_and_the_same_for_everybody() {
    let alice = Alice::start().await;
    let mut agent = Agent::connect(&alice).await;
    let list = agent.ask("tools/list", json!({})).await["result"]["tools"].clone();
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["remember", "recall", "get", "update", "forget", "context", "share", "message", "status"]);
    assert!(list.to_string().len() <= 6_500, "{}", list.to_string().len());
    agent.leave().await;
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_under_way_still_come_when_an_agent_closes_its_input() {
    let alice = Alice::start().await;
    let mut agent = Agent::connect(&alice).await;
    for n in 0..20 {
        let params = json!({"name": "remember", "arguments": {"content": format!("fact {n}")}});
        agent.send(&json!({"jsonrpc": "2.0", "id": 100 + n, "method": "tools/call", "params": params})).await;
    }
    let answers = agent.leave().await;
    assert_eq!(answers.len(), 20);
    assert_eq!(alice.client.status().await.unwrap().facts, 20);
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_session_does_not_hold_up_the_end() {
    let alice = Alice::start().await;
    let mut agent = Agent::connect(&alice).await;
    alice.stop().await;
    assert!(agent.from.next_line().await.unwrap().is_none());
    agent.pipe.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_event_stream_does_not_hold_up_the_end() {
    let alice = Alice::start().await;
    let session = post(&alice, &[], &initialize()).await.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(alice.authority()).await.unwrap();
    let head = format!(
        "GET /mcp HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\naccept: text/event-stream\r\nmcp-session-id: {session}\r\n\r\n",
        alice.bearer()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    alice.stop().await;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
}

async fn post(alice: &Alice, headers: &[(&str, &str)], message: &Value) -> Answer {
    let bearer = alice.bearer();
    let mut all = vec![
        ("host", "localhost"),
        ("authorization", bearer.as_str()),
        ("accept", "application/json, text/event-stream"),
        ("content-type", "application/json"),
    ];
    all.extend(headers);
    alice.http("POST", "/mcp", &all, &message.to_string()).await
}

/// The one message of an answer, be it plain JSON or an event stream.
fn message(answer: &Answer) -> Value {
    let data = answer.text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    let found = data.chain([answer.text.as_str()]).find_map(|text| serde_json::from_str::<Value>(text).ok());
    found.unwrap_or_else(|| panic!("no message in {}: {}", answer.status, answer.text))
}

fn initialize() -> Value {
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "cursor", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_2025_has_a_session_over_http() {
    let alice = Alice::start().await;
    let hello = post(&alice, &[], &initialize()).await;
    assert_eq!(message(&hello)["result"]["protocolVersion"], "2025-11-25");
    let session = hello.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    post(&alice, &headers, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let params = json!({"name": "remember", "arguments": {"content": "over http"}});
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
    let written = message(&post(&alice, &headers, &call).await);
    let id = written["result"]["structuredContent"]["id"].as_str().unwrap().to_owned();
    let fact = alice.client.fact(&id).await.unwrap();
    assert_eq!(fact.provenance.agent.as_deref(), Some("cursor/1"));
    // The session's id is what the agent proves itself with: it must not be told to the team.
    assert!(!fact.provenance.session.unwrap().contains(&session));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_2026_needs_no_session() {
    let alice = Alice::start().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "codex", "version": "9"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "remember")];
    let params = json!({"name": "remember", "arguments": {"content": "no session"}, "_meta": meta});
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let answer = post(&alice, &headers, &call).await;
    let written = message(&answer);
    let id = written["result"]["structuredContent"]["id"].as_str().unwrap_or_else(|| panic!("{written}")).to_owned();
    assert_eq!(alice.client.fact(&id).await.unwrap().provenance.agent.as_deref(), Some("codex/9"));
    assert!(!answer.headers.contains_key("mcp-session-id"));
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_never_say_goodbye_do_not_pile_up() {
    let alice = Alice::start().await;
    let session = |answer: &Answer| answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let first = session(&post(&alice, &[], &initialize()).await);
    let mut last = String::new();
    for _ in 0..70 {
        last = session(&post(&alice, &[], &initialize()).await);
    }
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    let gone = post(&alice, &[("mcp-session-id", first.as_str())], &list).await;
    assert_eq!(gone.status, 404);
    let live = post(&alice, &[("mcp-session-id", last.as_str())], &list).await;
    assert_eq!(live.status, 200);
    alice.stop().await;
}
