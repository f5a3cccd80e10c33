//! What Claude Code keeps: `CLAUDE.md` in a project and below it, `.claude/CLAUDE.md`, the rules beside it, what they
//! take in with `@path`, and the notes that it writes by itself.
//!
//! Some of these are for one person alone: `CLAUDE.local.md`, everything under the person's own `~/.claude`, and the
//! notes. Their facts stay on the node unless the person says otherwise. A path that leads out of what is imported is
//! named and not followed: a project from a stranger could take in any file of this machine.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Component, Path, PathBuf};

use antiphon_server::import::{self, Note};

use super::notes::{chosen, facts, module_of, of_file, within};
use super::walk::{Rules, is_markdown, is_of_a_tool};
use super::{Flaw, Item, Items, Place, root_of};
use crate::outcome::Problem;

/// The directory of Claude Code, in a project and in a home.
const DIRECTORY: &str = ".claude";
/// The first of the notes that it writes by itself.
const MEMORY: &str = "MEMORY.md";
/// Where these notes are, for one project.
const MEMORY_DIRECTORY: &str = "memory";
/// How many files may stand between a file and one that it takes in by others; Claude Code follows as many.
const HOPS_MAX: usize = 5;
/// Endings of files whose text is for people.
const TEXTS: [&str; 4] = ["md", "markdown", "mdc", "txt"];

/// Whose facts are kept here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those that are for one person stay here.
    AsMeant,
    /// All stay here.
    Private,
    /// None does for its place.
    Shared,
}

/// Reads a file, or what Claude Code would find in and below a directory.
///
/// # Errors
/// A problem when it cannot be read; files below that cannot be are part of the result.
pub(crate) fn from_claude(path: &Path, reach: Reach) -> Result<Items, Problem> {
    let (root, file) = root_of(path)?;
    let notes = file.is_none() && root.join(MEMORY).is_file();
    let inner = root.file_name().is_some_and(|name| name == DIRECTORY);
    let rules = match (notes, inner) {
        (true, _) => Rules { enter: |dir| !is_of_a_tool(dir), take: is_markdown, follow: true },
        (_, true) => {
            Rules { enter: |dir| enters(&in_directory(dir)), take: |file| takes(&in_directory(file)), follow: true }
        }
        (..) => Rules { enter: enters, take: takes, follow: true },
    };
    let (files, before) = chosen(&root, file, rules)?;
    let personal = notes || own_directory().is_some_and(|own| root.starts_with(own));
    let mut todo: Vec<Todo> =
        files.into_iter().map(|inside| Todo { private: personal || is_personal(&inside), hops: 0, inside }).collect();
    // What everybody may have comes first: a file that both take in is not for one person alone.
    todo.sort_by_key(|todo| todo.private);
    let reading = Reading { root, notes, reach, todo: todo.into(), seen: BTreeSet::new() };
    Ok(Box::new(before.into_iter().chain(reading.flatten())))
}

/// A file to be read.
struct Todo {
    inside: PathBuf,
    private: bool,
    hops: usize,
}

struct Reading {
    root: PathBuf,
    notes: bool,
    reach: Reach,
    todo: VecDeque<Todo>,
    /// Files that were read or will be, by their real places.
    seen: BTreeSet<PathBuf>,
}

impl Iterator for Reading {
    type Item = Vec<Item>;

    fn next(&mut self) -> Option<Vec<Item>> {
        let todo = self.todo.pop_front()?;
        let path = self.root.join(&todo.inside);
        let name = self.name(&todo.inside);
        let first = path.canonicalize().is_ok_and(|real| self.seen.insert(real)) || !path.exists();
        if !first {
            return Some(Vec::new());
        }
        let private = match self.reach {
            Reach::AsMeant => todo.private,
            Reach::Private => true,
            Reach::Shared => false,
        };
        let module = if self.notes { None } else { module_beside(&todo.inside) };
        Some(of_file(&path, &name, |text, modified| {
            let note = Note { kind: "claude", path: &name, module, private, modified };
            let mut items = facts(&name, import::note(&note, &text));
            items.extend(
                import::claude_imports(&text).into_iter().filter_map(|import| self.import(&todo, &name, import)),
            );
            items
        }))
    }
}

impl Reading {
    fn name(&self, inside: &Path) -> String {
        // The notes of every project are in a directory of the same name.
        let project = self.root.parent().filter(|_| self.root.file_name().is_some_and(|name| name == MEMORY_DIRECTORY));
        match project {
            Some(project) => within(project, &Path::new(MEMORY_DIRECTORY).join(inside)),
            None => within(&self.root, inside),
        }
    }

    /// Looks after one `@path` of a file.
    fn import(&mut self, from: &Todo, name: &str, import: &str) -> Option<Item> {
        let directory = self.root.join(from.inside.parent().unwrap_or(Path::new("")));
        let path = match import.strip_prefix("~/") {
            Some(rest) => PathBuf::from(std::env::var_os("HOME")?).join(rest),
            None => directory.join(import),
        };
        // What is no file is no import but a name.
        let real = path.canonicalize().ok().filter(|real| real.is_file())?;
        let bad = |kind, why| Some(Item::Bad(Place::file(name).bad(kind, why)));
        let Ok(inside) = real.strip_prefix(&self.root) else {
            let why = format!("@{import} leads out of what is imported; if it belongs to it, import it by itself");
            return bad(Flaw::Outside, why);
        };
        if self.seen.contains(&real) {
            return None;
        }
        if !is_text(&real) {
            return Some(Item::Skipped(1));
        }
        if from.hops == HOPS_MAX {
            return bad(Flaw::TooDeep, format!("@{import} is more than {HOPS_MAX} files away"));
        }
        let private = from.private || is_personal(inside);
        self.todo.push_back(Todo { inside: inside.to_owned(), private, hops: from.hops + 1 });
        None
    }
}

/// Where Claude Code keeps what belongs to this person.
fn own_directory() -> Option<PathBuf> {
    PathBuf::from(std::env::var_os("HOME")?).join(DIRECTORY).canonicalize().ok()
}

fn in_directory(inside: &Path) -> PathBuf {
    Path::new(DIRECTORY).join(inside)
}

/// What stands behind the last `.claude` of a path; `None` where there is none.
fn behind(path: &Path) -> Option<Vec<String>> {
    let parts: Vec<String> = path
        .components()
        .filter_map(
            |part| if let Component::Normal(part) = part { Some(part.to_string_lossy().into_owned()) } else { None },
        )
        .collect();
    let at = parts.iter().rposition(|part| part == DIRECTORY)?;
    Some(parts[at + 1..].to_vec())
}

fn enters(dir: &Path) -> bool {
    let Some(rest) = behind(dir) else { return !is_of_a_tool(dir) };
    match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["projects"] | ["projects", _] => true,
        ["rules", ..] => !is_of_a_tool(dir),
        ["projects", _, below, ..] => *below == MEMORY_DIRECTORY,
        _ => false,
    }
}

fn takes(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    let own = name == "CLAUDE.md" || name == "CLAUDE.local.md";
    match behind(file).as_deref() {
        None | Some([_]) => own,
        Some(_) => is_markdown(file),
    }
}

/// Whether a file is for one person alone.
fn is_personal(inside: &Path) -> bool {
    let name = inside.file_name().unwrap_or_default().to_string_lossy();
    let notes = inside.components().any(|part| part.as_os_str() == "projects")
        && inside.components().any(|part| part.as_os_str() == MEMORY_DIRECTORY);
    name.ends_with(".local.md") || (notes && (behind(inside).is_some() || inside.starts_with("projects")))
}

fn is_text(path: &Path) -> bool {
    path.extension().is_none_or(|ext| TEXTS.iter().any(|text| ext.eq_ignore_ascii_case(text)))
}

/// The directory that a file speaks about: that beside `.claude`, where it is in one.
fn module_beside(inside: &Path) -> Option<String> {
    let beside: PathBuf = inside.components().take_while(|part| part.as_os_str() != DIRECTORY).collect();
    if beside == inside { module_of(inside) } else { module_of(&beside.join("CLAUDE.md")) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Project(tempfile::TempDir);

    impl Project {
        fn new(files: &[(&str, &str)]) -> Self {
            let project = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                let path = project.root().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            project
        }

        fn root(&self) -> PathBuf {
            self.0.path().canonicalize().unwrap().join("choir")
        }

        /// Contents and whether they are private, in their order; and what is bad.
        fn read(&self, path: &str, reach: Reach) -> (Vec<(String, bool)>, Vec<Flaw>) {
            let (mut facts, mut bad) = (Vec::new(), Vec::new());
            for item in from_claude(&self.root().join(path), reach).unwrap() {
                match item {
                    Item::Fact(entry) => facts.push((entry.fact.content, entry.fact.private)),
                    Item::Bad(one) => bad.push(one.kind),
                    Item::Skipped(_) | Item::Escaped(_) | Item::Expected(_) => {}
                }
            }
            (facts, bad)
        }
    }

    fn texts(facts: &[(String, bool)]) -> Vec<&str> {
        facts.iter().map(|(text, _)| text.as_str()).collect()
    }

    #[test]
    fn a_project_is_read_with_what_it_takes_in() {
        let project = Project::new(&[
            ("CLAUDE.md", "root says @docs/a.md and @missing.md and @bob\n"),
            ("docs/a.md", "a says @b.md @../CLAUDE.md @data.json\n"),
            ("docs/b.md", "b\n"),
            ("docs/data.json", "{}"),
            ("docs/unread.md", "not taken in\n"),
            ("crates/core/CLAUDE.md", "core\n"),
            (".claude/CLAUDE.md", "inner\n"),
            (".claude/rules/go.md", "rule\n"),
            (".claude/commands/run.md", "a command\n"),
            ("CLAUDE.local.md", "mine\n"),
            ("node_modules/x/CLAUDE.md", "vendored\n"),
        ]);
        let (facts, bad) = project.read("", Reach::AsMeant);
        let want = ["inner", "rule", "root says @docs/a.md and @missing.md and @bob", "core", "mine"];
        let found = texts(&facts);
        assert_eq!(found[..5], want, "{found:#?}");
        assert_eq!(found[5..], ["a says @b.md @../CLAUDE.md @data.json", "b"], "{found:#?}");
        assert!(facts.iter().all(|(text, private)| *private == (text == "mine")));
        assert_eq!(bad, []);
        assert!(project.read("", Reach::Shared).0.iter().all(|(_, private)| !private));
        assert!(project.read("", Reach::Private).0.iter().all(|(_, private)| *private));
    }

    #[test]
    fn the_notes_of_claude_code_stay_private() {
        let notes =
            [("projects/-srv-choir/memory/MEMORY.md", "index\n"), ("projects/-srv-choir/memory/topic.md", "t\n")];
        let project = Project::new(&notes);
        let (facts, bad) = project.read("projects/-srv-choir/memory", Reach::AsMeant);
        assert_eq!((facts, bad), (vec![("index".to_owned(), true), ("t".to_owned(), true)], vec![]));
        let home = Project::new(&[
            (".claude/CLAUDE.md", "own\n"),
            (".claude/projects/-p/memory/MEMORY.md", "index\n"),
            (".claude/projects/-p/chat/CLAUDE.md", "elsewhere\n"),
            (".claude/plugins/x/CLAUDE.md", "plugin\n"),
        ]);
        let (facts, _) = home.read(".claude", Reach::AsMeant);
        assert_eq!(facts, [("own".to_owned(), false), ("index".to_owned(), true)]);
    }

    #[test]
    fn eve_cannot_take_in_files_from_elsewhere_or_run_in_circles() {
        let deep: Vec<(String, String)> =
            (0..8).map(|n| (format!("d{n}.md"), format!("d{n} @d{}.md\n", n + 1))).collect();
        let mut files: Vec<(&str, &str)> = deep.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.push(("CLAUDE.md", "@/etc/passwd @../secret.md @link.md @loop.md @d0.md\n"));
        files.push(("../secret.md", "a secret\n"));
        let project = Project::new(&files);
        symlink("../secret.md", project.root().join("link.md")).unwrap();
        symlink("loop.md", project.root().join("loop.md")).unwrap();
        let (facts, bad) = project.read("", Reach::AsMeant);
        assert_eq!(bad, [Flaw::Outside, Flaw::Outside, Flaw::Outside, Flaw::TooDeep]);
        assert!(texts(&facts).iter().all(|text| !text.contains("secret\n") && !text.starts_with("a secret")));
        assert_eq!(facts.len(), 6, "the file itself and five hops: {facts:#?}");
    }

    #[test]
    fn a_link_to_another_file_of_the_project_is_read_once() {
        let project = Project::new(&[("AGENTS.md", "for all agents\n")]);
        symlink("AGENTS.md", project.root().join("CLAUDE.md")).unwrap();
        symlink("../AGENTS.md", project.root().join("x.md")).unwrap();
        assert_eq!(texts(&project.read("", Reach::AsMeant).0), ["for all agents"]);
        assert_eq!(texts(&project.read("CLAUDE.md", Reach::AsMeant).0), ["for all agents"]);
    }
}
