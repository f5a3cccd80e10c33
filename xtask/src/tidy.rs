//! The rules of the house that a compiler does not know; those about the table of attacks are in `threats`.
//!
//! Crate edges are the ones ARCHITECTURE.md declares; pure crates do not touch the world; a file or a function that
//! grows past its bound hides a second concept.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Longest production file, in lines.
const FILE_LINES_MAX: usize = 600;
/// Longest function, in lines.
const FUNCTION_LINES_MAX: usize = 70;

/// Which of our crates each of our crates may use; tests of a crate may use what the crate may.
const EDGES: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("protocol", &["core"]),
    ("vault", &["core"]),
    ("store", &["core"]),
    ("net", &["core", "protocol"]),
    ("node", &["core", "protocol", "vault", "store", "net"]),
    ("server", &["core", "node"]),
    ("cli", &["core", "node", "server"]),
    ("sim", &["core", "protocol", "store", "vault"]),
    ("fuzzed", &["core", "protocol", "vault", "server", "cli"]),
];

/// What only one crate may name: SQL, libp2p, the MCP library.
const OWNED: &[(&str, &str)] = &[("rusqlite", "store"), ("libp2p", "net"), ("rmcp", "server"), ("axum", "server")];

/// Whose tests may name what only one crate may: the hostile peer is a program of another kind than ours.
const FOREIGN: &[(&str, &str)] = &[("node", "libp2p")];

/// Words that touch the world; `core` and `protocol` have none of them outside tests.
const WORLDLY: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "tokio",
    "getrandom",
    "std::process",
    "std::env",
];

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) place: PathBuf,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.place.display(), self.line, self.what)
    }
}

/// Every broken rule in the project at `root`.
pub(crate) fn check(root: &Path) -> io::Result<Vec<Finding>> {
    let mut findings = crate::threats::check(root)?;
    for (name, allowed) in EDGES {
        let dir = root.join("crates").join(name);
        let manifest = dir.join("Cargo.toml");
        findings.extend(check_edges(&manifest, &fs::read_to_string(&manifest)?, name, allowed));
        for file in rust_files(&dir)? {
            let text = fs::read_to_string(&file)?;
            let production = file.starts_with(dir.join("src"));
            findings.extend(check_file(&file, &text, production));
            if production && ["core", "protocol"].contains(name) {
                findings.extend(check_pure(&file, &text));
            }
        }
    }
    Ok(findings)
}

fn check_edges(place: &Path, manifest: &str, name: &str, allowed: &[&str]) -> Vec<Finding> {
    let tests_begin = manifest.lines().position(|line| line == "[dev-dependencies]").unwrap_or(usize::MAX);
    let dependencies = manifest.lines().enumerate().filter_map(|(at, line)| {
        let dependency = line.split(['.', ' ', '=']).next()?;
        // The program's crate has the program's name.
        let ours = if dependency == "antiphon" { Some("cli") } else { dependency.strip_prefix("antiphon-") };
        let ours = ours.filter(|other| !allowed.contains(other));
        let foreign = |part: &str| at > tests_begin && FOREIGN.contains(&(name, part));
        let owned = OWNED.iter().find(|(part, owner)| *owner != name && dependency.starts_with(part) && !foreign(part));
        let what = match (ours, owned) {
            (Some(other), _) => format!("{name} must not use {other}"),
            (None, Some((part, owner))) => format!("only {owner} may use {part}"),
            (None, None) => return None,
        };
        Some(Finding { place: place.to_owned(), line: at + 1, what })
    });
    dependencies.collect()
}

fn check_file(place: &Path, text: &str, production: bool) -> Vec<Finding> {
    let finding = |line, what| Finding { place: place.to_owned(), line, what };
    let mut findings = Vec::new();
    let lines = production_lines(text).count();
    if production && lines > FILE_LINES_MAX {
        findings.push(finding(1, format!("{lines} lines, the limit is {FILE_LINES_MAX}: which concept is hiding?")));
    }
    for (line, length) in functions(text) {
        if length > FUNCTION_LINES_MAX {
            findings.push(finding(line, format!("a function of {length} lines, the limit is {FUNCTION_LINES_MAX}")));
        }
    }
    for (at, line) in text.lines().enumerate() {
        // The words are put together here so that this file does not find itself.
        if ["TO", "FIX"].iter().zip(["DO", "ME"]).any(|(a, b)| line.contains(&format!("{a}{b}"))) {
            findings.push(finding(at + 1, "an unfinished thought".to_owned()));
        }
        if line.contains("#[ignore") && !line.contains('=') {
            findings.push(finding(at + 1, "an ignored test without a reason".to_owned()));
        }
    }
    findings
}

fn check_pure(place: &Path, text: &str) -> Vec<Finding> {
    let code = production_lines(text).filter(|(_, line)| !line.trim_start().starts_with("//"));
    let worldly = code.filter_map(|(at, line)| {
        let word = WORLDLY.iter().find(|word| line.contains(**word))?;
        Some(Finding { place: place.to_owned(), line: at + 1, what: format!("a pure crate names {word}") })
    });
    worldly.collect()
}

/// The lines before a file's own tests.
fn production_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().take_while(|(_, line)| *line != "#[cfg(test)]")
}

/// First line and length of every function. Formatted code closes a function with a brace at its own indentation.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begins = |line: &str| {
        let code = line.trim_start();
        let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "unsafe "];
        let bare = words.iter().fold(code, |code, word| code.strip_prefix(word).unwrap_or(code));
        bare.starts_with("fn ")
    };
    let starts = lines.iter().enumerate().filter(|(_, line)| begins(line));
    let measured = starts.filter_map(|(start, line)| {
        let depth = indent(line);
        let end = lines[start..].iter().position(|line| indent(line) == depth && line.trim_start().starts_with('}'))?;
        Some((start + 1, end + 1))
    });
    measured.collect()
}

pub(crate) fn rust_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(findings: &[Finding], words: &[&str]) {
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), words.len(), "{said:?}");
        for (said, word) in said.iter().zip(words) {
            assert!(said.contains(word), "{said} lacks {word}");
        }
    }

    #[test]
    fn the_house_is_tidy() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let findings = check(root).unwrap();
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(said.is_empty(), "\n{}", said.join("\n"));
    }

    #[test]
    fn the_edges_of_the_list_are_the_edges_of_architecture_md() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
        for (name, allowed) in EDGES {
            let line = text.lines().find(|line| line.starts_with(&format!("| `{name}`"))).unwrap();
            let declared = line.split('|').nth(3).unwrap().trim();
            let expected = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
            assert_eq!(declared, expected, "{name}");
        }
    }

    #[test]
    fn broken_rules_are_found() {
        let here = Path::new("x");
        check_one(
            &check_edges(here, "antiphon-store.workspace = true", "protocol", &["core"]),
            &["must not use store"],
        );
        check_one(&check_edges(here, "antiphon-core.workspace = true", "protocol", &["core"]), &[]);
        check_one(&check_edges(here, "antiphon.workspace = true", "node", &["core"]), &["must not use cli"]);
        check_one(&check_edges(here, "rusqlite = \"1\"", "node", &[]), &["only store may use rusqlite"]);
        let tests = |dependency: &str| format!("[dependencies]\n\n[dev-dependencies]\n{dependency}.workspace = true");
        check_one(&check_edges(here, &tests("libp2p"), "node", &[]), &[]);
        check_one(&check_edges(here, &tests("libp2p"), "server", &[]), &["only net may use libp2p"]);
        check_one(&check_edges(here, "libp2p.workspace = true", "node", &[]), &["only net may use libp2p"]);
        check_one(&check_pure(here, "let now = SystemTime::now();"), &["SystemTime"]);
        check_one(&check_pure(here, "// SystemTime is not read here"), &[]);
        let long = format!("fn long() {{\n{}}}\n", "    step();\n".repeat(FUNCTION_LINES_MAX));
        check_one(&check_file(here, &long, true), &["a function of 72 lines"]);
        check_one(&check_file(here, &"\n".repeat(FILE_LINES_MAX + 1), true), &["601 lines"]);
        check_one(&check_file(here, &format!("// {}{}: later", "TO", "DO"), true), &["unfinished"]);
        check_one(&check_file(here, "#[ignore]", false), &["ignored"]);
    }
}
