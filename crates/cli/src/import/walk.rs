//! Markdown files under a directory, in the order of their names.
//!
//! Links are not followed, so that a directory can neither lead out of itself nor in circles; hidden directories and
//! `node_modules` belong to tools and are skipped. What is skipped is counted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::{Code, Problem, file_problem};

/// Most files of one import.
pub(crate) const FILES_MAX: usize = 100_000;
/// Deepest directory that is looked into.
pub(crate) const DEPTH_MAX: usize = 64;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Markdown files.
    pub(crate) files: Vec<PathBuf>,
    /// Links, hidden directories and directories of packages that were left out.
    pub(crate) skipped: u64,
}

/// Looks through `dir`.
///
/// # Errors
/// A problem when a directory cannot be read, or there are more than [`FILES_MAX`] files.
pub(crate) fn markdown_files(dir: &Path) -> Result<Found, Problem> {
    let mut found = Found::default();
    walk(dir, DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn walk(dir: &Path, depth: usize, found: &mut Found) -> Result<(), Problem> {
    let problem = |error: std::io::Error| file_problem("read", dir, &error);
    let mut entries = fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(problem)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (kind, path) = (entry.file_type().map_err(problem)?, entry.path());
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_symlink() {
            found.skipped += u64::from(is_markdown(&path));
        } else if kind.is_dir() {
            if depth == 0 || name.starts_with('.') || name == "node_modules" {
                found.skipped += 1;
            } else {
                walk(&path, depth - 1, found)?;
            }
        } else if kind.is_file() && is_markdown(&path) {
            if found.files.len() == FILES_MAX {
                let what = format!("there are more than {FILES_MAX} files");
                return Err(Problem::new(Code::TooLarge, what).hint("import the directories below it one by one"));
            }
            found.files.push(path);
        }
    }
    Ok(())
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("md") || ext.eq_ignore_ascii_case("markdown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_read_in_order_and_never_left() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["b.md", "a/c.markdown", "a/x.txt", ".hidden/d.md", "node_modules/e.md"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        std::os::unix::fs::symlink("/", dir.path().join("root")).unwrap();
        std::os::unix::fs::symlink("b.md", dir.path().join("link.md")).unwrap();
        let found = markdown_files(dir.path()).unwrap();
        assert_eq!(found.files, [dir.path().join("a/c.markdown"), dir.path().join("b.md")]);
        assert_eq!(found.skipped, 3, "two directories and one linked note");
    }
}
