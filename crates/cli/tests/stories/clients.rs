//! Real programs: the official MCP memory server writes, the official Python client asks.
//!
//! `ANTIPHON_TEST_PYTHON` names a Python that has the package `mcp`, `ANTIPHON_TEST_MEMORY_SERVER` the script of the
//! official memory server; `.ci/run` installs both. Without them the tests say that they were skipped.

use crate::common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{ANTIPHON, Machine, finish, script, team_of_two, tool, until};
use serde_json::Value;

/// Files of real Markdown that are imported.
const MARKDOWN_FILES: usize = 200;
/// Longest of those files, in bytes: the test wants many, not long ones.
const MARKDOWN_BYTES_MAX: u64 = 16 * 1024;

/// Runs a script and returns the JSON lines it prints.
fn python(python: &str, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(python);
    common::isolate(&mut command);
    command.args(arguments);
    let run = finish(command, b"").good();
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Copies real Markdown, the documentation of the crates this program is made of, into `into`.
fn gather_markdown(into: &Path) -> usize {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || std::env::home_dir().unwrap().join(".cargo");
    let mut open = vec![cargo.unwrap_or_else(home).join("registry/src")];
    let mut count = 0;
    while let Some(dir) = open.pop() {
        let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md")
                && (1..=MARKDOWN_BYTES_MAX).contains(&entry.metadata().unwrap().len())
                && count < MARKDOWN_FILES
            {
                let folder = into.join(format!("{count:03}"));
                fs::create_dir_all(&folder).unwrap();
                fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
                count += 1;
            }
        }
    }
    count
}

fn contents(answers: &[Value]) -> BTreeSet<String> {
    let hits = answers.iter().flat_map(|answer| answer["result"]["facts"].as_array().cloned().unwrap_or_default());
    hits.map(|hit| hit["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_real_programs_wrote_on_alices_machine_real_clients_read_on_bobs() {
    let (Some(py), Some(server)) = (tool("ANTIPHON_TEST_PYTHON"), tool("ANTIPHON_TEST_MEMORY_SERVER")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let memory = dir.path().join("memory.jsonl");
    python(&py, &[&script("write_memory.py"), "node", &server, memory.to_str().unwrap()]);
    let markdown = dir.path().join("notes");
    assert_eq!(gather_markdown(&markdown), MARKDOWN_FILES);

    let (alice, bob) = team_of_two();
    let first = alice.json(&["import", "memory-server", memory.to_str().unwrap()]);
    assert!(first["imported"].as_u64().unwrap() >= 20, "{first:#}");
    let notes = alice.json(&["import", "markdown", markdown.to_str().unwrap()]);
    assert!(notes["imported"].as_u64().unwrap() >= 200, "{notes:#}");
    let again = alice.json(&["import", "memory-server", memory.to_str().unwrap()]);
    assert_eq!(again["imported"], 0, "{again:#}");
    until("bob holds what alice imported", || bob.facts() == alice.facts());
    until("both hold the same", || alice.state_hash() == bob.state_hash());

    let queries = ["incident notebook in the blue cabinet", "who maintains billing", "gateway port"];
    let home = bob.home().to_str().unwrap().to_owned();
    let mut stdio = vec![script("recall.py"), "stdio".into(), ANTIPHON.into(), home.clone()];
    stdio.extend(queries.map(str::to_owned));
    let by_stdio = python(&py, &stdio.iter().map(String::as_str).collect::<Vec<_>>());
    let url = format!("{}/mcp", bob.json(&["status"])["http"].as_str().unwrap().trim_end_matches('/'));
    let mut http = vec![script("recall.py"), "http".into(), url, format!("{home}/http.token")];
    http.extend(queries.map(str::to_owned));
    let by_http = python(&py, &http.iter().map(String::as_str).collect::<Vec<_>>());

    let found = contents(&by_stdio);
    assert_eq!(found, contents(&by_http));
    for words in ["incident notebook in the blue cabinet", "Ada maintains billing", "gateway runs on port 8002"] {
        assert!(found.iter().any(|text| text.contains(words)), "{words:?} is not among {found:#?}");
    }
}

#[test]
fn a_machine_alone_serves_the_official_client() {
    let Some(py) = tool("ANTIPHON_TEST_PYTHON") else { return };
    let alice = Machine::new("alice");
    alice.remember("the lighthouse keeper is called Ines");
    let home = alice.home().to_str().unwrap();
    let answers = python(&py, &[&script("recall.py"), "stdio", ANTIPHON, home, "lighthouse keeper"]);
    assert!(contents(&answers).contains("the lighthouse keeper is called Ines"), "{answers:#?}");
}
