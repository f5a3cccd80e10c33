//! The official clients over every door and revision, and the official memory server beside its profile.
//!
//! `ANTIPHON_TEST_PYTHON` names a Python that has the package `mcp`, `ANTIPHON_TEST_MCP_JS` a directory whose
//! `node_modules` has `@modelcontextprotocol/client` and `@modelcontextprotocol/sdk`, `ANTIPHON_TEST_MEMORY_SERVER` the
//! script of the official memory server; `.ci/run` installs them. Without them the tests say that they were skipped.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::common::{self, ANTIPHON, Machine, finish, script, tool};

/// Tools of the core profile.
const CORE: [&str; 9] = ["remember", "recall", "get", "update", "forget", "context", "share", "message", "status"];
/// The newest revision, and the one before.
const AUTO: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";

/// The session with the official memory server, as it was recorded.
fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/tests/data/memory_session.json")
}

/// Runs a program and returns the JSON lines it prints.
fn lines(program: &str, arguments: &[String], environment: &[(&str, &Path)]) -> Vec<Value> {
    let mut command = Command::new(program);
    common::isolate(&mut command);
    command.args(arguments).envs(environment.iter().copied());
    let run = finish(command, b"").good();
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How a client reaches the node of a machine.
fn way(machine: &Machine, transport: &str, query: &str) -> [String; 3] {
    let home = machine.home().to_str().unwrap();
    // Clients pass on little of the environment, so a node that they started would have other settings.
    let status = machine.json(&["status"]);
    if transport == "stdio" {
        return [transport.to_owned(), ANTIPHON.to_owned(), home.to_owned()];
    }
    let url = status["http"].as_str().unwrap().trim_end_matches('/');
    [transport.to_owned(), format!("{url}/mcp{query}"), format!("{home}/http.token")]
}

/// What a step of the session asks of its answer.
#[track_caller]
fn check(number: usize, step: &Value, answer: &Value) {
    let place = format!("step {number}: {} {}\nanswer: {answer}", step["tool"], step["arguments"]);
    if step["protocol_error"] == true {
        return assert!(answer["protocol_error"].is_string(), "{place}");
    }
    assert!(answer["protocol_error"].is_null(), "a failure is a result: {place}");
    assert_eq!(answer["error"] == true, step["error"] == true, "{place}");
    let text = answer["text"].as_str().unwrap();
    for words in step["says"].as_array().into_iter().flatten() {
        assert!(text.contains(words.as_str().unwrap()), "{words} is missing: {place}");
    }
    if step["error"] == true {
        // An agent can act on it.
        let problem = &answer["structured"]["error"];
        assert!(problem["code"].is_string() && problem["what"].is_string(), "{place}");
        assert!(problem["exit"].is_u64() && (problem["hint"].is_string() || problem["why"].is_string()), "{place}");
    }
    // Programs go by names, so none may come or go unnoticed.
    for (pointer, want) in step["keys"].as_object().into_iter().flatten() {
        let found = answer["structured"].pointer(pointer).and_then(Value::as_object);
        let mut found: Vec<&str> = found.into_iter().flat_map(|object| object.keys()).map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), *want, "the keys of {pointer:?}: {place}");
    }
    for (pointer, want) in step["structured"].as_object().into_iter().flatten() {
        let saved = want.as_str().and_then(|name| name.strip_prefix('$')).map(|name| answer["saved"][name].clone());
        let want = saved.unwrap_or_else(|| want.clone());
        assert_eq!(answer["structured"].pointer(pointer), Some(&want), "{pointer}: {place}");
    }
}

/// Plays the session of the core profile on a fresh machine.
fn core_session(program: &str, before: &[String], mode: &str, transport: &str, revision: Option<&str>) {
    let session = script("core_session.json");
    let steps: Value = serde_json::from_str(&std::fs::read_to_string(&session).unwrap()).unwrap();
    let steps = steps["steps"].as_array().unwrap();
    let alice = Machine::new("alice");
    // A team of one has no use for keys of roles until somebody asks for one.
    alice.run(&["team", "rotate-role", "admin"]).good();
    let mut arguments = before.to_vec();
    arguments.extend([session, mode.to_owned()]);
    arguments.extend(way(&alice, transport, ""));
    let answers = lines(program, &arguments, &[]);
    let (first, answers) = answers.split_first().unwrap();
    assert_eq!(first["tools"], json!(CORE));
    assert_eq!(first["revision"].as_str(), revision, "{mode} over {transport}");
    assert_eq!(answers.len(), steps.len());
    for (number, (step, answer)) in steps.iter().zip(answers).enumerate() {
        check(number, step, answer);
    }
    for tool in CORE {
        let of_tool = |bad: bool| steps.iter().any(|step| step["tool"] == tool && (step["error"] == true) == bad);
        assert!(of_tool(true) && of_tool(false), "good and bad arguments for {tool}");
        assert!(steps.iter().any(|step| step["tool"] == tool && step["keys"].is_object()), "the keys of {tool}");
    }
}

#[test]
fn the_python_client_uses_every_core_tool() {
    let Some(python) = tool("ANTIPHON_TEST_PYTHON") else { return };
    for (mode, revision) in [("auto", AUTO), ("legacy", LEGACY)] {
        for transport in ["stdio", "http"] {
            core_session(&python, &[script("core_session.py")], mode, transport, Some(revision));
        }
    }
}

#[test]
fn the_typescript_client_uses_every_core_tool() {
    let Some(modules) = tool("ANTIPHON_TEST_MCP_JS") else { return };
    for (mode, revision) in [("auto", AUTO), ("legacy", LEGACY)] {
        for transport in ["stdio", "http"] {
            let before = [script("core_session.mjs"), modules.clone()];
            core_session("node", &before, mode, transport, Some(revision));
        }
    }
}

#[test]
fn the_typescript_sdk_before_it_uses_every_core_tool() {
    let Some(modules) = tool("ANTIPHON_TEST_MCP_JS") else { return };
    let before = [script("core_session.mjs"), modules];
    // Over stdio this client does not tell which revision was agreed on.
    core_session("node", &before, "sdk", "stdio", None);
    core_session("node", &before, "sdk", "http", Some(LEGACY));
}

/// The calls of a session with their answers, and the tools, without what the recording says of itself.
fn played(mut session: Value) -> Value {
    session.as_object_mut().unwrap().remove("server");
    session
}

#[test]
fn the_memory_server_profile_answers_like_the_official_server() {
    let Some(python) = tool("ANTIPHON_TEST_PYTHON") else { return };
    let path = recording();
    let recorded = played(serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap());
    assert!(recorded["calls"].as_array().unwrap().len() >= 60);
    let session = [script("memory_session.py"), path.display().to_string()];
    let same = |who: &str, answers: &Value| {
        let calls = |session: &Value| session["calls"].as_array().unwrap().clone();
        for (want, got) in calls(&recorded).iter().zip(&calls(answers)) {
            assert_eq!(got, want, "{who}");
        }
        assert_eq!(answers, &recorded, "{who}");
    };

    if let Some(server) = tool("ANTIPHON_TEST_MEMORY_SERVER") {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("memory.jsonl");
        let mut arguments = session.to_vec();
        arguments.extend(["stdio", "node", &server].map(str::to_owned));
        same("the official server", &lines(&python, &arguments, &[("MEMORY_FILE_PATH", &file)])[0]);
    }

    let over_stdio = Machine::new("alice");
    over_stdio.json(&["status"]);
    let home = over_stdio.home().to_str().unwrap();
    let mut arguments = session.to_vec();
    arguments.extend(["stdio", ANTIPHON, "--home", home, "mcp", "--profile", "memory-server"].map(str::to_owned));
    same("ours over stdio", &lines(&python, &arguments, &[])[0]);

    let over_http = Machine::new("alice");
    let mut arguments = session.to_vec();
    arguments.extend(way(&over_http, "http", "?profile=memory-server"));
    same("ours over HTTP", &lines(&python, &arguments, &[])[0]);
}

/// The graph as the profile shows it.
fn graph(python: &str, machine: &Machine) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let session = dir.path().join("session.json");
    std::fs::write(&session, json!({"calls": [{"tool": "read_graph", "arguments": {}}]}).to_string()).unwrap();
    let home = machine.home().to_str().unwrap();
    let mut arguments = vec![script("memory_session.py"), session.display().to_string()];
    arguments.extend(["stdio", ANTIPHON, "--home", home, "mcp", "--profile", "memory-server"].map(str::to_owned));
    lines(python, &arguments, &[])[0]["calls"][0]["answer"]["structuredContent"].clone()
}

#[test]
fn a_file_that_the_official_server_wrote_is_the_same_graph_here() {
    let (Some(python), Some(server)) = (tool("ANTIPHON_TEST_PYTHON"), tool("ANTIPHON_TEST_MEMORY_SERVER")) else {
        return;
    };
    let recorded: Value = serde_json::from_str(&std::fs::read_to_string(recording()).unwrap()).unwrap();
    // Up to the last call before everything is deleted.
    let calls = recorded["calls"].as_array().unwrap();
    let last = calls.iter().rposition(|call| call["tool"] == "delete_entities").unwrap();
    let mut kept = calls[..last].to_vec();
    kept.push(json!({"tool": "read_graph", "arguments": {}}));
    let dir = tempfile::tempdir().unwrap();
    let (session, file) = (dir.path().join("session.json"), dir.path().join("memory.jsonl"));
    std::fs::write(&session, json!({"calls": kept}).to_string()).unwrap();
    let mut arguments = vec![script("memory_session.py"), session.display().to_string()];
    arguments.extend(["stdio", "node", &server].map(str::to_owned));
    let official = &lines(&python, &arguments, &[("MEMORY_FILE_PATH", &file)])[0];
    let official = &official["calls"].as_array().unwrap().last().unwrap()["answer"]["structuredContent"];

    let alice = Machine::new("alice");
    alice.json(&["import", "memory-server", file.to_str().unwrap()]);
    assert_eq!(&graph(&python, &alice), official);
}
