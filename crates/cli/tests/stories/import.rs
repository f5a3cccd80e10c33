//! Importing what other tools kept.

use std::fs;

use crate::common::Machine;

const MEMORY: &str = r#"{"type":"entity","name":"Nightingale","entityType":"database","observations":["runs on port 5432","is backed up at noon"]}
{"type":"entity","name":"Thrush","entityType":"service","observations":["reads from Nightingale"]}
{"type":"relation","from":"Thrush","to":"Nightingale","relationType":"depends on"}
"#;

#[test]
fn a_memory_server_file_comes_in_once() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("memory.jsonl");
    fs::write(&file, MEMORY).unwrap();
    let path = file.to_str().unwrap();
    let dry = alice.json(&["import", "memory-server", path, "--dry-run"]);
    assert_eq!(dry["dry_run"], true, "{dry:#}");
    assert_eq!(alice.facts(), 0, "a dry run imports nothing");
    let first = alice.json(&["import", "memory-server", path]);
    let imported = first["imported"].as_u64().unwrap();
    assert!(imported >= 3, "{first:#}");
    assert_eq!(alice.facts(), imported);
    let again = alice.json(&["import", "memory-server", path]);
    assert_eq!((again["imported"].as_u64(), again["already"].as_u64()), (Some(0), Some(imported)), "{again:#}");
    assert_eq!(alice.facts(), imported);
    assert!(!alice.recall("backed up").is_empty());
}

#[test]
fn bad_lines_are_named_and_the_good_ones_are_kept() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("memory.jsonl");
    let lines = MEMORY.lines().collect::<Vec<_>>();
    let mixed = format!("{}\nnot json\n{{\"type\":\"dream\"}}\n{}\n{{\"type\":\"entity\"", lines[0], lines[1]);
    fs::write(&file, mixed).unwrap();
    let run = alice.run(&["import", "memory-server", file.to_str().unwrap()]);
    assert_eq!(run.code, 1, "{run:#?}");
    let said = format!("{}{}", run.stdout, run.stderr);
    for line in ["line 2", "line 3", "line 5"] {
        assert!(said.contains(line), "{line} is missing: {said}");
    }
    assert!(!said.contains("line 1:") && !said.contains("line 4:"), "{said}");
    assert!(!alice.recall("Nightingale").is_empty() && !alice.recall("Thrush").is_empty());
    let run = alice.run(&["--json", "import", "memory-server", file.to_str().unwrap()]);
    let bad = run.json()["bad"].as_array().unwrap().iter().map(|bad| bad["line"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((run.code, bad), (1, vec![2, 3, 5]));
}

#[test]
fn a_directory_of_notes_is_read_without_following_links() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let notes = dir.path().join("notes");
    for sub in ["", "deep/er", ".git", "node_modules/x"] {
        fs::create_dir_all(notes.join(sub)).unwrap();
    }
    let outside = dir.path().join("outside.md");
    fs::write(&outside, "# Outside\n\nmust not come along\n").unwrap();
    fs::write(notes.join("a.md"), "# Release\n\nWe release on thursdays.\n").unwrap();
    fs::write(notes.join("deep/er/b.markdown"), "# Retry\n\nRetries use backoff.\n").unwrap();
    fs::write(notes.join("c.txt"), "not markdown").unwrap();
    fs::write(notes.join(".git/d.md"), "hidden").unwrap();
    fs::write(notes.join("node_modules/x/e.md"), "vendored").unwrap();
    fs::write(notes.join("latin.md"), b"caf\xe9").unwrap();
    std::os::unix::fs::symlink(&outside, notes.join("link.md")).unwrap();
    let run = alice.run(&["--json", "import", "markdown", notes.to_str().unwrap()]);
    assert_eq!(run.code, 1, "a file that cannot be read is reported: {run:#?}");
    let summary = run.json();
    assert!(summary["bad"].to_string().contains("latin.md"), "{summary:#}");
    assert_eq!(summary["skipped"].as_u64(), Some(3), "two directories and a link: {summary:#}");
    assert!(!alice.recall("thursdays").is_empty() && !alice.recall("backoff").is_empty());
    assert!(alice.recall("along").is_empty() && alice.recall("vendored").is_empty());
}

#[test]
fn what_is_not_there_cannot_be_imported() {
    let alice = Machine::new("alice");
    alice.run(&["import", "memory-server", "/nonexistent/memory.jsonl"]).refused(3, &["/nonexistent"]);
    alice.run(&["import", "markdown", "/nonexistent"]).refused(3, &["/nonexistent"]);
}
