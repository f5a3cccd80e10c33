//! What Cargo.lock says.

use std::fs;
use std::io;
use std::path::Path;

use semver::Version;
use toml::{Table, Value};

/// A crate in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: Version,
    /// Where it comes from; `None` for a crate of the product.
    pub(crate) source: Option<String>,
    /// SHA-256 of its package, in hex.
    pub(crate) checksum: Option<String>,
    /// The crates it may use on some machine or in some tests: a name, with a version where there are several.
    pub(crate) uses: Vec<String>,
}

/// Every crate in the lock file of the project at `root`.
///
/// # Errors
/// When there is none, or it cannot be understood.
pub(crate) fn read(root: &Path) -> io::Result<Vec<Locked>> {
    parse(&fs::read_to_string(root.join("Cargo.lock"))?)
}

/// Every crate in the text of a lock file.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when it is none.
pub(crate) fn parse(text: &str) -> io::Result<Vec<Locked>> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let lock: Table = text.parse().map_err(|error| wrong(format!("Cargo.lock: {error}")))?;
    let packages = lock.get("package").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    packages.iter().map(|package| one(package).ok_or_else(|| wrong(format!("Cargo.lock: {package:?}")))).collect()
}

fn one(package: &Value) -> Option<Locked> {
    let text = |key: &str| package.get(key).and_then(Value::as_str).map(str::to_owned);
    let uses = package.get("dependencies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Some(Locked {
        name: text("name")?,
        version: text("version")?.parse().ok()?,
        source: text("source"),
        checksum: text("checksum"),
        uses: uses.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
    })
}
