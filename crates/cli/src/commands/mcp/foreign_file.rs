//! Reading and replacing a file that belongs to another program.
//!
//! That program may read it at any moment, so it is replaced as a whole or not at all; it may write it at any moment, so it
//! is looked at once more before. Links lead to where people keep such files, so they are followed. The file as it was
//! stays beside it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::outcome::{Code, Problem, file_problem};

/// Largest file that is edited, in bytes: 64 MiB.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Most links that are followed.
const LINKS_MAX: usize = 16;
/// What the name of the file as it was ends with.
const BACKUP: &str = ".before-antiphon";

/// A file of another program, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignFile {
    path: PathBuf,
    /// Nothing when there was no file.
    text: Option<String>,
}

impl ForeignFile {
    /// Reads the file that `path` leads to.
    ///
    /// # Errors
    /// A problem when it cannot be read as text.
    pub(super) fn read(path: &Path) -> Result<Self, Problem> {
        let path = followed(path)?;
        let text = read(&path)?;
        Ok(Self { path, text })
    }

    /// Where it is, behind all links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its text; empty when there is none.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Puts a new text in its place, and says where the old one is kept.
    ///
    /// # Errors
    /// A problem when it cannot be written, or was changed meanwhile; then it is as it was.
    pub(super) fn replace(&self, new: &str) -> Result<Option<PathBuf>, Problem> {
        let problem = |error: io::Error| file_problem("write", &self.path, &error);
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(problem)?;
        }
        let mode = match fs::metadata(&self.path) {
            Ok(data) => Some(data.permissions()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(problem(error)),
        };
        let backup = match (&self.text, &mode) {
            (Some(old), Some(mode)) => {
                let backup = with_suffix(&self.path, BACKUP);
                put(&backup, old, Some(mode), || Ok(())).map_err(|error| file_problem("write", &backup, &error))?;
                Some(backup)
            }
            _ => None,
        };
        // The last look is as close to the replacement as can be.
        let mut changed = false;
        let unchanged = || {
            changed = read(&self.path).map_or(true, |text| text != self.text);
            if changed { Err(io::Error::other("it was changed by another program")) } else { Ok(()) }
        };
        let done = put(&self.path, new, mode.as_ref(), unchanged);
        match done {
            Ok(()) => Ok(backup),
            Err(error) if changed => Err(Problem::new(Code::Busy, format!("{} was not written", self.path.display()))
                .why(error.to_string())
                .hint("close the client and try again")),
            Err(error) => Err(problem(error)),
        }
    }
}

/// The path behind all links; the last of them may lead to a file that is still to be made.
fn followed(path: &Path) -> Result<PathBuf, Problem> {
    let mut path = std::path::absolute(path).map_err(|error| file_problem("find", path, &error))?;
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().map_or_else(|| target.clone(), |parent| parent.join(&target)),
            // It is no link, or not there.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(file_problem("read", &path, &error)),
        }
    }
    let what = format!("{} leads from link to link", path.display());
    Err(Problem::new(Code::Invalid, what).hint("remove the links that lead in a circle"))
}

fn read(path: &Path) -> Result<Option<String>, Problem> {
    let problem = |error: io::Error| file_problem("read", path, &error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(problem)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let what = format!("{} has more than {} MiB", path.display(), FILE_BYTES_MAX >> 20);
        return Err(Problem::new(Code::TooLarge, what).hint("look whether it is the right file"));
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count();
        let what = format!("{}:{line}: this is not UTF-8", path.display());
        Problem::new(Code::Invalid, what).hint("save it as UTF-8; nothing was changed")
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Writes a file as a whole, if `still` says so when it is ready.
fn put(path: &Path, text: &str, mode: Option<&Permissions>, still: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let part = with_suffix(path, &format!(".{}.part", std::process::id()));
    let written = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if let Some(mode) = mode {
            options.mode(mode.mode());
        }
        let mut file = options.open(&part)?;
        if let Some(mode) = mode {
            // What the process leaves out of every mode is left out of this one otherwise.
            file.set_permissions(mode.clone())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        still()?;
        fs::rename(&part, path)
    };
    written().inspect_err(|_| {
        // The first error is the one to tell; what is left of the part is harmless.
        let _ = fs::remove_file(&part);
    })
}
