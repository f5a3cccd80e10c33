//! What a release is made of, as a CycloneDX 1.6 document: every crate that the program `antiphon` is built from, with its
//! version, license and checksum, and which of them uses which.
//!
//! Cargo knows which crates a build takes, and Cargo.lock what they are; neither knows both. So the list is that of
//! `cargo tree` for one program on one kind of machine, without what only tests use, and all else is looked up in the
//! lock file. The document has neither a date nor a random serial number: the same sources give the same bytes.
//! Limits: it names crates. The C sources of SQLite, AWS-LC, ring and zstd are inside crates, and stand for themselves
//! by the versions of those.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::lock::{self, Locked};

/// The program that is described.
const PROGRAM: &str = "antiphon";
/// For which machine, where nothing else is said.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A name and a version.
type Id = (String, String);

/// The document, as JSON on lines.
///
/// # Errors
/// When cargo does not say what the program is built from, or that is not in Cargo.lock.
pub(crate) fn document(root: &Path, target: &str) -> io::Result<String> {
    let licenses = tree(root, target)?;
    let locked = lock::read(root)?;
    let crates: Vec<&Locked> = locked.iter().filter(|krate| licenses.contains_key(&id(krate))).collect();
    if crates.len() != licenses.len() {
        return Err(wrong(format!("{} crates are built, {} are in Cargo.lock", licenses.len(), crates.len())));
    }
    let (program, rest): (Vec<&Locked>, Vec<&Locked>) = crates.iter().partition(|krate| krate.name == PROGRAM);
    let component = |krate: &Locked| component(krate, licenses.get(&id(krate)).map(String::as_str).unwrap_or_default());
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": program.first().map(|krate| component(krate)),
            "properties": [{"name": "antiphon:target", "value": target}],
        },
        "components": rest.iter().map(|krate| component(krate)).collect::<Vec<_>>(),
        "dependencies": crates.iter().map(|krate| uses(krate, &crates)).collect::<Vec<_>>(),
    });
    Ok(format!("{document:#}\n"))
}

/// What the program is built from, with the license of each crate.
fn tree(root: &Path, target: &str) -> io::Result<BTreeMap<Id, String>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["tree", "--quiet", "--locked", "--package", PROGRAM, "--target", target]);
    cargo.args(["--edges", "normal,build", "--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"]);
    let out = cargo.output()?;
    if !out.status.success() {
        return Err(wrong(format!("cargo tree: {}", String::from_utf8_lossy(&out.stderr))));
    }
    let text = String::from_utf8(out.stdout).map_err(|error| wrong(error.to_string()))?;
    let line = |line: &str| {
        let (package, license) = line.split_once('|')?;
        let (name, rest) = package.split_once(" v")?;
        let version = rest.split(' ').next()?;
        Some(((name.to_owned(), version.to_owned()), license.to_owned()))
    };
    text.lines().map(|text| line(text).ok_or_else(|| wrong(format!("cargo tree: {text:?}")))).collect()
}

fn component(krate: &Locked, license: &str) -> Value {
    let kind = if krate.name == PROGRAM { "application" } else { "library" };
    let mut component = json!({
        "type": kind,
        "bom-ref": purl(krate),
        "name": krate.name,
        "version": krate.version.to_string(),
        "purl": purl(krate),
        "scope": "required",
    });
    if !license.is_empty() {
        // Old crates write a slash where SPDX has OR.
        component["licenses"] = json!([{"expression": license.replace('/', " OR ")}]);
    }
    if let Some(checksum) = &krate.checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

/// Which of the crates that are built a crate uses.
fn uses(krate: &Locked, crates: &[&Locked]) -> Value {
    // A use is a name, and behind it a version where there are several, and a source where there are several of those.
    let is = |wanted: &str, krate: &Locked| {
        let mut words = wanted.split(' ');
        words.next() == Some(&krate.name) && words.next().is_none_or(|version| krate.version.to_string() == version)
    };
    let used = crates.iter().filter(|other| krate.uses.iter().any(|wanted| is(wanted, other)));
    json!({"ref": purl(krate), "dependsOn": used.map(|krate| purl(krate)).collect::<BTreeSet<_>>()})
}

fn purl(krate: &Locked) -> String {
    format!("pkg:cargo/{}@{}", krate.name, krate.version.to_string().replace('+', "%2B"))
}

fn id(krate: &Locked) -> Id {
    (krate.name.clone(), krate.version.to_string())
}

fn wrong(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// The document as the release has it.
    fn made() -> Value {
        serde_json::from_str(&document(root(), TARGET).unwrap()).unwrap()
    }

    /// What cargo would build, found in another way: by walking from the program along what it resolved.
    fn resolved() -> BTreeSet<Id> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root()).args(["metadata", "--quiet", "--locked", "--format-version", "1"]);
        let out = cargo.args(["--filter-platform", TARGET]).output().unwrap();
        let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let names: BTreeMap<String, Id> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), (text(&package["name"]), text(&package["version"]))))
            .collect();
        let needed = |dependency: &Value| list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"] != "dev");
        let edges: BTreeMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
            .iter()
            .map(|node| {
                let uses = list(&node["deps"]).iter().filter(|one| needed(one)).map(|one| text(&one["pkg"])).collect();
                (text(&node["id"]), uses)
            })
            .collect();
        let first = names.iter().find(|(_, (name, _))| name == PROGRAM).unwrap().0.clone();
        let (mut found, mut open) = (BTreeSet::new(), vec![first]);
        while let Some(next) = open.pop() {
            if found.insert(names[&next].clone()) {
                open.extend(edges[&next].iter().cloned());
            }
        }
        found
    }

    #[test]
    fn every_crate_that_the_program_reaches_is_in_the_document() {
        let made = made();
        let one =
            |value: &Value| (value["name"].as_str().unwrap().to_owned(), value["version"].as_str().unwrap().to_owned());
        let mut listed: BTreeSet<Id> = made["components"].as_array().unwrap().iter().map(one).collect();
        listed.insert(one(&made["metadata"]["component"]));
        let missing: Vec<_> = resolved().difference(&listed).cloned().collect();
        // Features that only tests of the product ask for bring crates along that no release has.
        let tests_only: BTreeSet<String> = missing.iter().map(|(name, _)| name.clone()).collect();
        let beyond: Vec<_> = listed.difference(&resolved()).cloned().collect();
        assert!(beyond.is_empty(), "listed and never reached: {beyond:?}");
        assert!(tests_only.iter().all(|name| ONLY_FOR_TESTS.contains(&name.as_str())), "not listed: {missing:?}");
        for name in ["libsqlite3-sys", "libp2p-noise", "age", "rmcp", "aws-lc-sys", "zstd-sys"] {
            assert!(listed.iter().any(|(listed, _)| listed == name), "{name} is not listed");
        }
        for name in ["proptest", "snapbox", "antiphon-sim", "antiphon-fuzzed"] {
            assert!(listed.iter().all(|(listed, _)| listed != name), "{name} is only for tests");
        }
    }

    #[test]
    fn whatever_comes_from_elsewhere_has_a_checksum_and_a_license() {
        let made = made();
        for component in made["components"].as_array().unwrap() {
            let name = component["name"].as_str().unwrap();
            let license = component["licenses"][0]["expression"].as_str().unwrap_or_default();
            assert!(!license.is_empty(), "{name} has no license");
            let sum = component["hashes"][0]["content"].as_str().unwrap_or_default();
            assert!(name.starts_with(PROGRAM) || sum.len() == 64, "{name} has no checksum");
        }
    }

    #[test]
    fn who_uses_whom_is_closed_and_the_same_each_time() {
        let made = made();
        let list = made["dependencies"].as_array().unwrap();
        let refs: BTreeSet<&str> = list.iter().map(|one| one["ref"].as_str().unwrap()).collect();
        assert_eq!(refs.len(), list.len(), "a crate stands there twice");
        for used in list.iter().flat_map(|one| one["dependsOn"].as_array().unwrap()) {
            assert!(refs.contains(used.as_str().unwrap()), "{used} is used and not described");
        }
        assert_eq!(document(root(), TARGET).unwrap(), document(root(), TARGET).unwrap());
    }

    /// Crates that `cargo metadata` counts because features of all of the workspace are put together there.
    const ONLY_FOR_TESTS: [&str; 16] = [
        "aho-corasick",
        "allocator-api2",
        "base64ct",
        "bumpalo",
        "der",
        "gloo-timers",
        "iana-time-zone",
        "js-sys",
        "libp2p-metrics",
        "pkcs8",
        "send_wrapper",
        "spki",
        "wasm-bindgen",
        "wasm-bindgen-macro",
        "wasm-bindgen-macro-support",
        "wasm-bindgen-shared",
    ];
}
