//! Files that only their owner may read, as the key file and the other secret files are.
//!
//! Reading looks before it trusts: the file is opened without following a link, and what is checked is the opened
//! file itself, so it cannot be swapped between check and use. Writing never replaces anything: the content is
//! written to a file beside it, made durable, and then given its name in one step that fails when the name is
//! taken. Of several processes that create the same file at once, exactly one wins.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::random;

/// Most bytes in a secret file.
pub const FILE_BYTES_MAX: usize = 4096;

/// The mode of a secret file: its owner may read and write it, nobody else anything.
pub const FILE_MODE: u32 = 0o600;

/// Why a secret file cannot be read or written. `what` says which kind of file it is, for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such file.
    #[error("{what} {path} does not exist")]
    NotFound {
        /// Kind of file.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// There is one already, and it is never overwritten.
    #[error("{what} {path} exists already, it is not overwritten")]
    Exists {
        /// Kind of file.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// Others than its owner may read, write or run it.
    #[error("{what} {path} can be read by others: its mode is {mode:04o}, it must be {FILE_MODE:04o}")]
    Mode {
        /// Kind of file.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else, who could change or read it at any time.
    #[error("{what} {path} belongs to user {owner}, not to user {user} who runs this")]
    Owner {
        /// Kind of file.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// User id that owns it.
        owner: u32,
        /// Effective user id of this process.
        user: u32,
    },
    /// It is a link, a directory, a device or the like.
    #[error("{what} {path} is {found}, it must be a regular file")]
    NotRegular {
        /// Kind of file.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// It is far larger than any secret.
    #[error("{what} {path} is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge {
        /// Kind of file.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("cannot {doing} {what} {path}: {source}")]
    Io {
        /// Kind of file.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is no randomness for the name of the temporary file.
    #[error(transparent)]
    Random(#[from] random::Error),
}

impl Error {
    /// Whether there simply is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the file could not be created because there is one already.
    pub fn is_exists(&self) -> bool {
        matches!(self, Self::Exists { .. })
    }

    /// The command that mends it, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mode { path, .. } => Some(format!("chmod 600 {}", shell_word(path))),
            _ => None,
        }
    }
}

/// A secret file: its place, and what to call it in an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrivateFile<'a> {
    pub(crate) what: &'static str,
    pub(crate) path: &'a Path,
}

impl PrivateFile<'_> {
    /// The content, after every check.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        // Without `NONBLOCK` opening a named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(self.path, flags, Mode::empty()).map_err(|errno| self.refused(errno))?;
        let mut file = File::from(file);
        let metadata = file.metadata().map_err(|source| self.io("read", source))?;
        self.check(&metadata)?;
        self.content(&mut file)
    }

    /// Writes a new file, durably, and never over an existing one.
    pub(crate) fn create(&self, content: &[u8]) -> Result<(), Error> {
        let directory = self.directory();
        let temporary = directory.join(self.temporary_name()?);
        let published = self.write(&temporary, content).and_then(|()| self.publish(&temporary));
        if published.is_err() {
            // The first error is the one to report; a file left behind is private and never read.
            let _ = fs::remove_file(&temporary);
        }
        published?;
        // The name is durable only once the directory is.
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| self.io("make durable", source))
    }

    fn refused(&self, errno: Errno) -> Error {
        match errno {
            Errno::NOENT => Error::NotFound { what: self.what, path: self.path.to_owned() },
            Errno::LOOP | Errno::MLINK => self.not_regular("a symbolic link"),
            Errno::NXIO => self.not_regular("a socket or a device"),
            other => self.io("open", other.into()),
        }
    }

    fn check(&self, metadata: &fs::Metadata) -> Result<(), Error> {
        if metadata.is_dir() {
            return Err(self.not_regular("a directory"));
        }
        if !metadata.is_file() {
            return Err(self.not_regular("a pipe or a device"));
        }
        self.check_owner(metadata.uid(), rustix::process::geteuid().as_raw())?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(Error::Mode { what: self.what, path: self.path.to_owned(), mode });
        }
        Ok(())
    }

    fn check_owner(&self, owner: u32, user: u32) -> Result<(), Error> {
        if owner == user {
            return Ok(());
        }
        Err(Error::Owner { what: self.what, path: self.path.to_owned(), owner, user })
    }

    /// Reads to the end into one buffer of fixed size, so that nothing secret is left in a smaller one.
    fn content(&self, file: &mut File) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut buffer = Zeroizing::new(vec![0; FILE_BYTES_MAX + 1]);
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.io("read", source)),
            }
        }
        if filled > FILE_BYTES_MAX {
            return Err(Error::TooLarge { what: self.what, path: self.path.to_owned() });
        }
        buffer.truncate(filled);
        Ok(buffer)
    }

    fn write(&self, temporary: &Path, content: &[u8]) -> Result<(), Error> {
        let write = || {
            let mut file = File::options().write(true).create_new(true).mode(FILE_MODE).open(temporary)?;
            // The umask may have taken bits away that the owner needs to read the file again.
            file.set_permissions(Permissions::from_mode(FILE_MODE))?;
            file.write_all(content)?;
            file.sync_all()
        };
        write().map_err(|source| self.io("write", source))
    }

    /// Gives the temporary file its name, unless that is taken.
    fn publish(&self, temporary: &Path) -> Result<(), Error> {
        match rename_new(temporary, self.path) {
            // Some file systems cannot rename without replacing.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => self.link(temporary),
            Err(Errno::EXIST) => Err(self.exists()),
            renamed => renamed.map_err(|errno| self.io("create", errno.into())),
        }
    }

    fn link(&self, temporary: &Path) -> Result<(), Error> {
        fs::hard_link(temporary, self.path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => self.exists(),
            _ => self.io("create", error),
        })?;
        fs::remove_file(temporary).map_err(|source| self.io("remove the temporary file of", source))
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// A hidden name beside the file that nobody else picks.
    fn temporary_name(&self) -> Result<String, Error> {
        Ok(format!(".new-{}", HEXLOWER.encode(&random::bytes::<12>()?)))
    }

    fn exists(&self) -> Error {
        Error::Exists { what: self.what, path: self.path.to_owned() }
    }

    fn not_regular(&self, found: &'static str) -> Error {
        Error::NotRegular { what: self.what, path: self.path.to_owned(), found }
    }

    fn io(&self, doing: &'static str, source: io::Error) -> Error {
        Error::Io { what: self.what, path: self.path.to_owned(), doing, source }
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_new(from: &Path, to: &Path) -> rustix::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_new(_: &Path, _: &Path) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// The path as one word for a POSIX shell, so that a hint can be pasted even where the path has spaces.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_user_is_refused() {
        let file = PrivateFile { what: "key file", path: Path::new("/home/alice/node.key") };
        file.check_owner(1000, 1000).unwrap();
        let error = file.check_owner(0, 1000).unwrap_err();
        assert_eq!(
            error.to_string(),
            "key file /home/alice/node.key belongs to user 0, not to user 1000 who runs this"
        );
    }

    #[test]
    fn where_renaming_cannot_keep_the_old_file_a_link_does() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("node.key");
        let file = PrivateFile { what: "key file", path: &path };
        let (first, second) = (home.path().join("first"), home.path().join("second"));
        file.write(&first, b"alice").unwrap();
        file.write(&second, b"eve").unwrap();
        file.link(&first).unwrap();
        assert!(file.link(&second).unwrap_err().is_exists());
        assert_eq!(file.read().unwrap().as_slice(), b"alice");
        assert!(!first.exists());
    }

    #[test]
    fn a_hint_survives_a_shell() {
        assert_eq!(shell_word(Path::new("/data/node.key")), "/data/node.key");
        assert_eq!(shell_word(Path::new("/bob's data/k")), r"'/bob'\''s data/k'");
    }
}
