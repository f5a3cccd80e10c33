//! Versions of other people's crates that are known to be at fault, and where crates may come from.
//!
//! `cargo deny` looks the same things up in the same file, `deny.toml`. It is a program of its own that has to be there;
//! this check is not, so it runs with every run of the tests. The list is kept by hand: RustSec and GitHub publish more
//! of them than are in it, and whoever updates Cargo.lock looks there.

use std::fs;
use std::io;
use std::path::Path;

use semver::VersionReq;
use toml::{Table, Value};

use crate::lock::{self, Locked};

/// Crates that must not be in the product, and why.
#[derive(Debug)]
struct Denied {
    name: String,
    versions: VersionReq,
    reason: String,
}

/// What in Cargo.lock is not allowed, in words.
///
/// # Errors
/// When the lock file or the list cannot be read.
pub(crate) fn check(root: &Path) -> io::Result<Vec<String>> {
    let rules = fs::read_to_string(root.join("deny.toml"))?;
    let (denied, sources) = (denied(&rules)?, sources(&rules)?);
    Ok(faults(&lock::read(root)?, &denied, &sources))
}

fn faults(crates: &[Locked], denied: &[Denied], sources: &[String]) -> Vec<String> {
    let of = |krate: &Locked| {
        let Locked { name, version, .. } = krate;
        let mut faults: Vec<String> = denied
            .iter()
            .filter(|denied| denied.name == *name && matches(&denied.versions, krate))
            .map(|denied| format!("{name} {version}: {}", denied.reason))
            .collect();
        if let Some(source) = &krate.source {
            if !sources.iter().any(|allowed| *source == format!("registry+{allowed}")) {
                faults.push(format!("{name} {version} comes from {source}"));
            }
            if krate.checksum.is_none() {
                faults.push(format!("{name} {version} has no checksum"));
            }
        }
        faults
    };
    crates.iter().flat_map(of).collect()
}

/// A version before a release counts as that release: a fault is rarely mended in between.
fn matches(versions: &VersionReq, krate: &Locked) -> bool {
    let mut version = krate.version.clone();
    version.pre = semver::Prerelease::EMPTY;
    versions.matches(&version)
}

fn denied(rules: &str) -> io::Result<Vec<Denied>> {
    let rules = table(rules)?;
    let list = rules.get("bans").and_then(|bans| bans.get("deny")).and_then(Value::as_array);
    let entry = |entry: &Value| {
        let (name, reason) = (entry.get("crate")?.as_str()?, entry.get("reason")?.as_str()?.to_owned());
        let (name, versions) = name.split_once('@').unwrap_or((name, "*"));
        Some(Denied { name: name.to_owned(), versions: versions.parse().ok()?, reason })
    };
    let entries = list.into_iter().flatten();
    entries
        .map(|one| entry(one).ok_or_else(|| wrong(format!("deny.toml: {one:?} names no crate and reason"))))
        .collect()
}

fn sources(rules: &str) -> io::Result<Vec<String>> {
    let rules = table(rules)?;
    let list = rules.get("sources").and_then(|sources| sources.get("allow-registry")).and_then(Value::as_array);
    let list = list.ok_or_else(|| wrong("deny.toml allows no registry".to_owned()))?;
    Ok(list.iter().filter_map(|source| source.as_str().map(str::to_owned)).collect())
}

fn table(text: &str) -> io::Result<Table> {
    text.parse().map_err(|error| wrong(format!("deny.toml: {error}")))
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

    fn rules() -> String {
        fs::read_to_string(root().join("deny.toml")).unwrap()
    }

    #[test]
    fn no_crate_of_the_product_is_known_to_be_at_fault() {
        let faults = check(root()).unwrap();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }

    #[test]
    fn every_entry_says_why() {
        for Denied { name, reason, .. } in denied(&rules()).unwrap() {
            let known = ["RUSTSEC-", "GHSA-", "here"].iter().any(|word| reason.contains(word));
            assert!(known, "{name}: {reason:?} names no advisory");
        }
    }

    #[test]
    fn a_version_that_is_at_fault_is_found() {
        let check_one = |name: &str, version: &str, source: &str, faults_wanted: usize| {
            let text = format!(
                "[[package]]\nname = {name:?}\nversion = {version:?}\nsource = {source:?}\nchecksum = \"00\"\n"
            );
            let faults = faults(&lock::parse(&text).unwrap(), &denied(&rules()).unwrap(), &sources(&rules()).unwrap());
            assert_eq!(faults.len(), faults_wanted, "{name} {version} from {source}: {faults:?}");
        };
        let here = "registry+https://github.com/rust-lang/crates.io-index";
        check_one("quinn-proto", "0.11.14", here, 1);
        check_one("quinn-proto", "0.11.15", here, 0);
        check_one("yamux", "0.12.1", here, 1);
        check_one("yamux", "0.13.10", here, 0);
        check_one("hickory-proto", "0.25.2", here, 1);
        check_one("hickory-proto", "0.26.0-beta.1", here, 1);
        check_one("hickory-proto", "0.26.1", here, 0);
        check_one("h2", "0.4.15", here, 1);
        check_one("h2", "0.4.16", here, 0);
        check_one("rand", "0.9.2", here, 1);
        check_one("rand", "0.8.6", here, 0);
        check_one("openssl-sys", "1.0.0", here, 1);
        check_one("serde", "1.0.0", "git+https://example.org/serde", 1);
    }
}
