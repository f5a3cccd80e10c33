//! A file that is being written, under a name of its own beside the one it will have. It is complete under its name, or
//! not there, and nobody but its owner can read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::outcome::{Problem, file_problem};

/// See the module. What is dropped before it is finished leaves nothing behind.
#[derive(Debug)]
pub(crate) struct PartFile {
    file: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
    finished: bool,
}

/// A name beside `path` that nobody else uses.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

impl PartFile {
    /// Begins the file `path`.
    ///
    /// # Errors
    /// A problem that names it.
    pub(crate) fn create(path: &Path) -> Result<Self, Problem> {
        Self::at(beside(path), path)
    }

    /// The same, in a directory beside it that is the caller's.
    ///
    /// # Errors
    /// A problem that names it.
    pub(crate) fn within(dir: &Path, path: &Path) -> Result<Self, Problem> {
        Self::at(dir.join("whole"), path)
    }

    fn at(part: PathBuf, path: &Path) -> Result<Self, Problem> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        let file = BufWriter::new(file.map_err(|error| file_problem("write", path, &error))?);
        Ok(Self { file, part, path: path.to_owned(), finished: false })
    }

    /// Puts the complete file under its name.
    ///
    /// # Errors
    /// A problem that names it; then nothing is left.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        let mut put = || {
            self.file.flush()?;
            self.file.get_ref().sync_all()?;
            fs::rename(&self.part, &self.path)
        };
        put().map_err(|error| file_problem("write", &self.path, &error))?;
        self.finished = true;
        Ok(())
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.finished {
            // What it is thrown away for is told; what is left of it nobody else can read.
            let _ = fs::remove_file(&self.part);
        }
    }
}
