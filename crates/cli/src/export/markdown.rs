//! An export for people: a file of Markdown for each domain and module.
//!
//! Facts come in the order of their ids, not of their domains, so each is put behind the others of its own file, a few
//! megabytes at a time: memory grows with the number of domains, not with the number of facts.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use antiphon_server::dto::ExportedFactDto;
use antiphon_server::export::{Group, Groups, MARK, block, heading};

use super::part::{PartFile, beside};
use crate::outcome::{Code, Problem, file_problem};

/// Most bytes that wait to be written: 4 MiB.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Where the files go in the end.
enum Place {
    Stdout,
    File(PathBuf),
    Directory(PathBuf),
}

/// See the module. What is dropped before it is finished leaves nothing behind.
pub(crate) struct Spool {
    place: Place,
    /// Where the files are until then.
    dir: PathBuf,
    team: String,
    groups: Groups,
    waiting: BTreeMap<String, String>,
    waiting_bytes: usize,
}

impl Spool {
    /// Begins: into a file where the path ends in `.md`, else into a directory that is new or empty.
    ///
    /// # Errors
    /// A problem that names the path.
    pub(crate) fn begin(path: Option<&Path>) -> Result<Self, Problem> {
        let place = match path {
            None => Place::Stdout,
            Some(path) if path.extension().is_some_and(|ext| ext == "md") => Place::File(path.to_owned()),
            Some(path) => Place::Directory(path.to_owned()),
        };
        if let Place::Directory(path) = &place {
            check_free(path)?;
        }
        let dir = match &place {
            Place::Stdout => beside(&std::env::temp_dir().join("antiphon-export")),
            Place::File(path) | Place::Directory(path) => beside(path),
        };
        let made = DirBuilder::new().mode(0o700).create(&dir);
        made.map_err(|error| file_problem("write", path.unwrap_or(&dir), &error))?;
        let (groups, waiting) = (Groups::default(), BTreeMap::new());
        Ok(Self { place, dir, team: String::new(), groups, waiting, waiting_bytes: 0 })
    }

    /// Whose facts they are.
    pub(crate) fn team(&mut self, team: &str) {
        team.clone_into(&mut self.team);
    }

    /// Takes a fact.
    pub(crate) fn take(&mut self, exported: &ExportedFactDto) -> io::Result<()> {
        let fact = &exported.fact;
        let group = Group { domain: fact.domain.clone(), module: fact.module.clone() };
        let (name, new) = self.groups.name(&group);
        let text = block(exported).map_err(io::Error::other)?;
        let waiting = self.waiting.entry(name).or_default();
        let before = waiting.len();
        if new {
            waiting.push_str(&heading(&self.team, &group));
        }
        waiting.push_str(&text);
        self.waiting_bytes += waiting.len() - before;
        if self.waiting_bytes > WAITING_BYTES_MAX { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        for (name, text) in std::mem::take(&mut self.waiting) {
            let mut options = OpenOptions::new();
            let mut file = options.append(true).create(true).mode(0o600).open(self.dir.join(name))?;
            file.write_all(text.as_bytes())?;
        }
        self.waiting_bytes = 0;
        Ok(())
    }

    /// Puts the files where they belong; returns how many there are, and their bytes.
    pub(crate) fn finish(mut self) -> Result<(u64, u64), Problem> {
        let path = match &self.place {
            Place::Stdout => PathBuf::from("stdout"),
            Place::File(path) | Place::Directory(path) => path.clone(),
        };
        let problem = |error: io::Error| file_problem("write", &path, &error);
        self.write().map_err(problem)?;
        match &self.place {
            Place::Stdout => self.joined(&mut BufWriter::new(io::stdout())).map(|bytes| (0, bytes)).map_err(problem),
            Place::File(path) => {
                let mut part = PartFile::within(&self.dir, path)?;
                let bytes = self.joined(&mut part).map_err(problem)?;
                part.finish()?;
                Ok((1, bytes))
            }
            Place::Directory(path) => self.directory(path).map_err(problem),
        }
    }

    /// All files behind each other.
    fn joined(&self, out: &mut impl Write) -> io::Result<u64> {
        let mut bytes = MARK.len() as u64 + 1;
        writeln!(out, "{MARK}")?;
        for name in self.groups.names() {
            bytes += io::copy(&mut File::open(self.dir.join(name))?, out)?;
        }
        out.flush()?;
        Ok(bytes)
    }

    /// Every file with the mark at its beginning, in a directory that gets its name when it is complete.
    fn directory(&self, path: &Path) -> io::Result<(u64, u64)> {
        let whole = self.dir.join("whole");
        DirBuilder::new().mode(0o700).create(&whole)?;
        let (mut files, mut bytes) = (0, 0);
        for name in self.groups.names() {
            let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(whole.join(&name))?;
            let mut out = BufWriter::new(out);
            writeln!(out, "{MARK}")?;
            bytes += MARK.len() as u64 + 1 + io::copy(&mut File::open(self.dir.join(&name))?, &mut out)?;
            out.into_inner()?.sync_all()?;
            files += 1;
        }
        // An empty directory of that name gives way.
        fs::rename(&whole, path)?;
        Ok((files, bytes))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What is left of it nobody else can read.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// An export never mixes with what is there: what was forgotten since the last one would stay.
fn check_free(path: &Path) -> Result<(), Problem> {
    let taken = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(file_problem("write", path, &error)),
    };
    if taken {
        return Err(Problem::new(Code::Invalid, format!("the directory {} is not empty", path.display()))
            .why("an export would mix with what is there")
            .hint("name a new directory, or one file that ends in .md"));
    }
    Ok(())
}
