//! The API's document: that it lists what there is, and nothing else.
//!
//! That answers and requests have the shapes that it gives them is looked at in every test, by the socket in between.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::{Alice, Between, Contract, Exchange};
use hyper::{HeaderMap, StatusCode};

/// Methods that any route might take.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn each_reference(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| match value.as_str().filter(|_| key == "$ref") {
            Some(reference) => found(reference),
            None => each_reference(value, found),
        }),
        Value::Array(values) => values.iter().for_each(|value| each_reference(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_can_be_read_by_any_tool() {
    let alice = Alice::start().await;
    let (bearer, local) = (alice.bearer(), ("host", "localhost"));
    assert_eq!(alice.http("GET", "/api/v1/openapi.json", &[local], "").await.status, 401);
    let answer = alice.http("GET", "/api/v1/openapi.json", &[local, ("authorization", &bearer)], "").await;
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, Between::contract().document);
    each_reference(&document, &mut |reference| {
        let there = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        assert!(there.is_some(), "{reference} leads nowhere");
    });
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let named = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(named), "{named} names two operations");
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{method} {path}");
        assert!(operation["responses"]["default"].is_object(), "{method} {path} has no problems");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let in_path = parameters.filter(|one| one["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_schema_of_the_document_is_one() {
    let alice = Alice::start().await;
    let contract = Between::contract();
    for (name, schema) in contract.document["components"]["schemas"].as_object().unwrap() {
        assert!(!name.ends_with("Dto"), "{name} is named as the code names it");
        contract.compiled(&json!({ "$ref": format!("#/components/schemas/{name}") }));
        assert!(schema["description"].is_string(), "{name} says nothing of itself");
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_lists_every_route_and_no_other() {
    let alice = Alice::start().await;
    let document = &Between::contract().document;
    let listed: BTreeSet<(String, String)> =
        operations(document).map(|(path, method, _)| (path.to_owned(), method.to_uppercase())).collect();
    let paths: BTreeSet<&str> = listed.iter().map(|(path, _)| path.as_str()).collect();
    assert!(paths.len() > 100, "{}", paths.len());
    for path in paths {
        for method in METHODS {
            let there = listed.contains(&(path.to_owned(), method.to_owned()));
            // What would end the node, wait for the network or never end is known by what its address does not take.
            if there && ["/api/v1/shutdown", "/api/v1/dht/bootstrap", "/api/v1/events"].contains(&path) {
                continue;
            }
            // An export answers with lines; asked for a level that does not exist it says so like everybody else.
            let target =
                path.replace("{id}", "nothing").replace("{peer}", "nobody").replace("/export", "/export?level=9");
            let answer = alice.control(method, &target, "not json").await;
            let what = answer.json()["error"]["what"].as_str().unwrap_or_default().to_owned();
            let routed = answer.status != 405 && what != "there is nothing at this address";
            assert_eq!(routed, there, "{method} {path}: {} {what}", answer.status);
        }
    }
    alice.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_of_the_api_goes_past_the_table() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![sources.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let routed = text.contains("Router::new()") && text.contains("route(\"/api/");
            assert!(!routed || text.contains("Routes::new()"), "{} has routes of its own", path.display());
            let plain = text.contains("axum::routing") && text.contains("\"/api/v1/");
            assert!(!plain, "{} makes routes that are in no document", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_and_an_unknown_parameter_are_noticed() {
    let alice = Alice::start().await;
    let contract: &Contract = Between::contract();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    let check = |target: &str, status: u16, got: &str, word: Option<&str>| {
        let (status, got) = (StatusCode::from_u16(status).unwrap(), got.as_bytes());
        let exchange = Exchange { method: "GET", target, sent: b"", status, headers: &headers, got };
        let complaint = contract.complaint(&exchange);
        match word {
            None => assert_eq!(complaint, None),
            Some(word) => assert!(complaint.as_ref().is_some_and(|text| text.contains(word)), "{complaint:?}"),
        }
    };
    let good = r#"{"state_hash":"00"}"#;
    let problem = r#"{"error":{"code":"not_found","exit":3,"what":"no fact x"}}"#;
    check("/api/v1/state-hash", 200, good, None);
    check("/api/v1/state-hash", 200, r#"{"state_hash":7}"#, Some("string"));
    check("/api/v1/state-hash", 200, "{}", Some("required"));
    check("/api/v1/state-hash?colour=red", 200, good, Some("colour"));
    check("/api/v1/nothing", 200, good, Some("not in the document"));
    check("/api/v1/nothing", 404, problem, None);
    check("/api/v1/facts/x", 404, problem, None);
    check("/api/v1/facts/x", 404, r#"{"error":{"code":"lost","exit":3,"what":"x"}}"#, Some("lost"));
    alice.stop().await;
}

#[test]
fn the_stream_of_events_is_described_event_by_event() {
    let document = &Between::contract().document;
    let content = &document["paths"]["/api/v1/events"]["get"]["responses"]["200"]["content"]["text/event-stream"];
    let stream = &content["schema"]["contentSchema"];
    assert_eq!(stream["type"], "array", "{content}");
    let one = Between::contract().compiled(&stream["items"]);
    let data = json!({ "topics": ["facts"] }).to_string();
    assert!(one.is_valid(&json!({ "event": "changed", "data": data })));
    assert!(!one.is_valid(&json!({ "event": "gone", "data": data })), "there is no such event");
    assert!(!one.is_valid(&json!({ "topics": ["facts"] })), "that is what data holds, not an event");
}
