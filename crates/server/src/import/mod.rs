//! Other programs' files, read as facts. Nothing here touches a disk: text goes in, facts come out.
//!
//! People import a file again when it has grown, or because they are not sure whether they did. So every fact has an
//! id that follows from what it says and where it stands, and the node writes an id only once.

mod basic_memory;
mod claude;
mod front;
mod json_lines;
mod markdown;
mod memory_server;
mod sections;

pub use basic_memory::basic_memory;
pub use claude::claude_imports;
pub use json_lines::{JsonLine, json_line};
pub use markdown::{Note, markdown, note};
pub use memory_server::{BadLine, Parsed, memory_server};

use antiphon_core::fact::{CONTENT_BYTES_MAX, escape};
use antiphon_core::ids::FactId;

pub(crate) use json_lines::ready as imported;

use crate::dto::NewFactDto;
use crate::text::{cut, split};

/// Longest tag that is made of a name, in bytes.
const TAG_BYTES_MAX: usize = 64;
/// Room for the marks that follow escaping and numbering a part, in bytes.
const MARK_BYTES: usize = 32;

/// The id of an imported fact: when something is imported must not decide what it is.
fn id_of(namespace: &str, key: &str) -> String {
    FactId::of_source(namespace, key).to_string()
}

/// A name as a tag: on one line, visible and short. `None` when nothing is left.
pub(crate) fn tag_of(name: &str) -> Option<String> {
    let mut tag = escape(&name.split_whitespace().collect::<Vec<_>>().join(" "));
    cut(&mut tag, TAG_BYTES_MAX);
    (!tag.trim().is_empty()).then_some(tag)
}

/// One fact, or several where the text is longer than one may be.
fn facts_of(namespace: &str, key: &str, text: &str, fact: &NewFactDto) -> Vec<NewFactDto> {
    let text = escape(text);
    let parts = split(&text, CONTENT_BYTES_MAX - MARK_BYTES);
    let count = parts.len();
    let part = |(at, part): (usize, &str)| NewFactDto {
        id: Some(if count == 1 { id_of(namespace, key) } else { id_of(namespace, &format!("{key}\0{at}")) }),
        content: if count == 1 { part.to_owned() } else { format!("[{}/{count}] {part}", at + 1) },
        ..fact.clone()
    };
    parts.into_iter().enumerate().map(part).filter(|fact| !fact.content.trim().is_empty()).collect()
}
