//! Directories of Markdown: notes as they are, what an export wrote for people, and `AGENTS.md` files.

use std::path::{Path, PathBuf};

use antiphon_core::time::UnixMillis;
use antiphon_server::export::{self, Found};
use antiphon_server::import::{self, Note};

use super::walk::{Rules, files, is_markdown, is_of_a_tool};
use super::{Item, Items, Place, read_note, root_of};
use crate::outcome::Problem;

/// Names of files with instructions for agents.
const AGENTS: [&str; 3] = ["AGENTS.md", "AGENTS.override.md", "AGENT.md"];

/// Reads a Markdown file, or those below a directory.
///
/// # Errors
/// A problem when it cannot be read; files below that cannot be are part of the result.
pub(crate) fn from_markdown(path: &Path, private: bool) -> Result<Items, Problem> {
    each_note(path, move |name, text, modified| {
        if export::is_export(&text) {
            return exported(name, &text);
        }
        let note = Note { kind: "markdown", path: name, module: None, private, modified };
        facts(name, import::note(&note, &text))
    })
}

/// Reads a Markdown file, or those below a directory that belong to no tool. `read` is given the name and the text of each.
pub(super) fn each_note(
    path: &Path,
    read: impl Fn(&str, String, UnixMillis) -> Vec<Item> + 'static,
) -> Result<Items, Problem> {
    let (root, file) = root_of(path)?;
    let rules = Rules { enter: |dir| !is_of_a_tool(dir), take: is_markdown, follow: false };
    let (files, before) = chosen(&root, file, rules)?;
    let each = files.into_iter().flat_map(move |inside| {
        let name = inside.to_string_lossy().into_owned();
        of_file(&root.join(&inside), &name, |text, modified| read(&name, text, modified))
    });
    Ok(Box::new(before.into_iter().chain(each)))
}

/// Reads an `AGENTS.md`, or all below a directory. What stands in a directory belongs to the module of that name.
///
/// # Errors
/// As [`from_markdown`].
pub(crate) fn from_agents_md(path: &Path, private: bool) -> Result<Items, Problem> {
    let (root, file) = root_of(path)?;
    let rules = Rules { enter: |dir| !is_of_a_tool(dir), take: is_agents_md, follow: true };
    let (files, before) = chosen(&root, file, rules)?;
    let each = files.into_iter().flat_map(move |inside| {
        let name = within(&root, &inside);
        of_file(&root.join(&inside), &name, |text, modified| {
            let note = Note { kind: "agents-md", path: &name, module: module_of(&inside), private, modified };
            facts(&name, import::note(&note, &text))
        })
    });
    Ok(Box::new(before.into_iter().chain(each)))
}

fn is_agents_md(path: &Path) -> bool {
    path.file_name().is_some_and(|name| AGENTS.iter().any(|agents| name == *agents))
}

/// The files to read, and what is to be said of the others.
pub(super) fn chosen(root: &Path, file: Option<PathBuf>, rules: Rules) -> Result<(Vec<PathBuf>, Vec<Item>), Problem> {
    if let Some(file) = file {
        let inside = file.strip_prefix(root).unwrap_or(&file).to_owned();
        return Ok((vec![inside], Vec::new()));
    }
    let found = files(root, rules)?;
    let bad = found.bad.into_iter().map(Item::Bad);
    Ok((found.files, std::iter::once(Item::Skipped(found.skipped)).chain(bad).collect()))
}

/// What one file holds, or why it is not read.
pub(super) fn of_file(path: &Path, name: &str, read: impl FnOnce(String, UnixMillis) -> Vec<Item>) -> Vec<Item> {
    match read_note(path) {
        Ok((text, modified)) => read(text, modified),
        Err((kind, why)) => vec![Item::Bad(Place::file(name).bad(kind, why))],
    }
}

/// Facts of a file.
pub(super) fn facts(name: &str, facts: Vec<antiphon_server::dto::NewFactDto>) -> Vec<Item> {
    facts.into_iter().map(|fact| Item::fact(Place::file(name), fact)).collect()
}

/// A file as people know it: under the name of the directory that is imported. Two projects have a file of the same name.
pub(super) fn within(root: &Path, inside: &Path) -> String {
    match root.file_name() {
        Some(project) => Path::new(project).join(inside).to_string_lossy().into_owned(),
        None => inside.to_string_lossy().into_owned(),
    }
}

/// The directory of a file, as a module.
pub(super) fn module_of(inside: &Path) -> Option<String> {
    let directory = inside.parent()?.to_string_lossy().into_owned();
    (!directory.is_empty()).then_some(directory)
}

fn exported(name: &str, text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    for found in export::blocks_of(text) {
        let place = |line: usize| Place { file: Some(name.to_owned()), ..Place::line(line) };
        match found {
            Found::Fact { line, fact, escaped } => {
                items.extend(escaped.then_some(Item::Escaped(1)));
                items.push(Item::fact(place(line), *fact));
            }
            Found::Bad { line, why } => items.push(Item::Bad(place(line).bad(super::Flaw::Malformed, why))),
        }
    }
    items
}
