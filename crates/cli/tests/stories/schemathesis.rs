//! A stranger reads the API's document and tries every operation of it, well and badly, against a real node.
//!
//! `ANTIPHON_TEST_SCHEMATHESIS` names the program of that name, 4.x; `.ci/run` installs it. Without it the test says that
//! it was skipped. Requests are drawn from a fixed seed, `ANTIPHON_TEST_SCHEMATHESIS_EXAMPLES` of them for each operation.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::common::{self, Machine, finish, team_of_two};

/// What every answer must be: no failure of the node, and as the document says in every respect. That every operation
/// asks for the token is held elsewhere: here the door would say that there were too many wrong ones.
const CHECKS: &[&str] = &[
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
];

/// Operations that are not tried, and why. Those of the control socket are not at this door.
const LEFT_OUT: &[(&str, &str)] = &[
    ("get_events", "it is a stream without an end"),
    ("post_team_revoke", "it removes bob, and what asks him then says that nobody answers"),
];

/// What the document says of operations that are at the control socket only.
const CONTROL_ONLY: &str = "On the control socket only";
/// How many requests are drawn for each operation, beside those that every boundary gives.
const EXAMPLES: &str = "20";
/// Where the drawing begins.
const SEED: &str = "20261122";

/// The API's document, as the port gives it.
fn document(at: &str, token: &str) -> Value {
    let mut stream = TcpStream::connect(at).unwrap();
    let head = format!(
        "GET /api/v1/openapi.json HTTP/1.0\r\nhost: {at}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    let (_, body) = got.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {got}"))
}

/// Names of the operations that are not at the port.
fn control_only(document: &Value) -> Vec<String> {
    let items = document["paths"].as_object().unwrap().values();
    let operations = items.flat_map(|item| item.as_object().unwrap().values());
    let elsewhere = operations.filter(|operation| {
        operation["description"].as_str().is_some_and(|description| description.starts_with(CONTROL_ONLY))
    });
    elsewhere.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_api_answers_strangers_as_its_document_says() {
    let Some(program) = std::env::var_os("ANTIPHON_TEST_SCHEMATHESIS").filter(|path| !path.is_empty()) else {
        eprintln!("skipped: ANTIPHON_TEST_SCHEMATHESIS is not set");
        return;
    };
    let examples = std::env::var("ANTIPHON_TEST_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let (alice, _bob): (Machine, Machine) = team_of_two();
    for text in ["the build takes four minutes", "the cache is cleared at night"] {
        alice.remember(text);
    }
    let url = alice.json(&["status"])["http"].as_str().unwrap().to_owned();
    let token = std::fs::read_to_string(alice.home().join("http.token")).unwrap().trim().to_owned();
    let elsewhere = control_only(&document(url.strip_prefix("http://").unwrap(), &token));
    assert!(elsewhere.iter().any(|name| name == "post_shutdown"), "{elsewhere:?}");
    let work = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    common::isolate(&mut command);
    command.current_dir(work.path());
    command.args(["run", &format!("{url}/api/v1/openapi.json"), "--no-color", "--continue-on-failure"]);
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    command.args(["--checks", &CHECKS.join(","), "--phases", "examples,coverage,fuzzing"]);
    command.args(["--max-examples", &examples, "--seed", SEED, "--generation-database", "none"]);
    command.args(["--request-timeout", "120", "--suppress-health-check", "all", "--warnings", "off"]);
    for operation in LEFT_OUT.iter().map(|(operation, _)| *operation).chain(elsewhere.iter().map(String::as_str)) {
        command.args(["--exclude-operation-id", operation]);
    }
    let run = finish(command, b"");
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    let summary: Vec<&str> = run.stdout.lines().skip_while(|line| !line.contains("SUMMARY")).collect();
    eprintln!("{}", summary.join("\n"));
    alice.remember("the node goes on as before");
}
