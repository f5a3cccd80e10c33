//! What other tools for agents keep comes in: Claude Code, AGENTS.md, Basic Memory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::common::Machine;

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn facts(machine: &Machine) -> Vec<Value> {
    let facts = machine.json(&["facts", "list", "--limit", "100"]);
    facts.as_array().or_else(|| facts["facts"].as_array()).unwrap().clone()
}

fn fact(machine: &Machine, text: &str) -> Value {
    let found = facts(machine).into_iter().find(|fact| fact["content"].as_str().unwrap().contains(text));
    found.unwrap_or_else(|| panic!("no fact says {text:?}"))
}

/// Imports twice; the second time adds nothing.
fn twice(machine: &Machine, kind: &str, path: &Path) -> Value {
    let path = path.to_str().unwrap();
    let first = machine.json(&["import", kind, path]);
    let count = machine.facts();
    assert_eq!(first["imported"].as_u64(), Some(count), "{first:#}");
    let again = machine.json(&["import", kind, path]);
    assert_eq!((again["imported"].as_u64(), again["already"].as_u64()), (Some(0), Some(count)), "{again:#}");
    assert_eq!(machine.facts(), count);
    first
}

#[test]
fn a_project_of_claude_code_comes_in_and_what_is_personal_stays_private() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("nightingale");
    write(
        &project,
        &[
            ("CLAUDE.md", "# Build\n\nRun `make all`. See @docs/style.md\n"),
            ("docs/style.md", "# Style\n\nTabs are forbidden.\n"),
            ("crates/core/CLAUDE.md", "Core has no IO.\n"),
            ("CLAUDE.local.md", "My sandbox is at port 7777.\n"),
        ],
    );
    twice(&alice, "claude", &project);
    assert_eq!(alice.facts(), 4);
    let core = fact(&alice, "no IO");
    assert_eq!(
        (&core["module"], &core["source"]),
        (&"crates/core".into(), &"nightingale/crates/core/CLAUDE.md".into())
    );
    assert_eq!(core["provenance"]["source_kind"], "import");
    assert_eq!(core["provenance"]["tool"], "claude");
    assert_eq!(fact(&alice, "sandbox")["private"], true);
    assert!(fact(&alice, "Tabs")["private"].is_null());
    let build = fact(&alice, "make all");
    let changed = fs::metadata(project.join("CLAUDE.md")).unwrap().modified().unwrap();
    let at = changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let created = build["created_at"].as_str().unwrap();
    let shown = antiphon_server::time::parse(created).unwrap().0;
    assert_eq!(u128::from(shown), at, "a file's time is the time of what it says");
}

#[test]
fn agents_md_files_of_a_tree_come_in_with_their_modules() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("thrush");
    write(
        &project,
        &[
            ("AGENTS.md", "# Tests\n\nRun them all.\n"),
            ("web/AGENTS.md", "Use tabs here.\n"),
            ("web/README.md", "not for agents\n"),
            ("node_modules/x/AGENTS.md", "vendored\n"),
        ],
    );
    let summary = twice(&alice, "agents-md", &project);
    assert_eq!((alice.facts(), &summary["skipped"]), (2, &1.into()));
    assert_eq!(fact(&alice, "tabs")["module"], "web");
    let one = alice.json(&["import", "agents-md", project.join("web/AGENTS.md").to_str().unwrap(), "--private"]);
    assert_eq!(one["found"], 1, "{one:#}");
}

#[test]
fn notes_of_basic_memory_come_in_with_their_observations_and_relations() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let note = "---\ntitle: Coffee\ntype: note\ntags: [brewing]\npermalink: coffee\ncreated: 2025-03-04T05:06:07Z\n---\n\n\
        # Coffee\n\nPour slowly.\n\n## Observations\n- [method] Water at 92 degrees #heat (measured)\n\n\
        ## Relations\n- relates_to [[Tea]]\n";
    write(dir.path(), &[("kitchen/coffee.md", note)]);
    twice(&alice, "basic-memory", dir.path());
    assert_eq!(alice.facts(), 3);
    let observation = fact(&alice, "92 degrees");
    assert_eq!(observation["content"], "Coffee [method]: Water at 92 degrees #heat (measured)");
    assert_eq!(observation["tags"], serde_json::json!(["Coffee", "method", "heat", "brewing"]));
    assert_eq!(observation["created_at"], "2025-03-04T05:06:07.000Z");
    assert_eq!(fact(&alice, "relates_to")["content"], "Coffee relates_to Tea");
    fs::rename(dir.path().join("kitchen/coffee.md"), dir.path().join("moved.md")).unwrap();
    let moved = alice.json(&["import", "basic-memory", dir.path().to_str().unwrap()]);
    assert_eq!(moved["already"], 2, "the permalink stays, so observations and relations do: {moved:#}");
}

#[test]
fn hostile_files_are_findings_with_a_kind() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("crow");
    write(&project, &[("CLAUDE.md", "good, but @/etc/hostname\n"), ("a/CLAUDE.md", ""), ("b/CLAUDE.md", "")]);
    fs::write(project.join("a/CLAUDE.md"), b"caf\xe9").unwrap();
    let huge = fs::File::create(project.join("b/CLAUDE.md")).unwrap();
    huge.set_len(300 << 20).unwrap();
    fs::create_dir_all(project.join("c")).unwrap();
    symlink("CLAUDE.md", project.join("c/CLAUDE.md")).unwrap();
    fs::create_dir_all(project.join("d")).unwrap();
    symlink("/etc/hostname", project.join("d/CLAUDE.md")).unwrap();
    symlink("..", project.join("around")).unwrap();
    fs::create_dir_all(project.join("e/".repeat(70))).unwrap();
    let run = alice.run(&["--json", "import", "claude", project.to_str().unwrap()]);
    assert_eq!(run.code, 1, "{run:#?}");
    let summary = run.json();
    let mut kinds: Vec<&str> =
        summary["bad"].as_array().unwrap().iter().map(|bad| bad["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    let mut want = vec!["link", "not_utf8", "outside", "too_deep", "too_large"];
    if Path::new("/etc/hostname").is_file() {
        want.insert(2, "outside");
    }
    assert_eq!(kinds, want, "{summary:#}");
    assert_eq!((alice.facts(), &summary["imported"]), (1, &1.into()), "{summary:#}");
    let words = alice.run(&["import", "claude", project.to_str().unwrap()]);
    assert!(words.stdout.contains("crow/b/CLAUDE.md: it has more than 256 MiB"), "{words:#?}");
}

#[test]
fn a_dry_run_says_what_is_there_already_and_what_is_said_twice() {
    let alice = Machine::new("alice");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("facts.jsonl");
    fs::write(&file, "{\"content\":\"one\"}\n{\"content\":\"two\"}\n{\"content\":\"one\"}\n").unwrap();
    let path = file.to_str().unwrap();
    let dry = alice.json(&["import", "jsonl", path, "--dry-run"]);
    assert_eq!((&dry["would_import"], &dry["duplicates"]), (&2.into(), &1.into()), "{dry:#}");
    alice.json(&["import", "jsonl", path]);
    fs::write(&file, "{\"content\":\"one\"}\n{\"content\":\"three\"}\n").unwrap();
    let dry = alice.json(&["import", "jsonl", path, "--dry-run"]);
    assert_eq!((&dry["would_import"], &dry["already"], alice.facts()), (&1.into(), &1.into(), 2), "{dry:#}");
    for (kind, path) in [("claude", "/nonexistent"), ("agents-md", "/dev/null"), ("jsonl", "/nonexistent.jsonl")] {
        let run = alice.run(&["import", kind, path]);
        assert!(run.code == 2 || run.code == 3, "{run:#?}");
        assert!(run.stderr.contains("try: "), "{run:#?}");
    }
}
