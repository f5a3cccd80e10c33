//! Files under a directory, in the order of their names.
//!
//! Links to directories are not followed, so that a directory can neither lead out of itself nor in circles. Links to
//! files are followed where the rules say so, and only to files within. Hidden directories and `node_modules` belong to
//! tools and are skipped, unless the rules say otherwise. What is skipped is counted, what cannot be looked at is named.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use super::{Bad, Flaw, Place};
use crate::outcome::{Code, Problem, file_problem};

/// Most files of one import.
pub(crate) const FILES_MAX: usize = 100_000;
/// Deepest directory that is looked into.
pub(crate) const DEPTH_MAX: usize = 64;

/// What is looked for. Paths are those inside the directory that is imported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether a directory is looked into.
    pub(crate) enter: fn(&Path) -> bool,
    /// Whether a file is taken.
    pub(crate) take: fn(&Path) -> bool,
    /// Whether links to files within are followed.
    pub(crate) follow: bool,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Files, by their names inside the directory.
    pub(crate) files: Vec<PathBuf>,
    /// Links, hidden directories and directories of packages that were left out.
    pub(crate) skipped: u64,
    /// What could not be looked at.
    pub(crate) bad: Vec<Bad>,
}

/// Looks through `root`.
///
/// # Errors
/// A problem when it cannot be read, or there are more than [`FILES_MAX`] files.
pub(crate) fn files(root: &Path, rules: Rules) -> Result<Found, Problem> {
    let mut walk = Walk { root, rules, found: Found::default() };
    let entries = entries(root).map_err(|error| file_problem("read", root, &error))?;
    walk.directory(entries, DEPTH_MAX)?;
    Ok(walk.found)
}

/// Whether a directory belongs to a tool.
pub(crate) fn is_of_a_tool(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name == "node_modules"
}

/// Whether a file is Markdown by its name.
pub(crate) fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("md") || ext.eq_ignore_ascii_case("markdown"))
}

struct Walk<'a> {
    root: &'a Path,
    rules: Rules,
    found: Found,
}

impl Walk<'_> {
    fn directory(&mut self, entries: Vec<DirEntry>, depth: usize) -> Result<(), Problem> {
        for entry in entries {
            let path = entry.path();
            let inside = path.strip_prefix(self.root).unwrap_or(&path).to_owned();
            match entry.file_type() {
                Err(error) => self.bad(&inside, Flaw::Unreadable, error.to_string()),
                Ok(kind) if kind.is_symlink() => self.link(&path, inside)?,
                Ok(kind) if kind.is_dir() => self.enter(&path, &inside, depth)?,
                Ok(kind) if kind.is_file() && (self.rules.take)(&inside) => self.take(inside)?,
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn enter(&mut self, path: &Path, inside: &Path, depth: usize) -> Result<(), Problem> {
        if !(self.rules.enter)(inside) {
            self.found.skipped += 1;
            return Ok(());
        }
        if depth == 0 {
            self.bad(inside, Flaw::TooDeep, format!("it is more than {DEPTH_MAX} directories deep"));
            return Ok(());
        }
        match entries(path) {
            Ok(entries) => self.directory(entries, depth - 1),
            Err(error) => {
                self.bad(inside, Flaw::Unreadable, error.to_string());
                Ok(())
            }
        }
    }

    fn link(&mut self, path: &Path, inside: PathBuf) -> Result<(), Problem> {
        if !(self.rules.take)(&inside) {
            return Ok(());
        }
        if !self.rules.follow {
            self.found.skipped += 1;
            return Ok(());
        }
        match path.canonicalize() {
            Err(error) => self.bad(&inside, Flaw::Link, format!("the link leads nowhere: {error}")),
            Ok(target) if !target.starts_with(self.root) => {
                let why = format!("the link leads out, to {}", target.display());
                self.bad(&inside, Flaw::Outside, why);
            }
            Ok(target) if target.is_file() => self.take(inside)?,
            Ok(_) => self.found.skipped += 1,
        }
        Ok(())
    }

    fn take(&mut self, inside: PathBuf) -> Result<(), Problem> {
        if self.found.files.len() == FILES_MAX {
            let what = format!("there are more than {FILES_MAX} files");
            return Err(Problem::new(Code::TooLarge, what).hint("import the directories below it one by one"));
        }
        self.found.files.push(inside);
        Ok(())
    }

    fn bad(&mut self, inside: &Path, kind: Flaw, why: String) {
        self.found.bad.push(Place::file(inside.to_string_lossy()).bad(kind, why));
    }
}

fn entries(dir: &Path) -> std::io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn rules(follow: bool) -> Rules {
        Rules { enter: |dir| !is_of_a_tool(dir), take: is_markdown, follow }
    }

    #[test]
    fn a_directory_is_read_in_order_and_never_left() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b.md", "a/c.markdown", "a/x.txt", ".hidden/d.md", "node_modules/e.md"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        symlink("/", dir.path().join("root")).unwrap();
        symlink("b.md", dir.path().join("link.md")).unwrap();
        let found = files(dir.path(), rules(false)).unwrap();
        assert_eq!(found.files, [Path::new("a/c.markdown"), Path::new("b.md")]);
        assert_eq!((found.skipped, found.bad.len()), (3, 0), "two directories and one linked note");
    }

    #[test]
    fn links_are_followed_within_and_named_where_they_lead_out_or_in_circles() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("real.md"), "text").unwrap();
        fs::write(dir.path().join("outside.md"), "text").unwrap();
        symlink("real.md", root.join("a.md")).unwrap();
        symlink("../outside.md", root.join("b.md")).unwrap();
        symlink("d.md", root.join("c.md")).unwrap();
        symlink("c.md", root.join("d.md")).unwrap();
        symlink(".", root.join("e.md")).unwrap();
        let found = files(&root, rules(true)).unwrap();
        assert_eq!(found.files, [Path::new("a.md"), Path::new("real.md")]);
        let kinds: Vec<Flaw> = found.bad.iter().map(|bad| bad.kind).collect();
        assert_eq!(kinds, [Flaw::Outside, Flaw::Link, Flaw::Link]);
    }

    #[test]
    fn what_is_too_deep_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d/".repeat(DEPTH_MAX + 2));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("a.md"), "text").unwrap();
        let found = files(dir.path(), rules(false)).unwrap();
        assert!(found.files.is_empty());
        assert_eq!(found.bad.iter().map(|bad| bad.kind).collect::<Vec<_>>(), [Flaw::TooDeep]);
    }
}
