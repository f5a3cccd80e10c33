//! The directory of Basic Memory.

use std::path::Path;

use antiphon_server::import::{self, Note};

use super::Items;
use super::notes::{each_note, facts};
use crate::outcome::Problem;

/// Reads a note, or those below a directory.
///
/// # Errors
/// A problem when it cannot be read; files below that cannot be are part of the result.
pub(crate) fn from_basic_memory(path: &Path, private: bool) -> Result<Items, Problem> {
    each_note(path, move |name, text, modified| {
        let note = Note { kind: "basic-memory", path: name, module: None, private, modified };
        facts(name, import::basic_memory(&note, &text))
    })
}
