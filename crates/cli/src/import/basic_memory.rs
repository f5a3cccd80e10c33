//! The directory of Basic Memory.

use std::path::Path;

use antiphon_server::import::{self, Note};

use super::notes::{chosen, facts, of_file};
use super::walk::{Rules, is_markdown, is_of_a_tool};
use super::{Items, root_of};
use crate::outcome::Problem;

/// Reads a note, or those below a directory.
///
/// # Errors
/// A problem when it cannot be read; files below that cannot be are part of the result.
pub(crate) fn from_basic_memory(path: &Path, private: bool) -> Result<Items, Problem> {
    let (root, file) = root_of(path)?;
    let rules = Rules { enter: |dir| !is_of_a_tool(dir), take: is_markdown, follow: false };
    let (files, before) = chosen(&root, file, rules)?;
    let each = files.into_iter().flat_map(move |inside| {
        let name = inside.to_string_lossy().into_owned();
        of_file(&root.join(&inside), &name, |text, modified| {
            let note = Note { kind: "basic-memory", path: &name, module: None, private, modified };
            facts(&name, import::basic_memory(&note, &text))
        })
    });
    Ok(Box::new(before.into_iter().chain(each)))
}
