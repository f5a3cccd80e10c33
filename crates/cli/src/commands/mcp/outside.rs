//! The editing of other programs' files, for [`crate::outside`].

use serde_json::json;

use super::clients::Entry;
use super::json_file::{self, Standing};
use super::toml_file;

/// Where servers stand in such a file.
const SECTION: &str = "servers";
/// What this one is called there.
const NAME: &str = "antiphon";

/// How a program writes its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// JSON, with comments perhaps.
    Json,
    /// TOML.
    Toml,
}

fn entry() -> Entry {
    Entry { fields: vec![("command", json!("/bin/antiphon")), ("args", json!(["mcp"]))], mark: "command" }
}

/// Whether the file has the entry; `None` where it cannot be read.
#[must_use]
pub fn has_entry(text: &str, written: Written) -> Option<bool> {
    let standing = match written {
        Written::Json => json_file::standing(text, SECTION, NAME, &entry()),
        Written::Toml => toml_file::standing(text, SECTION, NAME, &entry()),
    };
    standing.ok().map(|standing| standing == Standing::Same)
}

/// The file with the entry `servers.antiphon`; `None` where it cannot be read.
#[must_use]
pub fn with_entry(text: &str, written: Written) -> Option<String> {
    match written {
        Written::Json => json_file::with(text, SECTION, NAME, &entry()).ok(),
        Written::Toml => toml_file::with(text, SECTION, NAME, &entry()).ok(),
    }
}

/// The file without the entry; `None` where it cannot be read.
#[must_use]
pub fn without_entry(text: &str, written: Written) -> Option<String> {
    match written {
        Written::Json => json_file::without(text, SECTION, NAME).ok(),
        Written::Toml => toml_file::without(text, SECTION, NAME).ok(),
    }
}
